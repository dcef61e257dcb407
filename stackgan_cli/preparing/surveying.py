"""The first look through a source: how much there is, what goes into which split, and what tells it from any other."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.components.results import image_fault
from stackgan_cli.dataset.manifest import DATA_SCHEMA
from stackgan_cli.errors import ComponentError, DataError
from stackgan_cli.pictures.decoding import WHITE
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.preparing.planning import Plan
    from stackgan_cli.progress import Report

TEST_SHARE = 0.1
"""Share of the pictures that become the test split where the source names none."""

_TRAIN, _TEST, _OPEN, _LEFT_OUT = range(4)
_CODES = {"train": _TRAIN, "test": _TEST, None: _OPEN}
_SPLITS = {_TRAIN: "train", _TEST: "test"}
_REPORT_EVERY = 50
_REDRAWN = (
    "it has pictures for testing only: a tenth of them, drawn at random, stay so, and the others are for training"
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over the source found out: a byte for each picture, and no picture."""

    fingerprint: str
    """Hash of what the source says of each example and of its size in bytes, and of every setting that shapes what is
    stored."""
    count: int
    """Pictures that will be taken."""
    classes: tuple[str, ...]
    """Names of the classes, in order; none where some picture has no class, or each of several has one of its own."""
    attributes: tuple[str, ...]
    """Names of the attributes that are known of every picture."""
    stated: bool
    """Whether it is known of every picture which attributes its captions state."""
    captioned: bool
    """Whether the source gives the text of any caption."""
    fates: bytes
    """For each example its split, or that the limit leaves it out."""
    redrawn: bool = False
    """Whether the source has pictures for testing only, so that the split is drawn here."""


def survey(plan: Plan, report: Report) -> Survey:
    """Read the source once without opening a picture; now and then it is told how many examples were seen.

    Raises:
        DataError: there is no example at all, or no bounding box for a crop rule that needs them.
        ComponentError: the reader gives something that is no image.
    """
    notes = _Notes(_settings(plan))
    for item in plan.examples():
        if isinstance(item, Skipped):
            notes.left_out.take(item)
            continue
        fault = image_fault(item)
        if fault is not None:
            raise ComponentError(f"{plan.entry.described(Kind.DATASET_READER)} {fault}.", "Report this to its authors.")
        notes.add(item)
        if len(notes.codes) % _REPORT_EVERY == 0:
            report(len(notes.codes))
    if not notes.codes:
        why = f" Left out: {notes.left_out.in_short()}." if notes.left_out.total else ""
        raise DataError(
            f"{plan.place} holds no picture with a caption.{why}",
            hint="Each picture needs a caption, in metadata.jsonl or in a .txt of the same name.",
        )
    report(len(notes.codes))
    if plan.crop == "bbox" and not notes.boxed:
        raise DataError(
            f"The crop rule bbox needs bounding boxes, and {plan.place} has none.",
            hint="--crop center; or put the boxes there: CUB-200-2011 has them in bounding_boxes.txt",
        )
    only_testing = not notes.codes.strip(bytes([_TEST]))
    codes = notes.codes.replace(bytes([_TEST]), bytes([_OPEN])) if only_testing else notes.codes
    fates = _fates(codes, plan)
    # A folder, or a name, for each picture sorts nothing.
    classed = notes.classed and not 1 < len(codes) == len(notes.classes)
    return Survey(
        fingerprint=notes.digest.hexdigest(),
        count=len(fates) - fates.count(_LEFT_OUT),
        classes=tuple(sorted(notes.classes)) if classed else (),
        attributes=tuple(sorted(notes.attributes)),
        stated=notes.stated,
        captioned=notes.captioned,
        fates=fates,
        redrawn=only_testing,
    )


def surveyed_examples(plan: Plan, found: Survey) -> Iterator[Example | Skipped]:
    """Read the source again: the examples to take, each with its split, and everything that is left out.

    Raises:
        DataError: the source is no longer what it was when it was surveyed.
    """
    if found.redrawn:
        yield Skipped("the split of the source", _REDRAWN)
    digest = _settings(plan)
    fates = iter(found.fates)
    for item in plan.examples():
        if isinstance(item, Skipped):
            yield item
            continue
        digest.update(_identity(item))
        split = _SPLITS.get(next(fates, _LEFT_OUT))
        if split is not None:
            yield item if item.split == split else replace(item, split=split)
    if digest.hexdigest() != found.fingerprint:
        raise DataError(
            f"{plan.place} changed while it was being read.",
            hint="Run it again when nothing writes there any more.",
        )


class _Notes:
    """What is counted along the way."""

    def __init__(self, digest: hashlib._Hash) -> None:
        self.codes = bytearray()
        self.digest = digest
        self.classes: set[str] = set()
        self.attributes: set[str] = set()
        self.classed = self.stated = True
        self.boxed = self.captioned = False
        self.left_out = LeftOut()

    def add(self, example: Example) -> None:
        known = set(example.attributes or {})
        self.attributes = self.attributes & known if self.codes else known
        self.codes.append(_code(example))
        self.digest.update(_identity(example))
        if example.class_name is None:
            self.classed = False
        else:
            self.classes.add(example.class_name)
        self.stated &= example.stated is not None
        self.boxed |= example.box is not None
        self.captioned |= any(example.captions)


def _code(example: Example) -> int:
    try:
        return _CODES[example.split]
    except KeyError:
        raise DataError(
            f"The reader puts {example.name} into the split {example.split!r}.",
            hint="A reader may say train, test or nothing. Report this to its authors.",
        ) from None


def _settings(plan: Plan) -> hashlib._Hash:
    settings = [DATA_SCHEMA, plan.entry.name, plan.counted_resolutions, plan.crop, plan.seed, plan.limit]
    if plan.background != WHITE:
        # Left out where it changes nothing, so that data from before there was a choice is still recognised.
        settings.append(plan.background)
    return hashlib.sha256(json.dumps(settings).encode())


def _identity(example: Example) -> bytes:
    image = example.image
    if isinstance(image, Path):
        try:
            size = image.stat().st_size
        except OSError:
            # Whoever opens it says why it is left out.
            size = -1
    else:
        size = len(image) if isinstance(image, bytes) else getattr(image, "size", 0)
    stated: list[object] = [example.name, example.captions, example.split, size]
    if example.class_name is not None or example.box is not None:
        # Left out where there is neither, so that data from before these counted is still recognised.
        stated += [example.class_name, example.box]
    return json.dumps(stated).encode()


def _fates(codes: bytearray, plan: Plan) -> bytes:
    """Apply the limit, then give a split to examples without one: a random tenth, and at least one, is for testing."""
    chance = random.Random(plan.seed)
    if plan.limit is not None and plan.limit < len(codes):
        kept = set(chance.sample(range(len(codes)), plan.limit))
        codes = bytearray(code if place in kept else _LEFT_OUT for place, code in enumerate(codes))
    open_ones = [place for place, code in enumerate(codes) if code == _OPEN] if _OPEN in codes else []
    if open_ones and _TEST not in codes:
        count = max(1, round(TEST_SHARE * len(open_ones))) if len(open_ones) > 1 else 0
        for place in chance.sample(open_ones, count):
            codes[place] = _TEST
    return bytes(codes.replace(bytes([_OPEN]), bytes([_TRAIN])))
