from __future__ import annotations

import functools
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.dataset.tables import split_columns
from stackgan_cli.errors import StackganError
from stackgan_cli.pictures.decoding import UnreadablePicture
from stackgan_cli.preparing.chunks import ChunkWriter, chunks_of, write_chunks
from stackgan_cli.preparing.rendering import Rendering

RENDERING = Rendering("squash", (8,), ("raw",))


def png(colour: object = (200, 10, 30), size: tuple[int, int] = (30, 20), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")  # type: ignore[arg-type]
    return buffer.getvalue()


def fetch(path: Path) -> bytes:
    return path.read_bytes()


def test_a_file_its_bytes_and_a_function_that_fetches_them_are_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(png())
    found = [
        RENDERING(Example("red", image, ("red",)))
        for image in (path, path.read_bytes(), functools.partial(fetch, path))
    ]
    assert all(each == found[0] for each in found)
    assert found[0].size == (30, 20)
    assert found[0].digest == hashlib.sha256(path.read_bytes()).digest()[:16]
    assert np.frombuffer(found[0].pictures[0], np.uint8).reshape(8, 8, 3)[4, 4].tolist() == [200, 10, 30]


def test_the_size_is_that_of_the_upright_original() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (3000, 2000)).save(buffer, "JPEG", exif=exif)
    assert RENDERING(Example("lying", buffer.getvalue(), ("x",))).size == (2000, 3000)


@pytest.mark.parametrize("crop", ["squash", "pad"])
def test_the_background_lies_under_transparency_and_around_what_is_padded(crop: str) -> None:
    clear = png((0, 0, 0, 0), (20, 20), "RGBA")
    wide = png((0, 0, 255), (40, 20))
    rendering = Rendering(crop, (8,), ("raw",), "#ff8800")  # type: ignore[arg-type]
    corners = [
        np.frombuffer(rendering(Example("x", data, ("x",))).pictures[0], np.uint8).reshape(8, 8, 3)[0, 4].tolist()
        for data in (clear, wide)
    ]
    assert corners == [[255, 136, 0], [0, 0, 255] if crop == "squash" else [255, 136, 0]]


@pytest.mark.parametrize("error", [OSError("the archive ends early"), ValueError("no such row")])
def test_a_function_that_fails_is_a_reason_to_leave_one_picture_out(error: Exception) -> None:
    def fails() -> bytes:
        raise error

    with pytest.raises(UnreadablePicture, match=str(error)):
        RENDERING(Example("x", fails, ("x",)))


def test_a_pipe_in_place_of_a_picture_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadablePicture, match="not a file"):
        RENDERING(Example("x", tmp_path / "pipe.png", ("x",)))


def test_chunks_keep_the_order_and_close_early_where_pictures_are_held() -> None:
    items: list[Example | Skipped] = [
        Example(f"{index}", b"x", ("c",), split="test" if index % 3 == 0 else "train") for index in range(10)
    ]
    items.insert(4, Skipped("odd", "a reason"))
    found = list(chunks_of(items, 4))
    assert [each for each in found if isinstance(each, Skipped)] == [Skipped("odd", "a reason")]
    chunks = {each.file: [example.name for example in each.examples] for each in found if not isinstance(each, Skipped)}
    assert chunks == {
        "train/data-00000.arrow": ["1", "2", "4", "5"],
        "test/data-00000.arrow": ["0", "3", "6", "9"],
        "train/data-00001.arrow": ["7", "8"],
    }
    large = [Example(f"{index}", bytes(9 << 20), ("c",), split="train") for index in range(3)]
    assert [len(each.examples) for each in chunks_of(large, 100) if not isinstance(each, Skipped)] == [2, 1]


def test_a_worker_that_dies_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    writer = ChunkWriter(tmp_path, RENDERING, (6,), {}, split_columns((6,)))
    deadly = [Example("x", functools.partial(os._exit, 1), ("x",), split="train")]
    with pytest.raises(StackganError, match="ended, perhaps for want of memory"):
        list(write_chunks(chunks_of(deadly, 4), writer, parallel=True))
