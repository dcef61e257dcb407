"""Checks of feature extractors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance.fitting import check_fit, fit
from stackgan_cli.components.conformance.modules import check_round_trip, check_seed, finite, same
from stackgan_cli.components.conformance.samples import CAPTIONS
from stackgan_cli.components.conformance.subject import Notebook, Subject, require
from stackgan_cli.components.protocols import Classifies, Fits, ReadsAttributes, ReadsCaptions

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
        width: Any = getattr(self.extractor, "width", None)
        require(type(width) is int and width > 0, f"width should be a positive whole number, not {width!r}")
        for size in (64, 48):
            _check_table(self.features(size=size), (BATCH, width), f"the features of pictures of {size} px")
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
        require(isinstance(logits, Tensor), f"logits are {type(logits).__name__} instead of a tensor")
        shape = tuple(logits.shape)
        require(len(shape) == 2 and shape[0] == BATCH, f"logits have the shape {shape}, not ({BATCH}, values)")
        finite([logits], "logits")
        return f"{shape[1]} values"

    @torch.no_grad()
    def attributes(self) -> str:
        found = self.extractor.attributes(_pictures(64))
        require(isinstance(found, Mapping), f"attributes are {type(found).__name__} instead of values by name")
        for name, values in found.items():
            require(len(values) == BATCH, f"{name!r} has {len(values)} values for {BATCH} pictures")
            require(all(isinstance(each, str) for each in values), f"{name!r} has values that are no text")
        return ", ".join(found)

    @torch.no_grad()
    def caption_features(self) -> None:
        shape = (len(CAPTIONS), self.extractor.width)
        _check_table(self.extractor.caption_features(list(CAPTIONS)), shape, "the features of captions")


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
        (ReadsCaptions, "describes captions", run.caption_features),
    ):
        if isinstance(run.extractor, ability):
            notebook.run(name, check)
    if isinstance(run.extractor, nn.Module):
        notebook.run("equal seeds, equal weights", lambda: check_seed(subject))
    if isinstance(run.extractor, Fits):
        notebook.run("fits under a seed", lambda: check_fit(subject, run.features))
    elif isinstance(run.extractor, nn.Module):
        notebook.run("saves and loads", lambda: check_round_trip(subject, run.extractor, run.features))


def _check_table(found: object, shape: tuple[int, int], what: str) -> None:
    require(isinstance(found, Tensor), f"{what} are {type(found).__name__} instead of a tensor")
    assert isinstance(found, Tensor)
    require(tuple(found.shape) == shape, f"{what} have the shape {tuple(found.shape)}, not {shape}")
    require(found.dtype is torch.float32, f"{what} are {found.dtype}, not float32")
    finite([found], what)
