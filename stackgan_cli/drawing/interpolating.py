"""Pictures on the way from one sentence to another, or from one noise to another, as the StackGAN paper shows them."""

from __future__ import annotations

import io
import json
import math
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.drawing.rows import Row, draw_rows, on_one_thread
from stackgan_cli.errors import SettingsError, UsageError
from stackgan_cli.pictures.picture_files import exif_of, slug
from stackgan_cli.pictures.pixels import to_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image
    from torch import Tensor

    from stackgan_cli.drawing.pictures import Stop
    from stackgan_cli.pipeline import Pipeline

ANIMATIONS = {".gif": "gif", ".webp": "webp"}
_MILLISECONDS = 80
"""That each picture of an animation is shown."""
MOST_FRAMES = 1000


def frames(pipeline: Pipeline, stops: Sequence[Stop], count: int, *, stage: int) -> Iterator[Image.Image]:
    """Draw pictures on the way through all stops, each of which is one of them, at equal distances between every two.

    Sentence vectors change along straight lines, as in the paper (section 4.3); noise along the great circle between
    two draws, whose length is that of a draw everywhere.

    Args:
        pipeline: the model.
        stops: two or more.
        count: pictures in all.
        stage: 1 or 2.

    Raises:
        UsageError: a prompt cannot be read, or the number is out of range, or less than that of the stops.
        SettingsError: the sentences differ, and the model reads words one by one.
    """
    if not 2 <= count <= MOST_FRAMES:
        raise UsageError(f"There are 2 to {MOST_FRAMES:,} pictures on a way, not {count:,}.", hint="such as 16")
    if count < len(stops):
        raise UsageError(
            f"A way through {len(stops):,} pictures has as many or more, not {count:,}.",
            hint=f"{len(stops)} or more (--frames {len(stops)})",
        )
    for stop in stops:
        pipeline.check_prompt(stop.prompt)
    texts = on_one_thread(pipeline, lambda: [pipeline.encode([stop.prompt]) for stop in stops])
    if len({stop.prompt for stop in stops}) > 1 and any(text.words is not None for text in texts):
        raise SettingsError(
            f"{pipeline.model.name} reads words one by one, and there is no way from one word to another.",
            hint="one sentence and two seeds (--seeds 1,2)",
        )
    noises = [pipeline.noises([stop.seed], stage=stage) for stop in stops]

    at = [round(number * (count - 1) / (len(stops) - 1)) for number in range(len(stops))]

    def row(frame: int) -> Row[int]:
        before = min(bisect_right(at, frame), len(stops) - 1) - 1
        share = (frame - at[before]) / (at[before + 1] - at[before])
        text, after = texts[before], texts[before + 1]
        sentence = torch.lerp(text.sentence, after.sentence, share)
        between = [_on_circle(*ends, share) for ends in zip(noises[before], noises[before + 1], strict=True)]
        return Row(frame, TextFeatures(sentence, text.words, text.padding), between)

    for _, pixels in draw_rows(pipeline, (partial(row, frame) for frame in range(count))):
        yield to_pictures(pixels[-1])[0]


def _on_circle(start: Tensor, end: Tensor, share: float) -> Tensor:
    """Spherical interpolation (Shoemake 1985) of rows of noise (1, width)."""
    cosine = torch.nn.functional.cosine_similarity(start, end).clamp(-1, 1)
    angle = float(torch.acos(cosine))
    if math.sin(angle) < 1e-4:
        return torch.lerp(start, end, share)
    return (math.sin((1 - share) * angle) * start + math.sin(share * angle) * end) / math.sin(angle)


def facts_of(pipeline: Pipeline, stops: Sequence[Stop], count: int, *, stage: int) -> dict[str, Any]:
    """What the files of a way say of it, plain values; arguments are those of :func:`frames`."""
    return {
        "prompt": " -> ".join(dict.fromkeys(stop.prompt for stop in stops)),
        "way": [[stop.prompt, stop.seed] for stop in stops],
        "frames": count,
        **pipeline.facts(stage),
    }


def stem_of(stops: Sequence[Stop]) -> str:
    """What the file of a way may be called, without its suffix: both ends, and the first seed."""
    ends = dict.fromkeys(slug(stop.prompt)[:40].rstrip("-") for stop in (stops[0], stops[-1]))
    return f"{'-to-'.join(ends)}-{stops[0].seed}"


def animation(pictures: Sequence[Image.Image], form: str, facts: dict[str, Any] | None) -> bytes:
    """Encode pictures as an animation that begins anew at its end.

    Args:
        pictures: frames of one size.
        form: ``gif`` or ``webp``.
        facts: kept in a WebP's EXIF data, or as JSON in a GIF's comment; None keeps none.
    """
    content = io.BytesIO()
    timing: dict[str, Any] = {"save_all": True, "append_images": pictures[1:], "duration": _MILLISECONDS, "loop": 0}
    if form == "webp":
        pictures[0].save(content, "WEBP", quality=90, exif=b"" if facts is None else exif_of(facts), **timing)
    else:
        comment = b"" if facts is None else json.dumps(facts).encode()
        pictures[0].save(content, "GIF", comment=comment, **timing)
    return content.getvalue()
