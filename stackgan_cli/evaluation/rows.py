"""The sets of pictures that are measured: a model's own between their ceiling and their floors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from stackgan_cli.components.protocols import Observation
from stackgan_cli.evaluation.halves import deviation_by_halves
from stackgan_cli.evaluation.observing import adding_up
from stackgan_cli.evaluation.real_pictures import RealPictures
from stackgan_cli.evaluation.results import Row
from stackgan_cli.evaluation.samples import AT_ONCE, drawn_pictures, reordered, repeated
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stackgan_cli.components.protocols import FeatureStatistics, Texts
    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.evaluation.measuring import ChosenMetric
    from stackgan_cli.evaluation.observing import Observer
    from stackgan_cli.evaluation.samples import Sample
    from stackgan_cli.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, and what it was measured of."""

    rows: list[Row]
    drawn: Observation
    """Of the last stage."""
    real: Observation
    """Of the test pictures."""
    reference: Observation
    """What drawings were compared with: the test pictures, or what statistics tell of others."""
    texts: Texts
    learnt: Sequence[int] = ()
    """Numbers of the training pictures that drawings were compared with, in the order of ``real.training``."""


_MOST_TRAINING = 20_000
"""Training pictures that drawings are compared with, at most: of more, some from all over the split."""
_REPEATED, _DRAWINGS = 100, 4
"""Captions that are drawn several times, and how often."""


def measured_rows(
    pipeline: Pipeline,
    data: PreparedData,
    split: Split,
    samples: Sequence[Sample],
    *,
    observer: Observer,
    metrics: Sequence[ChosenMetric],
    seed: int,
    report: Callable[[int, int], None],
    statistics: FeatureStatistics | None = None,
    whole: bool = False,
    at_once: int = AT_ONCE,
) -> Measured:
    """Observe and measure, one after the other, the sets of pictures that :attr:`Results.rows` names.

    Args:
        pipeline: the model.
        data: whose training pictures are the floor of distances.
        split: whose captions are drawn and whose pictures are compared with.
        samples: captions to draw.
        observer: describes the pictures.
        metrics: measure them.
        seed: of the floors and of the metrics.
        report: told how many pictures of how many are observed.
        statistics: of real pictures that others are compared with, in place of the test pictures.
        whole: whether drawings are compared with every real picture of the split, in place of one for each of them. So
            they are where there are more drawings than pictures: one that is there twice is no second picture.
        at_once: pictures in a batch; changes no number.
    """
    texts = observer.texts(data, split, samples)
    draw = generator_for(seed, "floor")
    needs = frozenset(need for each in metrics for need in each.metric.needs)
    learnt = _learnt(len(data.train)) if "training" in needs else []
    again = repeated(samples[:_REPEATED], _DRAWINGS, seed) if "repeats" in needs else ()
    total = (
        len(samples) * (len(pipeline.stages) + 1)
        + min(len(samples), len(data.train))
        + len(again) * len(pipeline.stages)
        + len(learnt)
    )
    tick = adding_up(lambda done: report(done, total))

    row = partial(_row, metrics=metrics, seed=seed)
    known = RealPictures(data, observer, pipeline.resolution)
    real = known.observe(split, [each.picture for each in samples], tick)
    if learnt:
        real = replace(real, training=known.observe(data.train, learnt, tick).features)
    # None of them twice: metrics take any two for pictures of their own.
    others = torch.randperm(len(data.train), generator=draw).tolist()
    training = known.observe(data.train, others[: len(samples)], tick)
    reference = _reference(known, split, real, statistics, whole=whole or len(samples) > len(split))
    # Nothing is compared with itself.
    rows = [
        row("real test pictures", real, None if statistics is None else reference, texts),
        row("real training pictures", training, reference, None),
    ]
    drawings = partial(drawn_pictures, pipeline, data, split, at_once=at_once)
    for stage in pipeline.stages:
        drawn = observer.observe(drawings(samples, stage), tick)
        if again:
            drawn = _with_repeats(drawn, observer.observe(drawings(again, stage), tick))
        rows.append(row(f"Stage-{'I' * stage}", drawn, reference, texts))
    # The pictures are the same: only what depends on the captions is another number.
    readers = [each for each in metrics if each.reads_texts]
    if readers:
        shuffled = reordered(texts, torch.randperm(len(samples), generator=draw).tolist())
        rows.append(row(f"{rows[-1].pictures}, captions shuffled", drawn, reference, shuffled, metrics=readers))
    return Measured(rows, drawn, real, reference, texts, learnt)


def _learnt(count: int) -> list[int]:
    """Which training pictures drawings are compared with: always the same, so that they are looked at once."""
    order = torch.randperm(count, generator=generator_for(0, "training pictures"))
    return sorted(order[:_MOST_TRAINING].tolist())


def _reference(
    known: RealPictures, split: Split, real: Observation, statistics: FeatureStatistics | None, *, whole: bool
) -> Observation:
    """What drawings are compared with: a picture for each, the whole split, or what statistics tell of others."""
    if statistics is not None:
        return Observation(torch.empty(0, len(statistics.mean)), statistics=statistics)
    if not whole:
        return real
    return replace(known.observe(split, range(len(split)), report=lambda _: None), training=real.training)


def _row(
    name: str,
    drawn: Observation,
    real: Observation | None,
    texts: Texts | None,
    *,
    metrics: Sequence[ChosenMetric],
    seed: int,
) -> Row:
    """What metrics say of one set of pictures; those that do not concern it are missing.

    A number of means and covariances, which are of no single picture, has no deviation of its own: halves tell it.
    """
    said = {}
    for each in metrics:
        measured = each.measure(drawn, real, texts, seed)
        if measured is None:
            continue
        bare = measured.value is not None and measured.deviation is None and measured.interval is None
        if bare and "statistics" in each.metric.needs:
            measured = measured.model_copy(update={"deviation": deviation_by_halves(each, drawn, real, texts, seed)})
        said[each.name] = measured
    return Row(pictures=name, count=len(drawn.features), metrics=said)


def _with_repeats(drawn: Observation, more: Observation) -> Observation:
    """Put further drawings of the first captions, as :func:`repeated` orders them, beside the first drawing of each."""
    first = drawn.features[: len(more.features) // (_DRAWINGS - 1)]
    return replace(drawn, repeats=torch.stack([first, *torch.split(more.features, len(first))], dim=1))
