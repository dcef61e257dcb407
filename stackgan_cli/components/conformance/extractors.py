"""Checks of feature extractors."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance.fitting import check_fit, fit
from stackgan_cli.components.conformance.modules import check_round_trip, check_seed, finite, same
from stackgan_cli.components.conformance.subject import Notebook, Subject, require
from stackgan_cli.components.protocols import Fits
from stackgan_cli.errors import StackganError

BATCH = 3


def _pictures(size: int) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8, generator=generator)


class _ExtractorRun:
    def __init__(self, subject: Subject) -> None:
        self.extractor: Any = subject.build()

    def prepare(self) -> str:
        """Fit an extractor that learns everything from the data and so has nothing to say before."""
        self._evaluate()
        try:
            self.features()
        except (StackganError, AttributeError, RuntimeError):
            if not isinstance(self.extractor, Fits):
                raise
            fit(self.extractor)
            self._evaluate()
            return "fitted to sample data first"
        return ""

    def _evaluate(self) -> None:
        if isinstance(self.extractor, nn.Module):
            self.extractor.eval()

    def features(self, extractor: Any = None, *, size: int = 64, rows: slice = slice(None)) -> Tensor:
        with torch.no_grad():
            found: Tensor = (extractor or self.extractor).features(_pictures(size)[rows])
        return found

    def shapes(self) -> str:
        width = getattr(self.extractor, "width", None)
        require(type(width) is int and width > 0, f"width should be a positive whole number, not {width!r}")
        for size in (64, 48):
            found = self.features(size=size)
            require(isinstance(found, Tensor), f"features are {type(found).__name__} instead of a tensor")
            shape = tuple(found.shape)
            require(shape == (BATCH, width), f"pictures of {size} px give the shape {shape}, not {(BATCH, width)}")
            require(found.dtype is torch.float32, f"features are {found.dtype}, not float32")
            finite([found], "features")
        return f"width={width}"

    def repeats(self) -> None:
        same(self.features(), self.features(), "equal pictures give different features", 1e-6)

    def rows_alone(self) -> None:
        alone = self.features(rows=slice(1, 2))
        same(self.features()[1:2], alone, "the features of a picture depend on the others in its batch")

    def specification(self) -> str:
        found = self.extractor.spec()
        require(isinstance(found, dict), f"spec() returns {type(found).__name__} instead of a dict")
        text = json.dumps(found, sort_keys=True, allow_nan=False)
        require(text == json.dumps(self.extractor.spec(), sort_keys=True), "spec() changes from call to call")
        return ", ".join(found)


def check_extractor(notebook: Notebook, subject: Subject) -> None:
    """Check a feature extractor, and its optional ``fit``."""
    run = _ExtractorRun(subject)
    if not notebook.run("describes pictures", run.prepare) or not notebook.run("shapes, finite float32", run.shapes):
        return
    notebook.run("equal pictures, equal features", run.repeats)
    notebook.run("rows are independent", run.rows_alone)
    notebook.run("spec fits JSON", run.specification)
    learns = isinstance(run.extractor, Fits)
    if isinstance(run.extractor, nn.Module):
        notebook.run("equal seeds, equal weights", lambda: check_seed(subject))
        notebook.run("saves and loads", lambda: check_round_trip(subject, run.extractor, run.features))
    if learns:
        notebook.run("fits under a seed", lambda: check_fit(subject, run.features))
