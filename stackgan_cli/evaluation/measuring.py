"""The metrics that are asked, and what each says of a set of pictures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind, blaming, join, talk_on_stderr
from stackgan_cli.components.protocols import CAPTION_NEEDS, METRIC_NEEDS, HasShortName
from stackgan_cli.components.registry import available, find
from stackgan_cli.components.results import metric_fault, refuse
from stackgan_cli.errors import ComponentError, StackganError, UsageError
from stackgan_cli.evaluation.results import Measurement, MetricFacts
from stackgan_cli.manifests import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.components.binding import Component
    from stackgan_cli.components.protocols import Metric, Observation, Texts
    from stackgan_cli.dataset.prepared import PreparedData, Split
    from stackgan_cli.evaluation.observing import Observer


@dataclass(frozen=True, slots=True)
class ChosenMetric:
    """A metric that is asked."""

    name: str
    """Bare where that tells it from the others, else ``package:name``."""
    component: Component
    metric: Metric
    named: bool
    """Whether a person asked for it; another one's failure is a word beside the results."""

    @property
    def reads_texts(self) -> bool:
        """Whether what it says depends on the captions."""
        return bool(self.metric.needs & CAPTION_NEEDS)

    def facts(self, extractor: str) -> MetricFacts:
        """What the results say of it.

        Args:
            extractor: short name of what describes the pictures.
        """
        short = f"{self.metric.short_name}-{extractor}" if isinstance(self.metric, HasShortName) else ""
        return MetricFacts(
            component=self.component.full_name,
            version=self.component.version,
            title=self.metric.title,
            better="lower" if self.metric.better == "lower" else "higher",
            short_name=short,
        )

    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Measurement | None:
        """Measure pictures; None where something that the metric needs is missing, or it has nothing to say.

        Raises:
            ComponentError: the metric was named and fails, or gives something else than a measurement.
        """
        if not self.metric.needs <= filled(drawn, real, texts):
            return None
        try:
            found = self._measured(drawn, real, texts, seed)
        except StackganError as error:
            if self.named:
                raise
            return Measurement(reason=error.message)
        return None if found == Measurement() else found

    def _measured(self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int) -> Measurement:
        described = self.component.described
        with talk_on_stderr(), blaming(described, "measuring pictures"):
            given = dict(self.metric.measure(drawn, real, texts, seed))
            found = json.loads(json.dumps(given, allow_nan=False))
        what = f"What {described[0].lower()}{described[1:]} measured"
        return checked(Measurement, found, what=what, error=ComponentError, hint="Report this to its authors.")


def choose_metrics(names: Sequence[str] = ()) -> tuple[list[ChosenMetric], dict[str, str]]:
    """Build metrics.

    Args:
        names: bare or full names; none for all that are installed.

    Returns:
        The metrics, and by name why others that are installed cannot be used.

    Raises:
        ComponentError: a metric that is named is unknown or broken.
    """
    components = list(dict.fromkeys(find(Kind.METRIC, name) for name in names)) or available(Kind.METRIC)
    bare = Counter(each.name for each in components)
    chosen, left_out = [], {}
    for component in components:
        name = component.name if bare[component.name] == 1 else component.full_name
        try:
            chosen.append(ChosenMetric(name, component, _built(component), bool(names)))
        except StackganError as error:
            if names:
                raise
            left_out[name] = error.message
    return chosen, left_out


def given_by(observer: Observer, data: PreparedData, split: Split) -> frozenset[str]:
    """What metrics may need and an extractor and captions of a split give, in the words of ``METRIC_NEEDS``."""
    given = observer.fills | {"texts"}
    if not data.manifest.captioned:
        given -= {"caption_features"}
    if split.attributes is not None and split.stated is not None:
        given |= {"stated"}
    return given | _likeness(given)


def applicable(metrics: Sequence[ChosenMetric], there: frozenset[str]) -> tuple[list[ChosenMetric], dict[str, str]]:
    """Tell the metrics that can be measured from the others.

    Args:
        metrics: to choose from.
        there: what extractor and data give, in the words of ``METRIC_NEEDS``.

    Returns:
        Those that can be measured, and by name what the others lack.

    Raises:
        UsageError: a metric that was named cannot be measured.
    """
    left_out = {}
    for each in metrics:
        missing = [METRIC_NEEDS[need] for need in sorted(each.metric.needs - there)]
        if missing:
            left_out[each.name] = f"it needs {join(missing, 'and')}"
        if missing and each.named:
            raise UsageError(
                f"The metric {each.name!r} cannot be measured: {left_out[each.name]}.",
                "another --extractor, other --data, or without this --metric",
            )
    return [each for each in metrics if each.name not in left_out], left_out


def filled(drawn: Observation, real: Observation | None, texts: Texts | None) -> frozenset[str]:
    """What metrics need and these fill, in the words of ``METRIC_NEEDS``."""
    told: dict[str, Any] = {"texts": texts, "statistics": real}
    if real is not None:
        told |= {"real": real if len(real.features) else None, "training": real.training}
    told |= {name: getattr(drawn, name) for name in ("logits", "attributes", "probabilities", "repeats")}
    if texts is not None:
        told["caption_features"] = texts.features
        told["stated"] = None if texts.truth is None else texts.stated
    there = frozenset(need for need, value in told.items() if value is not None)
    return there | _likeness(there)


def _likeness(there: frozenset[str]) -> frozenset[str]:
    """What can be told of pictures and captions where these needs of metrics are filled."""
    reads, weighs = "caption_features" in there, {"probabilities", "stated"} <= there
    return frozenset({"likeness"} if reads or weighs else ())


def _built(component: Component) -> Metric:
    metric: Metric = component.bind().build()
    refuse(component.described, metric_fault(metric))
    return metric
