"""Weights that strangers saved with PyTorch: tensors come back as they were, and nothing else is made."""

from __future__ import annotations

import collections
import io
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stackgan_cli.errors import ModelError
from stackgan_cli.formats.torch_weights import read_torch_weights

FORMS = pytest.mark.parametrize("archive", [True, False], ids=["archive", "before-1.6"])


def saved(path: Path, content: Any, archive: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=archive)
    return path


def weights() -> dict[str, Any]:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    return dict(network.state_dict()) | {"turned": torch.randn(2, 3).t(), "part": torch.arange(9.0)[2:4]}


@FORMS
@pytest.mark.parametrize("form", ["plain", "wrapped", "parameters", "half"])
def test_weights_come_back_as_they_were(tmp_path: Path, archive: bool, form: str) -> None:
    content = weights()
    held: Any = {
        "plain": collections.OrderedDict(content),
        "wrapped": {"epoch": 3, "best": 0.5, "of": torch.Size([2]), "on": torch.device("cpu"), "state_dict": content},
        "parameters": {name: torch.nn.Parameter(each.float()) for name, each in content.items()},
        "half": {name: each.half() if each.is_floating_point() else each for name, each in content.items()},
    }[form]
    read = read_torch_weights(saved(tmp_path / "netG.pth", held, archive))
    assert list(read) == list(content)
    for name, tensor in read.items():
        torch.testing.assert_close(tensor, content[name].to(tensor.dtype), atol=1e-3, rtol=0)


def with_pickle(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED, **more: bytes) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
        archive.writestr("archive/data/0", b"\0" * 40)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
        for name, part in more.items():
            archive.writestr(name, part)


def long(number: int) -> bytes:
    return b"\x8a\x08" + number.to_bytes(8, "little")


def storage(count: int) -> bytes:
    """Ten numbers, or as many as somebody says that there are."""
    return b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + long(count) + b"tQ"


def tensor(count: int = 10, sides: bytes = b"K\x0a", steps: bytes = b"K\x01", start: int = 0) -> bytes:
    rest = b"\x89ccollections\nOrderedDict\n)R"
    places = long(start) + b"(" + sides + b"t(" + steps + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(count) + places + rest + b"tR"


def named(value: bytes) -> bytes:
    return b"}X\x01\0\0\0w" + value + b"s"


HUGE = 10**11
HOSTILE: dict[str, Callable[[Path], Any]] = {
    "zeros": lambda path: with_pickle(path, named(b"c__builtin__\nbytearray\n(" + long(HUGE) + b"tR")),
    "a tensor of nothing yet": lambda path: with_pickle(path, named(b"ctorch\nFloatTensor\n(" + long(HUGE) + b"tR")),
    "a storage longer than its part": lambda path: with_pickle(path, named(tensor(10**6, long(10**6)))),
    "a storage of terabytes": lambda path: with_pickle(path, named(tensor(HUGE, long(HUGE)))),
    "a tensor longer than its storage": lambda path: with_pickle(path, named(tensor(sides=b"K\x0b"))),
    "a tensor that starts behind it": lambda path: with_pickle(path, named(tensor(start=10))),
    "one number for all": lambda path: with_pickle(path, named(tensor(sides=long(HUGE), steps=b"K\x00"))),
    "one number for all, many times": lambda path: with_pickle(
        path,
        b"}(" + b"".join(b"K" + bytes([at]) + tensor(sides=long(10**6), steps=b"K\x00") for at in range(99)) + b"u",
    ),
    "a step backwards": lambda path: with_pickle(path, named(tensor(steps=b"J\xff\xff\xff\xff"))),
    "a table copied for ever": lambda path: with_pickle(
        path, b"]q\x01(" + b"K\x01K\x02\x86" * 20000 + b"e" + b"ccollections\nOrderedDict\n(h\x01tR" * 5000
    ),
    "a key that takes for ever to look up": lambda path: with_pickle(
        path,
        b"ccollections\nOrderedDict\n]()"
        + b"".join(b"q" + bytes([level]) + b"h" + bytes([level]) + b"\x86" for level in range(60))
        + b"N\x86e\x85R",
    ),
    "packed": lambda path: with_pickle(path, named(tensor()), zipfile.ZIP_DEFLATED),
    "two contents": lambda path: with_pickle(path, named(tensor()), **{"other/data.pkl": b"\x80\x02}."}),
    "a tape": lambda path: path.write_bytes(b"storages" + b"\0" * 1000),
    "sparse": lambda path: saved(path, {"w": torch.eye(3).to_sparse()}),
    "long": lambda path: with_pickle(path, b"]" + b"K\x01a" * 10**7),
    "a pickle": lambda path: path.write_bytes(b"\x80\x02]" + b"K\x01a" * 10**7 + b"."),
    "long, of before 1.6": lambda path: path.write_bytes(
        saved(path, {}, archive=False).read_bytes()[:15] + b"\x80\x02M\xe9\x03.\x80\x02]" + b"K\x01a" * 10**7 + b"."
    ),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_asks_for_more_than_it_holds_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Any]
) -> None:
    path = tmp_path / "netG.pth"
    make(path)
    monkeypatch.setattr(torch, "load", None)
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"netG\.pth cannot be read as weights that PyTorch saved") as refused:
        read_torch_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "NoneType" not in refused.value.message
    assert peak < 64 << 20


@FORMS
def test_a_file_that_holds_itself_holds_no_tensors(tmp_path: Path, archive: bool) -> None:
    itself: dict[str, Any] = {}
    itself["model"] = itself
    with pytest.raises(ModelError, match=r"netG\.pth holds no tensors by name"):
        read_torch_weights(saved(tmp_path / "netG.pth", itself, archive))


@FORMS
def test_random_damage_ends_in_weights_or_in_one_error(tmp_path: Path, archive: bool) -> None:
    chance = random.Random(0)
    buffer = io.BytesIO()
    torch.save(weights(), buffer, _use_new_zipfile_serialization=archive)
    whole = buffer.getvalue()
    path = tmp_path / "netG.pth"
    read = 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            # Most of an archive is padding.
            at = chance.choice(
                [place for place in (chance.randrange(len(data)) for _ in range(20)) if data[place]] or [0]
            )
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randint(1, 8)]
                case _:
                    data[at : at + 4] = chance.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0"))
        path.write_bytes(data)
        try:
            read_torch_weights(path)
            read += 1
        except ModelError as error:
            assert str(path) in error.message  # noqa: PT017  # either outcome is fine, no third is
    assert 0 < read < 600
