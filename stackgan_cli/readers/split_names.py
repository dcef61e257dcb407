"""What names say of splits: words, and the names of files and of the folders that they lie in."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from stackgan_cli.readers.left_out import LeftOut

_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "val", "valid", "validation", "dev"), "test"),
}
_PACKED = re.compile(r"\.(tar|tar\.gz|tgz|parquet|arrow)$", re.IGNORECASE)


def split_named(word: str) -> str | None:
    """Return ``train`` or ``test`` for the usual words for either (validation counts as test), None for others."""
    return _SPLITS.get(word.strip().lower())


def without_suffix(name: str) -> str:
    """Return the name of a file that holds many pictures without its suffix, such as ``.tar.gz``."""
    return _PACKED.sub("", name)


def split_in_name(name: str) -> str | None:
    """Return the split that a file's name speaks of, else that of the innermost folder that does.

    ``train-00001.tar``, ``data/val/3.parquet`` and ``birds_test.arrow`` speak of ``train``, ``test`` and ``test``.
    """
    for part in reversed(PurePosixPath(name).parts):
        for word in re.split(r"[^A-Za-z]+", without_suffix(part)):
            split = split_named(word)
            if split is not None:
                return split
    return None


def splits_in_names(names: Collection[str]) -> dict[str, str | None]:
    """Say of which split each part of a set is by its name; of none where all are for training.

    A set that is called training as a whole, as most on the Hub are, has none for testing: a tenth of it is taken.
    """
    splits = {name: split_in_name(name) for name in names}
    return splits if "test" in splits.values() or None in splits.values() else dict.fromkeys(splits)


def tell_open_parts(parts: Iterable[tuple[str, str | None]], what: str, left_out: LeftOut) -> None:
    """Tell which parts of a set, given by name and split, are of no split, where others are of one."""
    named = list(parts)
    if any(split is not None for _, split in named):
        for name, split in named:
            if split is None:
                reason = "kept, though its name says neither train nor test: it is used as if it came without a split"
                left_out.add(name, what, reason)
