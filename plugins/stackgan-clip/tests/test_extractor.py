"""The extractor: both public forms, what is said of files that are none, and what ``evaluate`` makes of it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from stackgan_clip import ClipExtractor
from torch import Tensor

from stackgan_cli.app import main
from stackgan_cli.components.conformance import assert_conforms
from stackgan_cli.components.protocols import ReadsCaptions
from stackgan_cli.components.registry import Kind
from stackgan_cli.errors import DataError, MissingOptionError, ModelError

CAPTIONS = [
    "the bird",
    "12 birds in the wind",
    "a very long caption of many words that nothing cuts short but the model",
]


def of_openai(files: Path) -> ClipExtractor:
    return ClipExtractor(weights=str(files / "openai.pt"), tokenizer=str(files / "merges.txt.gz"))


def test_keeps_the_contract(files: Path) -> None:
    options = {"weights": str(files / "openai.pt"), "tokenizer": str(files / "merges.txt.gz")}
    assert_conforms(Kind.FEATURE_EXTRACTOR, ClipExtractor, options=options)
    assert_conforms(Kind.FEATURE_EXTRACTOR, ClipExtractor, options={"weights": str(files / "theirs")})


def test_both_public_forms_are_one_model(files: Path, pictures: Callable[..., Tensor]) -> None:
    one, other = of_openai(files), ClipExtractor(weights=str(files / "theirs"))
    assert one.spec() == other.spec()
    assert one.spec()["width"] == 32
    assert one.spec()["model"]["patch"] == 8
    assert torch.equal(one.features(pictures(50)), other.features(pictures(50)))
    assert torch.equal(one.caption_features(CAPTIONS), other.caption_features(CAPTIONS))
    assert one.features(pictures(50)).dtype is torch.float32
    exact = ClipExtractor(weights=str(files / "theirs" / "model.safetensors"), quick_gelu=False)
    assert exact.spec() != other.spec()
    assert not torch.allclose(exact.features(pictures(24)), other.features(pictures(24)), atol=1e-3)


@pytest.mark.parametrize("side", [24, 64, 50, 16])
def test_pictures_are_resized_as_pillow_does_and_normalised_as_published(
    files: Path, pictures: Callable[..., Tensor], side: int
) -> None:
    extractor, shown = of_openai(files), []
    extractor.network.visual.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    extractor.features(pictures(side, 1))
    picture = Image.fromarray(pictures(side, 1)[0].permute(1, 2, 0).numpy())
    small = picture.resize((24, 24), Image.Resampling.BICUBIC)
    mean, deviation = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    levels = (shown[0][0].permute(1, 2, 0) * torch.tensor(deviation) + torch.tensor(mean)) * 255
    apart = (levels - torch.tensor(list(small.tobytes())).view(24, 24, 3)).abs()
    # Pillow sums in whole numbers, so that a few levels are their neighbours.
    assert apart.max() < 2.1
    assert apart.mean() < 0.05


def test_without_tokens_pictures_alone_are_described(files: Path, pictures: Callable[..., Tensor]) -> None:
    extractor = ClipExtractor(weights=str(files / "openai.pt"))
    assert not isinstance(extractor, ReadsCaptions)
    assert isinstance(of_openai(files), ReadsCaptions)
    assert extractor.spec()["tokens"] is None
    assert extractor.features(pictures(24)).shape == (3, 32)


def test_without_weights_it_says_what_to_give() -> None:
    with pytest.raises(MissingOptionError, match="needs the weights of a CLIP model") as refused:
        ClipExtractor()
    for words in ("weights=PATH", "model.safetensors", "tokenizer=PATH", "bpe_simple_vocab_16e6.txt.gz"):
        assert words in str(refused.value.hint)


def test_files_that_are_no_weights_are_refused(files: Path, tmp_path: Path) -> None:
    def refused(path: Path, why: str, kind: type[Exception] = DataError) -> str:
        with pytest.raises(kind, match=why) as error:
            ClipExtractor(weights=str(path))
        return str(getattr(error.value, "hint", ""))

    assert "model.safetensors" in refused(tmp_path / "absent.pt", "There are no weights of CLIP at")
    refused(tmp_path, r"There are no weights of CLIP at .*model\.safetensors")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")
    refused(broken, "cannot be read as weights", ModelError)
    torch.save({"conv1.weight": torch.zeros(3, 3)}, broken)
    refused(broken, "holds no CLIP model")
    torch.save({"visual.layer1.0.conv1.weight": torch.zeros(3, 3)}, broken)
    refused(broken, "a residual network for pictures")
    state = torch.load(files / "openai.pt", weights_only=True)
    torch.save({**state, "visual.proj": torch.full((128, 32), torch.nan)}, broken)
    refused(broken, "visual.proj is not finite", ModelError)
    torch.save({name: each for name, each in state.items() if "resblocks.1.ln_2" not in name}, broken)
    refused(broken, "missing", ModelError)
    torch.save({**state, "token_embedding.weight": torch.zeros(523, 65)}, broken)
    refused(broken, "heads of attention are 64 wide")
    torch.save({**state, **{f"transformer.resblocks.{at}.ln_1.weight": torch.zeros(1) for at in range(300)}}, broken)
    refused(broken, "holds no CLIP model")
    theirs = load_file(files / "theirs" / "model.safetensors")
    del theirs["text_model.encoder.layers.0.self_attn.k_proj.bias"]
    save_file(theirs, tmp_path / "model.safetensors")
    refused(tmp_path, "1 missing", ModelError)


def test_a_program_with_weights_inside_is_never_run_and_the_way_on_works(files: Path, tmp_path: Path) -> None:
    shell = torch.nn.Identity()
    for name, tensor in torch.load(files / "openai.pt", weights_only=True).items():
        inner: torch.nn.Module = shell
        *path, last = name.split(".")
        for part in path:
            if part not in dict(inner.named_children()):
                inner.add_module(part, torch.nn.Identity())
            inner = getattr(inner, part)
        inner.register_buffer(last, tensor)
    program = tmp_path / "published.pt"
    torch.jit.script(shell).save(program)
    with pytest.raises(DataError, match="is a program of TorchScript") as refused:
        ClipExtractor(weights=str(program))
    assert "torch.jit.load('published.pt', 'cpu').state_dict()" in str(refused.value.hint)
    torch.save(torch.jit.load(program, "cpu").state_dict(), tmp_path / "clip-weights.pt")
    assert (
        ClipExtractor(weights=str(tmp_path / "clip-weights.pt")).spec()["sha256"] == of_openai(files).spec()["sha256"]
    )


def test_tokens_of_another_model_are_refused(files: Path, tmp_path: Path) -> None:
    shutil.copytree(files / "theirs", tmp_path / "theirs")
    numbers = json.loads((files / "theirs" / "vocab.json").read_text())
    numbers = {name: number + (number > 400) for name, number in numbers.items()}
    (tmp_path / "theirs" / "vocab.json").write_text(json.dumps(numbers))
    with pytest.raises(DataError, match="has 524 tokens, and the weights are of 523"):
        ClipExtractor(weights=str(tmp_path / "theirs"))


def stackgan(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", ["stackgan", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Prepared pictures with captions, and a home for them."""
    monkeypatch.setenv("STACKGAN_HOME", str(tmp_path / "home"))
    source = tmp_path / "pictures"
    source.mkdir()
    for at in range(12):
        Image.new("RGB", (64, 64), (at * 20, 100, 200 - at * 10)).save(source / f"{at:02}.png")
        (source / f"{at:02}.txt").write_text(f"the bird number {at}\n")
    code, _, err = stackgan(
        "prepare", "--data", "plain", "--source", source, "--encoder", "hashed-words", "--resolution", 16
    )
    assert code == 0, err
    return "plain"


def test_evaluate_measures_by_it(data: str, files: Path) -> None:
    measure = ("evaluate", "--data", data, "--model", "bundled", "--num-images", 10, "--extractor", "clip")
    code, out, err = stackgan(*measure)
    assert (code, out) == (3, "")
    assert "needs the weights of a CLIP model" in err
    code, out, err = stackgan(*measure, "--extractor-option", f"weights={files / 'theirs'}", "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    assert found["protocol"]["extractor"]["name"] == "clip"
    assert found["metrics"].keys() >= {"caption-similarity", "frechet-distance", "kernel-distance", "r-precision"}
    similar = [row["pictures"] for row in found["rows"] if "caption-similarity" in row["metrics"]]
    assert similar == ["real test pictures", "Stage-I", "Stage-II", "Stage-II, captions shuffled"]
