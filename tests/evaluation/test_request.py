from __future__ import annotations

from pathlib import Path

import pytest

from stackgan_cli import EvaluateRequest
from stackgan_cli.errors import ModelError, UsageError
from stackgan_cli.models.finding import place_of_model


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(UsageError, match="9 pictures are too few"):
        EvaluateRequest(data="birds", num_images=9)
    with pytest.raises(UsageError, match="seed -1 is negative"):
        EvaluateRequest(data="birds", seed=-1)


def test_the_model_is_the_one_named_else_the_datas_else_the_usual_one(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EvaluateRequest(data="birds").model_place() == place_of_model("bundled")
    for name in ("birds", "other"):
        (empty_home / "models" / name).mkdir(parents=True)
        (empty_home / "models" / name / "stackgan.json").write_text("{}")
    monkeypatch.setenv("STACKGAN_MODEL", "other")
    assert EvaluateRequest(data="birds").model_place().folder.name == "birds"
    assert EvaluateRequest(data=str(empty_home / "data" / "birds") + "/").model_place().folder.name == "birds"
    assert EvaluateRequest(data="fish").model_place().folder.name == "other"
    assert EvaluateRequest(data="birds", model=empty_home / "models" / "other").model_place().folder.name == "other"
    with pytest.raises(ModelError, match="no model called 'absent'"):
        EvaluateRequest(data="birds", model="absent").model_place()
