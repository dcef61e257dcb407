"""From a source of captioned pictures to prepared data on disk."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.components.registry import Component, Kind, available, find
from stackgan_cli.data.manifest import SCHEMA, read_manifest, stored_side, write_manifest
from stackgan_cli.data.pictures import CropRule
from stackgan_cli.data.rendering import Rendering, render_all
from stackgan_cli.errors import DataError, StackganError
from stackgan_cli.home import DATA_MANIFEST, atomic_folder, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stackgan_cli.components.protocols import DatasetReader

RAW_BYTES = 1 << 30
"""Pictures of one size are stored raw up to this many bytes in all, and as JPEG beyond."""
TEST_SHARE = 0.1
"""Share of the pictures that become the test split where the source names none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what prepared data will hold."""

    component: Component
    reader: DatasetReader
    source: Path | None
    resolutions: tuple[int, ...]
    crop: str
    seed: int
    limit: int | None
    """At most this many pictures, chosen at random under the seed."""


@dataclass(slots=True)
class Result:
    """What preparing came to."""

    counts: dict[str, int] = field(default_factory=dict)
    captions: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def recognise(source: Path) -> tuple[Component, str]:
    """Find the reader that recognises a folder; built-in readers are asked before others.

    Returns:
        The reader, and why it fits.

    Raises:
        DataError: the source is missing, or no reader, or more than one, recognises it.
    """
    if not source.exists():
        raise DataError(f"There is nothing at {source}.", hint="Check the path given with --source.")
    found: list[tuple[Component, str]] = []
    for component in sorted(available(Kind.DATASET_READER), key=lambda each: not each.built_in):
        try:
            reason = component.factory()().recognises(source)
        except StackganError:
            # A reader that cannot even be imported is none that the person named.
            continue
        if reason:
            found.append((component, reason))
    if len(found) == 1:
        return found[0]
    if found:
        options = "; ".join(f"{component.name} ({reason})" for component, reason in found)
        raise DataError(f"More than one reader fits {source}: {options}.", hint=f"--reader {found[0][0].name}")
    raise DataError(
        f"No reader recognises the layout of {source}.",
        hint="put a metadata.jsonl beside the pictures, or a .txt with captions beside each; --reader names a layout",
    )


def reader_for(name: str, reader: str | None, source: Path | None) -> tuple[Component, str]:
    """Choose the reader: the one asked for, the one that data of this name belongs to, or the one that recognises it.

    Returns:
        The reader, and why it was chosen.

    Raises:
        DataError: none can be chosen.
    """
    if reader is not None:
        return find(Kind.DATASET_READER, reader), "--reader names it"
    for component in available(Kind.DATASET_READER):
        if component.built_in and component.name == name:
            return component, f"data called {name} is of this layout"
    if source is None:
        raise DataError(
            f"The data {name!r} needs a source of pictures.", hint=f"stackgan prepare --data {name} --source FOLDER"
        )
    return recognise(source)


def fingerprint(plan: Plan, examples: Iterable[Example]) -> str:
    """Hash of the examples' names, captions and sizes, and of every setting that shapes what is stored."""
    settings = [SCHEMA, plan.component.full_name, plan.resolutions, plan.crop, plan.seed, plan.limit]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for example in examples:
        size = example.image.stat().st_size if isinstance(example.image, Path) else 0
        digest.update(json.dumps([example.name, example.captions, example.split, size]).encode())
    return digest.hexdigest()


def collect(plan: Plan) -> tuple[list[Example], list[Skipped]]:
    """Read the source: all examples with a split each, and everything that was left out.

    Raises:
        DataError: there is no example at all.
    """
    examples: list[Example] = []
    skipped: list[Skipped] = []
    for item in plan.reader.examples(plan.source):
        if isinstance(item, Skipped):
            skipped.append(item)
        else:
            examples.append(item)
    if not examples:
        first = f" The first of {len(skipped)}: {skipped[0].name}: {skipped[0].reason}." if skipped else ""
        raise DataError(
            f"{plan.source or 'The source'} holds no picture with a caption.{first}",
            hint="Each picture needs a caption, in metadata.jsonl or in a .txt of the same name.",
        )
    chance = random.Random(plan.seed)
    if plan.limit is not None and plan.limit < len(examples):
        kept = sorted(chance.sample(range(len(examples)), plan.limit))
        examples = [examples[index] for index in kept]
    return _with_splits(examples, chance), skipped


def prepare(
    plan: Plan,
    target: Path,
    examples: Sequence[Example],
    skipped: Sequence[Skipped],
    report: Callable[[int, int], None],
) -> Result:
    """Write prepared data, whole or not at all.

    Args:
        plan: what was asked for.
        target: folder of the prepared data; an existing one is replaced when everything is written.
        examples: what :func:`collect` found.
        skipped: what it left out.
        report: told how many pictures of how many are done.

    Raises:
        DataError: not one picture can be read, or the target is a folder that holds something else.
    """
    _refuse_other_folder(target)
    result = Result(skipped=list(skipped))
    forms = tuple(
        "raw" if len(examples) * 3 * stored_side(size) ** 2 <= RAW_BYTES else "jpeg" for size in plan.resolutions
    )
    crop: CropRule = plan.crop  # type: ignore[assignment]  # checked by check_crop
    rendering = Rendering(crop, tuple(map(stored_side, plan.resolutions)), forms)
    with atomic_folder(target) as folder:
        done = 0
        for split in ("train", "test"):
            rows = _Rows(folder / split, plan.resolutions, _classes(examples))
            for example, pictures in render_all([e for e in examples if e.split == split], rendering):
                if isinstance(pictures, str):
                    result.skipped.append(Skipped(example.name, pictures))
                else:
                    rows.write(example, pictures)
                    result.captions += len(example.captions)
                done += 1
                report(done, len(examples))
            result.counts[split] = rows.close()
        _refuse_empty(plan, result)
        lines = [json.dumps({"name": s.name, "reason": s.reason}, ensure_ascii=False) + "\n" for s in result.skipped]
        write_text(folder / "skipped.jsonl", "".join(lines))
        write_manifest(folder, _manifest(plan, examples, forms, result))
    return result


