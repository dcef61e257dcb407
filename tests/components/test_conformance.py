from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from stackgan_cli.components.conformance import assert_conforms, check
from stackgan_cli.components.protocols import Example, Skipped, TextFeatures
from stackgan_cli.components.registry import Kind
from stackgan_cli.errors import ComponentError, DataError, SettingsError


class Encoder:
    def __init__(self, *, width: int = 8) -> None:
        self.width = width

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        return TextFeatures(torch.stack([self.one(caption) for caption in captions]))

    def one(self, caption: str) -> Tensor:
        letters = [ord(letter) % self.width for letter in caption]
        return torch.bincount(torch.tensor(letters, dtype=torch.long), minlength=self.width).float()


class WideEncoder(Encoder):
    def encode(self, captions: Sequence[str]) -> TextFeatures:
        return TextFeatures(torch.zeros(len(captions), self.width + 1))


class DoubleEncoder(Encoder):
    def one(self, caption: str) -> Tensor:
        return super().one(caption).double()


class RandomEncoder(Encoder):
    def one(self, caption: str) -> Tensor:
        return super().one(caption) + random.random()


class CentringEncoder(Encoder):
    def encode(self, captions: Sequence[str]) -> TextFeatures:
        sentence = super().encode(captions).sentence
        return TextFeatures(sentence - sentence.mean(dim=0))


class DeafEncoder(Encoder):
    def one(self, caption: str) -> Tensor:
        return torch.ones(self.width)


class FragileEncoder(Encoder):
    def one(self, caption: str) -> Tensor:
        return torch.ones(self.width) * len(caption) / torch.tensor(len(caption.split()))


class EnglishEncoder(Encoder):
    def one(self, caption: str) -> Tensor:
        caption.encode("ascii")
        return super().one(caption)


class CallingEncoder(Encoder):
    def one(self, caption: str) -> Tensor:
        with socket.socket() as connection:
            connection.settimeout(0.1)
            connection.connect_ex(("127.0.0.1", 9))
        return super().one(caption)


class QuietlyCallingEncoder(Encoder):
    def __init__(self, *, width: int = 8) -> None:
        super().__init__(width=width)
        try:
            socket.getaddrinfo("example.org", 443)
        except OSError:
            self.offline = True


class PositionalEncoder(Encoder):
    def __init__(self, width: int = 8) -> None:
        super().__init__(width=width)


class OpenEncoder(Encoder):
    def __init__(self, **options: int) -> None:
        super().__init__(width=options.get("width", 8))


class ForgetfulEncoder(nn.Module):
    """Learns a table that its state dictionary does not hold."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.zeros(8)

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        self.table = torch.randn(8, generator=torch.Generator().manual_seed(seed))
        report(1, 1, "done")
        return {"loss": 0.5}

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        return TextFeatures(Encoder().encode(captions).sentence + self.table)


class LearningEncoder(ForgetfulEncoder):
    """Tells no caption from another before it has learnt."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.register_buffer("table", torch.zeros(8))

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        assert data.pictures([0, 1], 16).shape == (2, 3, 16, 16)
        assert len(data.captions) == len(data.classes)
        return super().fit(data, seed=seed, report=report)

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        return TextFeatures(Encoder().encode(captions).sentence * self.table)


class UnseededEncoder(LearningEncoder):
    fits = itertools.count()

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        self.table = torch.full((8,), float(next(self.fits)))
        return {}


class BroadLearningEncoder(LearningEncoder):
    """Is not built narrow."""

    def __init__(self, *, channels: int = 64, fit_steps: int = 1000) -> None:
        super().__init__()
        if channels < 64:
            raise SettingsError("channels is 64 or more.")
        self.fit_steps = fit_steps

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        assert self.fit_steps < 10, "a check that takes minutes"
        return super().fit(data, seed=seed, report=report)


class ReaderOfNothing:
    def recognises(self, source: Path) -> str | None:
        return None

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        if source is None:
            raise DataError("It reads a folder.", "--source FOLDER")
        for path in sorted(source.glob("*.png")):
            yield Example(path.name, path, (f"a picture called {path.stem}",))


class Reader(ReaderOfNothing):
    def recognises(self, source: Path) -> str | None:
        return "it has pictures" if any(source.glob("*.png")) else None


class SilentReader(Reader):
    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        return iter(())


