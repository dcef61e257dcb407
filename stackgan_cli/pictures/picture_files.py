"""Pictures as files that say how they were made, under names that never overwrite anything."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shlex
import unicodedata
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin, features

from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.files import create_file
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS: Mapping[str, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "avif": ".avif"}
"""Formats that pictures are written in, and the ends of their files' names."""
_BY_SUFFIX = {suffix: form for form, suffix in FORMATS.items()} | {".jpeg": "jpeg"}
_HOW: Mapping[str, Mapping[str, Any]] = {
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True},
    "avif": {"quality": 90},
}
_READ = [*(form.upper() for form in FORMATS), "GIF"]
_LONGEST_SLUG = 60
_KEY = "stackgan"
_DESCRIPTION, _USER_COMMENT, _EXIF_FOLDER = 0x010E, 0x9286, 0x8769
"""Tags of EXIF 2.32: the image's description, the user's comment, and the folder that the latter lies in."""
_MOST_EXIF_OF_JPEG = 65_533
"""Bytes of EXIF data that a JPEG has room for: those of one of its segments."""


def slug(prompt: str) -> str:
    """Make the part of a file name that tells the prompt: lower-case ASCII words joined by dashes."""
    plain = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words[:_LONGEST_SLUG].rstrip("-") or "picture"


def picture_stem(prompt: str, seed: int) -> str:
    """What the file of a picture is called, but for its suffix."""
    return f"{slug(prompt)}-{seed}"


def save_new_picture(
    picture: Image.Image, folder: Path, stem: str, facts: dict[str, Any] | None, form: str = "png"
) -> Path:
    """Write a picture as ``folder/stem.png``, or as ``stem-2.png``, ``stem-3.png`` ... where that is taken.

    Args:
        picture: to write.
        folder: where to; it is made if need be.
        stem: of the name.
        facts: as for :func:`save_picture`.
        form: one of :data:`FORMATS`.

    Returns:
        Where it is.

    Raises:
        UsageError: there is no such format.
        StackganError: the file cannot be written.
    """
    check_format(form)
    return save_new_file(encoded(picture, facts, form), folder, stem, FORMATS[form])


def save_new_file(content: bytes, folder: Path, stem: str, suffix: str) -> Path:
    """Write a file under the first name that is free: ``stem``, ``stem-2``, ``stem-3`` ..., each with the suffix.

    Raises:
        StackganError: the file cannot be written.
    """
    for path in _names(folder, stem, suffix):
        try:
            create_file(path, content)
        except FileExistsError:
            # Another process was quicker.
            continue
        return path
    raise AssertionError("there is always another number")


def save_picture(picture: Image.Image, path: Path, facts: dict[str, Any] | None) -> None:
    """Write a picture with what made it; a file that is there, or comes there meanwhile, is left alone.

    Args:
        picture: to write.
        path: where to, with the suffix of one of :data:`FORMATS`; the folder is made if need be.
        facts: prompt, seed, model and so on; None writes none. A PNG holds them as JSON under ``stackgan`` and as a
            line for people and other tools under ``parameters``; the other formats in their EXIF data, the JSON as the
            image's description and the line as the user's comment. A JPEG has room for 64 KiB of it, which the prompts
            of a sheet may be beyond: then it goes without the line, and if need be without any.

    Raises:
        UsageError: there is a file of this name.
        StackganError: the file cannot be written.
    """
    save_file(encoded(picture, facts, _BY_SUFFIX[path.suffix.lower()]), path)


def save_file(content: bytes, path: Path) -> None:
    """Write a new file.

    Raises:
        UsageError: there is a file of this name.
        StackganError: it cannot be written.
    """
    try:
        create_file(path, content)
    except FileExistsError:
        raise _taken(path) from None


def check_format(form: str) -> None:
    """Refuse a format that pictures cannot be written in.

    Raises:
        UsageError: there is no such format, or the imaging library was built without it.
    """
    if form not in FORMATS:
        raise UsageError(f"There is no format {form!r}.", hint=f"--format {', '.join(FORMATS)}")
    if form in ("webp", "avif") and not features.check(form):
        raise UsageError(f"Pillow was built without {form}.", hint="--format png")


def form_of(path: Path) -> str | None:
    """The format that a file's name ends in; None where pictures are not written in it."""
    return _BY_SUFFIX.get(path.suffix.lower())


def refuse_other_format(path: Path, form: str) -> None:
    """Refuse a format for a file whose name ends in another one.

    Raises:
        UsageError: it does.
    """
    if form_of(path) not in (None, form):
        raise UsageError(
            f"The name {path.name} ends in another format than {form}.",
            hint=f"--output {shlex.quote(str(path.with_suffix(FORMATS[form])))}, or no --format",
        )


