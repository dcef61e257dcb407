"""What ``generate --interpolate`` writes: the way from one sentence to another as an animation or as a strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.errors import UsageError
from stackgan_cli.generating.files import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from PIL import Image

    from stackgan_cli.drawing.pictures import Stop
    from stackgan_cli.generating.files import FileOptions
    from stackgan_cli.pipeline import Pipeline

_MOST_ACROSS = 8


def check_way(output: Path, format: str | None) -> None:  # noqa: A002
    """Refuse an ``--output`` that cannot hold an animation or a strip.

    Raises:
        UsageError: there is a file of this name, it is of no known format, or a ``--format`` was given that its name
            does not end in.
    """
    from stackgan_cli.drawing.interpolating import ANIMATIONS
    from stackgan_cli.pictures.picture_files import check_target, form_of

    if format not in (None, form_of(output)):
        raise UsageError("--format is for single pictures.", hint="--output way.gif, way.webp or way.png")
    if output.suffix.lower() not in ANIMATIONS:
        check_target(output, 1)
    elif output.exists() and not output.is_dir():
        raise UsageError(f"{output} exists already, and nothing is overwritten.", hint="another name, or a folder")


def write_way(
    pipeline: Pipeline, stops: Sequence[Stop], drawn: Iterable[Image.Image], options: FileOptions, *, stage: int
) -> Written:
    """Draw a way and write it: a GIF or a WebP animates it, other pictures show it as a strip.

    Args:
        pipeline: that draws it.
        stops: that it leads through.
        drawn: its pictures.
        options: how it is written; a folder gets a GIF.
        stage: that draws.

    Raises:
        UsageError: a file has come to be where it is to be written.
        StackganError: it cannot be written.
    """
    from stackgan_cli.drawing.interpolating import ANIMATIONS, animation, facts_of, stem_of
    from stackgan_cli.pictures.picture_files import save_file, save_new_file, save_picture
    from stackgan_cli.pictures.sheets import strip

    pictures = [options.enlarged(picture) for picture in drawn]
    facts = options.facts(facts_of(pipeline, stops, len(pictures), stage=stage))
    told, output = facts if options.metadata else None, options.output
    suffix = output.suffix.lower()
    if output.is_dir() or not suffix:
        content = animation(pictures, "gif", told)
        path = save_new_file(content, output, stem_of(stops), ".gif")
    elif suffix in ANIMATIONS:
        path = output
        save_file(animation(pictures, ANIMATIONS[suffix], told), path)
    else:
        path = output
        save_picture(strip(pictures, across=_MOST_ACROSS), path, told)
    return Written(path, pictures, facts["prompt"], facts)
