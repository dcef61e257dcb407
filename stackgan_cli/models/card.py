"""The README.md of a model folder: what it draws, what it was trained on and how, and how to use it."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from stackgan_cli.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stackgan_cli.models.manifest import ModelManifest, StageRecord


CARD = "README.md"


def write_card(folder: Path, manifest: ModelManifest) -> None:
    """Write the card of a model from its manifest; the newest sheet of samples of each stage is shown."""
    use = [f'$ stackgan generate "..." --model {shlex.quote(folder.name)}']
    write_text(folder / CARD, card(manifest, title=folder.name, use=use, sheets=newest_sheets(folder, manifest)))


def newest_sheets(folder: Path, manifest: ModelManifest) -> dict[str, str]:
    """The newest sheet of samples of each stage's training: a sentence on it, and its path within the folder."""
    found = {}
    for stage in manifest.stages:
        sheets = sorted((folder / "training" / f"stage{stage}" / "samples").glob("step-*.png"))
        if sheets:
            sentence = f"Captions of the test split, uncurated, Stage-{'I' * int(stage)}:"
            found[sentence] = sheets[-1].relative_to(folder).as_posix()
    return found


def card(manifest: ModelManifest, *, title: str, use: Sequence[str], sheets: Mapping[str, str]) -> str:
    """The text of a card.

    Args:
        manifest: of the model.
        title: of the card.
        use: lines of a shell that draw with the model.
        sheets: paths of pictures from the card, each by the sentence that stands over it.
    """
    encoder = manifest.text_encoder
    lines = [
        "---",
        "library_name: stackgan-cli",
        "pipeline_tag: text-to-image",
        "tags: [stackgan, gan]",
        "---",
        "",
        f"# {title}",
        "",
        f"A StackGAN {_origin(manifest)}, reading text with `{encoder.name}` {encoder.version}.",
        "",
        "```console",
        *use,
        "```",
        "",
        "| stage | resolution | generator | recipe | steps | batch | seed | precision |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(stage, record) for stage, record in manifest.stages.items()),
    ]
    for stage, record in manifest.stages.items():
        if record.start is not None:
            lines += [
                "",
                f"Stage-{'I' * int(stage)} began with the weights of {record.start.model} after {record.start.steps:,}"
                f" steps (`{record.start.generator[:12]}`).",
            ]
    for sentence, path in sheets.items():
        lines += ["", sentence, "", f"![samples]({path})"]
    lines += ["", "Options of the generators:", "", "```json"]
    options = {f"stage{stage}": record.generator.options for stage, record in manifest.stages.items()}
    lines += [json.dumps(options, indent=2), "```"]
    return "\n".join(lines) + "\n"


def _origin(manifest: ModelManifest) -> str:
    files = [f"`{record.converted}`" for record in manifest.stages.values() if record.converted]
    if files:
        return f"converted from the published weights {' and '.join(dict.fromkeys(files))}"
    return f"trained on {manifest.data.name} (fingerprint `{manifest.data.fingerprint[:12]}`)"


def _row(stage: str, record: StageRecord) -> str:
    cells = [record.resolution, f"`{record.generator.name}`", record.recipe, record.steps, record.batch_size]
    return f"| {'I' * int(stage)} | {' | '.join(map(str, [*cells, record.seed, record.precision]))} |"
