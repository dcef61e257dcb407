"""What ``info`` tells of a model: what it draws, how it was trained and on what, and where its samples lie."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.models.manifest import StageRecord


def model_facts(model: ModelFolder) -> dict[str, Any]:
    """Give what is known of a model as plain values; the keys are the same for every model."""
    from stackgan_cli.files import bytes_in
    from stackgan_cli.models.glossary import read_glossary
    from stackgan_cli.models.vocabulary import read_vocabulary

    manifest, brought = model.manifest, model.resource
    known = read_vocabulary(model.folder)
    return {
        "name": model.name if brought is None else brought.name,
        "folder": str(model.folder),
        "package": None if brought is None else brought.package,
        "version": None if brought is None else brought.version,
        "bytes": bytes_in(model.folder),
        "resolution": model.stage_record(model.stages[-1]).resolution if model.stages else None,
        "stages": {number: record.model_dump(mode="json") for number, record in manifest.stages.items()},
        "text_encoder": manifest.text_encoder.as_json(),
        "words": None if known is None else len(known),
        "glossary": len(read_glossary(model.folder)),
        "data": manifest.data.model_dump(mode="json"),
        "saved": manifest.saved,
        "samples": {str(stage): _samples(model, stage) for stage in model.stages},
        "checkpoints": {str(stage): sorted(model.checkpoints(stage), key=_place) for stage in model.stages},
    }


def show_model(model: ModelFolder) -> None:
    """Print the page of a model."""
    from stackgan_cli.console import page
    from stackgan_cli.files import size_text

    facts = model_facts(model)
    encoder = model.manifest.text_encoder
    rows = [["brought by", f"{facts['package']} {facts['version']}"]] if facts["package"] else []
    for stage in model.stages:
        rows += _stage_rows(model, stage, facts)
    rows += [
        *([["trained on", _data(facts["data"])]] if facts["data"]["fingerprint"] else []),
        ["reads text with", _component(encoder.name, encoder.version, encoder.options)],
        ["words it has met", "not known" if facts["words"] is None else f"{facts['words']:,}"],
        *([["words that its glossary knows", f"{facts['glossary']:,}"]] if facts["glossary"] else []),
        ["saved", facts["saved"].replace("T", " ") or "not known"],
        ["takes", size_text(facts["bytes"])],
    ]
    page(f"Model {facts['name']} ({facts['folder']})", rows)


def _stage_rows(model: ModelFolder, stage: int, facts: dict[str, Any]) -> list[list[str]]:
    record, name = model.stage_record(stage), f"Stage-{'I' * stage}"
    generator = record.generator
    steps = f"{record.steps:,} of {record.of:,}" if record.of else f"{record.steps:,}"
    rows = [[name, f"{record.resolution} px, {steps} steps of {record.batch_size}"], ["  recipe", _recipe(record)]]
    if record.converted:
        rows = [[name, f"{record.resolution} px"], ["  converted from", record.converted]]
    rows += [
        ["  draws with", _component(generator.name, generator.version, generator.options)],
        ["  condition", "a draw from its distribution" if record.condition == "sample" else "its mean"],
    ]
    if record.start is not None:
        rows.append(["  began with", f"the weights of {record.start.model} after {record.start.steps:,} steps"])
    if facts["samples"][str(stage)]:
        rows.append(["  samples", facts["samples"][str(stage)]])
    if facts["checkpoints"][str(stage)]:
        rows.append(["  checkpoints", ", ".join(facts["checkpoints"][str(stage)])])
    return rows


def _recipe(record: StageRecord) -> str:
    return f"{record.recipe or 'not known'}, seed {record.seed}, {record.precision or 'precision not known'}"


def _data(data: dict[str, Any]) -> str:
    return f"{data['name']} (fingerprint {data['fingerprint'][:12]})"


def _component(name: str, version: str, options: Any) -> str:
    chosen = ", ".join(f"{key} {json.dumps(value)}" for key, value in options.items())
    return f"{name.removeprefix('stackgan-cli:')} {version}" + (f" ({chosen})" if chosen else "")


def _samples(model: ModelFolder, stage: int) -> str | None:
    """The newest sheet of samples of a stage."""
    sheets = sorted((model.folder / "training" / f"stage{stage}" / "samples").glob("step-*.png"))
    return str(sheets[-1]) if sheets else None


def _place(checkpoint: str) -> tuple[bool, int, str]:
    return (not checkpoint.isdecimal(), int(checkpoint) if checkpoint.isdecimal() else 0, checkpoint)
