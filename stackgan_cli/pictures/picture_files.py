"""Pictures as PNG files that say how they were made, under names that never overwrite anything."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import unicodedata
import warnings
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.files import create_file
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST_SLUG = 60
_KEY = "stackgan"


def slug(prompt: str) -> str:
    """Make the part of a file name that tells the prompt: lower-case ASCII words joined by dashes."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words[:_LONGEST_SLUG].rstrip("-") or "picture"


def save_new_png(picture: Image.Image, folder: Path, stem: str, facts: dict[str, Any] | None) -> Path:
    """Write a picture as ``folder/stem.png``, or as ``stem-2.png``, ``stem-3.png`` ... where that is taken.

    Returns:
        Where it is; all else is as for :func:`save_png`.
    """
    content = _png(picture, facts)
    for path in _names(folder, stem):
        try:
            create_file(path, content)
        except FileExistsError:
            # Another process was quicker.
            continue
        return path
    raise AssertionError("there is always another number")


def save_png(picture: Image.Image, path: Path, facts: dict[str, Any] | None) -> None:
    """Write a picture with what made it; a file that is there, or comes there meanwhile, is left alone.

    Args:
        picture: to write.
        path: where to; the folder is made if need be.
        facts: prompt, seed, model and so on, as JSON under ``stackgan`` and as a line for people and other tools under
            ``parameters``; None writes none.

    Raises:
        UsageError: there is a file of this name.
        StackganError: the file cannot be written.
    """
    try:
        create_file(path, _png(picture, facts))
    except FileExistsError:
        raise _taken(path) from None


def _names(folder: Path, stem: str) -> Iterator[Path]:
    """Give the names that are free, without end."""
    for number in itertools.count(1):
        path = folder / (f"{stem}-{number}.png" if number > 1 else f"{stem}.png")
        if not os.path.lexists(path):
            yield path


def _png(picture: Image.Image, facts: dict[str, Any] | None) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    if facts is not None:
        details = ", ".join(f"{key}: {value}" for key, value in facts.items() if key != "prompt")
        chunks.add_itxt("parameters", f"{facts.get('prompt', '')}\n{details}")
        chunks.add_itxt(_KEY, json.dumps(facts, ensure_ascii=False))
    content = io.BytesIO()
    picture.save(content, "PNG", pnginfo=chunks)
    return content.getvalue()


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} exists already, and nothing is overwritten.", hint="another name, or a folder")


def read_facts(path: Path) -> dict[str, Any]:
    """Read what :func:`save_png` wrote beside a picture.

    Raises:
        DataError: the file is no picture, or was not made by this program.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=["PNG"]) as picture:
            text = picture.info.get(_KEY)
        facts = parse_json(text) if isinstance(text, str) else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} cannot be read as a PNG picture: {error}.", hint="Name a picture made by generate."
        ) from error
    if not isinstance(facts, dict):
        raise DataError(f"{path} does not say how it was made.", hint="Pictures made with --no-metadata do not.")
    return facts


def check_target(output: Path, count: int) -> None:
    """Refuse an ``--output`` that cannot hold what is asked for.

    Raises:
        UsageError: it is one file for several pictures, exists already, or is no PNG.
    """
    if output.suffix == "" or output.is_dir():
        return
    if output.suffix.lower() != ".png":
        raise UsageError(f"Pictures are written as PNG, and {output.name} is none.", hint=f"--output {output.stem}.png")
    if count > 1:
        raise UsageError(f"{output} is one file, and there are {count} pictures.", hint="--output with a folder")
    if output.exists():
        raise _taken(output)
