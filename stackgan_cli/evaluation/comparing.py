"""Several models on the same captions with the same noise, and how sure their differences are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from stackgan_cli.errors import UsageError
from stackgan_cli.evaluation.evaluation_setup import EvaluationSetup
from stackgan_cli.evaluation.halves import halves
from stackgan_cli.evaluation.real_pictures import picked
from stackgan_cli.evaluation.results import Measurement, MetricFacts
from stackgan_cli.evaluation.samples import drawn_pictures, reordered
from stackgan_cli.files import atomic_file
from stackgan_cli.home import home
from stackgan_cli.manifests import Manifest, write_json
from stackgan_cli.models.finding import place_of_model
from stackgan_cli.pictures.picture_files import slug
from stackgan_cli.pictures.pixels import to_pictures
from stackgan_cli.pictures.sheets import systems_sheet
from stackgan_cli.progress import SILENT
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from stackgan_cli.evaluation.measuring import ChosenMetric
    from stackgan_cli.evaluation.request import EvaluateRequest
    from stackgan_cli.evaluation.results import Results
    from stackgan_cli.evaluation.rows import Measured
    from stackgan_cli.progress import Progress

_REPLICATES = 100
"""Times that the captions are drawn anew to tell how sure a difference is."""
_SHOWN, _SIDE = 8, 128
"""Captions of the figure, and side in pixels of its pictures."""
_OF_A_MODEL = frozenset({"model", "stages", "generators", "resolution"})
"""Parts of a protocol that tell one model from another."""
_OF_ALL = frozenset({"repeats", "training"})
"""Needs of metrics whose numbers are of no single caption, so that they cannot be paired."""
_OF_SETS = frozenset({"real", "statistics", "logits"})
"""Needs of metrics whose numbers are no mean over single drawings."""


class Difference(Manifest):
    """How much larger a number is than the first model's."""

    value: float
    interval: tuple[float, float]
    """95 %, of both models' numbers of the same captions, drawn anew, see :class:`PairedBootstrap`."""


class ComparedModel(Manifest):
    """One of the models."""

    model: str
    stages: dict[str, int]
    """Steps of each."""
    generators: dict[str, str]
    """Hash of each stage's."""
    resolution: int
    metrics: dict[str, Measurement]
    """Of its last stage."""
    against_first: dict[str, Difference] = Field(default_factory=dict)
    """By metric; empty for the first model, and without metrics that cannot be paired."""
    notes: list[str] = Field(default_factory=list)


class Comparison(Manifest):
    """Numbers of several models, and everything that they depend on."""

    protocol: dict[str, Any]
    """What is the same for all models."""
    extractor: dict[str, Any]
    metrics: dict[str, MetricFacts]
    models: list[ComparedModel]
    comparable_to: list[str]
    """What the numbers of all models may be set beside, as one model's results have it."""
    not_comparable_because: list[str] = Field(default_factory=list)
    """What keeps those of any model from being set beside the published ones, a sentence each."""


