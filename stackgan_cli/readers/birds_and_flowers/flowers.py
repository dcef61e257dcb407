"""Oxford-102 flowers with the captions of Reed et al. (2016)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Example
from stackgan_cli.downloads.addresses import FLOWERS
from stackgan_cli.errors import DataError
from stackgan_cli.readers.birds_and_flowers.attngan_captions import caption_source, captions_by_key, home_of_names
from stackgan_cli.readers.birds_and_flowers.splits import (
    FLOWERS_TEST_CLASSES,
    Split,
    class_numbers,
    file_names,
    picture_key,
    published_split,
)
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary, LayoutReader, printable
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stackgan_cli.components.protocols import Skipped

_LAYOUT = (
    "It should hold jpg/image_00001.jpg and text_c10/class_00001/image_00001.txt (or text/ in place of text_c10/, or "
    "AttnGAN's captions.pickle with train/ and test/)."
)
_CLASS = re.compile(r"class_(\d{5})")
_TESTING = {f"class_{number:05d}": number in FLOWERS_TEST_CLASSES for number in range(1, 103)}


class FlowersReader(LayoutReader):
    """Reads Oxford-102 as it is published: pictures in ``jpg``, captions in one folder per class.

    The split is class-disjoint: 82 classes for training and 20 for testing.

    Args:
        captions: folder of captions with a folder for each class, or AttnGAN's captions.pickle; relative to the current
            folder or the source, or absolute. ``text_c10``, ``text`` or ``captions.pickle`` where None.
    """

    layout = _LAYOUT
    crop = "squash"
    published = FLOWERS
    encoder = ("char-cnn-rnn", {"variant": "icml-flowers"})

    def __init__(self, *, captions: str | None = None) -> None:
        self._captions = captions

    def evidence(self, source: Path) -> str | None:
        """Look for the pictures' folder, and folders of captions by class or the published labels."""
        if not (source / "jpg").is_dir():
            return None
        for name in ("text_c10", "text"):
            if (source / name).is_dir() and any(_CLASS.fullmatch(child.name) for child in (source / name).iterdir()):
                return f"jpg/ beside captions in {name}/class_NNNNN/: Oxford-102 flowers"
        return "jpg/ and imagelabels.mat: Oxford-102 flowers" if (source / "imagelabels.mat").is_file() else None

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, and what had to be left out."""
        pictures = _pictures(root)
        # Not `root.parent`: the source may be the current folder, written as a dot.
        places = [root, root.absolute().parent]
        captions = caption_source(places, self._captions, set(_TESTING))
        left_out = LeftOut()
        reading = CaptionFiles(left_out)
        texts = _from_pickle(captions, places) if captions.is_file() else _from_folder(captions, reading)
        split = published_split(
            list(dict.fromkeys([*places, captions.parent])),
            pictures.keys(),
            {text.class_name for text in texts if text.class_name is not None},
            _TESTING,
            parts=1,
        )
        yield from _captioned(root, pictures, texts, split, left_out)
        captioned = {text.stem for text in texts}
        missing = f"{captions.name} has no caption for it" if captions.is_file() else "there is no caption file for it"
        for stem, path in pictures.items():
            if stem not in captioned:
                left_out.add(printable(f"jpg/{path.name}"), "pictures", missing)
        yield from left_out.lines()


@dataclass(frozen=True, slots=True)
class _Text:
    """Where the captions of one picture are."""

    place: str
    stem: str
    class_name: str | None
    read: Callable[[], tuple[str, ...]]


def _pictures(root: Path) -> dict[str, Path]:
    folder = next((place for place in (root / "jpg", root / "images" / "jpg") if place.is_dir()), None)
    if folder is None:
        raise DataError(f"There are no pictures in {root}: it has no folder jpg.", _LAYOUT)
    return {
        path.stem: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    }


def _from_folder(folder: Path, reading: CaptionFiles) -> list[_Text]:
    boundary = Boundary(folder)
    classes = [child for child in folder.iterdir() if _CLASS.fullmatch(child.name) and child.is_dir()]
    files = (
        path for child in classes for path in child.iterdir() if path.suffix == ".txt" and not path.name.startswith(".")
    )
    texts = []
    for path in sorted(files, key=lambda path: (path.stem, path.parent.name)):
        place = f"{path.parent.name}/{path.name}"
        texts.append(_Text(place, path.stem, path.parent.name, partial(reading.read, path, place, boundary)))
    return texts


def _from_pickle(path: Path, places: list[Path]) -> list[_Text]:
    home = home_of_names(path, places)
    captions = captions_by_key(path, home, parts=1)
    classes: dict[str, int] = {}
    for folder in (home / "train", home / "test"):
        if (folder / "class_info.pickle").is_file() and (folder / "filenames.pickle").is_file():
            names = file_names(folder / "filenames.pickle")
            numbers = class_numbers(folder / "class_info.pickle", len(names)) or []
            classes.update(zip((picture_key(name, 1) for name in names), numbers, strict=False))
    named = {stem: f"class_{number:05d}" for stem, number in classes.items()}
    return [
        _Text(f"{path.name}: {stem}", stem, named.get(stem), partial(captions.__getitem__, stem))
        for stem in sorted(captions)
        if captions[stem]
    ]


def _captioned(
    root: Path, pictures: dict[str, Path], texts: list[_Text], split: Split, left_out: LeftOut
) -> Iterator[Example]:
    boundary = Boundary(root, *{path.parent for path in pictures.values()})
    captioned: dict[str, str | None] = {}
    for text in texts:
        picture = pictures.get(text.stem)
        if picture is None:
            left_out.add(printable(text.place), "captions", "there is no picture in jpg with this name")
            continue
        name = f"jpg/{picture.name}"
        if text.stem in captioned:
            of_both = f"those in {text.class_name}, as it is in {captioned[text.stem]} too"
            left_out.add(name, "pictures", f"some of its captions are left out ({of_both})")
            continue
        captioned[text.stem] = text.class_name
        if printable(name) != name:
            left_out.add(printable(name), "pictures", "its name is not UTF-8")
            continue
        if not boundary.holds(picture):
            left_out.add(name, "pictures", "a link that leads out of the folder")
            continue
        try:
            captions = text.read()
        except UnreadableCaptions as problem:
            left_out.add(name, "pictures", str(problem))
            continue
        yield Example(name, picture, captions, split.of(text.stem, text.class_name or ""), text.class_name)
