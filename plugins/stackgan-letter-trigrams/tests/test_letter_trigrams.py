from __future__ import annotations

import pytest
from stackgan_letter_trigrams import LetterTrigrams

from stackgan_cli.components.conformance import assert_conforms
from stackgan_cli.components.registry import Kind
from stackgan_cli.errors import SettingsError


@pytest.mark.parametrize("width", [8, 64, 256])
def test_keeps_the_contract(width: int) -> None:
    assert_conforms(Kind.TEXT_ENCODER, LetterTrigrams, options={"width": width})


def test_misspelt_caption_is_nearer_than_another_one() -> None:
    right, misspelt, other = (
        LetterTrigrams()
        .encode(["a bird with yellow wings", "a brid with yelow wings", "this flower has pink petals"])
        .sentence
    )
    assert right @ misspelt > 0.5 > right @ other


def test_refuses_a_width_that_tells_nothing_apart() -> None:
    with pytest.raises(SettingsError, match="at least 8"):
        LetterTrigrams(width=2)
