"""The README.md of a model folder: what it draws, what it was trained on and how, and how to use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackgan_cli.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_card(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the card of a model from its manifest; the newest sample sheet of each stage is shown."""
    stages = sorted(manifest["stages"].items())
    encoder, data = manifest["text_encoder"], manifest["data"]
    lines = [
        "---",
        "library_name: stackgan-cli",
        "pipeline_tag: text-to-image",
        "tags: [stackgan, gan]",
        "---",
        "",
        f"# {folder.name}",
        "",
        f"A StackGAN trained on {data['name']} (fingerprint `{data['fingerprint'][:12]}`), reading text with "
        f"`{encoder['name']}` {encoder['version']}.",
        "",
        "```console",
        f'$ stackgan generate "..." --model {folder.name}',
        "```",
        "",
        "| stage | resolution | generator | recipe | steps | batch | seed | precision |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(stage, facts) for stage, facts in stages),
    ]
    for stage, _ in stages:
        sheets = sorted((folder / "training" / f"stage{stage}" / "samples").glob("step-*.png"))
        if sheets:
            lines += ["", f"Captions of the test split, uncurated, Stage-{'I' * int(stage)}:", ""]
            lines += [f"![samples]({sheets[-1].relative_to(folder).as_posix()})"]
    lines += ["", "Options of the generators:", "", "```json"]
    lines += [json.dumps({f"stage{stage}": facts["generator"]["options"] for stage, facts in stages}, indent=2), "```"]
    write_text(folder / "README.md", "\n".join(lines) + "\n")


def _row(stage: str, facts: Mapping[str, Any]) -> str:
    keys = ("resolution", "recipe", "steps", "batch_size", "seed", "precision")
    resolution, *others = (str(facts.get(key, "")) for key in keys)
    return f"| {'I' * int(stage)} | {resolution} | `{facts['generator']['name']}` | {' | '.join(others)} |"
