from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stackgan_cli.components.conformance import assert_conforms, isolation
from stackgan_cli.components.registry import BUILT_IN_PACKAGE, Component, available
from stackgan_cli.extractors.inception_fid import InceptionNetwork

QUICKLY: dict[str, dict[str, Any]] = {"drawn-birds-judge": {"count": 24}}
"""Options of components that would learn for minutes, and not for the moment that checks allow them."""


BUILT_INS = [each for each in available() if each.package == BUILT_IN_PACKAGE]


@pytest.mark.parametrize(
    "component",
    BUILT_INS,
    ids=lambda each: f"{each.kind.slug}:{each.name}",
)
def test_built_in_keeps_the_contract(component: Component, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = QUICKLY.get(component.name)
    if component.name == "inception-fid":
        # Its weights do not come with the package; any of their shapes will do.
        options = {"weights": str(tmp_path / "weights.pth")}
        torch.save(InceptionNetwork().state_dict(), options["weights"])
    # The import check starts an interpreter with torch for seconds; the test below does so once for all.
    monkeypatch.setattr("stackgan_cli.components.conformance.checking.import_quietly", lambda module: "")
    assert_conforms(component.kind, component.full_name, options=options)


def test_built_ins_are_imported_quietly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    modules = {each.target.partition(":")[0] for each in BUILT_INS}
    (tmp_path / "all_built_ins.py").write_text("".join(f"import {module}\n" for module in sorted(modules)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(isolation, "IMPORT_SECONDS", 60)
    assert isolation.import_quietly("all_built_ins").endswith("beside torch")
