"""Which picture of a folder a name in a list means, though the list may have been written elsewhere."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from stackgan_cli.files import relative_name
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, printable
from stackgan_cli.readers.tree import AMBIGUOUS, OUTSIDE, alike, folded, position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stackgan_cli.readers.tree import Tree

CAPTION_NUMBER = re.compile(r"#[0-9]{1,9}$")
"""What Flickr8k's lists have behind the name of a picture."""


_COCO_DIGITS = 12
"""Of the numbers that COCO's pictures are called by, which lists may write without the zeros before them."""


class AbsentPicture(Exception):  # noqa: N818
    """A name means no picture that can be used; the message is a short reason."""


class PictureNames:
    """The names of the pictures in a folder, by which those in lists are understood.

    A name is relative to the folder of its list, to a folder ``images`` there, or to the source. What no file is called
    may still be the only picture whose path ends like the name, as ``1.png`` and ``Images/1.png``, or like whose path
    the name ends, as ``/home/ada/cats/1.png`` and ``cats/1.png``; both with the picture's suffix or without any.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._by_stem: dict[str, int | list[int]] = {}

    def exactly(self, base: str, written: str) -> str | None:
        """Return the picture that has a name, or None where it may be one that is called otherwise.

        Args:
            base: folder of the list, with a slash at the end, or nothing.
            written: the name, without the number of a caption.

        Raises:
            AbsentPicture: it is none.
        """
        if printable(written) != written:
            raise AbsentPicture("the name is not UTF-8")
        for place in _places(base, written):
            index = position(self._tree.pictures, place)
            if index is not None:
                return self._tree.pictures[index]
        if any(self._called_like(written)):
            return None
        inner = relative_name(written)
        if inner is None:
            raise AbsentPicture("the name leads out of the folder")
        return self._other_file(base + inner)

    def meant(self, base: str, written: str) -> str:
        """Return the picture that a name means, as it is called or otherwise.

        Raises:
            AbsentPicture: it means none.
        """
        found = self.exactly(base, written) or self._by_end(written, set())
        if isinstance(found, AbsentPicture):
            raise found
        return found

    def why_absent(self, base: str, written: str) -> str | None:
        """Say why a name means no picture that is there; None where it means one."""
        try:
            self.meant(base, written)
        except AbsentPicture as problem:
            return str(problem)
        return None

    def _other_file(self, name: str) -> str:
        """Return the name of a file that is not called like a picture, if there is one."""
        path = self._tree.root / name
        try:
            if not self._tree.boundary.holds(path):
                raise AbsentPicture(OUTSIDE)
            if not path.is_file():
                raise AbsentPicture("it is a folder" if path.is_dir() else "there is no such file")
        except OSError as error:
            raise AbsentPicture(f"it cannot be opened ({error.strerror or error})") from error
        return name

    def _called_like(self, name: str) -> Iterator[str]:
        """Yield the pictures that have a name's last part, whatever their suffixes."""
        if not self._by_stem:
            for index, picture in enumerate(self._tree.pictures):
                key = stem_of(folded(picture))
                earlier = self._by_stem.setdefault(key, index)
                if isinstance(earlier, list):
                    earlier.append(index)
                elif earlier != index:
                    self._by_stem[key] = [earlier, index]
        last = folded(parts_of(name)[-1]) if parts_of(name) else ""
        for key in dict.fromkeys((stem_of(last), last, last.zfill(_COCO_DIGITS) if last.isdigit() else last)):
            found = self._by_stem.get(key, [])
            for index in found if isinstance(found, list) else [found]:
                yield self._tree.pictures[index]

    def alike(self, wanted: Iterable[tuple[str, str]], taken: set[str]) -> dict[tuple[str, str], str | AbsentPicture]:
        """Find the pictures that are meant by names that none has.

        Args:
            wanted: the names, each with the folder of its list.
            taken: pictures that lists name as they are called.

        Returns:
            For each the picture, or why there is none.
        """
        keys = list(wanted)
        names = [relative_name(base + written) or written for base, written in keys]
        spelt = alike(set(names), (name for name in self._tree.pictures if name not in taken))
        found: dict[tuple[str, str], str | AbsentPicture] = {}
        for name, key in zip(names, keys, strict=True):
            match = spelt.get(name)
            found[key] = match or (AbsentPicture(AMBIGUOUS) if name in spelt else self._by_end(key[1], taken))
        self._tell_several(found)
        return found

    def _by_end(self, written: str, taken: set[str]) -> str | AbsentPicture:
        parts = [folded(part) for part in parts_of(written)]
        called = list(self._called_like(written))
        fitting: dict[int, list[str]] = {}
        for picture in called:
            folders = folded(picture).split("/")
            free = picture not in taken or len(parts) < len(folders)
            if free and _is_same_file(parts[-1], folders[-1]):
                common = min(len(parts), len(folders)) - 1
                if common == 0 or parts[-1 - common : -1] == folders[-1 - common : -1]:
                    fitting.setdefault(common, []).append(picture)
        best = fitting[max(fitting)] if fitting else []
        if len(best) == 1:
            return best[0]
        if best:
            return AbsentPicture(f"more than one picture may be meant ({_named(best)})")
        if all(folded(picture) == "/".join(parts) and picture in taken for picture in called):
            return AbsentPicture("there is no such file, and the one that is spelt alike is listed itself")
        return AbsentPicture(f"there is no such file (but there is {_named(called)})")

    def _tell_several(self, found: dict[tuple[str, str], str | AbsentPicture]) -> None:
        """Give up names that differ in their folders and would mean one picture, for want of these folders."""
        by_picture: dict[str, set[str]] = {}
        for (_, written), picture in found.items():
            if isinstance(picture, str):
                by_picture.setdefault(picture, set()).add(_without_suffix(written))
        for key, picture in found.items():
            if isinstance(picture, str):
                names = sorted(by_picture[picture], key=len)
                if not all(longer.endswith(shorter) for shorter, longer in pairwise(names)):
                    found[key] = AbsentPicture(f"there is no such file, and several names end like {picture}")


def _places(base: str, written: str) -> Iterator[str]:
    """Yield where a picture may be by its name."""
    posix = written.replace("\\", "/")
    if relative_name(posix.lstrip("./")) is not None and not posix.startswith("/"):
        for place in dict.fromkeys((base + posix, f"{base}images/{posix}", posix)):
            inner = relative_name(place)
            if inner is not None:
                yield inner


def parts_of(name: str) -> list[str]:
    """Split a path, absolute or not, of any system."""
    parts = re.split(r"[/\\]+", name.strip())
    return [part for part in parts if part not in ("", ".", "..") and not re.fullmatch("[A-Za-z]:", part)]


def stem_of(name: str) -> str:
    """Return the last part of a path without the suffix of a picture."""
    last = name.rpartition("/")[2]
    return last.rpartition(".")[0] if PurePosixPath(last).suffix.lower() in PICTURE_SUFFIXES else last


def _without_suffix(name: str) -> str:
    *folders, last = parts_of(folded(name))
    return "/".join(["", *folders, stem_of(last)])


def _is_same_file(written: str, picture: str) -> bool:
    stem = picture.rpartition(".")[0]
    return written in (picture, stem) or (written.isdigit() and written.zfill(_COCO_DIGITS) == stem)


def _named(pictures: list[str]) -> str:
    more = f" and {len(pictures) - 2:,} more" if len(pictures) > 2 else ""
    return " and ".join(pictures[:2]) + more if not more else ", ".join(pictures[:2]) + more
