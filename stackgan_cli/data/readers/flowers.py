"""Oxford-102 flowers with the captions of Reed et al. (2016)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.data.readers.captions import CaptionFiles, UnreadableCaptions, caption_folder
from stackgan_cli.data.readers.layout import PICTURE_SUFFIXES, Tally, at_least_one, opening, source_folder
from stackgan_cli.data.readers.splits import FLOWERS_TEST_CLASSES, Split, picture_key, published_split
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LAYOUT = (
    "It should hold jpg/image_00001.jpg and text_c10/class_00001/image_00001.txt (or text/ in place of text_c10/)."
)
_CLASS = re.compile(r"class_(\d{5})")


class FlowersReader:
    """Reads Oxford-102 as it is published: pictures in ``jpg``, captions in one folder per class.

    The split is class-disjoint: 82 classes for training and 20 for testing.

    Args:
        captions: folder of captions, relative to the source or absolute; ``text_c10`` or ``text`` where None.
    """

    crop = "squash"
    recipe = "paper"
    encoder = ("char-cnn-rnn", {"variant": "icml-flowers"})

    def __init__(self, *, captions: str | None = None) -> None:
        self._captions = captions

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        try:
            if not (source / "jpg").is_dir():
                return None
            for name in ("text_c10", "text"):
                if (source / name).is_dir() and any(
                    _CLASS.fullmatch(child.name) for child in (source / name).iterdir()
                ):
                    return f"jpg/ beside captions in {name}/class_NNNNN/: Oxford-102 flowers"
            if (source / "imagelabels.mat").is_file():
                return "jpg/ and imagelabels.mat: Oxford-102 flowers"
        except OSError:
            return None
        return None

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, in the order of their names, and what had to be left out.

        Raises:
            DataError: the source is no folder of this layout, or cannot be opened.
        """
        root = source_folder(source, _LAYOUT)
        with opening(root):
            yield from at_least_one(self._found(root), root, _LAYOUT)

    def _found(self, root: Path) -> Iterator[Example | Skipped]:
        pictures = _pictures(root)
        files = _caption_files(caption_folder([root], self._captions))
        split = published_split(
            [root],
            pictures.keys(),
            {path.parent.name for path in files},
            {f"class_{number:05d}": number in FLOWERS_TEST_CLASSES for number in range(1, 103)},
            lambda name: picture_key(name, 1),
        )
        yield from _captioned(pictures, files, split)


def _pictures(root: Path) -> dict[str, Path]:
    folder = next((place for place in (root / "jpg", root / "images" / "jpg") if place.is_dir()), None)
    if folder is None:
        raise DataError(f"There are no pictures in {root}: it has no folder jpg.", _LAYOUT)
    return {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    }


def _caption_files(folder: Path) -> list[Path]:
    classes = [child for child in folder.iterdir() if _CLASS.fullmatch(child.name) and child.is_dir()]
    if not classes:
        raise DataError(f"{folder} has no folders named class_00001 and so on.", _LAYOUT)
    files = (
        path for child in classes for path in child.iterdir() if path.suffix == ".txt" and not path.name.startswith(".")
    )
    return sorted(files, key=lambda path: (path.stem, path.parent.name))


def _captioned(pictures: dict[str, Path], files: list[Path], split: Split) -> Iterator[Example | Skipped]:
    reading = CaptionFiles()
    absent = Tally("caption files", "there is no picture in jpg with this name")
    captioned: dict[str, str] = {}
    for file in files:
        class_name, stem = file.parent.name, file.stem
        if stem not in pictures:
            absent.add(f"{class_name}/{file.name}")
            continue
        name = f"jpg/{pictures[stem].name}"
        if stem in captioned:
            yield Skipped(name, f"its captions in {class_name} are left out: it is in {captioned[stem]} too")
            continue
        captioned[stem] = class_name
        try:
            captions = reading.read(file, f"{class_name}/{file.name}")
        except UnreadableCaptions as problem:
            yield Skipped(name, str(problem))
            continue
        yield Example(name, pictures[stem], captions, split.of(stem, class_name), class_name)
    bare = Tally("pictures", "there is no caption file for it")
    for stem in pictures.keys() - captioned.keys():
        bare.add(f"jpg/{pictures[stem].name}")
    for tally in (absent, bare, reading.damaged):
        yield from tally.lines()
