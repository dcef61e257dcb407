"""Checks of feature extractors."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance.modules import check_weights, fit, same
from stackgan_cli.components.conformance.samples import CAPTIONS
from stackgan_cli.components.conformance.subject import Notebook, Subject, accept, require, whole_number
from stackgan_cli.components.protocols import (
    Classifies,
    Fits,
    Observation,
    Observes,
    ReadsAttributes,
    ReadsCaptions,
    WeighsAttributes,
)
from stackgan_cli.components.results import attributes_fault, probabilities_fault, table_fault

BATCH = 3


def _pictures(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8, generator=generator)


class _ExtractorRun:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.extractor: Any = subject.build()

    def prepare(self) -> str:
        """Fit an extractor that learns from the data, as it is before anybody asks it."""
        learns = isinstance(self.extractor, Fits)
        if learns:
            fit(self.extractor, self.subject)
        if isinstance(self.extractor, nn.Module):
            self.extractor.eval()
        return "fitted to sample data first" if learns else ""

    @torch.no_grad()
    def features(self, extractor: Any = None, *, size: int = 64, rows: slice = slice(None)) -> Tensor:
        found: Tensor = (extractor or self.extractor).features(_pictures(size)[rows])
        return found

    def shapes(self) -> str:
        width = whole_number(self.extractor, "width")
        for size in (64, 48):
            _accept_features(self.features(size=size), f"features of pictures of {size} px", BATCH, width)
        return f"width={width}"

    def repeats(self) -> None:
        same(self.features(), self.features(), "equal pictures give different features", 1e-6)

    def rows_alone(self) -> None:
        alone = self.features(rows=slice(1, 2))
        same(self.features()[1:2], alone, "the features of a picture depend on the others in its batch")

    def specification(self) -> str:
        found = self.extractor.spec()
        require(isinstance(found, dict), f"spec() returns {type(found).__name__} instead of a dict")
        digest = found.get("sha256")
        told = isinstance(digest, str) and bool(digest)
        require(told, f"spec() has {digest!r} for sha256; it should be the hash of its weights, as text")
        text = json.dumps(found, sort_keys=True, allow_nan=False)
        require(text == json.dumps(self.extractor.spec(), sort_keys=True), "spec() changes from call to call")
        return ", ".join(found)

    @torch.no_grad()
    def logits(self) -> str:
        logits = self.extractor.logits(_pictures(64))
        accept(table_fault(logits, "logits", BATCH))
        return f"{logits.shape[1]} values"

    @torch.no_grad()
    def attributes(self) -> str:
        found = self.extractor.attributes(_pictures(64))
        accept(attributes_fault(found, BATCH))
        return ", ".join(found)

    @torch.no_grad()
    def probabilities(self) -> str:
        found = self.extractor.probabilities(_pictures(64))
        accept(probabilities_fault(found, BATCH))
        return f"{len(found.columns)} values"

    @torch.no_grad()
    def observation(self) -> None:
        pictures = _pictures(64)
        found = self.extractor.observe(pictures)
        require(isinstance(found, Observation), f"observe() returns {type(found).__name__} instead of Observation")
        for name, ability in (("features", object), ("logits", Classifies), ("attributes", ReadsAttributes)):
            alone = getattr(self.extractor, name)(pictures) if isinstance(self.extractor, ability) else None
            seen = getattr(found, name)
            fault = f"observe() gives other {name} than the method of that name"
            if isinstance(alone, Tensor) and isinstance(seen, Tensor):
                same(alone, seen, fault, 1e-6)
            else:
                require(alone == seen, fault)
        if isinstance(self.extractor, WeighsAttributes):
            require(found.probabilities is not None, "observe() gives no probabilities, and there is a method for them")
            alone, seen = self.extractor.probabilities(pictures).logarithms, found.probabilities.logarithms
            same(alone, seen, "observe() gives other probabilities than the method of that name", 1e-6)

    @torch.no_grad()
    def caption_features(self) -> None:
        found = self.extractor.caption_features(list(CAPTIONS))
        _accept_features(found, "features of captions", len(CAPTIONS), self.extractor.width)


def check_extractor(notebook: Notebook, subject: Subject) -> None:
    """Check a feature extractor, and what it can do besides."""
    run = _ExtractorRun(subject)
    if not notebook.run("describes pictures", run.prepare) or not notebook.run("shapes, finite float32", run.shapes):
        return
    notebook.run("equal pictures, equal features", run.repeats)
    notebook.run("rows are independent", run.rows_alone)
    notebook.run("spec fits JSON", run.specification)
    for ability, name, check in (
        (Classifies, "names classes", run.logits),
        (ReadsAttributes, "tells attributes", run.attributes),
        (WeighsAttributes, "tells how probable they are", run.probabilities),
        (Observes, "one look tells the same", run.observation),
        (ReadsCaptions, "describes captions", run.caption_features),
    ):
        if isinstance(run.extractor, ability):
            notebook.run(name, check)
    check_weights(notebook, subject, run.extractor, run.features)


def _accept_features(found: Tensor, what: str, count: int, width: int) -> None:
    accept(table_fault(found, what, count, width))
    require(found.dtype is torch.float32, f"it gives {what} as {found.dtype}, not float32")
