"""Caption files that belong to one picture each: beside it, or in a folder of their own."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.parsing import parse_json
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions, oddity
from stackgan_cli.readers.columns import BadRow, Columns, Description, plainly
from stackgan_cli.readers.folder.class_folders import ClassFolders
from stackgan_cli.readers.layout import PICTURE_SUFFIXES
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.tree import AMBIGUOUS, alike, composed, folded, position

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from stackgan_cli.readers.folder.class_folders import Template
    from stackgan_cli.readers.tree import Tree

ENDINGS = (".txt", ".caption", ".captions", ".cap", ".text", ".caption.txt", ".captions.txt")
"""What stands behind a picture's name, with its own suffix or without it, in the name of a file with its captions."""
RECORD = ".json"
"""The same for a file that describes one picture in many members, one of which holds captions."""
_LOOKED_INTO = 5
"""Records that are opened to see whether such files hold captions here."""
_WORDS = (
    "images?|imgs?|pictures?|pics?|photos?|captions?|caps?|texts?|txts?|labels?|annotations?|prompts?|descriptions?"
    "|descs?|sentences?|comments?|words?"
)
"""Words that tell pictures from captions in names that are alike otherwise."""
_FOLDER = re.compile(rf"{_WORDS}|jpe?gs?|pngs?")
_FIRST = re.compile(rf"(?:{_WORDS})(?![a-z])[ _.\-]*")
_LAST = re.compile(rf"[ _.\-]*(?<![a-z])(?:{_WORDS})")
_BOXES = re.compile(r"(?:[-+]?[0-9.]+(?:e[-+]?[0-9]+)?[\s,;]+){4,}[-+0-9.e]+")
"""A line of five numbers or more, as detectors label pictures."""


class TextsBeside:
    """The file that belongs to each picture.

    First come those in the same folder whose name is the picture's with one of `ENDINGS`; then those of names spelt
    alike; then those that differ in what tells a picture from its captions, as ``images/7.png`` and ``captions/7.txt``
    or ``img7.png`` and ``caption7.txt`` do; then, where no picture has any of those, those whose names differ in the
    first folder alone. Nothing is guessed: each has to be the only one of its kind.

    Args:
        tree: the pictures and their texts.
        records: whether files that describe one picture in JSON count.
    """

    def __init__(self, tree: Tree, *, records: bool = False) -> None:
        self._pictures, self._texts = tree.pictures, tree.texts
        suffixes = {text[text.rfind(".") :] for text in tree.texts}
        self._endings = [
            ending
            for each in (*ENDINGS, *([RECORD] if records else []))
            for ending in (each, each.upper())
            if ending[ending.rfind(".") :] in suffixes
        ]
        self._used = bytearray(len(tree.texts))
        self._by_name: dict[str, str | None] = {}
        without: list[str] = []
        self.beside = 0
        """How many pictures have one beside them, by a name of `ENDINGS`."""
        for picture in tree.pictures if self._endings else ():
            index = self._exact(picture)
            if index is None:
                without.append(picture)
            else:
                self._used[index] = True
                self.beside += 1
        self.count = self.beside + (self._find_alike(without) if without else 0)
        """How many pictures have one; those that share one and are spelt otherwise count as one."""

    def _find_alike(self, without: Sequence[str]) -> int:
        free: dict[str, int] = {}
        for index, text in enumerate(self._texts):
            if not self._used[index] and (core := self._core(text)) is not None:
                better = self._texts[free[core]] if core in free else None
                if better is None or self._rank(text) < self._rank(better):
                    free[core] = index
        whole = {core for core in free if PurePosixPath(core).suffix.lower() in PICTURE_SUFFIXES}
        found = self._alike(set(map(_stem, without)), free.keys() - whole) | self._alike(without, whole)
        for name, core in found.items():
            self._by_name[name] = None if core is None else self._texts[free[core]]
            if core is not None:
                self._used[free[core]] = True
        return sum(core is not None for core in found.values())

    def _alike(self, names: Collection[str], cores: Collection[str]) -> dict[str, str | None]:
        """Find the names of texts without their endings that are like those of pictures."""
        found = alike(names, cores, (composed, folded, _without_roles)) if cores else {}
        if cores and self.beside == 0:
            with_pictures = {_folder(picture) for picture in self._pictures}
            apart = [core for core in cores if _folder(core) not in with_pictures]
            missing = [each for each in names if each not in found]
            above = _lone_folders([*missing, *apart])
            found |= alike(missing, apart, (lambda name: folded(name[above:].split("/", 1)[-1]),))
        return found

    def _core(self, text: str) -> str | None:
        """Return the name of a text without its ending; None where it has none of them."""
        ending = max((each for each in self._endings if text.endswith(each)), key=len, default=None)
        if ending is None or not PurePosixPath(text).name.removesuffix(ending):
            return None
        return text.removesuffix(ending)

    def _rank(self, text: str) -> int:
        return next(rank for rank, ending in enumerate(self._endings) if text.endswith(ending))

    def _exact(self, picture: str) -> int | None:
        stem = _stem(picture)
        for name in (stem, picture):
            for ending in self._endings:
                index = position(self._texts, name + ending)
                if index is not None:
                    return index
        return None

    def of(self, picture: str) -> str | None:
        """Return the name of a picture's text, or None where there is none.

        Raises:
            UnreadableCaptions: more than one picture or text is spelt alike.
        """
        index = self._exact(picture)
        if index is not None:
            return self._texts[index]
        alike = [self._by_name[name] for name in (_stem(picture), picture) if name in self._by_name]
        if alike and not any(alike):
            raise UnreadableCaptions(AMBIGUOUS)
        return next(filter(None, alike), None)

    def unused(self) -> Iterator[tuple[str, str]]:
        """Yield the names of texts that belong to no picture, and why."""
        for text, used in zip(self._texts, self._used, strict=True):
            core = None if used or text.endswith(RECORD) else self._core(text)
            if core is not None:
                other = self._text_of(core)
                yield text, f"not read, because {other} is there too" if other else _NO_PICTURE

    def free(self) -> Iterator[str]:
        """Yield the names of files that are not those of one picture."""
        return (text for text, used in zip(self._texts, self._used, strict=True) if not used)

    def _text_of(self, core: str) -> str | None:
        """Return the text of a picture of this name, with its suffix or without it."""
        at = bisect_left(self._pictures, core)
        for picture in self._pictures[at : at + 1]:
            if core in (picture, _stem(picture)) and (index := self._exact(picture)) is not None:
                return self._texts[index]
        return None


