"""Binary files of Torch 7: data come back as they were written, and nothing hostile or broken does harm."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stackgan_torch7.binary_files import load_torch7

from stackgan_cli.errors import DataError

FRACTIONS = {"Float": "f4", "Double": "f8", "Half": "f2"}
CODES = {**FRACTIONS, "Int": "i4", "Long": "i8", "Short": "i2", "Byte": "u1", "Char": "i1"}
CUDA = {"Cuda": "f4", **{f"Cuda{name}": code for name, code in CODES.items() if name != "Float"}}
NIL = struct.pack("<i", 0)


def integers(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


def longs(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def text(content: str | bytes) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return integers(2, len(data)) + data


def number(value: float) -> bytes:
    return integers(1) + struct.pack("<d", value)


def table(index: int, *pairs: bytes) -> bytes:
    return integers(3, index, len(pairs)) + b"".join(pairs)


def named(index: int, name: str, version: str | None = "V 1") -> bytes:
    return integers(4, index) + b"".join(text(part)[4:] for part in (version, name) if part is not None)


def storage(index: int, name: str, data: np.ndarray, version: str | None = "V 1") -> bytes:
    return named(index, f"torch.{name}Storage", version) + longs(data.size) + data.tobytes()


def view(
    index: int,
    name: str,
    sizes: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    inner: bytes,
    version: str | None = "V 1",
) -> bytes:
    numbers = longs(*sizes, *strides, offset)
    return named(index, f"torch.{name}Tensor", version) + integers(len(sizes)) + numbers + inner


def tensor(index: int, name: str, data: np.ndarray, version: str | None = "V 1") -> bytes:
    strides = tuple(step // data.itemsize for step in data.strides)
    return view(index, name, data.shape, strides, 1, storage(index + 1, name, data, version), version)


def load(folder: Path, data: bytes) -> Any:
    path = folder / "file.t7"
    path.write_bytes(data)
    return load_torch7(path)


def test_plain_values(tmp_path: Path) -> None:
    assert load(tmp_path, NIL) is None
    assert load(tmp_path, number(-2.5)) == -2.5
    assert load(tmp_path, integers(5, 1)) is True
    assert load(tmp_path, integers(5, 0)) is False
    assert load(tmp_path, text("ein Vögelchen")) == "ein Vögelchen"
    assert load(tmp_path, text(b"a\xffb")) == "a\ufffdb"


def test_tables_become_lists_where_their_keys_are_1_to_n(tmp_path: Path) -> None:
    two_one = table(1, number(2) + text("b"), number(1) + text("a"))
    assert load(tmp_path, two_one) == ["a", "b"]
    assert load(tmp_path, table(1, number(1) + text("a"), number(3) + text("c"))) == {1: "a", 3: "c"}
    assert load(tmp_path, table(1, number(0) + text("z"), number(0.5) + NIL)) == {0: "z", 0.5: None}
    assert load(tmp_path, table(1)) == {}
    mixed = load(tmp_path, table(1, text("n") + number(1), text("inner") + table(2, number(1) + NIL)))
    assert mixed == {"n": 1.0, "inner": [None]}


@pytest.mark.parametrize("version", ["V 1", "V 0", None])
@pytest.mark.parametrize(("name", "code"), [*CODES.items(), *CUDA.items()])
def test_tensors_and_storages_of_every_type(tmp_path: Path, name: str, code: str, version: str | None) -> None:
    data = np.array([[1, 2, 3], [100, 0, 5]], dtype=code)
    array = load(tmp_path, tensor(1, name, data, version))
    assert array.dtype == data.dtype
    assert np.array_equal(array, data)
    array[0, 0] = 9
    flat = load(tmp_path, storage(1, name, data, version))
    assert flat.dtype == data.dtype
    assert flat.tolist() == data.ravel().tolist()


def test_views_follow_offset_and_strides_and_are_contiguous(tmp_path: Path) -> None:
    inner = storage(2, "Int", np.arange(12, dtype="i4"))
    transposed = load(tmp_path, view(1, "Int", (4, 3), (1, 4), 1, inner))
    assert transposed.tolist() == np.arange(12).reshape(3, 4).T.tolist()
    assert transposed.flags["C_CONTIGUOUS"]
    assert load(tmp_path, view(1, "Int", (2, 2), (4, 2), 3, inner)).tolist() == [[2, 4], [6, 8]]
    # Torch leaves any stride where there is one row.
    assert load(tmp_path, view(1, "Int", (1, 2), (2**62, 1), 11, inner)).tolist() == [[10, 11]]
    expanded = load(tmp_path, view(1, "Int", (10, 12), (0, 1), 1, inner))
    assert expanded.shape == (10, 12)
    assert (expanded == np.arange(12)).all()


def test_empty_tensors(tmp_path: Path) -> None:
    assert load(tmp_path, view(1, "Float", (), (), 1, NIL)).shape == (0,)
    assert load(tmp_path, view(1, "Float", (), (), 0, storage(2, "Float", np.empty(0, "f4")))).shape == (0,)
    assert load(tmp_path, view(1, "Float", (0, 5), (5, 1), 1, NIL)).shape == (0, 5)
    assert load(tmp_path, storage(1, "Float", np.empty(0, "f4"))).shape == (0,)


def test_what_is_one_object_in_the_file_is_one_in_the_result(tmp_path: Path) -> None:
    data = np.arange(3, dtype="f4")
    again = integers(4, 2)
    shared = view(4, "Float", (2,), (1,), 2, integers(4, 3))
    content = load(
        tmp_path,
        table(
            1,
            text("a") + tensor(2, "Float", data),
            text("b") + again,
            text("c") + shared,
            text("storage") + integers(4, 3),
            text("self") + integers(3, 1),
            text("list") + table(5, number(1) + integers(3, 5)),
        ),
    )
    assert content["a"] is content["b"]
    assert content["c"].tolist() == [1, 2]
    assert content["storage"].tolist() == [0, 1, 2]
    assert content["self"] is content
    assert content["list"][0] is content["list"]


@pytest.mark.parametrize("code", [6, 7, 8])
def test_functions_are_refused(tmp_path: Path, code: int) -> None:
    with pytest.raises(DataError, match=r"file\.t7 .*function"):
        load(tmp_path, table(1, text("f") + integers(code, 2, 4) + b"\x1bLua" + NIL))


def test_other_classes_are_refused_by_name(tmp_path: Path) -> None:
    for version in ("V 1", None):
        with pytest.raises(DataError, match=r"'nn\.Sequential'"):
            load(tmp_path, named(1, "nn.Sequential", version) + table(2))
    with pytest.raises(DataError, match="class") as caught:
        load(tmp_path, named(1, "\x1b[31m" + "x" * 5000))
    assert len(caught.value.message) < 400
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"4\n1\n3\nV 1\n17\ntorch.FloatTensor\n", "ASCII mode"),
        (b"4\r\n1\r\n", "ASCII mode"),
        (struct.pack(">iii", 3, 1, 0), "big-endian"),
        (b"a plain text about birds\n", "does not begin like one"),
        (b"\x89PNG\r\n\x1a\n", "does not begin like one"),
        (b"PK\x03\x04\0\0", "PyTorch"),
        (b"\x03", "ends too early"),
    ],
)
def test_files_of_other_kinds_are_told_apart(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"file\.t7 cannot be read as a binary Torch-7 file: .*{words}") as caught:
        load(tmp_path, data)
    assert caught.value.hint


def test_every_truncation_is_told(tmp_path: Path) -> None:
    whole = valid_files()[0]
    for length in range(len(whole)):
        with pytest.raises(DataError, match=r"file\.t7"):
            load(tmp_path, whole[:length])


INNER = storage(2, "Double", np.arange(6, dtype="f8"))
HUGE = 2**62


@pytest.mark.parametrize(
    "hostile",
    [
        view(1, "Double", (7,), (1,), 1, INNER),
        view(1, "Double", (6,), (1,), 2, INNER),
        view(1, "Double", (2,), (1,), 0, INNER),
        view(1, "Double", (2,), (1,), -5, INNER),
        view(1, "Double", (-2,), (1,), 1, INNER),
        view(1, "Double", (3,), (-1,), 5, INNER),
        view(1, "Double", (2, 2), (HUGE, HUGE), 1, INNER),
        view(1, "Double", (HUGE, 4), (0, 1), 1, INNER),
        view(1, "Double", (HUGE, HUGE, HUGE, HUGE), (0, 0, 0, 0), 1, INNER),
        view(1, "Double", (0, HUGE, HUGE), (1, 1, 1), 1, INNER),
        view(1, "Double", (10_000_000,), (0,), 1, INNER),
        view(1, "Double", (3,), (1,), 1, NIL),
        view(1, "Double", (3,), (1,), 1, number(1)),
        view(1, "Double", (3,), (1,), 1, table(2)),
        view(1, "Double", (3,), (1,), 1, tensor(2, "Double", np.arange(6.0))),
        view(1, "Float", (3,), (1,), 1, INNER),
        view(1, "Double", (1,) * 33, (1,) * 33, 1, INNER),
        named(1, "torch.DoubleTensor") + integers(-1) + longs(1) + INNER,
        named(1, "torch.DoubleTensor") + integers(2**31 - 1) + longs(1) + INNER,
        named(1, "torch.DoubleStorage") + longs(HUGE),
        named(1, "torch.DoubleStorage") + longs(2**61),
        named(1, "torch.DoubleStorage") + longs(-1),
        integers(2, 2**31 - 1) + b"short",
        integers(2, -1),
        integers(3, 1, 2**31 - 1) + number(1) + NIL,
        integers(3, 1, -1),
        table(1, NIL + number(1)),
        table(1, integers(5, 1) + number(1)),
        table(1, table(2) + number(1)),
        table(1, text("a") + integers(4, 1)),
        table(1, text("a") + INNER, text("b") + integers(3, 2)),
        table(1, text("a") + integers(99)),
        table(1, text("a") + INNER, text("b") + tensor(3, "Double", np.arange(2.0))[:-40] + integers(4, 1)),
    ],
)
def test_lengths_and_references_that_lie(tmp_path: Path, hostile: bytes) -> None:
    with pytest.raises(DataError, match=r"file\.t7"):
        load(tmp_path, hostile)


def test_many_views_of_one_storage_do_not_fill_the_memory(tmp_path: Path) -> None:
    data = np.zeros(1 << 18, dtype="f4")
    views = [number(n + 2) + view(n + 10, "Float", data.shape, (1,), 1, integers(4, 2)) for n in range(5000)]
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="memory"):
            load(tmp_path, table(1, number(1) + storage(2, "Float", data), *views))
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    deep = b"".join(integers(3, index, 1) + text("x") for index in range(100_000))
    with pytest.raises(DataError, match="nested"):
        load(tmp_path, deep + NIL)
    shallow = b"".join(integers(3, index, 1) + text("x") for index in range(50))
    content = load(tmp_path, shallow + number(7))
    for _ in range(50):
        content = content["x"]
    assert content == 7


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.t7"):
        load_torch7(tmp_path / "missing.t7")
    with pytest.raises(DataError, match="not a file"):
        load_torch7(tmp_path)
    os.mkfifo(tmp_path / "pipe.t7")
    with pytest.raises(DataError, match="not a file"):
        load_torch7(tmp_path / "pipe.t7")
    with pytest.raises(DataError, match="larger than 16,777,216 bytes"):
        load(tmp_path, text("x" * (1 << 24)))


def valid_files() -> list[bytes]:
    picture = table(
        1,
        text("img") + text("001.X/a.jpg"),
        text("txt") + tensor(2, "Cuda", np.arange(20, dtype="f4").reshape(2, 10)),
        text("char") + view(4, "Int", (5, 2), (2, 1), 1, storage(5, "Int", np.arange(10, dtype="i4"))),
        text("word") + table(6, number(1) + integers(5, 1), number(2) + view(7, "Int", (3,), (0,), 2, integers(4, 5))),
        text("self") + integers(3, 1),
    )
    sentences = table(
        1,
        text("raw_txt") + table(2, number(1) + text("a bird"), number(2) + text("two birds")),
        text("fea_txt") + table(3, number(1) + tensor(4, "Half", np.ones((1, 4), "f2"), None), number(2) + NIL),
    )
    return [picture, sentences, tensor(1, "Long", np.arange(24, dtype="i8").reshape(2, 3, 4))]


def mutated(data: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(damaged))
        match chance.randrange(5):
            case 0:
                damaged[place] = chance.randrange(256)
            case 1:
                odd = chance.choice((-1, 0, 1, 2**31 - 1, -(2**31), chance.randrange(12)))
                damaged[place : place + 4] = integers(odd)
            case 2:
                damaged[place : place + 8] = longs(chance.choice((-1, 0, 2**62, -(2**63), 2**32, 5)))
            case 3:
                del damaged[place : place + chance.randint(1, 16)]
            case _:
                other = chance.randrange(len(damaged))
                damaged[place:place] = damaged[other : other + chance.randint(1, 64)]
        if not damaged:
            break
    return bytes(damaged)


def test_damage_of_any_kind_ends_in_a_result_or_an_error(tmp_path: Path) -> None:
    chance = random.Random(7)
    files = valid_files()
    outcomes = {"read": 0, "refused": 0}
    tracemalloc.start()
    try:
        for _ in range(4000):
            try:
                load(tmp_path, mutated(chance.choice(files), chance))
                outcomes["read"] += 1
            except DataError:
                outcomes["refused"] += 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
    assert min(outcomes.values()) > 300


@pytest.mark.skipif("STACKGAN_TEST_DATA" not in os.environ, reason="needs the real data")
def test_a_published_file_of_captions() -> None:
    folder = Path(os.environ["STACKGAN_TEST_DATA"]) / "formats" / "stackgan_t7" / "birds"
    content = load_torch7(folder / "example_captions.t7")
    assert content["raw_txt"] == (folder / "example_captions.txt").read_text().splitlines()
    (features,) = content["fea_txt"]
    assert features.shape == (1, 1024)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert 0.01 < features.std() < 10
