from __future__ import annotations

import pytest

from stackgan_cli.evaluation.results import Measurement
from stackgan_cli.evaluation.tables import shown


@pytest.mark.parametrize(
    ("value", "deviation", "words"),
    [
        (23.456, 1.234, "23.46 ± 1.23"),
        (23.456, 0.001234, "23.46 ± 0.0012"),
        (0.4567, 0.0123, "0.4567 ± 0.0123"),
        # Kernel distances of narrow features are as small as this.
        (0.00001234, 0.00000321, "1.23e-05 ± 3.21e-06"),
        (-0.0000071, 0.000009, "-7.1e-06 ± 9e-06"),
        (0.004567, 0.0001, "0.00457 ± 0.0001"),
        (0.0, 0.0, "0 ± 0"),
    ],
)
def test_a_number_is_never_shown_as_nothing(value: float, deviation: float, words: str) -> None:
    assert shown(Measurement(value=value, deviation=deviation)) == words


def test_a_share_is_shown_in_percent_with_its_interval() -> None:
    assert shown(Measurement(value=0.25, interval=(0.125, 0.5), of=8)) == "25.0%\n12.5-50.0"
    assert shown(None) == shown(Measurement(reason="too few")) == ""
