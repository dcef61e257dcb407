"""The metadata folders published with StackGAN and read by AttnGAN, DF-GAN and GALIP: birds, flowers and coco.

``train|test/filenames.pickle`` lists pictures; ``class_info.pickle``, the embeddings and the pickled pictures beside it
hold one entry for each, in that order (the loaders of the published repositories).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.formats.restricted_pickle import load_pickle
from stackgan_cli.readers.birds_and_flowers.cub import CubReader
from stackgan_cli.readers.birds_and_flowers.flowers import FlowersReader
from stackgan_cli.readers.birds_and_flowers.splits import refuse_other_length
from stackgan_cli.readers.captions import CaptionFiles, UnreadableCaptions
from stackgan_cli.readers.layout import LayoutReader, opening, source_folder
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.published.metadata_index import MetadataIndex, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from PIL import Image

    from stackgan_cli.components.protocols import Skipped

_LAYOUT = (
    "It should hold train/filenames.pickle and mostly test/filenames.pickle; the pictures in images/, "
    "CUB_200_2011/images/ or jpg/, or in train/304images.pickle; the captions in text/, text_c10/ or captions.pickle."
)
_EMBEDDINGS = {
    "char-cnn-rnn": "char-CNN-RNN-embeddings.pickle",
    "char-cnn-gru": "char-CNN-GRU-embeddings.pickle",
    "skip-thought": "skip-thought-embeddings.pickle",
}
_CROPS = ("304images.pickle", "76images.pickle")


class StackganMetadataReader(LayoutReader):
    """Reads the published metadata folders ``birds``, ``flowers`` and ``coco``, with whatever lies beside them.

    Pictures are the photos, wherever the published loaders look for them, or the published crops where those are all
    there is. Where there are embeddings and no text, the captions are empty.

    Args:
        captions: folder of text files, or AttnGAN's captions.pickle; relative to the current folder or the source, or
            absolute. ``text_c10``, ``text`` or ``captions.pickle`` where None.
        images: folder of photos, likewise; looked for where None.
    """

    layout = _LAYOUT
    encoder = ("char-cnn-rnn", {"variant": "icml-birds"})

    def __init__(self, *, captions: str | None = None, images: str | None = None) -> None:
        self._captions, self._images = captions, images
        self._numbers_of_rows: dict[tuple[str, int, int], list[int | None]] = {}

    def evidence(self, source: Path) -> str | None:
        """Look for the list of names, alone or beside embeddings or crops; alone it may be the split of another one."""
        if not (source / "train" / "filenames.pickle").is_file():
            return None
        for name in (*_EMBEDDINGS.values(), *_CROPS):
            if (source / "train" / name).is_file():
                return f"train/filenames.pickle and train/{name}: the metadata published with StackGAN"
        if CubReader().recognises(source) or FlowersReader().recognises(source):
            return None
        return "train/filenames.pickle: the metadata published with StackGAN or AttnGAN"

    def suits(self, source: Path) -> Mapping[str, Any]:
        """Return the crop rule, the text encoder and the recipe that suit what the source holds.

        Raises:
            DataError: the source as a whole cannot be read.
        """
        found = self._look(source)
        flowers = any(key.startswith("jpg/") for key in found.index.rows)
        crop = "squash" if flowers or found.crops else "bbox" if found.index.boxes else "center"
        encoder = ("char-cnn-rnn", {"variant": "icml-flowers" if flowers else "icml-birds"})
        if found.embeddings:
            encoder = ("precomputed", {"features": next(iter(found.embeddings))})
        return {"crop": crop, "encoder": encoder, "recipe": "paper"}

    def features(self, source: Path) -> Mapping[str, Callable[[str], NDArray[np.float32]]]:
        """Return the embeddings that are there for every split: by name, what turns an example's name into an array.

        Such an array is (captions, width). A file is opened when it is first needed, and one split is held at a time
        unless the names go to and fro between the splits.

        Raises:
            DataError: the source as a whole cannot be read.
        """
        found = self._look(source)
        return {name: _ReadyFeatures(found, paths) for name, paths in found.embeddings.items()}

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures split by split in the order of filenames.pickle, and what is left out."""
        return _examples(self._look(root))

    def _look(self, source: Path) -> _Found:
        root = source_folder(source, _LAYOUT)
        with opening(root):
            index = MetadataIndex(root, self._captions, self._images)
            return _Found.of(index, self._numbers_of_rows)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedCrop:
    """Makes a picture of the pixels that the published preprocessing pickled."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), or (height, width) for a gray one."""
    size: int
    """Bytes of the file that they are from."""

    def __call__(self) -> Image.Image:
        """Return the picture."""
        from PIL import Image

        return Image.fromarray(self.pixels)


