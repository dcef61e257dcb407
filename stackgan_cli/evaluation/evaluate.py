"""Draw the captions of the test split, measure the pictures beside real ones, and keep the whole protocol with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stackgan_cli.dataset.prepared import PreparedData
from stackgan_cli.evaluation.fitted_extractors import fitted_extractor
from stackgan_cli.evaluation.measuring import applicable, choose_metrics
from stackgan_cli.evaluation.observing import Observer
from stackgan_cli.evaluation.request import DEFAULT_EXTRACTOR
from stackgan_cli.evaluation.results import Results, results_path
from stackgan_cli.evaluation.rows import measured_rows
from stackgan_cli.evaluation.samples import choose_samples
from stackgan_cli.home import existing_data
from stackgan_cli.machine import choose_machine
from stackgan_cli.manifests import write_json
from stackgan_cli.model_folder import hash_of
from stackgan_cli.pipeline import Pipeline
from stackgan_cli.progress import SILENT

if TYPE_CHECKING:
    from stackgan_cli.dataset.prepared import Split
    from stackgan_cli.evaluation.request import EvaluateRequest
    from stackgan_cli.progress import Progress

_EXTRACTOR_SEED = 0


def evaluate(request: EvaluateRequest, progress: Progress = SILENT) -> Results:
    """Measure a model, and keep the results in its folder, or in the home folder for a model of a package.

    Each data set and protocol has results of its own; only the very same measurement made again replaces them.

    Args:
        request: what to measure, and how.
        progress: told how it goes, and what a reader of the numbers should know.

    Raises:
        DataError: the data is not there, is damaged, or holds nothing that the extractor could learn.
        ModelError: there is no such model, or it is damaged.
        ComponentError: a component that was named is unknown, broken or fails.
        UsageError: a metric that was named cannot be measured with this extractor and this data.
    """
    data = PreparedData(existing_data(request.data))
    model = request.model_place().open()
    metrics, broken = choose_metrics(request.metrics)
    pipeline = Pipeline(model, choose_machine(request.device, request.precision))
    progress.say(f"Measuring the model {model.name} ({model.folder}) on {data.name}.")
    extractor = request.extractor or data.manifest.extractor or DEFAULT_EXTRACTOR
    with progress.phase(f"Extractor {extractor}", unit="steps") as advance:
        fitted = fitted_extractor(data, extractor, request.extractor_options, seed=_EXTRACTOR_SEED, report=advance)
    observer = Observer(fitted.extractor, fitted.described)
    split = data.test if len(data.test) else data.train
    metrics, unmet = applicable(metrics, _given(observer, split))
    samples = choose_samples(split, request.num_images or len(split), request.seed)
    with progress.phase("Pictures") as advance:
        rows = measured_rows(
            pipeline, data, split, samples, observer=observer, metrics=metrics, seed=request.seed, report=advance
        )
    results = Results(
        protocol=_protocol(pipeline, data, split, observer, len(samples), request.seed),
        extractor=dict(fitted.card),
        metrics={each.name: each.facts for each in metrics},
        rows=rows,
        left_out=broken | unmet,
        notes=[note for note in (*pipeline.notes, fitted.note) if note],
    )
    for remark in results.remarks():
        progress.warn(remark)
    path = results_path(model, results)
    write_json(path, results.as_json())
    progress.say(f"The whole protocol is in {path}.")
    return results


def _given(observer: Observer, split: Split) -> frozenset[str]:
    """What metrics may need and this extractor and this data give."""
    stated = split.attributes is not None and split.stated is not None
    return observer.fills | {"real", "texts"} | ({"stated"} if stated else frozenset())


def _protocol(
    pipeline: Pipeline, data: PreparedData, split: Split, observer: Observer, count: int, seed: int
) -> dict[str, Any]:
    return {
        "model": pipeline.model.name,
        "stages": {stage: record.steps for stage, record in pipeline.model.manifest.stages.items()},
        "generators": {str(stage): hash_of(pipeline.model.stage_folder(stage)) for stage in pipeline.stages},
        "data": {"name": data.name, "fingerprint": data.fingerprint, "split": split.name},
        "captions": "one at random for each picture of the split, in turn",
        "generated": count,
        "real": count,
        "resolution": pipeline.resolution,
        "real_pictures": "centre crop, no flip",
        "precision": pipeline.machine.precision,
        "rounding": "to the nearest of 256 levels",
        "seed": seed,
        "extractor": observer.spec(),
        "comparable_to": "models measured with this extractor's sha256 and this number of pictures, and nothing else",
    }
