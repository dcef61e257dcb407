"""The figures of a report: pictures in rows, each row with the words that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.evaluation.likeness import Likeness
from stackgan_cli.evaluation.measuring import filled
from stackgan_cli.evaluation.metrics.distances import blocks
from stackgan_cli.evaluation.samples import drawn_pictures, repeated
from stackgan_cli.pictures.pixels import to_pictures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PIL import Image
    from torch import Tensor

    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.evaluation.rows import Measured
    from stackgan_cli.evaluation.samples import Sample
    from stackgan_cli.pipeline import Pipeline

_ROWS, _DRAWINGS, _STEPS, _NEAREST, _ENDS = 8, 6, 7, 5, 8
"""Captions of a figure; drawings of one caption; pictures from one sentence to another; training pictures beside a
drawing; best and worst drawings."""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """Pictures beside each other, and what is said of them."""

    caption: str
    pictures: Sequence[Image.Image]


@dataclass(frozen=True, slots=True)
class Figure:
    """Rows of pictures under a title."""

    name: str
    """Of its file, without an extension."""
    title: str
    note: str
    """What is shown, in a sentence or two."""
    rows: Sequence[FigureRow]


@dataclass(frozen=True, slots=True)
class Scene:
    """What figures are drawn from.

    Args:
        pipeline: the model.
        data: that it is measured on.
        split: of the data.
        samples: captions and seeds that were measured.
        measured: what was seen of them.
        seed: of the evaluation.
    """

    pipeline: Pipeline
    data: PreparedData
    split: Split
    samples: Sequence[Sample]
    measured: Measured
    seed: int

    def caption(self, sample: Sample) -> str:
        """The words of a sample."""
        return self.split.captions[sample.picture][sample.caption]

    def drawn(self, samples: Sequence[Sample], stage: int | None = None) -> list[Image.Image]:
        """Draw samples again, as they were drawn to be measured."""
        stage = stage or self.pipeline.stages[-1]
        return _all_of(drawn_pictures(self.pipeline, self.data, self.split, samples, stage))

    def real(self, split: Split, places: Sequence[int]) -> list[Image.Image]:
        """Real pictures of a split at the model's resolution."""
        return [_picture(pixels) for pixels in split.pictures(list(places), self.pipeline.resolution)]


def all_figures(scene: Scene) -> list[Figure]:
    """Draw every figure that this model, this extractor and this data allow."""
    made = (_stages(scene), _same_text(scene), _between(scene), _nearest(scene), *_best_and_worst(scene))
    return [figure for figure in made if figure is not None]


def _stages(scene: Scene) -> Figure:
    """Stage-I beside Stage-II beside the picture that the caption was written for (the paper's figure 5)."""
    samples = scene.samples[:_ROWS]
    columns = [scene.drawn(samples, stage) for stage in scene.pipeline.stages]
    columns.append(scene.real(scene.split, [each.picture for each in samples]))
    told = " and ".join(f"Stage-{'I' * stage}" for stage in scene.pipeline.stages)
    rows = [FigureRow(scene.caption(each), shown) for each, *shown in zip(samples, *columns, strict=True)]
    note = f"The first captions that were measured, in their order: {told}, and the picture each was written for."
    return Figure("stages", "What was drawn", note, rows)


def _same_text(scene: Scene) -> Figure:
    samples = scene.samples[: min(6, len(scene.samples))]
    again = [*samples, *repeated(samples, _DRAWINGS, scene.seed)]
    pictures = scene.drawn(again)
    rows = [FigureRow(scene.caption(each), pictures[at :: len(samples)]) for at, each in enumerate(samples)]
    return Figure("same-text", "The same text, other noise", "Each row is one caption, drawn with other seeds.", rows)


def _between(scene: Scene) -> Figure | None:
    """Sentence vectors on the line from one caption to another, with one noise (the paper's figure 8)."""
    pipeline, samples = scene.pipeline, scene.samples[:8]
    if not pipeline.reads_captions or len(samples) < 2:
        return None
    features = pipeline.encode([scene.caption(each) for each in samples])
    if features.words is not None:
        return None
    rows = []
    for at in range(0, len(samples) - 1, 2):
        one, other = features.sentence[at], features.sentence[at + 1]
        line = torch.stack([torch.lerp(one, other, step / (_STEPS - 1)) for step in range(_STEPS)])
        seeds = [samples[at].seed] * _STEPS
        drawn = pipeline.pixels(TextFeatures(line), seeds, stage=pipeline.stages[-1])
        caption = f"{scene.caption(samples[at])} → {scene.caption(samples[at + 1])}"
        rows.append(FigureRow(caption, [_picture(pixels) for pixels in drawn]))
    note = "Sentence vectors on the line between those of two captions; the noise stays."
    return Figure("between-sentences", "From one sentence to another", note, rows)


def _nearest(scene: Scene) -> Figure | None:
    """The drawings that lie closest to a training picture, each beside the closest ones (the paper's figure 6)."""
    drawn, training = scene.measured.drawn.features.double(), scene.measured.real.training
    learnt = scene.measured.learnt
    if training is None:
        return None
    known = training.double()
    middle = known.mean(0)
    found = [part.topk(min(_NEAREST, len(known)), largest=False) for part in blocks(drawn - middle, known - middle)]
    distances, places = (torch.cat([part[at] for part in found]) for at in (0, 1))
    closest = distances[:, 0].argsort()[:_ROWS].tolist()
    pictures = scene.drawn([scene.samples[at] for at in closest])
    rows = [
        FigureRow(
            scene.caption(scene.samples[at]),
            [picture, *scene.real(scene.data.train, [learnt[place] for place in places[at].tolist()])],
        )
        for at, picture in zip(closest, pictures, strict=True)
    ]
    note = (
        "Of all drawings those that lie closest to a training picture, each followed by the training pictures that it"
        " lies closest to: copies would be seen here."
    )
    return Figure("nearest", "Nearest training pictures", note, rows)


def _best_and_worst(scene: Scene) -> list[Figure | None]:
    """The drawings that the extractor finds to fit their captions best, and worst."""
    drawn, texts = scene.measured.drawn, scene.measured.texts
    if "likeness" not in filled(drawn, None, texts):
        return []
    likeness = Likeness(drawn, texts)
    fits = likeness.own().tolist()
    order = sorted(likeness.telling, key=lambda at: fits[at], reverse=True)
    count = min(_ENDS, len(order) // 2)
    return [
        _picked(scene, "best", "Best", "The drawings that fit their captions best", order[:count]),
        _picked(scene, "worst", "Worst", "The drawings that fit their captions worst", order[len(order) - count :]),
    ]


def _picked(scene: Scene, name: str, title: str, note: str, places: Sequence[int]) -> Figure | None:
    samples = [scene.samples[at] for at in places]
    if not samples:
        return None
    rows = [FigureRow(scene.caption(each), [shown]) for each, shown in zip(samples, scene.drawn(samples), strict=True)]
    return Figure(name, title, f"{note}, by the extractor's own reading.", rows)


def _picture(pixels: Tensor) -> Image.Image:
    return to_pictures(pixels.unsqueeze(0))[0]


def _all_of(batches: Iterable[Tensor]) -> list[Image.Image]:
    return [_picture(pixels) for batch in batches for pixels in batch]
