"""Sub-folders that stand for classes, and captions made from their names."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.readers.captions import mended
from stackgan_cli.readers.layout import PICTURE_SUFFIXES
from stackgan_cli.readers.split_names import split_named

if TYPE_CHECKING:
    from collections.abc import Sequence

PEEK = 500
"""Entries of a folder of pictures that are looked at to recognise it: enough to see what is there, and quick."""
_DEPTH = 3
_NUMBER = re.compile(r"\d+[._\-\s]+")
_BREAKS = re.compile(r"[_\-\s]+")
_IN_SHARD = re.compile(r"(?:.*/)?([0-9]{5,})/\1[0-9]+\.[^/]+")
"""Pictures in folders that img2dataset shares them out among, whose names begin with that of the folder."""
_GENERAL = re.compile(r"images?|imgs?|pictures?|pics?|photos?|jpe?gs?|pngs?|data|dataset", re.IGNORECASE)
"""Names of folders that say nothing of what is on the pictures in them."""
_OTHER_LAYOUTS = re.compile(
    r"CUB_200_2011|bounding_boxes\.txt|image_class_labels\.txt|text_c10|imagelabels\.mat|setid\.mat|annotations"
    r"|captions.*\.json|(train|val|test)20\d\d|dataset_info\.json|dataset_dict\.json|state\.json|.*\.(tar|parquet|arrow|t7|pickle)",
    re.IGNORECASE,
)
"""Names that only layouts of other readers have: CUB, Oxford-102, COCO, saved data sets, shards, published metadata."""


@dataclass(frozen=True, slots=True)
class ClassFolders:
    """Which sub-folders stand for classes.

    They lie at the top of the source, or in folders named after splits there; lone folders around everything are
    passed through. There are two or more classes, or none at all. A folder ``train`` around everything says nothing:
    nothing would be for testing.
    """

    above: str
    """The lone folders around everything, with a slash at the end, or nothing."""
    names: frozenset[str]
    all_training: bool = False
    """Whether everything lies in one folder for training."""

    @classmethod
    def of(cls, pictures: Sequence[str]) -> ClassFolders:
        """Find the class folders of pictures, whose names are sorted."""
        ends = [pictures[index].split("/")[:-1] for index in (0, -1)] if pictures else []
        # What the first and the last of sorted names begin with, all between them begin with.
        lone = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(*ends, strict=False))]
        depth = next((depth for depth, name in enumerate(lone) if split_named(name)), len(lone))
        training = depth < len(lone) and split_named(lone[depth]) == "train"
        found = cls("".join(f"{name}/" for name in lone[:depth]), frozenset(), training)
        names = frozenset(name for name in map(found._folder_of, pictures) if name is not None)
        return replace(found, names=names) if len(names) > 1 and not _are_shards(pictures) else found

    def class_of(self, picture: str) -> str | None:
        """Return the name of the class folder that a picture lies in."""
        name = self._folder_of(picture) if self.names else None
        return name if name in self.names else None

    def split_of(self, picture: str) -> str | None:
        """Return the split of the folder that a picture lies in, below the lone ones."""
        top, separator, _ = picture.removeprefix(self.above).partition("/")
        return split_named(top) if separator and not self.all_training else None

    def _folder_of(self, picture: str) -> str | None:
        first, *others = picture.removeprefix(self.above).split("/", 2)
        if others and split_named(first):
            first, *others = others
        return first if others else None


def _are_shards(pictures: Sequence[str]) -> bool:
    return all(_IN_SHARD.fullmatch(pictures[index]) for index in (0, -1))


class Template:
    """A caption for every picture that has none of its own: ``{class}`` in it stands for the picture's class.

    Where there are no class folders, all are of one class, which the lone folder that they lie in has the name of.

    Raises:
        SettingsError: it is no text, or has other braces.
    """

    def __init__(self, text: str) -> None:
        without = text.replace("{class}", "")
        if not text.strip() or "{" in without or "}" in without or mended(text) != (text.strip(), False):
            raise SettingsError(
                f"The caption template {text!r} cannot be used: it has to be text, with {{class}} in it for the name "
                "of a picture's class and no other braces.",
                'Write it like this: --caption-template "a photo of a {class}"',
            )
        self._text = text
        self._only: str | None = None

    def suit(self, root: Path, pictures: Sequence[str]) -> None:
        """Take up what the one class of pictures is called, where they are not of several.

        Raises:
            DataError: they are, and the template is the same for all.
        """
        classes = ClassFolders.of(pictures)
        if not classes.names:
            lone = [name for name in classes.above.split("/") if name and not _GENERAL.fullmatch(name)]
            self._only = (lone or [root.resolve().name])[-1]
        elif "{class}" not in self._text:
            raise DataError(
                f"{root} holds pictures in {len(classes.names):,} folders, which look like classes, and the caption "
                f"template {self._text!r} is the same for all.",
                '--caption-template "a photo of a {class}"',
            )

    def caption_of(self, class_name: str | None) -> str | None:
        """Make a caption for a picture of a class; nothing else in the template is replaced.

        Returns:
            None for a picture of no class, where others are of several.
        """
        name = class_name if class_name is not None else self._only
        return None if name is None else self._text.replace("{class}", readable(name)).strip()


def readable(class_name: str) -> str:
    """Turn a folder's name into words: without a leading number, with spaces for underscores and dashes."""
    number = _NUMBER.match(class_name)
    unnumbered = class_name[number.end() :] if number else class_name
    return _BREAKS.sub(" ", unnumbered or class_name).strip() or class_name


def class_folders_in(source: Path) -> list[Path] | None:
    """Find folders that look like classes, by name; None where anything belongs to a layout of another reader.

    There are two or more, or none. Folders that cannot be opened are passed over.
    """
    try:
        found = _classes(source, _DEPTH)
    except _OtherLayout:
        return None
    return [found[name] for name in sorted(found)] if len(found) > 1 else []


def _classes(folder: Path, depth: int) -> dict[str, Path]:
    pictures, folders = _look(folder)
    classes: dict[str, Path] = {}
    for child in folders:
        inside, below = _look(child)
        if split_named(child.name):
            classes.update((each.name, each) for each in below if _look(each)[0])
        elif inside:
            classes[child.name] = child
    if classes or pictures or depth == 0:
        return classes
    deeper = {
        child: found for child in folders if not split_named(child.name) and (found := _classes(child, depth - 1))
    }
    return next(iter(deeper.values())) if len(deeper) == 1 else {child.name: child for child in deeper}


class _OtherLayout(Exception):  # noqa: N818
    """A folder holds what only another reader understands."""


def _look(folder: Path) -> tuple[bool, list[Path]]:
    pictures = False
    folders: list[Path] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if pictures and number >= PEEK:
                break
            if _OTHER_LAYOUTS.fullmatch(entry.name):
                raise _OtherLayout
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            else:
                pictures = pictures or os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122
    return pictures, folders
