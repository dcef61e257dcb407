"""Pickles from strangers: data are read, code never runs."""

from __future__ import annotations

import collections
import os
import pickle
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from stackgan_cli.errors import DataError
from stackgan_cli.formats.restricted_pickle import load_pickle


class Runs:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    path = written(tmp_path / "filenames.pickle", pickle.dumps(["a", Runs(mark)], protocol))
    with pytest.raises(DataError, match=r"filenames\.pickle is refused: .*mkdir"):
        load_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "hostile",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"c__builtin__\nexec\n.",
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__class__\x93.",
        b"ios\nsystem\n.",
    ],
)
def test_no_other_name_is_looked_up(tmp_path: Path, hostile: bytes) -> None:
    with pytest.raises(DataError):
        load_pickle(written(tmp_path / "x.pickle", hostile))


def test_a_named_container_type_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pickle", pickle.dumps(collections.Counter("aab")))
    with pytest.raises(DataError, match=r"collections\.Counter"):
        load_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
def test_data_come_back_as_they_were(tmp_path: Path, protocol: int) -> None:
    data = {
        "names": ["a/b", "é"],
        "numbers": [1, 2.5, None, True, 2**70, 1j],
        "bytes": b"\xff\x00",
        "set": {1, 2},
        "scalar": np.int64(7),
        "big": np.float32(1.5),
    }
    assert load_pickle(written(tmp_path / "x.pickle", pickle.dumps(data, protocol))) == data


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        np.arange(4, dtype=">i4"),
        np.array(["ab", "c"]),
        np.array([[1, 2], None, "x"], dtype=object),
        np.zeros((0, 3)),
    ],
)
def test_arrays_come_back_as_they_were(tmp_path: Path, array: np.ndarray, protocol: int) -> None:
    (again,) = load_pickle(written(tmp_path / "x.pickle", pickle.dumps([array], protocol)))
    assert again.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert np.array_equal(again, array)


def test_python_2_text_pickle_even_after_its_line_ends_were_changed(tmp_path: Path) -> None:
    unix = (
        b"(lp0\nS'002.Laysan_Albatross/Laysan_Albatross_0002_1027'\np1\naV003.Sooty\np2\na"
        b"cnumpy.core.multiarray\nscalar\np3\n(cnumpy\ndtype\np4\n(S'i8'\np5\nI0\nI1\ntp6\nRp7\n"
        b"(I3\nS'<'\np8\nNNNI-1\nI-1\nI0\ntp9\nbS'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\np10\ntp11\nRp12\na."
    )
    expected = ["002.Laysan_Albatross/Laysan_Albatross_0002_1027", "003.Sooty", 2]
    assert load_pickle(written(tmp_path / "unix.pickle", unix)) == expected
    assert load_pickle(written(tmp_path / "dos.pickle", unix.replace(b"\n", b"\r\n"))) == expected


@pytest.mark.parametrize("data", [b"", b"no pickle at all", pickle.dumps(list(range(1000)))[:-20], b"\x80\x04."])
def test_damage_is_reported_with_the_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=r"damaged\.pickle"):
        load_pickle(written(tmp_path / "damaged.pickle", data))


def test_records_with_hidden_objects_are_refused(tmp_path: Path) -> None:
    records = np.zeros(2, dtype=[("a", "i4"), ("b", "O")])
    with pytest.raises(DataError):
        load_pickle(written(tmp_path / "x.pickle", pickle.dumps(records)))


