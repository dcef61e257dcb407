"""CUB-200-2011 birds with the captions of Reed et al. (2016)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Example
from stackgan_cli.downloads.addresses import CUB
from stackgan_cli.errors import DataError
from stackgan_cli.readers.birds_and_flowers.attngan_captions import caption_source, captions_by_key, home_of_names
from stackgan_cli.readers.birds_and_flowers.boxes import Listed, boxes_by_number, cub_list, has_boxes, listed_pictures
from stackgan_cli.readers.birds_and_flowers.splits import CUB_TEST_CLASSES, Split, published_split
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions
from stackgan_cli.readers.layout import Boundary, LayoutReader, file_named, spellings
from stackgan_cli.readers.left_out import LeftOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from stackgan_cli.components.protocols import Skipped

_LAYOUT = (
    "It should hold CUB_200_2011/images.txt, CUB_200_2011/images/, bounding_boxes.txt beside them for --crop bbox and, "
    "beside or inside CUB_200_2011, text_c10/ or text/, or AttnGAN's captions.pickle with train/ and test/."
)
_NUMBERED = re.compile(r"(\d{3})\.")


class CubReader(LayoutReader):
    """Reads CUB-200-2011 as it is published, whole or in part, from ``CUB_200_2011`` or the folder that holds it.

    The split is class-disjoint: 150 classes for training and 50 for testing; ``train_test_split.txt`` is another one.

    Args:
        captions: folder of captions with a folder for each class, or AttnGAN's captions.pickle; relative to the current
            folder, ``CUB_200_2011`` or the folder that holds it, or absolute. ``text_c10``, ``text`` or
            ``captions.pickle`` where None.
    """

    layout = _LAYOUT
    crop = "bbox"
    published = CUB
    encoder = ("char-cnn-rnn", {"variant": "icml-birds"})

    def __init__(self, *, captions: str | None = None) -> None:
        self._captions = captions

    def evidence(self, source: Path) -> str | None:
        """Look for the list of pictures, with or without that of boxes."""
        home = cub_list(source)
        if home is None:
            return None
        lists = "images.txt and bounding_boxes.txt" if has_boxes(home) else "images.txt without bounding_boxes.txt"
        return f"{lists}: CUB-200-2011 birds"

    def suits(self, source: Path) -> Mapping[str, Any]:
        """Give the crop rule: the published one where there are bounding boxes."""
        try:
            home = cub_list(source)
        except OSError:
            # Whoever reads the source says why it cannot be opened.
            home = None
        return {"crop": self.crop if home is None or has_boxes(home) else "center"}

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the listed pictures, and what had to be left out."""
        home = cub_list(root)
        if home is None:
            raise DataError(f"{root} holds no images.txt of CUB-200-2011 with the folder images beside it.", _LAYOUT)
        left_out = LeftOut()
        listed = listed_pictures(home, left_out)
        if not listed:
            raise DataError(f"{home / 'images.txt'} lists no picture.", "Get the file again: it has 11,788 lines.")
        if not (home / "images").is_dir():
            raise DataError(f"There are no pictures in {home}: it has no folder images.", _LAYOUT)
        # Not `home.parent`: the source may be the current folder, written as a dot.
        places = [home, home.absolute().parent]
        classes = {picture.class_name for picture in listed}
        captions = caption_source(places, self._captions, {form for name in classes for form in spellings(name)})
        split = published_split(
            list(dict.fromkeys([*places, captions.parent])),
            {picture.key for picture in listed},
            classes,
            {name: int(match[1]) in CUB_TEST_CLASSES for name in classes if (match := _NUMBERED.match(name))},
            parts=2,
        )
        find = _finder(captions, places, CaptionFiles(left_out))
        yield from _captioned(home, listed, find, split, left_out)
        yield from left_out.lines()


def _finder(captions: Path, places: list[Path], reading: CaptionFiles) -> Callable[[Listed], tuple[str, ...]]:
    """Return what finds the captions of a picture, or raises UnreadableCaptions."""
    if captions.is_file():
        known = captions_by_key(captions, home_of_names(captions, places), parts=2)

        def look_up(picture: Listed) -> tuple[str, ...]:
            if not known.get(picture.key):
                raise UnreadableCaptions(f"there is no caption of it in {captions.name}")
            return known[picture.key]

        return look_up
    boundary = Boundary(captions)

    def read(picture: Listed) -> tuple[str, ...]:
        name = f"{picture.class_name}/{PurePosixPath(picture.name).stem}.txt"
        file = file_named(captions, name)
        if file is None:
            raise UnreadableCaptions(f"there is no caption file for it in {captions.name}")
        return reading.read(file, name, boundary)

    return read


def _captioned(
    home: Path, listed: list[Listed], find: Callable[[Listed], tuple[str, ...]], split: Split, left_out: LeftOut
) -> Iterator[Example]:
    boxes = boxes_by_number(home) if has_boxes(home) else None
    boundary = Boundary(home / "images", home)
    absent: list[Listed] = []
    for picture in listed:
        file = file_named(home / "images", picture.name)
        if file is None:
            absent.append(picture)
        elif not boundary.holds(file):
            left_out.add(picture.name, "pictures", "a link that leads out of the folder")
        else:
            try:
                captions = find(picture)
            except UnreadableCaptions as problem:
                left_out.add(picture.name, "pictures", str(problem))
                continue
            box = None if boxes is None else boxes.get(picture.number)
            if boxes is not None and box is None:
                left_out.add(picture.name, "pictures", "kept; bounding_boxes.txt has no valid box for it")
            part = split.of(picture.key, picture.class_name)
            yield Example(picture.name, file, captions, part, picture.class_name, box)
    _leave_out_absent(absent, listed, left_out)


def _leave_out_absent(absent: list[Listed], listed: list[Listed], left_out: LeftOut) -> None:
    gone = set(absent)
    classes = {picture.class_name for picture in listed}
    left = {picture.class_name for picture in listed if picture not in gone}
    reason = "listed in images.txt but not in the folder images"
    if left < classes:
        reason += f"; of {len(classes - left):,} of the {len(classes):,} classes there is none"
    for picture in absent:
        left_out.add(picture.name, "pictures", reason)
