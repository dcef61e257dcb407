"""What an evaluation found, and where it is kept."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from stackgan_cli.components.component import join
from stackgan_cli.home import home
from stackgan_cli.manifests import Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.models.folder import ModelFolder


class Measurement(Manifest):
    """What one metric says of one set of pictures; a metric may add more than is named here."""

    model_config = ConfigDict(extra="allow")

    value: float | None = None
    """None where nothing can be said of these pictures."""
    interval: tuple[float, float] | None = None
    """Confidence interval: low, high."""
    deviation: float | None = None
    of: Annotated[int, Field(ge=1)] | None = None
    """How many things the value is a share of."""
    parts: dict[str, Measurement] = Field(default_factory=dict)
    reason: str | None = None
    """Why there is no value."""
    doubt: str | None = None
    """Why the value means little."""


class Row(Manifest):
    """One set of pictures."""

    pictures: str
    """What they are."""
    count: int
    metrics: dict[str, Measurement]
    """By name of the metric; those that do not concern these pictures are missing."""


class MetricFacts(Manifest):
    """What the results say of a metric."""

    component: str
    """``package:name``."""
    version: str
    title: str
    better: Literal["lower", "higher"]
    short_name: str = ""
    """What its numbers are called, by the extractor that they are of, as ``fd-effnet-lite0``; empty for a metric that
    has no short name."""


class Results(Manifest):
    """Numbers of one model on one data set, with everything that they depend on."""

    form: Annotated[Literal[1], Field(alias="schema")] = 1
    protocol: dict[str, Any]
    """Everything that the numbers depend on but the extractor's training."""
    extractor: dict[str, Any]
    """What was measured of the extractor when it was fitted, and on which data that was."""
    metrics: dict[str, MetricFacts]
    rows: list[Row]
    """The real test pictures (the ceiling), real training pictures (the floor of distances), one row for each stage,
    and the last stage beside shuffled captions (the floor of what depends on captions)."""
    comparable_to: list[str] = Field(default_factory=list)
    """What these numbers may be set beside."""
    not_comparable_because: list[str] = Field(default_factory=list)
    """What keeps them from being set beside the published numbers whose protocol was asked for, a sentence each."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Installed metrics that could not be asked, and why."""
    notes: list[str] = Field(default_factory=list)
    """What a reader of the numbers should know besides."""

    def as_json(self) -> dict[str, Any]:
        """Plain values, without what is not there."""
        always = {"schema": self.form, "comparable_to": self.comparable_to}
        return always | self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @property
    def key(self) -> str:
        """What tells this protocol, with what was measured by it, apart from all others: 12 hexadecimal digits."""
        measured = {name: [facts.component, facts.version] for name, facts in self.metrics.items()}
        whole = json.dumps([self.protocol, measured], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:12]

    def remarks(self) -> list[str]:
        """What the numbers do not say, a sentence each."""
        left_out = [f"The metric {name!r} is left out: {why.rstrip('.')}." for name, why in self.left_out.items()]
        said: dict[tuple[str, str, str], list[str]] = {}
        for row in self.rows:
            for name, measured in row.metrics.items():
                for how, why in (("nothing", measured.reason), ("little", measured.doubt)):
                    if why:
                        said.setdefault((name, how, why.rstrip(".")), []).append(row.pictures)
        silent = [f"Of {join(rows, 'and')}, {name!r} says {how}: {why}." for (name, how, why), rows in said.items()]
        missing = [f"Not comparable with the published numbers: {why}" for why in self.not_comparable_because]
        return [*missing, *self.notes, *left_out, *silent]


def results_path(model: ModelFolder, results: Results) -> Path:
    """Where results are kept: in the model's folder, or in the home folder for one of a package.

    Each data set has a folder there, and each protocol one within it, so that no numbers take the place of others.
    """
    brought = model.resource
    folder = model.folder / "evaluation" if brought is None else home() / "evaluation" / brought.package / brought.name
    data: str = results.protocol["data"]["name"]
    return folder / data / results.key / "results.json"