def _names(folder: Path, stem: str, suffix: str) -> Iterator[Path]:
    """Give the names that are free, without end."""
    for number in itertools.count(1):
        path = folder / (f"{stem}-{number}{suffix}" if number > 1 else f"{stem}{suffix}")
        if not os.path.lexists(path):
            yield path


def encoded(picture: Image.Image, facts: dict[str, Any] | None, form: str = "png") -> bytes:
    """Content of a picture's file; arguments are those of :func:`save_new_picture`."""
    content = io.BytesIO()
    if form == "png":
        chunks = PngImagePlugin.PngInfo()
        for key, text in ({} if facts is None else _texts(facts)).items():
            chunks.add_itxt(key, text)
        picture.save(content, "PNG", pnginfo=chunks)
    else:
        exif = b"" if facts is None else exif_of(facts)
        if form == "jpeg" and facts is not None and len(exif) > _MOST_EXIF_OF_JPEG:
            alone = exif_of(facts, line=False)
            exif = alone if len(alone) <= _MOST_EXIF_OF_JPEG else b""
        picture.save(content, form.upper(), exif=exif, **_HOW[form])
    return content.getvalue()


def info_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What ``info`` of a picture in memory holds: facts, each by its name, and the texts that its PNG has.

    Pillow writes none of it by itself. A ``PngInfo`` to which each is added as text makes a PNG that says how it was
    drawn, as :func:`save_picture` does.
    """
    return {**facts, **_texts(facts)}


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a PNG, by their keys."""
    return {"parameters": _line(facts), _KEY: json.dumps(facts, ensure_ascii=False)}


def exif_of(facts: dict[str, Any], *, line: bool = True) -> bytes:
    """Facts as EXIF data, with or without the line for people and other tools."""
    exif = Image.Exif()
    exif[_DESCRIPTION] = json.dumps(facts)
    if line:
        # What kind of characters follows, as EXIF 2.32, section 4.6.5 has it.
        exif.get_ifd(_EXIF_FOLDER)[_USER_COMMENT] = b"UNICODE\0" + _line(facts).encode("utf-16-be", "replace")
    return exif.tobytes()


def _line(facts: Mapping[str, Any]) -> str:
    """What other tools show of a picture: its prompts, each on a line, and everything else on another."""
    prompts = [facts["prompt"]] if "prompt" in facts else facts.get("prompts", [])
    details = ", ".join(f"{key}: {value}" for key, value in facts.items() if key not in ("prompt", "prompts"))
    return "\n".join(map(str, [*prompts, details]))


def _taken(path: Path) -> UsageError:
    return UsageError(f"{path} exists already, and nothing is overwritten.", hint="another name, or a folder")


def read_facts(path: Path) -> dict[str, Any]:
    """Read what :func:`save_picture` wrote with a picture, or what the comment of an animated GIF holds.

    Raises:
        DataError: the file is no picture, or was not made by this program.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_READ) as picture:
            text = picture.info.get(_KEY) or picture.getexif().get(_DESCRIPTION)
            if picture.format == "GIF":
                text = picture.info.get("comment")
    except Exception as error:  # a damaged picture can raise nearly anything
        raise DataError(
            f"{path} cannot be read as a picture: {error}.", hint="Name a picture made by generate."
        ) from error
    facts = None
    # A camera's words, or another program's, may stand in the same place.
    with suppress(ValueError):
        facts = parse_json(text) if isinstance(text, str | bytes) else None
    if not isinstance(facts, dict):
        raise DataError(f"{path} does not say how it was made.", hint="Pictures made with --no-metadata do not.")
    return facts


def stage_in(facts: Mapping[str, Any]) -> int | None:
    """Return the stage, 1 or 2, that a picture says drew it; None where it says something else or nothing."""
    stage = facts.get("stage")
    return stage if type(stage) is int and stage in (1, 2) else None


def check_target(output: Path, count: int) -> None:
    """Refuse an ``--output`` that cannot hold what is asked for.

    Raises:
        UsageError: it is one file for several pictures, exists already, or is of no known format.
    """
    if output.is_dir():
        return
    if output.suffix == "":
        if output.exists():
            raise _taken(output)
        return
    if output.suffix.lower() not in _BY_SUFFIX:
        raise UsageError(
            f"Pictures are written as {', '.join(FORMATS)}, and {output.name} is none.",
            hint=f"--output {shlex.quote(str(output.with_suffix('.png')))}",
        )
    check_format(_BY_SUFFIX[output.suffix.lower()])
    if count > 1:
        raise UsageError(f"{output} is one file, and there are {count} pictures.", hint="--output with a folder")
    if output.exists():
        raise _taken(output)
