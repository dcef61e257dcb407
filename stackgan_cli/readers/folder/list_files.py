"""Which files of a folder list pictures and their captions: told by what is in them, and chosen by their names."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import mended
from stackgan_cli.readers.folder.list_rows import LIST_SUFFIXES, Row, read_list
from stackgan_cli.readers.folder.listing import folder_of
from stackgan_cli.readers.folder.picture_names import CAPTION_NUMBER, PictureNames
from stackgan_cli.readers.split_names import split_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgan_cli.readers.columns import Columns
    from stackgan_cli.readers.left_out import LeftOut
    from stackgan_cli.readers.tree import Tree

_MOST_LISTS = 100
"""Files that are looked into; among more, those with the likeliest names."""
_ROWS = 50
"""Rows that are looked at to see whether a file lists pictures that are there."""
_LIKELY = (re.compile("meta"), re.compile("caption"), re.compile("token|result|annotation|prompt|label"))
"""What names of lists often have in them, the likeliest first."""
_UNLIKELY = re.compile("lemma|spacy|bak|backup|old|copy")
_FORMS = (".jsonl", ".ndjson", ".csv", ".tsv", ".token", ".json", ".parquet", ".txt")
"""Which of several lists of one name is read."""


_ANY_PART = re.compile("[a-z]+|[0-9]+")


class Lists:
    """The lists in a folder.

    Args:
        tree: the pictures and texts.
        free: texts that are not those of one picture.
        columns: those of lists.
    """

    def __init__(self, tree: Tree, free: Iterable[str], columns: Columns) -> None:
        likely = sorted((name for name in free if _suffix(name) in LIST_SUFFIXES), key=_likelihood)
        self.others: dict[str, str] = {}
        """Files that look like lists, and why they are none of pictures that are here."""
        self._found: list[str] = []
        names = PictureNames(tree)
        for name in likely[:_MOST_LISTS]:
            if name not in tree.faults and tree.pictures:
                self._look_into(tree, name, columns, names)

    def _look_into(self, tree: Tree, name: str, columns: Columns, names: PictureNames) -> None:
        try:
            why_not = why_none(tree.root / name, folder_of(tree, tree.root / name), columns, names)
        except (DataError, OSError) as error:
            self.others[name] = (
                error.message if isinstance(error, DataError) else f"it cannot be opened ({error.strerror})"
            )
            return
        if why_not is None:
            self._found.append(name)
        else:
            self.others[name] = why_not

    def likely_others(self) -> Iterator[tuple[str, str]]:
        """Yield files that may be meant for lists, by their names or as the only JSON, and why they are none."""
        json = [name for name in self.others if _suffix(name) == ".json"]
        for name, reason in self.others.items():
            likely = any(words.search(PurePosixPath(name).name.lower()) for words in _LIKELY)
            if likely or json == [name] or _suffix(name) not in (".txt", ".json"):
                yield name, reason

    def chosen(self, root: Path, left_out: LeftOut) -> list[Path]:
        """Choose the lists to read, and tell which are not; there may be none.

        Those of several splits or folders belong together, and those whose names differ in a number.

        Raises:
            DataError: several lists could be meant.
        """
        if not self._found:
            return []
        rank = min(_likelihood(name)[0] for name in self._found)
        best = [name for name in self._found if _likelihood(name)[0] == rank]
        by_stem: dict[str, str] = {}
        for name in sorted(best, key=lambda name: _FORMS.index(_suffix(name))):
            by_stem.setdefault(str(PurePosixPath(name).with_suffix("")), name)
        chosen = sorted(by_stem.values())
        if not _belong_together(chosen):
            raise DataError(
                f"{root} holds several lists of captions: {', '.join(chosen[:5])}.", f"--captions {chosen[0]}"
            )
        for name in self._found:
            if name not in chosen:
                left_out.add(name, "files", f"not read, because {PurePosixPath(chosen[0]).name} is there too")
        return [root / name for name in chosen]


def why_none(path: Path, base: str, columns: Columns, names: PictureNames) -> str | None:
    """Say why none of the first rows of a list has captions of a picture that is there; None where one has.

    Raises:
        DataError: it is no list.
        OSError: it cannot be opened.
    """
    reason = "none of its first rows has a caption"
    first = True
    for row in islice(read_list(path, columns), _ROWS):
        if isinstance(row, Row):
            why = names.why_absent(base, CAPTION_NUMBER.sub("", row.file_name))
            if why is None:
                return None
            if first:
                reason = f"it lists pictures that are not there: {mended(row.file_name)[0][:100]}: {why}"
                first = False
    return reason


def _belong_together(names: Sequence[str]) -> bool:
    """Say whether names are one but for folders, numbers and words for splits."""
    return len({_ANY_PART.sub(_part, PurePosixPath(name).name.lower()) for name in names}) == 1


def _part(found: re.Match[str]) -> str:
    return "#" if found[0].isdigit() or split_named(found[0]) else found[0]


def _likelihood(name: str) -> tuple[int, int, str]:
    path = PurePosixPath(name)
    stem = path.name.lower()
    likely = next((place for place, words in enumerate(_LIKELY) if words.search(stem)), len(_LIKELY))
    return likely + (len(_LIKELY) + 1) * bool(_UNLIKELY.search(stem)), len(path.parts), name


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
