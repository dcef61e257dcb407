"""What ``info`` tells of a picture: what it was drawn from, and the command that draws it again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FACTS = (
    "prompt",
    "read_as",
    "seed",
    "model",
    "fingerprint",
    "stage",
    "checkpoint",
    "condition",
    "truncation",
    "size",
    "upscale",
    "prompts",
    "seeds",
    "stackgan",
)


def picture_facts(path: Path, written: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a picture says of itself, None for what it does not say; the keys are the same for every picture."""
    return {"path": str(path), **{key: written.get(key) for key in _FACTS}, "again": _again(written)}


def show_picture(path: Path, written: Mapping[str, Any]) -> None:
    """Print the page of a picture."""
    from stackgan_cli.console import out, page, warn
    from stackgan_cli.pictures.picture_files import stage_in

    facts, stage = picture_facts(path, written), stage_in(written)
    prompts = facts["prompts"] if isinstance(facts["prompts"], list) else []
    seeds = facts["seeds"] if isinstance(facts["seeds"], list) else []
    rows = [
        ["prompt", facts["prompt"]],
        ["read as", facts["read_as"]],
        *(["prompt", prompt] for prompt in prompts),
        ["model", facts["model"]],
        ["fingerprint", facts["fingerprint"]],
        ["stage", None if stage is None else f"Stage-{'I' * stage}"],
        ["checkpoint", facts["checkpoint"]],
        ["seed", facts["seed"]],
        ["seeds", ", ".join(map(str, seeds)) or None],
        ["condition", facts["condition"]],
        ["truncation", None if facts["truncation"] is None else str(facts["truncation"])],
        ["size", None if facts["size"] is None else f"{facts['size']} px"],
        ["upscale", None if facts["upscale"] is None else f"{facts['upscale']} times"],
        ["drawn by", None if facts["stackgan"] is None else f"stackgan {facts['stackgan']}"],
    ]
    page(str(path), [row for row in rows if row[1] is not None])
    if facts["again"] is not None:
        # On a line of its own, to be copied as it stands.
        out.out(f"To draw it again: {facts['again']}", highlight=False)
        if facts["fingerprint"] is not None and _model_here(written) is None:
            warn("No model here has this fingerprint; --model with the folder of the one that drew it finds it.")


def _again(written: Mapping[str, Any]) -> str | None:
    """The command that draws a picture, a sheet or a way again; None where the picture does not say enough."""
    if "way" in written:
        return _way_again(written)
    sheet = isinstance(written.get("prompts"), list)
    prompts: list[Any] = written["prompts"] if sheet else [written.get("prompt")]
    seeds = written.get("seeds") if sheet else [written.get("seed")]
    if not prompts or not all(isinstance(each, str) for each in prompts) or not isinstance(seeds, list) or not seeds:
        return None
    if not all(type(seed) is int for seed in seeds):
        return None
    if not sheet:
        return _command(prompts, ["--seed", seeds[0]], written)
    each = len(seeds) // len(prompts)
    if seeds != seeds[:each] * len(prompts):
        # Each prompt has seeds of its own, which only a file of prompts can give it.
        return None
    options: list[Any] = ["--seeds", ",".join(map(str, seeds[:each]))]
    if seeds[:each] == list(range(seeds[0], seeds[0] + each)):
        options = ["--seed", seeds[0], *(["-n", each] if each > 1 else [])]
    options += ["--grid", *(["--sketches"] if written.get("sketches") is True else [])]
    return _command(prompts, options, written)


def _way_again(written: Mapping[str, Any]) -> str | None:
    """The command that draws a way again, also of one picture on it."""
    way = written["way"]
    frames = written.get("frames")
    if not isinstance(way, list) or len(way) < 2 or not all(map(_is_stop, way)) or not isinstance(frames, int):
        return None
    prompts, seeds = [stop[0] for stop in way], [stop[1] for stop in way]
    if len(set(prompts)) == 1:
        prompts = prompts[:1]
    elif len(set(seeds)) == 1:
        seeds = seeds[:1]
    options = ["--seeds", ",".join(map(str, seeds)), "--interpolate", "--frames", frames]
    return _command(prompts, options, written)


def _is_stop(stop: Any) -> bool:
    return isinstance(stop, list) and len(stop) == 2 and isinstance(stop[0], str) and type(stop[1]) is int


def _command(prompts: list[str], options: list[Any], written: Mapping[str, Any]) -> str:
    from stackgan_cli.pictures.picture_files import stage_in

    told = {**written, "stage": stage_in(written), "model": _model_here(written) or written.get("model")}
    for key in ("model", "stage", "checkpoint", "condition", "truncation", "upscale"):
        value = told.get(key)
        if value is not None:
            options = [*options, f"--{key}", value]
    if any(prompt.startswith("-") for prompt in prompts):
        # Behind two dashes, a prompt that begins with one is no option.
        return shlex.join(["stackgan", "generate", *map(str, options), "--", *prompts])
    return shlex.join(["stackgan", "generate", *prompts, *map(str, options)])


def _model_here(written: Mapping[str, Any]) -> str | None:
    """What the model that drew a picture is called here; None where the picture does not tell it, or it is not here."""
    from stackgan_cli.models.finding import model_that_drew

    name, fingerprint = written.get("model"), written.get("fingerprint")
    if not isinstance(name, str) or not isinstance(fingerprint, str):
        return None
    model = model_that_drew(name, fingerprint)
    return None if model is None else model.name