class ReaderOfOneName(Reader):
    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        for each in super().examples(source):
            assert isinstance(each, Example)
            yield Example("picture", each.image, each.captions)


class ReaderWithoutCaptions(Reader):
    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        for each in super().examples(source):
            assert isinstance(each, Example)
            yield Example(each.name, each.image, ())


class ReaderOfOpenedPictures(Reader):
    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        yield Example("opened", Image.new("RGB", (8, 8)), ("a black square",))  # type: ignore[arg-type]


class ReaderOfClosures(Reader):
    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        yield Example("drawn", lambda: Image.new("RGB", (8, 8)), ("a black square",))


class Extractor:
    width = 3

    def features(self, pictures: Tensor) -> Tensor:
        return pictures.float().mean(dim=(2, 3))

    def spec(self) -> dict[str, Any]:
        return {"name": "mean colour", "sha256": "0" * 64}


class ByteExtractor(Extractor):
    def features(self, pictures: Tensor) -> Tensor:
        return pictures[:, :, 0, 0]


class VagueExtractor(Extractor):
    def spec(self) -> dict[str, Any]:
        return {"sha256": "0", "weights": torch.zeros(2)}


class NamelessExtractor(Extractor):
    def spec(self) -> dict[str, Any]:
        return {"name": "mean colour"}


class AbleExtractor(Extractor):
    """Names classes, tells attributes and reads captions."""

    def logits(self, pictures: Tensor) -> Tensor:
        return self.features(pictures)

    def attributes(self, pictures: Tensor) -> dict[str, list[str]]:
        return {"colour": ["red"] * len(pictures)}

    def caption_features(self, captions: Sequence[str]) -> Tensor:
        return torch.ones(len(captions), self.width)


class FlatLogits(AbleExtractor):
    def logits(self, pictures: Tensor) -> Tensor:
        return self.features(pictures)[:, 0]


class SingleAttributes(AbleExtractor):
    def attributes(self, pictures: Tensor) -> dict[str, list[str]]:
        return {"colour": ["red"]}


class NarrowCaptions(AbleExtractor):
    def caption_features(self, captions: Sequence[str]) -> Tensor:
        return torch.ones(len(captions), 2)


class LearningExtractor(nn.Module):
    """Has nothing to say before it has learnt the classes."""

    width = 3

    def __init__(self, *, classes: int = 0) -> None:
        super().__init__()
        self.head = nn.Linear(3, classes) if classes else None

    @property
    def learnt_options(self) -> dict[str, Any]:
        return {"classes": 0 if self.head is None else self.head.out_features}

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        self.head = nn.Linear(3, len(set(data.classes)))
        return {}

    def features(self, pictures: Tensor) -> Tensor:
        return pictures.float().mean(dim=(2, 3))

    def logits(self, pictures: Tensor) -> Tensor:
        assert self.head is not None
        return self.head(self.features(pictures))

    def spec(self) -> dict[str, Any]:
        return {"sha256": "0" * 64}


pytestmark = pytest.mark.usefixtures("import_unchecked")


def failures(kind: Kind, factory: Callable[..., Any], **arguments: Any) -> dict[str, str]:
    return {each.name: each.detail for each in check(kind, factory, **arguments) if not each.passed}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        Image.new("RGB", (12, 10), (name == "one" and "red") or "blue").save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "factory"),
    [
        (Kind.TEXT_ENCODER, Encoder),
        (Kind.TEXT_ENCODER, LearningEncoder),
        (Kind.TEXT_ENCODER, BroadLearningEncoder),
        (Kind.FEATURE_EXTRACTOR, Extractor),
        (Kind.FEATURE_EXTRACTOR, AbleExtractor),
    ],
)
def test_good_components_conform(kind: Kind, factory: Callable[..., Any]) -> None:
    assert_conforms(kind, factory)


