"""What tests of readers share: pictures, and what a reader finds in a source."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from stackgan_cli.components.protocols import DatasetReader, Example, Skipped
from stackgan_cli.pictures.decoding import load_picture


def encoded(shade: int = 0, kind: str = "PNG") -> bytes:
    """A picture that `shade_of` tells from others, encoded."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade * 6, 10, 20)).save(buffer, kind)
    return buffer.getvalue()


def shade_of(example: Example) -> int:
    """The shade of an example's picture, which JPEG and WebP do not keep exactly."""
    assert not isinstance(example.image, Image.Image)
    value = load_picture(example.image).getpixel((0, 0))
    assert isinstance(value, tuple)
    return round(value[0] / 6)


def picture(path: Path, text: str | None = None, size: tuple[int, int] = (4, 4)) -> Path:
    """Write a picture, and a text beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)
    if text is not None:
        path.with_suffix(".txt").write_text(text)
    return path


def found(reader: DatasetReader, source: Path | None) -> tuple[list[Example], list[Skipped]]:
    """What a reader finds, and what it leaves out."""
    items = list(reader.examples(source))
    return [item for item in items if isinstance(item, Example)], [item for item in items if isinstance(item, Skipped)]


def named(reader: DatasetReader, source: Path | None) -> tuple[dict[str, Example], dict[str, str]]:
    """What a reader finds however often it is asked, and why it leaves things out, by their names."""
    examples, skipped = found(reader, source)
    by_name = {item.name: item for item in examples}
    assert len(by_name) == len(examples)
    assert [each.name for each in found(reader, source)[0]] == list(by_name)
    return by_name, {item.name: item.reason for item in skipped}


def put(path: Path, content: object, protocol: int = 0) -> Path:
    """Write a pickle, of the kind that the published ones are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def put_names(root: Path, train: Sequence[str], test: Sequence[str] | None) -> Path:
    """Write the published lists of pictures for training and testing."""
    put(root / "train" / "filenames.pickle", list(train))
    if test is not None:
        put(root / "test" / "filenames.pickle", list(test))
    return root