def compare(request: EvaluateRequest, models: Sequence[str], progress: Progress = SILENT) -> tuple[Comparison, Path]:
    """Measure models by the same extractor on the same captions with the same seeds.

    Args:
        request: what to measure by; its ``model`` is not looked at.
        models: names or folders, the one that others are compared with first.
        progress: told how it goes.

    Returns:
        The comparison, and the folder in the home folder that it was written to: ``comparison.json`` and
        ``comparison.png``, one row a model and one column a caption.

    Raises:
        UsageError: fewer than two models.
        StackganError: as of :func:`~stackgan_cli.evaluation.evaluate.evaluate`.
    """
    if len(models) < 2:
        raise UsageError("A comparison takes two models or more.", hint="stackgan evaluate --data DATA --compare A B")
    if request.report or request.export_statistics is not None:
        raise UsageError("--report and --export-statistics are for one model.", hint="--compare without them")
    folders = [place_of_model(model).open() for model in models]
    setup = EvaluationSetup(request, progress)
    compared: list[ComparedModel] = []
    pictures: list[tuple[str, list[Image.Image]]] = []
    bootstrap: PairedBootstrap | None = None
    protocol: dict[str, Any] = {}
    said: set[str] = set()
    whole: list[Results] = []
    for folder in folders:
        progress.say(f"Measuring the model {folder.name} ({folder.folder}).")
        pipeline = setup.pipeline(folder)
        measured = setup.measured(pipeline, progress)
        results = setup.results(pipeline, measured)
        for remark in results.remarks():
            if remark not in said:
                progress.warn(remark)
            said.add(remark)
        whole.append(results)
        row = next(each for each in results.rows if each.pictures == f"Stage-{'I' * pipeline.stages[-1]}")
        against = {} if bootstrap is None else bootstrap.differences(measured)
        own = {key: results.protocol[key] for key in _OF_A_MODEL}
        compared.append(ComparedModel(**own, metrics=row.metrics, against_first=against, notes=results.notes))
        protocol = {key: value for key, value in results.protocol.items() if key not in _OF_A_MODEL}
        bootstrap = bootstrap or PairedBootstrap(setup.metrics, measured, request.seed)
        samples = setup.samples[:_SHOWN]
        batches = drawn_pictures(pipeline, setup.data, setup.split, samples, pipeline.stages[-1])
        pictures.append((folder.name, [picture for batch in batches for picture in to_pictures(batch)]))
    comparison = Comparison(
        protocol=protocol,
        extractor=dict(setup.fitted.card),
        metrics={each.name: each.facts(setup.fitted.short_name) for each in setup.metrics},
        models=compared,
        comparable_to=[each for each in whole[0].comparable_to if all(each in other.comparable_to for other in whole)],
        not_comparable_because=list(dict.fromkeys(why for each in whole for why in each.not_comparable_because)),
    )
    # As results have, so that no numbers take the place of others.
    key = hashlib.sha256(" ".join(each.key for each in whole).encode()).hexdigest()[:12]
    names = "-".join(slug(name) for name, _ in pictures)
    target = home() / "evaluation" / "comparisons" / setup.data.name / f"{names}-{key}"
    _keep(comparison, setup, pictures, target)
    return comparison, target


def _keep(
    comparison: Comparison, setup: EvaluationSetup, pictures: Sequence[tuple[str, list[Image.Image]]], target: Path
) -> None:
    """Write the numbers and the figure into a folder."""
    captions = [setup.split.captions[each.picture][each.caption] for each in setup.samples[:_SHOWN]]
    write_json(target / "comparison.json", comparison.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    with atomic_file(target / "comparison.png") as temporary:
        systems_sheet(captions, pictures, side=_SIDE).save(temporary, "PNG")


class PairedBootstrap:
    """Numbers of the first model on captions that are drawn anew, again and again, to hold those of others against.

    Captions are drawn with replacement (Efron and Tibshirani 1993), but for metrics of a set of pictures by
    :func:`~stackgan_cli.evaluation.halves.halves`. What half of the pictures shift a distance by is taken off again.

    Args:
        metrics: that can be asked of some captions alone.
        first: the first model.
        seed: of the draws and of the metrics.
    """

    def __init__(self, metrics: Sequence[ChosenMetric], first: Measured, seed: int) -> None:
        self._metrics = [each for each in metrics if not each.metric.needs & _OF_ALL]
        self._seed, count = seed, len(first.drawn.features)
        draw = generator_for(seed, "bootstrap")
        self._drawn = [torch.randint(count, (count,), generator=draw).tolist() for _ in range(_REPLICATES)]
        self._halves = halves(count, _REPLICATES, draw)
        self._first = self._values(first)

    def differences(self, other: Measured) -> dict[str, Difference]:
        """By metric, how much larger the other model's number is."""
        found = {}
        for name, values in self._values(other).items():
            pairs = zip(values, self._first[name], strict=True)
            told = [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]
            if len(told) == 1 + _REPLICATES:
                whole, again = told[0], torch.tensor(told[1:]).double()
                around = whole + again - again.mean()
                low, high = around.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
                found[name] = Difference(value=whole, interval=(low, high))
        return found

    def _values(self, measured: Measured) -> dict[str, list[float | None]]:
        """By metric, what it says of all drawings, and then of those of every draw of captions."""
        found = {}
        for each in self._metrics:
            orders = self._halves if each.metric.needs & _OF_SETS else self._drawn
            found[each.name] = [_value(each, measured, order, self._seed) for order in (None, *orders)]
        return found


def _value(metric: ChosenMetric, measured: Measured, order: Sequence[int] | None, seed: int) -> float | None:
    """What a metric says of drawings, or of some of them by their places."""
    drawn, texts = measured.drawn, measured.texts
    if order is not None:
        drawn, texts = picked(drawn, order), reordered(texts, order)
    found = metric.measure(drawn, measured.reference, texts, seed)
    return None if found is None else found.value