@dataclass(slots=True)
class _Found:
    """An index, and which of the large pickles go with it."""

    index: MetadataIndex
    embeddings: dict[str, dict[str, Path]]
    """By name and split, those that are there for every split."""
    crops: dict[str, Path]
    """By split; empty where the photos are used."""
    numbers_of_rows: dict[tuple[str, int, int], list[int | None]]

    @classmethod
    def of(cls, index: MetadataIndex, numbers_of_rows: dict[tuple[str, int, int], list[int | None]]) -> _Found:
        embeddings = {}
        for name, file in _EMBEDDINGS.items():
            paths = {part.split: path for part in index.parts if (path := index.file(part, file)) is not None}
            if len(paths) == len(index.parts):
                embeddings[name] = paths
            else:
                for split in paths:
                    index.left_out.add(f"{split}/{file}", "files", "not used: the other split has none")
        if not index.has_captions and not embeddings:
            raise DataError(
                f"There are no captions for the pictures that {index.root} lists.",
                "Put the folder text or text_c10, AttnGAN's captions.pickle or the published embeddings there.",
            )
        return cls(index, embeddings, _crops(index), numbers_of_rows)

    def limits(self, part: Part) -> list[int | None]:
        """For each picture how many captions have an embedding in every file; None where there is no limit."""
        numbers = [self._numbers(paths[part.split], part) for paths in self.embeddings.values()]
        rows = zip(*numbers, strict=True) if numbers else ((),) * len(part.keys)
        return [min((number for number in row if number is not None), default=None) for row in rows]

    def _numbers(self, path: Path, part: Part) -> list[int | None]:
        known = self.numbers_of_rows.get(_state(path))
        # Only the whole file tells.
        return self.remember(path, _embeddings(path, part)) if known is None else known

    def remember(self, path: Path, embeddings: list[NDArray[Any]]) -> list[int | None]:
        """Keep how many embeddings a file has for each picture, for the next reading of the source."""
        numbers = [None if rows.ndim == 1 else len(rows) for rows in embeddings]
        self.numbers_of_rows[_state(path)] = numbers
        return numbers


def _state(path: Path) -> tuple[str, int, int]:
    state = path.stat()
    return (str(path), state.st_size, state.st_mtime_ns)


def _crops(index: MetadataIndex) -> dict[str, Path]:
    crops = {}
    for part in index.parts:
        path = next((path for name in _CROPS if (path := index.file(part, name)) is not None), None)
        if path is not None:
            crops[part.split] = path
    # Where most of the pictures are pickled alone, the few photos are a sample.
    pickled = sum(len(part.keys) for part in index.parts if part.split in crops)
    if 2 * len(index.photos) >= pickled:
        return {}
    for split, path in crops.items():
        have = f"only {len(index.photos):,} photos are there" if index.photos else "the photos are absent"
        reason = f"used as published, already cropped, because {have}"
        index.left_out.add(f"{split}/{path.name}", "files", reason)
    return crops


def _examples(found: _Found) -> Iterator[Example | Skipped]:
    index, left_out = found.index, LeftOut()
    # One for all files: an older encoding, once told, is the likeliest of the next.
    reading = CaptionFiles(left_out)
    yield from index.left_out.lines()
    for part in index.parts:
        limits = found.limits(part)
        pictures = _Pictures(found, part, left_out)
        for row, key in enumerate(part.keys):
            image = None if key is None else pictures.take(row, key)
            if key is None or image is None:
                continue
            try:
                captions = _captions(index, part, row, key, limits[row], reading, left_out)
            except UnreadableCaptions as problem:
                left_out.add(key, "pictures", str(problem))
                continue
            box = None if found.crops else index.boxes.get(key)
            if index.boxes and not found.crops and box is None:
                left_out.add(key, "pictures", "kept; there is no bounding box for it")
            yield Example(key, image, captions, part.split, part.class_name(row), box)
    yield from left_out.lines()


def _captions(
    index: MetadataIndex, part: Part, row: int, key: str, most: int | None, reading: CaptionFiles, left_out: LeftOut
) -> tuple[str, ...]:
    """Return no more captions than have embeddings; empty ones where no text is given.

    Raises:
        UnreadableCaptions: there are none.
    """
    if most == 0:
        raise UnreadableCaptions("there is no embedding for it")
    if not index.has_captions:
        left_out.add(key, "pictures", "kept; there are features of its captions, and their text is not given")
        return ("",) * (most or 1)
    captions = index.captions(part, row, reading)
    if not captions:
        raise UnreadableCaptions("there is no caption for it")
    if most is not None and most != len(captions):
        more, fewer = ("captions", "embeddings") if most < len(captions) else ("embeddings", "captions")
        left_out.add(key, "pictures", f"kept; it has more {more} than {fewer}, and the last are left out")
    return captions[:most]