def check_crop(crop: str) -> str:
    """Return the crop rule.

    Raises:
        DataError: there is no such rule.
    """
    if crop not in get_args(CropRule):
        raise DataError(f"There is no crop rule {crop!r}.", hint=f"--crop {', '.join(get_args(CropRule))}")
    return crop


def add_encoder_entry(folder: Path, name: str, entry: dict[str, Any]) -> None:
    """Note in ``data.json`` that the features of one more encoder are there."""
    manifest = read_manifest(folder)
    manifest["encoders"] = {**manifest["encoders"], name: entry}
    write_manifest(folder, manifest)


def why_skipped(skipped: Iterable[Skipped]) -> list[tuple[str, int]]:
    """Reasons for leaving things out, the commonest first, with how often each was met."""
    return Counter(item.reason for item in skipped).most_common()


class _Rows:
    """Writes one split to disk as a ``datasets`` folder, row by row."""

    def __init__(self, folder: Path, resolutions: Sequence[int], classes: Sequence[str]) -> None:
        import datasets
        from datasets.arrow_writer import ArrowWriter

        text, number = datasets.Value("string"), datasets.Value("int64")
        features = {
            "name": text,
            "captions": datasets.List(text),
            "class": number,
            "attributes": text,
            "stated": datasets.List(datasets.List(text)),
        } | {f"picture_{size}": datasets.Value("binary") for size in resolutions}
        self._folder, self._resolutions = folder, resolutions
        self._class_of = {name: index for index, name in enumerate(classes)}
        self._loose = folder.with_suffix(".arrow")
        self._writer = ArrowWriter(
            path=str(self._loose), features=datasets.Features(features), writer_batch_size=256, disable_nullable=False
        )
        self._count = 0

    def write(self, example: Example, pictures: Sequence[bytes]) -> None:
        stored = {f"picture_{size}": data for size, data in zip(self._resolutions, pictures, strict=True)}
        self._writer.write(
            {
                "name": example.name,
                "captions": list(example.captions),
                "class": self._class_of.get(example.class_name or "", -1),
                "attributes": json.dumps(dict(example.attributes or {})),
                "stated": [list(names) for names in example.stated or ()],
                **stored,
            }
        )
        self._count += 1

    def close(self) -> int:
        import datasets

        self._writer.finalize()
        datasets.disable_progress_bars()
        datasets.Dataset.from_file(str(self._loose)).save_to_disk(str(self._folder))
        self._loose.unlink()
        return self._count


def _with_splits(examples: list[Example], chance: random.Random) -> list[Example]:
    """Give a split to examples that have none: a random tenth, and at least one, is for testing."""
    open_ones = [index for index, example in enumerate(examples) if example.split is None]
    if open_ones and not any(example.split == "test" for example in examples):
        test = set(chance.sample(open_ones, max(1, round(TEST_SHARE * len(open_ones))) if len(open_ones) > 1 else 0))
    else:
        test = set()
    return [
        example if example.split is not None else replace(example, split="test" if index in test else "train")
        for index, example in enumerate(examples)
    ]


def _refuse_other_folder(target: Path) -> None:
    """Refuse to replace a folder that this program did not write."""
    if target.exists() and not (target / DATA_MANIFEST).is_file() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(
            f"{target} exists already and is no prepared data, so it is left alone.",
            hint="--data with a name, or with the path of a folder that does not exist yet",
        )


def _refuse_empty(plan: Plan, result: Result) -> None:
    if result.counts["train"]:
        return
    reasons = "; ".join(f"{reason} ({count})" for reason, count in why_skipped(result.skipped)[:3])
    raise DataError(
        f"No picture for training is left of {plan.source or 'the source'}: {reasons or 'all are in the test split'}.",
        hint="Look at the first of them with an image viewer, or give more pictures.",
    )


def _classes(examples: Sequence[Example]) -> list[str]:
    """Names of the classes, in order; none where some example has no class."""
    names = {example.class_name for example in examples}
    return sorted(name for name in names if name is not None) if None not in names else []


def _manifest(plan: Plan, examples: Sequence[Example], forms: Sequence[str], result: Result) -> dict[str, Any]:
    with_attributes = all(example.attributes is not None for example in examples)
    return {
        "schema": SCHEMA,
        "reader": {"name": plan.component.full_name, "version": plan.component.version},
        "source": str(plan.source) if plan.source else None,
        "fingerprint": fingerprint(plan, examples),
        "counts": result.counts,
        "captions": result.captions,
        "skipped": len(result.skipped),
        "classes": _classes(examples),
        "attributes": sorted(examples[0].attributes or {}) if with_attributes else [],
        "stated": all(example.stated is not None for example in examples),
        "crop": plan.crop,
        "seed": plan.seed,
        "limit": plan.limit,
        "recipe": getattr(plan.reader, "recipe", "paper"),
        "pictures": {str(size): form for size, form in zip(plan.resolutions, forms, strict=True)},
        "encoders": {},
    }