@pytest.mark.parametrize(
    "hostile",
    [
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I5\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntRI00\n(ltb.",
        b"\x80\x05\x96" + b"\xff" * 5 + b"\0\0\0.",
        b"\x80\x02Nr\xff\xff\xff\x7f" + b"K\x01" * 3,
    ],
    ids=["array longer than its data", "a terabyte in a few bytes", "memo with an index of two billion"],
)
def test_lengths_that_lie_neither_crash_nor_fill_the_memory(tmp_path: Path, hostile: bytes) -> None:
    with pytest.raises(DataError):
        load_pickle(written(tmp_path / "x.pickle", hostile))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        load_pickle(tmp_path / "missing.pickle")


def test_random_damage_ends_in_data_or_in_one_error(tmp_path: Path) -> None:
    """Thousands of seeded mutations of whole pickles: never another error, never much memory."""
    chance = random.Random(0)
    content = {
        "names": ["001.Bird/one", "ä"],
        "numbers": [np.int64(3), 4.5, None, True],
        "table": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "words": np.array(["a", "bc"], dtype=object),
    }
    whole = [pickle.dumps(content, protocol) for protocol in range(5)]
    path = tmp_path / "damaged.pickle"
    read = 0
    tracemalloc.start()
    for _ in range(4000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            how = chance.randrange(4)
            if how == 0:
                data[at] = chance.randrange(256)
            elif how == 1:
                del data[at : at + chance.randint(1, 8)]
            elif how == 2:
                data[at:at] = data[chance.randrange(len(data)) :][: chance.randint(1, 12)]
            else:
                data[at : at + 4] = chance.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0"))
        path.write_bytes(bytes(data) or b".")
        try:
            load_pickle(path)
            read += 1
        except DataError as error:
            assert str(path) in error.message  # noqa: PT017  # either outcome is fine, no third is
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < read < 4000
    assert peak < 64 << 20


def doubled(levels: int = 60) -> bytes:
    """A tuple of twice the same tuple of twice the same tuple ...: to hash it takes 2 to the levels steps."""
    return b")" + b"".join(b"q" + bytes([level]) + b"h" + bytes([level]) + b"\x86" for level in range(levels))


@pytest.mark.parametrize(
    "hostile",
    [
        b"}" + doubled() + b"Ns.",
        b"}(" + doubled() + b"Nu.",
        b"(" + doubled() + b"Nd.",
        b"(" + doubled() + b"\x91.",
        b"\x8f(" + doubled() + b"\x90.",
        b"cbuiltins\nset\n(]" + doubled() + b"atR.",
    ],
)
def test_what_takes_for_ever_to_look_up_is_refused(tmp_path: Path, hostile: bytes) -> None:
    with pytest.raises(DataError, match="tuple as a key or within a set"):
        load_pickle(written(tmp_path / "x.pickle", b"\x80\x04" + hostile))


def test_numbers_that_all_have_one_hash_are_no_keys(tmp_path: Path) -> None:
    hostile = [number * (2**61 - 1) for number in range(20)]
    for refused in (dict.fromkeys(hostile), set(hostile), {(number, "a"): 1 for number in hostile}):
        with pytest.raises(DataError, match="a key with a number of more than 64 bits"):
            load_pickle(written(tmp_path / "x.pickle", pickle.dumps(refused, 4)))
    plain = dict.fromkeys((2**64 - 1, 1 - 2**64, -(2**63)))
    assert load_pickle(written(tmp_path / "x.pickle", pickle.dumps(plain, 4))) == plain


def test_sets_within_sets_are_refused_and_plain_keys_are_read(tmp_path: Path) -> None:
    for refused in ({frozenset({1})}, {frozenset({1}): 2}, frozenset({((1, 2), 3)})):
        for protocol in range(6):
            with pytest.raises(DataError, match="as a key or within a set"):
                load_pickle(written(tmp_path / "x.pickle", pickle.dumps(refused, protocol)))
    plain = {"a": {1, 2}, ("b", 2): frozenset({b"c", None}), 1.5: [{}]}
    for protocol in range(6):
        assert load_pickle(written(tmp_path / "x.pickle", pickle.dumps(plain, protocol))) == plain


TEXT = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x00"
"""A megabyte of text, remembered as number 0."""
PIECES = b"(" + b"K\x01" * (1 << 13) + b"lq\x01"
"""A list of 8,192 numbers, remembered as number 1."""
DTYPE = b"cnumpy\ndtype\n(X\x02\0\0\0S8I0\nI1\ntRq\x02"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nI0\ntRq\x03"
FOREVER = 4000


@pytest.mark.parametrize(
    "hostile",
    [
        TEXT + b"c_codecs\nencode\nq\x05" + b"h\x05(h\x00X\x06\0\0\0latin1tR" * FOREVER,
        TEXT + b"c__builtin__\nbytes\nq\x05" + b"h\x05(h\x00tR" * FOREVER,
        PIECES + b"c__builtin__\nset\nq\x05" + b"h\x05(h\x01tR" * FOREVER,
        PIECES + b"(h\x01i__builtin__\nfrozenset\n" * FOREVER,
        TEXT + DTYPE + b"cnumpy.core.multiarray\nscalar\nq\x05" + b"h\x05(h\x02h\x00tR" * FOREVER,
        TEXT + DTYPE + ARRAY + b"h\x03(K\x01(J\x00\x00\x02\x00th\x02K\x00h\x00tb" * FOREVER,
        b"}" + TEXT + b"0" + b"h\x00Ns" * FOREVER,
        b"}q\x06(" + b"K\x01" * (1 << 17) + b"tq\x07h\x06" + b"h\x07Ns" * FOREVER,
        pickle.dumps(np.zeros(1 << 20, "u1"), 2)[2:-1]
        + b"\x98q\x050c__builtin__\nbytes\nq\x060"
        + b"h\x06(h\x05tR" * FOREVER,
        pickle.dumps(np.zeros(1 << 20, "u1"), 2)[2:-1] + b"q\x05" + b"Nh\x05s" * FOREVER,
        pickle.dumps(np.zeros(1 << 20, "u1"), 2)[2:-1] + b"q\x05(" + b"Nh\x05" * FOREVER + b"u",
        b"}q\x06\x8b" + (1 << 20).to_bytes(4, "little") + b"\x01" * (1 << 20) + b"q\x07h\x06" + b"h\x07Ns" * FOREVER,
    ],
    ids=[
        *("text", "bytes", "set", "instance", "scalar", "array", "text key", "tuple key"),
        *("buffer", "entry of an array", "entries of an array", "number key"),
    ],
)
def test_copying_the_same_again_and_again_is_refused(tmp_path: Path, hostile: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(
        DataError, match=r"again and again|many thousand letters|a buffer|something else than a dictionary"
    ):
        load_pickle(written(tmp_path / "x.pickle", b"\x80\x02" + hostile + b"."))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 128 << 20


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        (b"S0", b"L1000000000000000000L\nt"),
        (b"f4", b"L1000000000000000000L\nK\x00t"),
        (b"f4", b"K\x00" * 33 + b"t"),
        (b"f4", b"\x8b" + (1 << 20).to_bytes(4, "little") + b"\x01" * (1 << 20) + b"q\x09" + b"h\x09" * 30 + b"t"),
        (b"f4" + b",f4" * 1000, b"K\x00t"),
    ],
    ids=["of no bytes", "of rows of nothing", "of 33 dimensions", "of numbers without end", "of a thousand columns"],
)
def test_arrays_that_nobody_can_go_through_are_refused(tmp_path: Path, dtype: bytes, shape: bytes) -> None:
    code = b"X" + len(dtype).to_bytes(4, "little") + dtype
    plain = b"cnumpy\ndtype\n(" + code + b"I0\nI1\ntRq\x02"
    hostile = plain + ARRAY + b"(K\x01(" + shape + b"h\x02K\x00C\x00tb"
    with pytest.raises(DataError, match="an array of"):
        load_pickle(written(tmp_path / "x.pickle", b"\x80\x03" + hostile + b"."))


def test_what_a_pickle_names_often_is_read(tmp_path: Path) -> None:
    """Repeating costs the reader as little as the writer, unless it copies."""
    name, array = "001.Bird/" + "x" * 500, np.arange(1000.0)
    content = [{name: array, "name": name}] * 3000 + [{name: index} for index in range(3000)]
    again = load_pickle(written(tmp_path / "x.pickle", pickle.dumps(content, 2)))
    assert len(again) == 6000
    assert again[-1] == {name: 2999}
    assert np.array_equal(again[2999][name], array)
