"""Captions in the names of pictures, where generators of pictures and many trainers keep them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.readers.folder.class_folders import ClassFolders
from stackgan_cli.readers.tree import composed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stackgan_cli.readers.folder.class_folders import Template
    from stackgan_cli.readers.left_out import LeftOut
    from stackgan_cli.readers.tree import Tree

IN_NAMES = "filename"
"""What ``--captions`` says where the names of pictures are their captions; ``./filename`` is a file of that name."""
_LOOKED_AT = 500
"""Names that are looked at to see whether they read like captions."""
_FEWEST_WORDS = 3
"""Words that a name has at least if it reads like a caption; with fewer it may be that of a class."""
_BEFORE = re.compile(r"(?:[0-9]+(?:[-_]+|\.(?![0-9]))\s*)*(?:0[0-9]*\s+)?")
"""Numbers of pictures, and perhaps seeds, before their captions; ``3 birds on a wire`` begins with none."""
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_BEHIND = re.compile(rf"(?:\s*[-_]+(?:[0-9]+|{_UUID})|\s*\([0-9]+\)|\s*\[[0-9]+\]|\s+0[0-9]*)+[-_]*$", re.IGNORECASE)
"""The same behind them, such as ``_001``, ``-7`` and `` (2)``."""
_BETWEEN = re.compile(r"[_\s]+")
_WORD = re.compile(r"\W*[^\W\d_]+(?:[^\w\s]+[^\W\d_]+)*\W*")
_NO_WORDS = frozenset(
    (
        *("img", "imgs", "image", "images", "pic", "picture", "photo", "screenshot", "untitled", "comfyui"),
        *("dsc", "dscn", "dscf", "pxl", "mg", "gopr", "vid", "wp", "file", "frame", "sample", "seed"),
    )
)
"""What cameras and programs call pictures; a name of nothing else says nothing."""


def caption_in(name: str) -> str | None:
    """Return the caption that the name of a picture is; None where it holds no word.

    Numbers that count pictures are dropped. Underscores stand for spaces, and so do dashes where there is neither a
    space nor an underscore.
    """
    stem = composed(PurePosixPath(name).stem).strip()
    words = _BEHIND.sub("", _BEFORE.sub("", stem, count=1))
    words = _BETWEEN.sub(" ", words if _BETWEEN.search(words) else words.replace("-", " ")).strip(" -")
    return words if any(_says_something(word) for word in _words(words)) else None


def called_like_captions(pictures: Sequence[str]) -> str | None:
    """Return the first name that reads like a caption where half of the first names do; else None."""
    some = pictures[:_LOOKED_AT]
    reading = [name for name in some if len(_words(caption_in(name) or "")) >= _FEWEST_WORDS]
    return reading[0] if 2 * len(reading) >= len(some) > 0 else None


def _words(caption: str) -> list[str]:
    """Return the words of a caption that are no numbers and no ciphers."""
    return [word for word in caption.split() if _WORD.fullmatch(word)]


def _says_something(word: str) -> bool:
    return (len(word) > 1 or not word.isascii()) and word.strip(".,").lower() not in _NO_WORDS


class CaptionsInNames:
    """Captions in the names of pictures; those of pictures whose names hold none may be made by a template."""

    sure = True

    def __init__(self, tree: Tree, template: Template | None = None) -> None:
        self._tree, self._template = tree, template

    @property
    def first(self) -> str | None:
        """The first picture whose name holds a caption."""
        return next((name for name in self._tree.pictures if caption_in(name) is not None), None)

    @property
    def evidence(self) -> str:
        """The first picture and its caption, in words."""
        return "no name holds a caption" if self.first is None else f"{self.first} is called by its caption"

    def examples(self, left_out: LeftOut) -> Iterator[Example]:
        """Yield the captioned pictures, in the order of their names."""
        classes = ClassFolders.of(self._tree.pictures)
        for name in self._tree.pictures:
            class_name = classes.class_of(name)
            caption = caption_in(name)
            if caption is None and self._template is not None:
                caption = self._template.caption_of(class_name)
            if caption is None:
                left_out.add(name, "pictures", "its name holds no words")
            else:
                yield Example(name, self._tree.root / name, (caption,), classes.split_of(name), class_name)
