"""Published lists of pictures: their names, their classes, and which are for training and which for testing."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from stackgan_cli.errors import DataError
from stackgan_cli.formats.restricted_pickle import load_pickle
from stackgan_cli.readers.captions import decode_text, text_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

# fmt: off
CUB_TEST_CLASSES = frozenset((
    1, 4, 6, 8, 9, 14, 23, 29, 31, 33, 34, 35, 36, 37, 38, 43, 49, 51, 53, 66, 72, 79, 83, 84, 86, 91, 95, 96, 98, 101,
    102, 103, 112, 114, 119, 121, 130, 135, 138, 147, 156, 163, 165, 166, 180, 183, 185, 186, 187, 197,
))
# fmt: on
"""The 50 of 200 classes of CUB-200-2011 held out for testing: the classes of StackGAN's published test file names."""

FLOWERS_TEST_CLASSES = frozenset(range(1, 21))
"""The 20 of 102 classes of Oxford-102 held out for testing by Reed et al. (2016)."""


_AGAIN = "Get the file again, from the same place as those beside it."
_MOST_CLASSES = 10**9
_MOST_BYTES = 1 << 25
"""The largest published list, that of COCO, has a tenth of this."""
_LONGEST_NAME = 4096
"""Bytes; no system knows longer paths."""


@dataclass(frozen=True, slots=True)
class Split:
    """A published split, by picture or by class."""

    by_picture: Mapping[str, str] = field(default_factory=dict)
    by_class: Mapping[str, str] = field(default_factory=dict)

    def of(self, picture: str, class_name: str) -> str | None:
        """Return ``train``, ``test``, or None for a picture (its key) of a class."""
        return self.by_picture.get(picture) or self.by_class.get(class_name)


def published_split(
    folders: list[Path],
    pictures: Collection[str],
    classes: Collection[str],
    test_classes: Mapping[str, bool],
    parts: int,
) -> Split:
    """Choose the split: the published pickles of file names, else the published lists of classes, else the known rule.

    Args:
        folders: where the files may lie, in order.
        pictures: keys of all pictures; pickles and lists that name none of them belong to other data.
        classes: names of all classes.
        test_classes: the known rule: for each class whether it is for testing.
        parts: of a name that make the key of a picture; see `picture_key`.

    Raises:
        DataError: a file cannot be read, or names the same picture or class twice.
    """
    for folder in folders:
        found = _from_pickles(folder, parts)
        if any(picture in found for picture in pictures):
            return Split(by_picture=found)
    for folder in folders:
        found = _from_class_lists(folder)
        if any(name in found for name in classes):
            return Split(by_class=found)
    return Split(by_class={name: "test" if test else "train" for name, test in test_classes.items()})


def picture_key(name: str, parts: int) -> str:
    """Return the last ``parts`` parts of a picture's name, without its suffix: the same however it is written."""
    path = PurePosixPath(unicodedata.normalize("NFC", name.strip().replace("\\", "/")))
    last = path.with_suffix("") if path.suffix.lower() in (".jpg", ".jpeg", ".png") else path
    return "/".join(last.parts[-parts:])


def list_lines(path: Path) -> list[str]:
    """Read a published list of pictures or classes, which is short.

    Raises:
        DataError: it is longer than any of them.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise DataError(f"{path} is larger than {_MOST_BYTES >> 20} MiB, and so no published list.", _AGAIN)
    return text_lines(decode_text(data))


def file_names(path: Path) -> list[str]:
    """Read ``filenames.pickle``: names of pictures as they are written there.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    content: Any = load_pickle(path, _MOST_BYTES)
    names = content.tolist() if isinstance(content, np.ndarray) else content
    if not isinstance(names, list | tuple):
        raise DataError(f"{path} holds no list of file names.", _AGAIN)
    # A pickle can name the same long text again in two bytes, and each is decoded.
    if not all(isinstance(name, str | bytes) and len(name) <= _LONGEST_NAME for name in names):
        raise DataError(f"{path} holds something else than file names.", _AGAIN)
    return [_text(name) for name in names]


def class_numbers(path: Path, count: int) -> list[int] | None:
    """Read ``class_info.pickle``: a class's number for each of the pictures that ``filenames.pickle`` beside it lists.

    Returns:
        None where the file is missing or every picture is a class of its own.

    Raises:
        DataError: the file cannot be read, holds something else, or is of another length.
    """
    if not path.is_file():
        return None
    content: Any = load_pickle(path, _MOST_BYTES)
    numbers = content.tolist() if isinstance(content, np.ndarray) else content
    if not isinstance(numbers, list | tuple):
        raise DataError(f"{path} holds no list of classes.", _AGAIN)
    plain = [number.item() if isinstance(number, np.generic) else number for number in numbers]
    if not all(type(number) is int and 0 <= number < _MOST_CLASSES for number in plain):
        raise DataError(f"{path} holds something else than numbers of classes.", _AGAIN)
    refuse_other_length(path, len(plain), path.with_name("filenames.pickle"), count)
    return None if plain == list(range(count)) else plain


def refuse_other_length(path: Path, length: int, names: Path, count: int) -> None:
    """Raise a DataError where a file holds another number of entries than the list of names beside it."""
    if length != count:
        raise DataError(
            f"{path} holds {length:,} entries, and {names} lists {count:,} pictures.",
            "Entry by entry they belong together: get both files again, from the same place.",
        )


def refuse_overlap(shared: set[str], where: str) -> None:
    """Raise a DataError where names are in both of two lists; ``where`` says which lists."""
    if shared:
        raise DataError(
            f"{where} share {len(shared):,} names, among them {min(shared)}.",
            "Nothing may be in both: get both files again, from the same place.",
        )


def _text(name: str | bytes) -> str:
    """Decode a name; names of Python 2 come as latin-1, whatever they were."""
    try:
        return (name if isinstance(name, bytes) else name.encode("latin-1")).decode()
    except UnicodeError:
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _from_pickles(folder: Path, parts: int) -> dict[str, str]:
    paths = {split: folder / split / "filenames.pickle" for split in ("train", "test")}
    if not all(path.is_file() for path in paths.values()):
        return {}
    names = {split: {picture_key(name, parts) for name in file_names(path)} for split, path in paths.items()}
    refuse_overlap(names["train"] & names["test"], f"{paths['train']} and {paths['test']}")
    return {name: split for split, members in names.items() for name in members}


def _from_class_lists(folder: Path) -> dict[str, str]:
    train = [folder / "trainvalclasses.txt"]
    if not train[0].is_file():
        train = [folder / "trainclasses.txt", folder / "valclasses.txt"]
    test = folder / "testclasses.txt"
    if not all(path.is_file() for path in (*train, test)):
        return {}
    training = set().union(*map(_class_list, train))
    testing = _class_list(test)
    refuse_overlap(training & testing, f"{' or '.join(map(str, train))} and {test}")
    return dict.fromkeys(training, "train") | dict.fromkeys(testing, "test")


def _class_list(path: Path) -> set[str]:
    return {unicodedata.normalize("NFC", line.strip()) for line in list_lines(path) if line.strip()}
