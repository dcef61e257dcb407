from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stackgan_cli.components.conformance import assert_conforms
from stackgan_cli.components.registry import BUILT_IN_PACKAGE, Component, Kind, available
from stackgan_cli.extractors.inception_fid import InceptionNetwork

QUICKLY: dict[str, dict[str, Any]] = {
    "char-cnn-rnn": {"channels": 16, "fit_steps": 20},
    "words": {"fit_steps": 20},
    "drawn-birds-judge": {"count": 24, "epochs": 1},
    "matching": {"fit_steps": 20, "channels": 12},
}
"""Options of components that learn for minutes, so that they learn for a second."""


@pytest.mark.parametrize(
    "component",
    [each for each in available() if each.package == BUILT_IN_PACKAGE],
    ids=lambda each: f"{each.kind.slug}:{each.name}",
)
def test_built_in_keeps_the_contract(component: Component, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = QUICKLY.get(component.name)
    if component.name == "inception-fid":
        # Its weights do not come with the package; any of their shapes will do.
        options = {"weights": str(tmp_path / "weights.pth")}
        torch.save(InceptionNetwork().state_dict(), options["weights"])
    # The import check starts an interpreter with torch for seconds; one kind of component is enough for it here.
    if component.kind is not Kind.DATASET_READER:
        monkeypatch.setattr("stackgan_cli.components.conformance.checking.import_quietly", lambda module: "")
    assert_conforms(component.kind, component.full_name, options=options)
