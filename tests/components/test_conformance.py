from __future__ import annotations

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
from stackgan_cli.components.protocols import Example, Generated, Judgement, Observed, Skipped, TextFeatures, Texts
from stackgan_cli.components.registry import Kind
from stackgan_cli.errors import ComponentError, DataError


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
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.register_buffer("table", torch.zeros(8))

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        assert data.pictures([0, 1], 16).shape == (2, 3, 16, 16)
        assert len(data.captions) == len(data.classes)
        return super().fit(data, seed=seed, report=report)


class UnseededEncoder(LearningEncoder):
    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        self.table = torch.randn(8)
        return {}


class Generator(nn.Module):
    def __init__(self, *, text_width: int, resolution: int = 16, channels: int = 4) -> None:
        super().__init__()
        self.resolution, self.noise_width = resolution, 6
        self.start = nn.Linear(text_width + self.noise_width, channels * 16)
        self.norm = nn.BatchNorm2d(channels)
        self.end = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        features = self.norm(self.start(torch.cat([noise, text.sentence], 1)).unflatten(1, (-1, 4, 4)))
        return Generated(self.finish(self.end(nn.functional.interpolate(features, size=self.resolution))))

    def finish(self, images: Tensor) -> Tensor:
        return images.tanh().float()


class UnboundedGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return images * 100


class SmallGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images)[..., 1:]


class NoisyGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images + torch.randn_like(images))


class BatchGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images - images.mean(dim=0))


class DetachedGenerator(Generator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.unused = nn.Linear(2, 2)


class DeafGenerator(Generator):
    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        return super().forward(noise, TextFeatures(text.sentence * 0))


class UnseededGenerator(Generator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        nn.init.constant_(self.end.bias, random.random())


class GeneratorWithOutsideState(Generator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.outside = torch.randn(1)

    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images + self.outside)


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


class ReaderOfClosures(Reader):
    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        yield Example("drawn", lambda: Image.new("RGB", (8, 8)), ("a black square",))


class Discriminator(nn.Module):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__()
        self.picture = nn.Linear(3 * resolution * resolution, 8)
        self.text = nn.Linear(text_width, 8)

    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        features = self.picture(images.flatten(1))
        return [self.judge(features, self.text(text.sentence)) for text in texts]

    def judge(self, picture: Tensor, text: Tensor) -> Judgement:
        return Judgement((picture * text).sum(1).float())


class ColumnDiscriminator(Discriminator):
    def judge(self, picture: Tensor, text: Tensor) -> Judgement:
        return Judgement((picture * text).sum(1, keepdim=True))


class BlindDiscriminator(Discriminator):
    def judge(self, picture: Tensor, text: Tensor) -> Judgement:
        return Judgement((picture.detach() * text).sum(1))


class FirstTextDiscriminator(Discriminator):
    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        return super().forward(images, texts[:1])


class LookingDiscriminator(Discriminator):
    """Needs the Stage-I picture."""

    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        if given is None:
            raise ValueError("no picture")
        return super().forward(images + nn.functional.interpolate(given, size=images.shape[-1]), texts)


class Extractor:
    width = 3

    def features(self, pictures: Tensor) -> Tensor:
        return pictures.float().mean(dim=(2, 3))

    def spec(self) -> dict[str, Any]:
        return {"name": "mean colour"}


class ByteExtractor(Extractor):
    def features(self, pictures: Tensor) -> Tensor:
        return pictures[:, :, 0, 0]


class VagueExtractor(Extractor):
    def spec(self) -> dict[str, Any]:
        return {"weights": torch.zeros(2)}


class Metric:
    title, better, needs = "share of noise", "lower", frozenset({"logits"})

    def measure(self, drawn: Observed, real: Observed | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        assert drawn.logits is not None
        return {"value": float(drawn.logits.mean())}


class UndecidedMetric(Metric):
    better = "more"


class DemandingMetric(Metric):
    needs = frozenset({"captions"})


class UnseededMetric(Metric):
    def measure(self, drawn: Observed, real: Observed | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        return {"value": random.random()}


class TensorMetric(Metric):
    def measure(self, drawn: Observed, real: Observed | None, texts: Texts | None, seed: int) -> dict[str, Any]:
        return {"value": drawn.features.mean()}


@pytest.fixture(autouse=True)
def _only_installed_modules_are_imported_anew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting an interpreter with torch takes seconds, and it could not find the factories of this file."""
    if "install" not in request.fixturenames:
        monkeypatch.setattr("stackgan_cli.components.conformance.checking.import_quietly", lambda module: "")


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
        (Kind.STAGE1_GENERATOR, Generator),
        (Kind.DISCRIMINATOR, Discriminator),
        (Kind.DISCRIMINATOR, LookingDiscriminator),
        (Kind.FEATURE_EXTRACTOR, Extractor),
        (Kind.METRIC, Metric),
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
        (UnboundedGenerator, "finite float32 in [-1, 1]", "outside [-1, 1]"),
        (SmallGenerator, "shapes", "(4, 3, 32, 31) instead of (4, 3, 32, 32)"),
        (NoisyGenerator, "a function of its arguments", "take it from noise"),
        (BatchGenerator, "rows are independent", "others in its batch"),
        (DetachedGenerator, "gradients reach all parameters", "2 parameters (unused.weight, unused.bias)"),
        (DeafGenerator, "heeds text and noise", "another sentence gives the same images"),
        (UnseededGenerator, "equal seeds, equal weights", "end.bias differs"),
        (GeneratorWithOutsideState, "saves and loads", "keep all state in state_dict"),
    ],
)
def test_faulty_generator_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.STAGE1_GENERATOR, factory)[name]


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (ColumnDiscriminator, "shapes", "(4, 1)"),
        (BlindDiscriminator, "gradients reach all parameters", "no gradient reaches 2 parameters"),
        (FirstTextDiscriminator, "module", "1 judgements for 2 texts"),
    ],
)
def test_faulty_discriminator_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.DISCRIMINATOR, factory)[name]


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (ReaderOfNothing, "recognises its layout alone", "None to the given source"),
        (ReaderOfOneName, "examples", "two examples have one name"),
        (ReaderWithoutCaptions, "examples", "no captions"),
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
    [(ByteExtractor, "shapes, finite float32", "uint8"), (VagueExtractor, "spec fits JSON", "not JSON serializable")],
)
def test_faulty_extractor_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.FEATURE_EXTRACTOR, factory)[name]


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (UndecidedMetric, "title, better, needs", "'more'; it should be lower or higher"),
        (DemandingMetric, "title, better, needs", "it needs captions; there are real, logits"),
        (UnseededMetric, "equal seeds, equal results", "the same seed gives another result"),
        (TensorMetric, "measures", "not JSON serializable"),
    ],
)
def test_faulty_metric_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.METRIC, factory)[name]


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
