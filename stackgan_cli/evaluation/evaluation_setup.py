"""What models are measured by, and what their numbers depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.errors import ComponentError, DataError, MissingOptionError
from stackgan_cli.evaluation.fitted_extractors import fitted_extractor
from stackgan_cli.evaluation.looked_through import looked_through
from stackgan_cli.evaluation.measuring import applicable, choose_metrics, given_by
from stackgan_cli.evaluation.observing import Observer
from stackgan_cli.evaluation.protocols.protocol import EVERY, FOR_EACH, IN_TURN, find_protocol
from stackgan_cli.evaluation.reference_statistics import read_statistics
from stackgan_cli.evaluation.request import DEFAULT_EXTRACTOR, EXTRACTOR_SEED
from stackgan_cli.evaluation.results import Results
from stackgan_cli.evaluation.rows import measured_rows
from stackgan_cli.evaluation.samples import choose_samples
from stackgan_cli.home import existing_data
from stackgan_cli.machine import choose_machine
from stackgan_cli.models.folder import hash_of
from stackgan_cli.pipeline import Pipeline

if TYPE_CHECKING:
    from stackgan_cli.dataset.prepared import Split
    from stackgan_cli.evaluation.fitted_extractors import FittedExtractor
    from stackgan_cli.evaluation.protocols.protocol import CaptionChoice
    from stackgan_cli.evaluation.request import EvaluateRequest
    from stackgan_cli.evaluation.rows import Measured
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.progress import Progress

_SAME_MEASURE = "models measured with this extractor's sha256 and this number of pictures, and nothing else"


class EvaluationSetup:
    """What models are measured by: data, extractor, metrics and captions, the same for every model.

    Args:
        request: what to measure by; its model is not looked at.
        progress: told how far the extractor's fitting is.

    Raises:
        DataError: the data is not there, is damaged, or holds nothing that the extractor could learn; or the
            statistics cannot be read, or are of other features.
        ComponentError: a component that was named is unknown, broken or fails.
        UsageError: a metric that was named cannot be measured with this extractor and this data.
    """

    def __init__(self, request: EvaluateRequest, progress: Progress) -> None:
        self.request = request
        self.data = PreparedData(existing_data(request.data))
        self.protocol = None if request.protocol is None else find_protocol(request.protocol)
        metrics, broken = choose_metrics(request.metrics)
        self.fitted = self._fitted(progress)
        self.observer = Observer(self.fitted.extractor, self.fitted.described)
        self.split = self.data.test if len(self.data.test) else self.data.train
        self._reference: dict[str, Any] = {}
        self.statistics = None
        if request.statistics is not None:
            self.statistics, digest = read_statistics(request.statistics, self.observer.width)
            self._reference = {"compared_with": f"statistics with the SHA-256 {digest}"}
        self.metrics, unmet = applicable(metrics, self._given())
        self.left_out = broken | unmet
        asked = len(self.split) if self.protocol is None else self.protocol.generated
        self._captions: CaptionChoice = IN_TURN if self.protocol is None else self.protocol.captions
        self.samples = choose_samples(
            self.split, request.num_images or asked, request.seed, without_repetition=self._captions != IN_TURN
        )

    @property
    def _whole(self) -> bool:
        """Whether drawings are compared with every real picture of the split."""
        return self.protocol is not None and self.protocol.compared_with != FOR_EACH

    def _fitted(self, progress: Progress) -> FittedExtractor:
        """The extractor that was named, else the protocol's where its weights are here, else the data's.

        Options are of one extractor: nobody means them for another that takes its place.
        """
        request = self.request
        usual = self.data.manifest.extractor or DEFAULT_EXTRACTOR
        of_protocol = None if self.protocol is None or request.extractor else self.protocol.extractor
        try:
            return self._fit(request.extractor or of_protocol or usual, progress)
        except MissingOptionError as error:
            if of_protocol is None or request.extractor_options:
                raise
            progress.warn(f"{error.message} {usual} measures in its place.")
            return self._fit(usual, progress)
        except ComponentError as error:
            if of_protocol is None or not request.extractor_options:
                raise
            raise ComponentError(
                f"{error.message} The protocol {request.protocol!r} measures by it, so the options are taken for its.",
                hint=f"--extractor {usual}, if they are of that one",
            ) from error

    def _fit(self, name: str, progress: Progress) -> FittedExtractor:
        with progress.phase(f"Extractor {name}", unit="steps") as advance:
            options = self.request.extractor_options
            return fitted_extractor(self.data, name, options, seed=EXTRACTOR_SEED, report=advance)

    def _given(self) -> frozenset[str]:
        """What metrics may need and this extractor and this data give."""
        given = given_by(self.observer, self.data, self.split) | {"statistics", "training", "repeats"}
        return given | ({"real"} if self.statistics is None else set())

    def pipeline(self, model: ModelFolder) -> Pipeline:
        """A model, ready to draw as was asked for.

        Raises:
            DataError: it reads captions, and the data has features of its captions alone.
        """
        precision, protocol = self.request.precision, self.protocol
        if protocol is not None and precision == "auto":
            precision = protocol.precision
        condition = None if protocol is None else protocol.condition
        pipeline = Pipeline(model, choose_machine(self.request.device, precision), condition=condition)
        if pipeline.reads_captions and not self.data.manifest.captioned:
            raise DataError(
                f"The model {model.name!r} reads captions, and {self.data.name!r} has features of its captions alone.",
                hint="--data with data that has captions, or --model with a model that was trained on these features",
            )
        return pipeline

    def measured(self, pipeline: Pipeline, progress: Progress) -> Measured:
        """Draw and measure."""
        with progress.phase("Pictures") as advance:
            return measured_rows(
                pipeline,
                self.data,
                self.split,
                self.samples,
                observer=self.observer,
                metrics=self.metrics,
                seed=self.request.seed,
                report=advance,
                statistics=self.statistics,
                whole=self._whole,
            )

    def _note_of_other_data(self, model: ModelFolder) -> str | None:
        """Say where a model has learnt from other pictures than it is measured on."""
        learnt_from = model.manifest.data
        if learnt_from.fingerprint == self.data.fingerprint:
            return None
        return f"The model {model.name} learnt from {learnt_from.name or 'other data'}, not from this {self.data.name}."

    def _note_of_training_by(self, model: ModelFolder) -> str | None:
        """Say where a model was trained by what it is measured by."""
        looking = looked_through(model).get(self.fitted.name)
        if looking is None:
            return None
        return (
            f"The training of {model.name} looked through {self.fitted.name} ({looking}), so that this extractor says"
            " too much good of it: rank it by another."
        )

    def results(self, pipeline: Pipeline, measured: Measured) -> Results:
        """What was measured, with everything that it depends on."""
        fitted, count = self.fitted, len(self.samples)
        few = self.observer.doubt_of(min(count, len(self.split)))
        model = pipeline.model
        own = (self._note_of_other_data(model), self._note_of_training_by(model))
        notes = (*pipeline.notes, *own, fitted.note, *fitted.doubts, few)
        facts = _protocol(pipeline, self.data, self.split, self.observer, count, self.request.seed)
        if self.statistics is None:
            facts["real"] = len(self.split) if self._whole else min(count, len(self.split))
        facts |= {"captions": self._captions, "compared_with": EVERY if self._whole else FOR_EACH} | self._reference
        comparable, missing = [_SAME_MEASURE], []
        if self.protocol is not None:
            facts["protocol"] = self.request.protocol
            missing = self.protocol.missing(facts, {name for row in measured.rows for name in row.metrics})
            comparable = [] if missing else self.protocol.published
        return Results(
            protocol=facts,
            comparable_to=comparable,
            not_comparable_because=missing,
            extractor=dict(fitted.card),
            metrics={each.name: each.facts(fitted.short_name) for each in self.metrics},
            rows=measured.rows,
            left_out=self.left_out,
            notes=[note for note in notes if note],
        )


def _protocol(
    pipeline: Pipeline, data: PreparedData, split: Split, observer: Observer, count: int, seed: int
) -> dict[str, Any]:
    return {
        "model": pipeline.model.name,
        "stages": {stage: record.steps for stage, record in pipeline.model.manifest.stages.items()},
        "generators": {str(stage): hash_of(pipeline.model.stage_folder(stage)) for stage in pipeline.stages},
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "split": split.name,
            "reader": data.manifest.reader.bare_name,
            "crop": data.manifest.crop,
            "train_pictures": len(data.train),
            "test_pictures": len(data.test),
        },
        "noise": "normal",
        "generated": count,
        "resolution": pipeline.resolution,
        "real_pictures": "centre crop, no flip",
        "precision": pipeline.machine.precision,
        "condition": " and ".join(sorted({_condition(pipeline, stage) for stage in pipeline.stages})),
        "rounding": "to the nearest of 256 levels",
        "seed": seed,
        "extractor": observer.spec(),
    }


def _condition(pipeline: Pipeline, stage: int) -> str:
    """What a stage draws with, a sample of the conditioning distribution or its mean."""
    return "mean" if pipeline.draws_mean(stage) else "sample"