def test_good_reader_conforms(pictures: Path) -> None:
    assert_conforms(Kind.DATASET_READER, Reader, source=pictures)


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (WideEncoder, "shapes, finite float32", "(4, 9), not (4, 8)"),
        (DoubleEncoder, "shapes, finite float32", "float64"),
        (RandomEncoder, "equal captions, equal features", "different results"),
        (CentringEncoder, "captions are independent", "depends on the captions beside it"),
        (DeafEncoder, "tells captions apart", "the same features"),
        (FragileEncoder, "odd captions", "an empty caption"),
        (
            EnglishEncoder,
            "odd captions",
            "with a caption in another script, it raised UnicodeEncodeError: 'ascii' codec",
        ),
        (CallingEncoder, "no network", "127.0.0.1"),
        (QuietlyCallingEncoder, "no network", "example.org"),
        (PositionalEncoder, "keyword-only options", "put it after a *"),
        (OpenEncoder, "keyword-only options", "hides the options"),
        (ForgetfulEncoder, "fits under a seed", "keep all state in state_dict"),
        (UnseededEncoder, "fits under a seed", "different results"),
    ],
)
def test_faulty_encoder_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.TEXT_ENCODER, factory)[name]


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (ReaderOfNothing, "recognises its layout alone", "None to the given source"),
        (SilentReader, "examples", "it yields nothing"),
        (ReaderOfOneName, "examples", "two examples have one name"),
        (ReaderWithoutCaptions, "examples", "no captions"),
        (ReaderOfOpenedPictures, "examples", "it gives Image for the image of 'opened'"),
        (ReaderOfClosures, "pictures open", "worker process"),
    ],
)
def test_faulty_reader_is_caught(pictures: Path, factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.DATASET_READER, factory, source=pictures)[name]


def test_reader_that_needs_a_source_is_told_apart_from_a_broken_one() -> None:
    checks = {each.name: each for each in check(Kind.DATASET_READER, Reader)}
    assert checks["says what it needs"].passed
    assert "--source" in checks["says what it needs"].detail


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (ByteExtractor, "shapes, finite float32", "no floating point numbers"),
        (VagueExtractor, "spec fits JSON", "not JSON serializable"),
        (NamelessExtractor, "spec fits JSON", "None for sha256"),
        (FlatLogits, "names classes", "(3,), not (3, values)"),
        (SingleAttributes, "tells attributes", "1 values of the attribute 'colour' for 3 pictures"),
        (NarrowCaptions, "describes captions", "(4, 2), not (4, 3)"),
    ],
)
def test_faulty_extractor_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.FEATURE_EXTRACTOR, factory)[name]


def test_an_extractor_that_learns_is_asked_after_it_has_learnt() -> None:
    assert_conforms(Kind.FEATURE_EXTRACTOR, LearningExtractor)


def test_a_command_is_not_called_by_its_check() -> None:
    called: list[str] = []

    def speak(word: str) -> None:
        called.append(word)

    assert_conforms(Kind.COMMAND, speak)
    assert not called
    assert "Encoder; it should be" in failures(Kind.COMMAND, Encoder())["an app or a function"]


def test_assertion_lists_every_failure() -> None:
    with pytest.raises(AssertionError, match=r"keyword-only options: 'width'"):
        assert_conforms(Kind.TEXT_ENCODER, PositionalEncoder)


def test_wrong_option_is_the_callers_error() -> None:
    with pytest.raises(ComponentError, match="no option 'widht'"):
        check(Kind.TEXT_ENCODER, Encoder, options={"widht": 3})


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("import socket\ntry:\n    socket.create_connection(('127.0.0.1', 9), 0.1)\nexcept OSError: pass\n", "network"),
        ("open('left-behind.txt', 'w').close()\n", "writes files: left-behind.txt"),
        ("print('hello')\n", "prints 'hello"),
        ("import torch\ntorch.rand(1)\n", "random numbers"),
    ],
)
def test_work_at_import_time_is_caught(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, detail: str
) -> None:
    monkeypatch.chdir(tmp_path)
    install("busy-import", "[stackgan.text_encoders]\nbusy = busy_import:Busy\n", f"{code}\nclass Busy: ...\n")
    assert detail in {each.name: each.detail for each in check(Kind.TEXT_ENCODER, "busy")}["quiet import"]


def test_unpickling_is_caught(install: Callable[..., Path]) -> None:
    code = "import collections, pickle\nSAVED = pickle.dumps(collections.Counter())\ndef build(): pickle.loads(SAVED)\n"
    install("old-weights", "[stackgan.text_encoders]\nold-weights = old_weights:build\n", code)
    checks = {each.name: each for each in check(Kind.TEXT_ENCODER, "old-weights")}
    assert "collections.Counter" in checks["no unpickling"].detail


def test_network_is_open_again_after_a_check() -> None:
    check(Kind.TEXT_ENCODER, QuietlyCallingEncoder)
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
