"""Draw the captions of the test split, measure the pictures beside real ones, and keep the whole protocol with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.home import existing_data
from stackgan_cli.manifests import write_json
from stackgan_cli.progress import SILENT

if TYPE_CHECKING:
    from stackgan_cli.evaluation.request import EvaluateRequest
    from stackgan_cli.evaluation.results import Results
    from stackgan_cli.progress import Progress


def evaluate(request: EvaluateRequest, progress: Progress = SILENT) -> Results:
    """Measure a model, and keep the results in its folder, or in the home folder for a model of a package.

    Each data set and protocol has results of its own; only the very same measurement made again replaces them.

    Args:
        request: what to measure, and how.
        progress: told how it goes, and what a reader of the numbers should know.

    Raises:
        DataError: the data is not there, is damaged, or holds nothing that the extractor could learn; or the
            statistics cannot be read, or are of other features.
        ModelError: there is no such model, or it is damaged.
        ComponentError: a component that was named is unknown, broken or fails.
        UsageError: a metric that was named cannot be measured with this extractor and this data.
    """
    # What is measured with is torch's, and imported when something is measured.
    from stackgan_cli.evaluation.evaluation_setup import EvaluationSetup
    from stackgan_cli.evaluation.reference_statistics import statistics_of, write_statistics
    from stackgan_cli.evaluation.results import results_path

    model = request.model_place(progress).open()
    progress.say(f"Measuring the model {model.name} ({model.folder}) on {existing_data(request.data).name}.")
    setup = EvaluationSetup(request, progress)
    pipeline = setup.pipeline(model)
    measured = setup.measured(pipeline, progress)
    results = setup.results(pipeline, measured)
    for remark in results.remarks():
        progress.warn(remark)
    path = results_path(model, results)
    write_json(path, results.as_json())
    progress.say(f"The whole protocol is in {path}.")
    if request.export_statistics is not None:
        real = measured.reference.features
        if request.statistics:
            # A picture whose captions are drawn several times is there once.
            places = {each.picture: at for at, each in enumerate(setup.samples)}
            real = measured.real.features[list(places.values())]
        write_statistics(request.export_statistics, statistics_of(real))
        progress.say(f"Mean and covariance of {len(real):,} real pictures are in {request.export_statistics}.")
    if request.report:
        from stackgan_cli.evaluation.report.figures import Scene
        from stackgan_cli.evaluation.report.page import write_report

        scene = Scene(pipeline, setup.data, setup.split, setup.samples, measured, request.seed)
        with progress.phase("Figures"):
            page = write_report(path.parent, results, scene)
        progress.say(f"The report is {page}.")
    return results
