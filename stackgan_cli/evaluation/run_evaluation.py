"""Measuring a generator while it is trained: by ``evaluate``'s metrics, on the same captions and noise every time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from stackgan_cli.evaluation.fitted_extractors import fitted_extractor
from stackgan_cli.evaluation.measuring import applicable, choose_metrics, given_by
from stackgan_cli.evaluation.observing import Observer, adding_up
from stackgan_cli.evaluation.real_pictures import RealPictures
from stackgan_cli.evaluation.request import DEFAULT_EXTRACTOR, EXTRACTOR_SEED
from stackgan_cli.evaluation.run_numbers import RunNumbers
from stackgan_cli.evaluation.samples import batched, choose_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import Observation
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.evaluation.fitted_extractors import FittedExtractor
    from stackgan_cli.evaluation.results import Measurement
    from stackgan_cli.evaluation.samples import Sample
    from stackgan_cli.progress import Progress

_DISTANCE = "frechet-distance"
_SHARES = ("attribute-accuracy", "r-precision")
"""Shares of pictures that fit their captions; where the data knows what captions state, that is the surer one."""
_METRICS = (_DISTANCE, "kernel-distance", *_SHARES)
_SEED = 0
"""Of captions, noise and metrics: what ``evaluate`` takes where nobody says another."""


class RunEvaluation:
    """Measures a generator again and again, always on the same captions of the test split with the same noise.

    Its numbers are those that ``evaluate`` gives for a model of the generator on as many pictures, up to rounding.

    Args:
        data: prepared data; where its test split is empty, the training split serves.
        resolution: side in pixels of the generator's pictures.
        pictures: captions to draw, at most; no more than there are real pictures.
        progress: told how far the extractor's fitting is, where nobody has fitted it yet, and what cannot be measured.

    Raises:
        DataError: the data is damaged, or holds nothing that the extractor could learn.
        ComponentError: the extractor or a metric is broken or fails.
    """

    def __init__(self, data: PreparedData, *, resolution: int, pictures: int, progress: Progress) -> None:
        self._progress = progress
        fitted = _fitted(data, progress)
        observer = self._observer = Observer(fitted.extractor, fitted.described)
        split = data.test if len(data.test) else data.train
        metrics = [replace(each, named=False) for each in choose_metrics(_METRICS)[0]]
        self._metrics, left_out = applicable(metrics, given_by(observer, data, split) | {"real", "statistics"})
        self.samples = choose_samples(split, min(pictures, len(split)), _SEED)
        self._texts = observer.texts(data, split, self.samples)
        with progress.phase("Real pictures", len(self.samples)) as advance:
            real = RealPictures(data, observer, resolution)
            self._real = real.observe(split, [each.picture for each in self.samples], adding_up(advance))
        self._depends = {
            "data": data.fingerprint,
            "split": split.name,
            "resolution": resolution,
            "samples": [[each.picture, each.caption, each.seed] for each in self.samples],
            "extractor": observer.spec(),
            "metrics": [[each.component.full_name, each.component.version] for each in self._metrics],
        }
        self._reasons_said = False
        for name, why in left_out.items():
            progress.warn(f"While this trains, {name!r} is not measured: {why}.")
        for note in filter(None, (fitted.note, *fitted.doubts, observer.doubt_of(len(self.samples)))):
            progress.warn(note)

    def measure(self, draw: Callable[[Sequence[Sample]], Tensor]) -> RunNumbers:
        """Draw the captions and measure the pictures; what cannot be measured is said the first time.

        Args:
            draw: gives uint8 pictures (batch, 3, resolution, resolution), on the processor, of a batch of samples.

        Raises:
            ComponentError: the extractor fails, or answers in another form than it should.
        """
        drawn = self._observer.observe(map(draw, batched(self.samples)), lambda _: None)
        found: dict[str, Measurement] = {}
        for each in self._metrics:
            measured = each.measure(drawn, self._real, self._texts, _SEED)
            if measured is None:
                continue
            found[each.name] = measured
            why = measured.reason or measured.doubt
            if why and not self._reasons_said:
                how = "nothing" if measured.reason else "little"
                self._progress.warn(f"While this trains, {each.name!r} says {how}: {why.rstrip('.')}.")
        self._reasons_said = True
        score, by = _score(found, self._real)
        basis = json.dumps({**self._depends, "score": by}, sort_keys=True)
        return RunNumbers(
            values={name: round(each.value, 6) for name, each in found.items() if each.value is not None},
            score=score,
            basis=hashlib.sha256(basis.encode()).hexdigest(),
        )


def _fitted(data: PreparedData, progress: Progress) -> FittedExtractor:
    """The extractor that ``evaluate`` takes for this data; it is said where it has to be fitted first."""
    name, said = data.manifest.extractor or DEFAULT_EXTRACTOR, False
    with progress.phase(f"Extractor {name}", unit="steps") as advance:

        def report(done: int, total: int, words: str) -> None:
            nonlocal said
            if not said:
                said = True
                progress.say(
                    f"What measures the pictures is fitted to {data.name} first, once for all runs and for"
                    f" stackgan evaluate: the extractor {name}, kept in {data.folder / 'extractors'}."
                )
            advance(done, total, words)

        return fitted_extractor(data, name, {}, seed=EXTRACTOR_SEED, report=report)


def _score(found: Mapping[str, Measurement], real: Observation) -> tuple[float | None, list[str]]:
    """What tells the best checkpoint, as :attr:`RunNumbers.score` has it, and the metrics that it is made of.

    A share that says little, as one of few captions does, is no part of it.
    """
    numbers = {name: each.value for name, each in found.items() if each.value is not None}
    distance = numbers.get(_DISTANCE)
    if distance is None:
        return None, []
    for name in _SHARES:
        if name in numbers and not found[name].doubt:
            apart = 2 * float(real.features.double().var(dim=0).sum())
            return distance + (1 - numbers[name]) * apart, [_DISTANCE, name]
    return distance, [_DISTANCE]