class _Pictures:
    """Hands out the pictures of one split, one after the other, and keeps none that it has handed out."""

    def __init__(self, found: _Found, part: Part, left_out: LeftOut) -> None:
        self._photos = {} if found.crops else found.index.photos
        self._linked = found.index.linked
        self._left_out = left_out
        self._pixels: list[Any] | None = None
        path = found.crops.get(part.split)
        if path is not None:
            self._pixels = _entries(path, part)
            self._size = path.stat().st_size

    def take(self, row: int, key: str) -> Path | PublishedCrop | None:
        if self._pixels is None:
            photo = self._photos.get(key)
            if photo is None and key not in self._linked:
                self._left_out.add(key, "pictures", "listed in filenames.pickle, but it is not there")
            return None if photo is None else Path(photo)
        pixels, self._pixels[row] = self._pixels[row], None
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or not pixels.size
            or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3))
        ):
            self._left_out.add(key, "pictures", "its pixels are not (height, width, 3) bytes")
            return None
        return PublishedCrop(np.ascontiguousarray(pixels).view(np.ndarray), self._size)


class _ReadyFeatures:
    """Gives the embeddings of an example's captions."""

    def __init__(self, found: _Found, paths: Mapping[str, Path]) -> None:
        self._found, self._paths = found, paths
        self._held: dict[str, tuple[list[NDArray[Any]], list[int | None]]] = {}
        self._met: set[str] = set()
        self._widths: set[int] = set()
        self._left_out = LeftOut()
        self._reading = CaptionFiles(self._left_out)

    def __call__(self, name: str) -> NDArray[np.float32]:
        """Return (captions, width) of an example.

        Raises:
            KeyError: there is no such example.
            DataError: the file of embeddings cannot be read, or holds something else.
        """
        part, row = self._found.index.rows[name]
        embeddings, limits = self._split(part)
        try:
            captions = _captions(self._found.index, part, row, name, limits[row], self._reading, self._left_out)
        except UnreadableCaptions as problem:
            raise KeyError(name) from problem
        rows = embeddings[row]
        with np.errstate(over="ignore"):
            ready = np.array(np.tile(rows, (len(captions), 1)) if rows.ndim == 1 else rows[: len(captions)], np.float32)
        if not np.isfinite(ready).all():
            raise DataError(f"{self._paths[part.split]} holds no finite numbers for {name}.", "Get the file again.")
        return ready

    def _split(self, part: Part) -> tuple[list[NDArray[Any]], list[int | None]]:
        if part.split not in self._held:
            if part.split not in self._met:
                self._held.clear()
            self._met.add(part.split)
            embeddings = _embeddings(self._paths[part.split], part)
            self._found.remember(self._paths[part.split], embeddings)
            self._widths |= {rows.shape[-1] for rows in embeddings}
            if len(self._widths) > 1:
                raise DataError(
                    f"{' and '.join(map(str, self._paths.values()))} are not equally wide.",
                    "They are of different encoders: get both again, from the same place.",
                )
            self._held[part.split] = (embeddings, self._found.limits(part))
        return self._held[part.split]


def _embeddings(path: Path, part: Part) -> list[NDArray[Any]]:
    """Read embeddings: for each picture (captions, width), or (width,) where one stands for all its captions."""
    try:
        pictures = _arrays(_entries(path, part), path.stat().st_size)
    except ValueError:
        pictures = [np.empty(0, object)]
    odd = any(rows.dtype.kind not in "fiu" or rows.ndim not in (1, 2) or not rows.shape[-1] for rows in pictures)
    widths = {rows.shape[-1] for rows in pictures} if not odd else set()
    if odd or len(widths) > 1:
        what = f"are {min(widths)} to {max(widths)} wide" if widths else "are not arrays of (captions, width) numbers"
        raise DataError(
            f"{path} holds no embeddings of captions: its entries {what}.", "Get the file again, or remove it."
        )
    return pictures


def _arrays(entries: Iterable[Any], most: int) -> list[NDArray[Any]]:
    """Turn entries into arrays; those that are none are rows or numbers in a list.

    Args:
        entries: as a pickle holds them.
        most: numbers that lists may hold, for they can hold the same long list many times, and lists within lists.

    Raises:
        ValueError: one is something else.
    """
    made = []
    for entry in entries:
        if not isinstance(entry, np.ndarray):
            if not isinstance(entry, list | tuple) or len(entry) > most:
                raise ValueError
            most -= len(entry)
            for row in entry:
                most -= len(row) if isinstance(row, list | tuple) else 0
                if most < 0 or not _is_flat(row):
                    raise ValueError
        made.append(np.asarray(entry).view(np.ndarray))
    return made


def _is_flat(row: Any) -> bool:
    if isinstance(row, np.ndarray):
        return row.ndim == 1 and row.dtype != object
    return not isinstance(row, list | tuple) or not any(isinstance(each, list | tuple | np.ndarray) for each in row)


def _entries(path: Path, part: Part) -> list[Any]:
    """Read a pickle that holds one entry for each picture of a split."""
    content = load_pickle(path)
    if not isinstance(content, list | tuple | np.ndarray) or (isinstance(content, np.ndarray) and not content.ndim):
        raise DataError(f"{path} holds no list with an entry for each picture.", "Get the file again, or remove it.")
    refuse_other_length(path, len(content), part.folder / "filenames.pickle", len(part.keys))
    return list(content)