_NO_PICTURE = "there is no picture of the same name beside it"


def _has_records(tree: Tree) -> bool:
    """Say whether the JSON files beside pictures hold captions, by the first of them."""
    reading = CaptionFiles(LeftOut())
    records = (text for text in tree.texts if text.endswith(RECORD) and _picture_of(tree, text) is not None)
    for text in islice(records, _LOOKED_INTO):
        with suppress(UnreadableCaptions):
            described(tree, text, reading)
            return True
    return False


def _picture_of(tree: Tree, text: str) -> str | None:
    """Return the picture with whose name, with its suffix or without it, that of a record begins."""
    core = text.removesuffix(RECORD)
    at = bisect_left(tree.pictures, core)
    return next((each for each in tree.pictures[at : at + 1] if core in (each, _stem(each))), None)


def described(tree: Tree, text: str, reading: CaptionFiles) -> Description:
    """Read a caption file: lines of text, or a record.

    Raises:
        UnreadableCaptions: it cannot be opened, or holds no captions.
    """
    if text in tree.faults:
        raise UnreadableCaptions(f"its text file is left out: {tree.faults[text]}")
    if not text.lower().endswith(RECORD):
        captions = reading.read(tree.text_path(text), text)
        if all(map(_BOXES.fullmatch, captions)):
            raise UnreadableCaptions("its caption file holds rows of numbers, not captions")
        return Description(captions, False, None, None, None)
    content = reading.text(tree.text_path(text))
    try:
        record = parse_json(content.text)
        if not isinstance(record, dict):
            raise BadRow("it is not a JSON object")
        said = Columns().describe(plainly(record))
    except ValueError as error:
        raise UnreadableCaptions("its caption file is not JSON") from error
    except BadRow as problem:
        raise UnreadableCaptions(f"in its caption file, {problem}") from problem
    reading.tell(text, oddity(said.damaged, content.guessed))
    return replace(said, damaged=False)


class FilesBeside:
    """Captions in a file for each picture; those of pictures without one may be made by a template."""

    def __init__(self, tree: Tree, template: Template | None = None) -> None:
        self._tree, self._template = tree, template
        self.texts = TextsBeside(tree, records=_has_records(tree))
        """Which file belongs to which picture."""
        self.sure = 2 * self.texts.beside >= len(tree.pictures) > 0

    @property
    def evidence(self) -> str:
        """The first picture and its captions, in words."""
        for picture in self._tree.pictures:
            with suppress(UnreadableCaptions):
                text = self.texts.of(picture)
                if text is not None:
                    return where(picture, text)
        return f"{len(self._tree.pictures):,} pictures get their captions by the template"

    def examples(self, left_out: LeftOut) -> Iterator[Example]:
        """Yield the captioned pictures, in the order of their names."""
        reading = CaptionFiles(left_out)
        classes = ClassFolders.of(self._tree.pictures)
        for name in self._tree.pictures:
            class_name = classes.class_of(name)
            try:
                said = self._said(name, class_name, reading)
            except UnreadableCaptions as problem:
                left_out.add(name, "pictures", str(problem))
                continue
            for remark in said.oddities():
                left_out.add(name, "pictures", remark)
            split = said.split or classes.split_of(name)
            yield Example(name, self._tree.root / name, said.captions, split, said.class_name or class_name)
        for text, reason in self.texts.unused():
            left_out.add(text, "caption files", reason)

    def _said(self, name: str, class_name: str | None, reading: CaptionFiles) -> Description:
        text = self.texts.of(name)
        if text is not None:
            return described(self._tree, text, reading)
        caption = None if self._template is None else self._template.caption_of(class_name)
        if caption is None:
            raise UnreadableCaptions("there is no text file of the same name beside it")
        return Description((caption,), False, None, None, None)


def where(picture: str, text: str) -> str:
    """Say where the captions of a picture are."""
    if _folder(picture) == _folder(text):
        same = "a text file beside it" if _stem(picture) + ".txt" == text else f"{text.rpartition('/')[2]} beside it"
        return f"{picture} has its captions in {same}"
    return f"{picture} has its captions in {text}"


def _stem(picture: str) -> str:
    return picture.rpartition(".")[0]


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _lone_folders(names: Sequence[str]) -> int:
    """Return the length of the path that all names begin with."""
    both = posixpath.commonprefix([min(names), max(names)]) if names else ""
    return both.rfind("/") + 1


def _without_roles(name: str) -> str:
    """Drop what tells a picture from its captions, of the folders and of the beginning or the end of the name."""
    *folders, base = folded(name).split("/")
    first = _FIRST.match(base)
    rest = base[first.end() :] if first else base
    last = None if first else next((match for match in _LAST.finditer(base) if match.end() == len(base)), None)
    rest = base[: last.start()] if last else rest
    return "/".join([*(each for each in folders if not _is_role(each)), rest])


def _is_role(folder: str) -> bool:
    return any(map(_FOLDER.fullmatch, re.findall("[a-z]+", folder)))
