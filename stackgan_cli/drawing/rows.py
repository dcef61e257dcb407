"""Many pictures drawn so that the device is busy, and none of them depends on the others to the last bit.

Arithmetic rounds by the shape of what goes through it. So on the processor each picture is drawn by itself, several
beside each other on threads of their own. On a GPU they go through the networks together, always as many, places that
are left over filled up.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.drawing.pictures import Drawn
from stackgan_cli.drawing.single_threads import in_order
from stackgan_cli.pictures.picture_files import info_of
from stackgan_cli.pictures.pixels import to_pictures

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.drawing.pictures import Request
    from stackgan_cli.pipeline import Pipeline

Result = TypeVar("Result")
Subject = TypeVar("Subject")

_TEXTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Row(Generic[Subject]):
    """What one picture is drawn from."""

    of: Subject
    """What it is a picture of, for whoever asks."""
    text: TextFeatures
    """Of one caption."""
    noises: list[Tensor]
    """(1, noise_width) for every stage up to the one that is wanted."""


def draw_rows(pipeline: Pipeline, rows: Iterable[Callable[[], Row[Subject]]]) -> Iterator[tuple[Subject, list[Tensor]]]:
    """Draw pictures in their order, of any number.

    Args:
        pipeline: that draws.
        rows: what each gives is drawn from; they are called on other threads, several at once.

    Yields:
        What each is a picture of, and its pixels of every stage, uint8 (1, 3, side, side) on the processor.
    """
    if pipeline.at_once == 1:
        pieces = (partial(_alone, pipeline, row) for row in rows)
        yield from in_order(pieces) if _on_processor(pipeline) else (piece() for piece in pieces)
        return
    waiting = iter(rows)
    while batch := [row() for row in islice(waiting, pipeline.at_once)]:
        if any(row.text.words is not None for row in batch):
            # How long the longest sentence of a batch is would be one more thing to depend on.
            yield from ((row.of, pipeline.pixels_of_stages(row.text, row.noises)) for row in batch)
        else:
            yield from _together(pipeline, batch)


def on_one_thread(pipeline: Pipeline, work: Callable[[], Result]) -> Result:
    """Do something as the drawing of pictures does it, so that it comes to the same bits."""
    return next(in_order([work])) if _on_processor(pipeline) else work()


def _on_processor(pipeline: Pipeline) -> bool:
    return pipeline.machine.device.type == "cpu"


def _alone(pipeline: Pipeline, make: Callable[[], Row[Subject]]) -> tuple[Subject, list[Tensor]]:
    row = make()
    return row.of, pipeline.pixels_of_stages(row.text, row.noises)


def _together(pipeline: Pipeline, batch: Sequence[Row[Subject]]) -> Iterator[tuple[Subject, list[Tensor]]]:
    """Draw pictures as one batch of the full size."""
    import torch

    full = [*batch, *[batch[-1]] * (pipeline.at_once - len(batch))]
    text = TextFeatures(torch.cat([row.text.sentence for row in full]))
    noises = [torch.cat(stage) for stage in zip(*(row.noises for row in full), strict=True)]
    pixels = pipeline.pixels_of_stages(text, noises)
    for place, row in enumerate(batch):
        yield row.of, [stage[place : place + 1] for stage in pixels]


class Drawing:
    """Draws pictures of sentences with one stage of a pipeline.

    Args:
        pipeline: that draws.
        stage: up to which.
    """

    def __init__(self, pipeline: Pipeline, stage: int) -> None:
        self._pipeline, self._stage = pipeline, stage
        self._model, self._fingerprint = pipeline.model.name, pipeline.model.fingerprint
        self._texts: OrderedDict[str, TextFeatures] = OrderedDict()
        self._reading = threading.Lock()

    def all(self, requests: Iterable[Request]) -> Iterator[Drawn]:
        """Draw pictures in their order, and keep nothing of those that were given."""
        for request, pixels in draw_rows(self._pipeline, (partial(self._row, request) for request in requests)):
            *before, last = pixels
            read = self._pipeline.reading(request.prompt)
            drawn = Drawn(
                to_pictures(last)[0],
                request.prompt,
                request.seed,
                self._model,
                self._fingerprint,
                self._stage,
                chosen=self._pipeline.chosen,
                sketch=to_pictures(before[0])[0] if before else None,
                read_as=None if read == request.prompt else read,
            )
            for each in filter(None, (drawn, drawn.of_sketch)):
                each.picture.info.update(info_of(each.facts))
            yield drawn

    def _row(self, request: Request) -> Row[Request]:
        return Row(request, self._text(request), self._pipeline.noises([request.seed], stage=self._stage))

    def _text(self, request: Request) -> TextFeatures:
        """Features of a prompt, which is encoded by itself, once for pictures that are near each other.

        One at a time: encoders need not be made for several threads.
        """
        with self._reading:
            self._pipeline.check(request)
            text = self._texts.get(request.prompt)
            if text is None:
                text = self._texts[request.prompt] = self._pipeline.encode([request.prompt])
                if len(self._texts) > _TEXTS_KEPT:
                    self._texts.popitem(last=False)
            return text
