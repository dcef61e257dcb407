"""Captions of packed pictures that a person has elsewhere: in a list, or in a folder of files of one picture each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions, oddity
from stackgan_cli.readers.folder.beside import ENDINGS, RECORD, described
from stackgan_cli.readers.folder.in_names import IN_NAMES
from stackgan_cli.readers.folder.list_rows import Unusable, guessed_encoding, read_list, unit_of
from stackgan_cli.readers.folder.listing import MOST_CAPTIONS, list_at
from stackgan_cli.readers.folder.picture_names import CAPTION_NUMBER, parts_of, stem_of
from stackgan_cli.readers.layout import printable
from stackgan_cli.readers.tree import Tree, composed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.readers.columns import Columns, Description
    from stackgan_cli.readers.left_out import LeftOut

_NO_PICTURE = "there is no picture that is called so"
_ENDINGS = sorted((*ENDINGS, RECORD), key=len, reverse=True)


@dataclass(slots=True)
class _Entry:
    """What is said of one picture."""

    name: str
    """As it is written there."""
    key: str
    """The name without suffix, each of its parts behind a slash."""
    said: Description | str
    """What a list says, or the name of the picture's own file."""
    place: str
    """Where it stands."""
    picture: str | None = None
    """The one that it was found to be of."""


class CaptionsElsewhere:
    """What a list, or the files of a folder, say of packed pictures, found by what these are called.

    A picture is meant by a name that its own ends like, or that ends like its own, without suffixes. No more is kept
    than is written there.

    Args:
        place: the list or the folder.
        columns: those of a list.
        left_out: told what is odd about it.

    Raises:
        DataError: nothing is there, or it is no list.
    """

    def __init__(self, place: Path, columns: Columns, left_out: LeftOut) -> None:
        self._place, self._left_out = place, left_out
        self._files = CaptionFiles(left_out)
        self._tree: Tree | None = None
        self._by_end: dict[str, list[_Entry]] = {}
        if place.name == IN_NAMES and not place.exists():
            raise DataError(
                f"--captions {IN_NAMES} is for pictures that are files of their own, and these are packed.",
                "--captions with a list of captions or a folder of caption files",
            )
        if place.is_dir():
            self._tree = Tree.of(place)
            # Records come last: beside files of captions they say other things.
            for text in sorted(self._tree.texts, key=lambda text: text.lower().endswith(RECORD)):
                ending = next((each for each in _ENDINGS if text.lower().endswith(each)), None)
                if ending is not None:
                    self._add(_Entry(text, _key(text[: -len(ending)]), text, text))
        else:
            list_at(place)
            self._read(columns)

    def _read(self, columns: Columns) -> None:
        shown, unit = self._place.name, unit_of(self._place)
        odd = oddity(damaged=False, guessed=guessed_encoding(self._place))
        if odd is not None:
            self._left_out.add(shown, "files", odd)
        for row in read_list(self._place, columns):
            place = f"{shown} {unit} {row.line}"
            if isinstance(row, Unusable):
                self._left_out.add(place, "rows", row.reason)
                continue
            written = printable(CAPTION_NUMBER.sub("", row.file_name))
            self._add(_Entry(written, _key(written), row.described, place))

    def _add(self, entry: _Entry) -> None:
        others = self._by_end.setdefault(entry.key.rpartition("/")[2], [])
        earlier = next((each for each in others if each.key == entry.key), None)
        if earlier is None:
            others.append(entry)
        elif isinstance(earlier.said, str) or isinstance(entry.said, str):
            self._left_out.add(entry.name, "caption files", f"not read, because {earlier.name} is there too")
        else:
            more = tuple(each for each in entry.said.captions if each not in earlier.said.captions)
            both = (*earlier.said.captions, *more)[:MOST_CAPTIONS]
            if both == earlier.said.captions:
                self._left_out.add(entry.place, "rows", "it repeats an earlier row, or its picture has captions enough")
            earlier.said = replace(earlier.said, captions=both)

    def of(self, picture: str, *names: str) -> Description:
        """Return what is said of a picture.

        Args:
            picture: what messages call it.
            names: what it may be called, the most likely first.

        Raises:
            UnreadableCaptions: nothing is.
            DataError: the same is said of another picture.
        """
        entry = next(filter(None, map(self._meaning, names)), None)
        if entry is None:
            raise UnreadableCaptions(f"there is no caption of it in {self._place.name}")
        if entry.picture not in (None, picture):
            raise DataError(
                f"{self._place} speaks of {entry.name}, which may be {entry.picture} or {picture}.",
                f"Let it say more of their names there, such as {picture}",
            )
        entry.picture = picture
        if isinstance(entry.said, str):
            assert self._tree is not None
            return described(self._tree, entry.said, self._files)
        return entry.said

    def _meaning(self, name: str) -> _Entry | None:
        key = _key(name)
        fitting: dict[int, list[_Entry]] = {}
        for entry in self._by_end.get(key.rpartition("/")[2], ()):
            if key.endswith(entry.key) or entry.key.endswith(key):
                fitting.setdefault(min(len(key), len(entry.key)), []).append(entry)
        best = fitting[max(fitting)] if fitting else []
        if len(best) > 1:
            raise UnreadableCaptions(f"it may be more than one of {self._place.name}: {best[0].name}, {best[1].name}")
        return next(iter(best), None)

    def tell_unused(self) -> None:
        """Tell what is said of pictures that were not met."""
        for entry in self._entries():
            if entry.picture is None and self._tree is None:
                self._left_out.add(entry.name[:200], "rows", f"{entry.place}: {_NO_PICTURE}")
            elif entry.picture is None:
                self._left_out.add(entry.name, "caption files", _NO_PICTURE)

    def _entries(self) -> Iterator[_Entry]:
        return (entry for entries in self._by_end.values() for entry in entries)


def _key(name: str) -> str:
    *folders, last = parts_of(composed(name)) or [""]
    return "/".join(["", *folders, stem_of(last)])
