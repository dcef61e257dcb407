"""What the thread that draws does for one request: pictures as files that say of themselves how they were drawn."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from stackgan_cli.drawing import interpolating
from stackgan_cli.drawing.pictures import Request, seed_by_lot, stops_of
from stackgan_cli.pictures.picture_files import encoded, picture_stem
from stackgan_cli.serving.refusals import RefusalError
from stackgan_cli.serving.schema import DrawnPicture, GenerateAnswer, InterpolateAnswer, PictureFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stackgan_cli.drawing.pictures import Drawn
    from stackgan_cli.pipeline import Pipeline
    from stackgan_cli.serving.schema import GenerateRequest, InterpolateRequest
    from stackgan_cli.serving.shelf import ModelShelf


def generate(shelf: ModelShelf, asked: GenerateRequest, go_on: Callable[[], None]) -> GenerateAnswer:
    """Draw pictures of a sentence.

    Args:
        shelf: of the models.
        asked: sentence, seed and so on.
        go_on: called after each picture; raises where nobody waits for more.

    Raises:
        RefusalError: there is no such model, or it has no such stage.
        StackganError: as of :meth:`Pipeline.draw_all`.
    """
    pipeline, stage = _chosen(shelf, asked)
    first = seed_by_lot() if asked.seed is None else asked.seed
    requests = [Request(asked.prompt, first + number) for number in range(asked.count)]
    pictures: list[DrawnPicture] = []
    for drawn in pipeline.draw_all(requests, stage=stage):
        pictures.append(_told(drawn))
        go_on()
    return GenerateAnswer(pictures=pictures, notes=_notes(pipeline, [asked.prompt]))


def interpolate(shelf: ModelShelf, asked: InterpolateRequest, go_on: Callable[[], None]) -> InterpolateAnswer:
    """Draw the way through sentences, or through seeds; arguments and errors are those of :func:`generate`."""
    pipeline, stage = _chosen(shelf, asked)
    stops = stops_of(asked.prompts, asked.seeds or [seed_by_lot()])
    for stop in stops:
        pipeline.check(Request(stop.prompt, stop.seed))
    pictures = []
    for picture in interpolating.frames(pipeline, stops, asked.frames, stage=stage):
        pictures.append(picture)
        go_on()
    facts = interpolating.facts_of(pipeline, stops, asked.frames, stage=stage)
    stem = interpolating.stem_of(stops)
    frames = [
        _file(f"{stem}-{number}-of-{asked.frames}.png", picture.width, encoded(picture, {**facts, "frame": number}))
        for number, picture in enumerate(pictures, 1)
    ]
    animation = None
    if asked.animation is not None:
        content = interpolating.animation(pictures, asked.animation, facts)
        animation = _file(f"{stem}.{asked.animation}", pictures[0].width, content)
    return InterpolateAnswer(
        prompts=[stop.prompt for stop in stops],
        seeds=[stop.seed for stop in stops],
        model=pipeline.model.name,
        fingerprint=pipeline.model.fingerprint,
        stage=stage,
        condition=pipeline.condition,
        truncation=pipeline.truncation,
        frames=frames,
        animation=animation,
        notes=_notes(pipeline, [stop.prompt for stop in stops]),
    )


def _chosen(shelf: ModelShelf, asked: GenerateRequest | InterpolateRequest) -> tuple[Pipeline, int]:
    """The model and the stage to draw with."""
    pipeline = shelf.pipeline(asked.model)
    if asked.stage is not None and asked.stage not in pipeline.stages:
        raise RefusalError(
            422, f"The model {pipeline.model.name!r} has no Stage-{'I' * asked.stage} yet.", "Leave the stage away."
        )
    return pipeline.drawing_with(asked.condition, asked.truncation), asked.stage or pipeline.stages[-1]


def _notes(pipeline: Pipeline, prompts: Sequence[str]) -> list[str]:
    """Say what is not drawn as it is asked for."""
    return [*pipeline.condition_notes, *(note for each in dict.fromkeys(prompts) for note in pipeline.notes_on(each))]


def _told(drawn: Drawn) -> DrawnPicture:
    alone = drawn.of_sketch
    sketch = None if alone is None else _png(alone, f"{picture_stem(drawn.prompt, drawn.seed)}-stage1.png")
    return DrawnPicture(
        prompt=drawn.prompt,
        seed=drawn.seed,
        model=drawn.model,
        fingerprint=drawn.fingerprint,
        stage=drawn.stage,
        condition=drawn.chosen.get("condition"),
        truncation=drawn.chosen.get("truncation"),
        file=_png(drawn, f"{picture_stem(drawn.prompt, drawn.seed)}.png"),
        sketch=sketch,
    )


def _png(drawn: Drawn, name: str) -> PictureFile:
    return _file(name, drawn.picture.width, encoded(drawn.picture, drawn.facts))


def _file(name: str, side: int, content: bytes) -> PictureFile:
    return PictureFile(name=name, side=side, content=base64.b64encode(content).decode("ascii"))
