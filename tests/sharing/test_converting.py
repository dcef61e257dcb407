"""Published checkpoints become models that draw what they drew."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import ModelError, UsageError
from stackgan_cli.generators.port_stage1 import PortStage1
from stackgan_cli.models.folder import STAGES, ModelFolder
from stackgan_cli.pipeline import Pipeline
from stackgan_cli.sharing.converting import ConvertRequest, convert

GOLDEN = Path(__file__).parent.parent / "golden"
NETWORKS = GOLDEN / "stackgan_pytorch"


def golden(name: str) -> Tensor:
    return torch.from_numpy(np.load(NETWORKS / "expected.npz")[name])


def saved(path: Path, weights: Any, **how: Any) -> Path:
    torch.save(weights, path, **how)
    return path


def published(name: str) -> dict[str, Tensor]:
    return load_file(NETWORKS / f"{name}.safetensors")


def encoder_weights(variant: str) -> dict[str, Tensor]:
    described = json.loads((GOLDEN / "char_cnn_rnn" / f"{variant}.json").read_text())
    rng = np.random.default_rng(described["seed"])
    shapes = sorted(described["state_dict_shapes"].items())
    return {
        name: torch.from_numpy((rng.standard_normal(shape) * described["scale"]).astype(np.float32))
        for name, shape in shapes
    }


@torch.no_grad()
def draws_golden_pictures(model: ModelFolder) -> None:
    """Both stages, with the condition at its mean, as the golden values are."""
    text = TextFeatures(golden("text"))
    stage1, _ = model.load(STAGES[1])
    sketch = stage1(torch.cat([golden("noise"), torch.zeros(3, 16)], dim=1), text).images
    torch.testing.assert_close(sketch, golden("stage2_stage1_image"), atol=1e-4, rtol=0)
    stage2, _ = model.load(STAGES[2])
    drawn = stage2(sketch, torch.zeros(3, stage2.noise_width), text).images
    torch.testing.assert_close(drawn, golden("stage2_image"), atol=1e-4, rtol=0)


def as_saved_now(weights: dict[str, Tensor]) -> Any:
    return weights


def by_parallel_training(weights: dict[str, Tensor]) -> Any:
    return {f"module.{name}": weight for name, weight in weights.items()}


def before_batch_counters(weights: dict[str, Tensor]) -> Any:
    return {name: weight for name, weight in weights.items() if "num_batches" not in name}


def within_a_dictionary(weights: dict[str, Tensor]) -> Any:
    return {"epoch": 600, "state_dict": weights}


@pytest.mark.parametrize("form", [as_saved_now, by_parallel_training, before_batch_counters, within_a_dictionary])
@pytest.mark.parametrize("archive", [True, False], ids=["archive", "before-1.6"])
def test_a_stage2_checkpoint_becomes_a_model_of_both_stages(
    tmp_path: Path, form: Callable[[dict[str, Tensor]], Any], archive: bool
) -> None:
    file = saved(
        tmp_path / "netG_epoch_600.pth", form(published("netG_stage2")), _use_new_zipfile_serialization=archive
    )
    model = convert(ConvertRequest(generator=file, name=str(tmp_path / "published")))
    assert model.stages == [1, 2]
    draws_golden_pictures(model)
    card = (model.folder / "README.md").read_text(encoding="utf-8")
    assert card.count("published") > 1
    assert "converted from the published weights `netG_epoch_600.pth`" in card
    assert "partial" not in card


@pytest.mark.parametrize("variant", ["icml_birds", "icml_flowers", "cvpr"])
def test_the_published_encoder_reads_sentences_for_it(tmp_path: Path, variant: str) -> None:
    model = convert(
        ConvertRequest(
            generator=saved(tmp_path / "netG.pth", published("netG_stage1")),
            encoder=saved(tmp_path / "encoder.pth", encoder_weights(variant)),
            name=str(tmp_path / "published"),
        )
    )
    encoder, entry = model.load(Kind.TEXT_ENCODER)
    assert entry.options["variant"] == variant.replace("_", "-")
    if variant != "icml_birds":  # whose golden vectors are of a batch that was mixed
        described = json.loads((GOLDEN / "char_cnn_rnn" / f"{variant}.json").read_text())
        expected = torch.from_numpy(np.load(GOLDEN / "char_cnn_rnn" / f"{variant}.npz")["embeddings"])
        torch.testing.assert_close(encoder.encode(described["captions"]).sentence, expected, atol=1e-4, rtol=0)
    pipeline = Pipeline.from_pretrained(model.folder)
    assert pipeline.draw("a small red bird", seed=3).size == (64, 64)


def test_widths_that_do_not_halve_are_rounded_down_as_published(tmp_path: Path) -> None:
    """GF_DIM 5: the published Stage-I has 40, 20, 10, 5 and then 2 channels."""
    names = {
        "augmentation.linear.": "ca_net.fc.",
        "project.": "fc.",
        "output.": "img.0.",
        **{f"blocks.{block}.{layer}.": f"upsample{block + 1}.{layer + 1}." for block in range(4) for layer in (0, 1)},
    }
    weights = {}
    for name, weight in PortStage1(text_width=8, channels=5, condition_width=3, z_width=4).state_dict().items():
        ours = next(each for each in names if name.startswith(each))
        weights[names[ours] + name.removeprefix(ours)] = weight
    assert weights["upsample4.1.weight"].shape[:2] == (2, 5)
    model = convert(ConvertRequest(generator=saved(tmp_path / "odd.pth", weights), name=str(tmp_path / "odd")))
    entry = model.stage_record(1).generator
    assert (entry.options["channels"], entry.shapes["text_width"]) == (5, 8)
    assert model.load(STAGES[1])[0].output.weight.shape[1] == 2


def test_the_discriminator_is_kept_for_training_on(tmp_path: Path) -> None:
    model = convert(
        ConvertRequest(
            generator=saved(tmp_path / "netG.pth", published("netG_stage1")),
            discriminator=saved(tmp_path / "netD.pth", published("netD_stage1")),
            name=str(tmp_path / "published"),
        )
    )
    kept = load_file(model.folder / "stage1" / "discriminator" / "model.safetensors")
    assert any(torch.equal(weight, published("netD_stage1")["encode_img.0.weight"]) for weight in kept.values())


def test_from_a_published_file_to_a_picture(
    stackgan: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("netG_epoch_600.pth"), published("netG_stage2"))
    saved(Path("birds.pth"), encoder_weights("icml_birds"))
    mistaken = stackgan("generate", "a red bird", "--model", "netG_epoch_600.pth")
    assert mistaken.code == 5
    assert mistaken.says("stackgan convert netG_epoch_600.pth")
    converted = stackgan("convert", "netG_epoch_600.pth", "--encoder", "birds.pth")
    assert converted.code == 0
    assert converted.says("Next: stackgan generate 'a small red bird' --model netG_epoch_600")
    page = stackgan("info", "netG_epoch_600").out
    assert re.search(r"converted from +netG_epoch_600\.pth", page)
    assert "trained on" not in page
    drawn = stackgan("generate", "a small red bird", "--model", "netG_epoch_600", "--json").json
    assert drawn["pictures"][0]["stage"] == 2
    without = stackgan("convert", "netG_epoch_600.pth", "--name", "mute")
    assert without.says("cannot read sentences")
    assert stackgan("generate", "a red bird", "--model", "mute").code == 3
    mute = stackgan("convert", "netG_epoch_600.pth", "--name", "mute-too", "--encoder-from", "mute")
    assert mute.code == 5
    assert mute.says("The model 'mute' cannot read sentences either", "--encoder with the file")
    by_default = stackgan("generate", "a red bird", "--json").json
    assert by_default["pictures"][0]["model"] == "netG_epoch_600"


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hacked",)


def truncated(path: Path) -> None:
    saved(path, published("netG_stage1"))
    path.write_bytes(path.read_bytes()[:20_000])


def code(path: Path) -> None:
    saved(path, {"weight": Code()})


def old_code(path: Path) -> None:
    path.write_bytes(pickle.dumps(Code()))


def spoilt(path: Path) -> None:
    weights = published("netG_stage1")
    weights["img.0.weight"][0, 0, 0, 0] = float("nan")
    saved(path, weights)


def a_complex_one(path: Path) -> None:
    saved(path, {"weight": torch.zeros(2, dtype=torch.complex64)})


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"x")
    content = path.read_bytes()
    # The directory says that the member unpacks to four gigabytes less one byte, three times.
    directory = content.index(b"PK\x01\x02")
    huge = content[:directory] + 3 * (content[directory:].split(b"PK\x05\x06")[0])
    huge = huge.replace((1).to_bytes(4, "little") + b"\x10\x00", b"\xff\xff\xff\xff\x10\x00")
    path.write_bytes(huge + content[content.index(b"PK\x05\x06") :])


HOSTILE: dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: None,
    "empty": Path.touch,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "text": lambda path: path.write_text("a small red bird"),
    "list": lambda path: saved(path, [torch.zeros(2)]),
    "no tensors": lambda path: saved(path, {"epoch": 3}),
    **{each.__name__: each for each in (truncated, code, old_code, spoilt, a_complex_one, bomb)},
    "discriminator": lambda path: saved(path, published("netD_stage1")),
    "encoder": lambda path: saved(path, encoder_weights("cvpr")),
    "Stage-II with a weight of another network": lambda path: saved(
        path, {**published("netG_stage2"), "attention.weight": torch.zeros(2)}
    ),
    "Stage-II without its own half": lambda path: saved(
        path, {name: weight for name, weight in published("netG_stage2").items() if name.startswith("STAGE1_G.")}
    ),
    "weights turned around": lambda path: saved(
        path, {name: weight.T if name == "fc.0.weight" else weight for name, weight in published("netG_stage1").items()}
    ),
    "one weight short": lambda path: saved(
        path, {name: weight for name, weight in published("netG_stage1").items() if name != "img.0.weight"}
    ),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_generator_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "netG_epoch_600.pth"
    make(file)
    with pytest.raises(ModelError, match="netG_epoch_600") as refused:
        convert(ConvertRequest(generator=file, name=str(tmp_path / "published")))
    assert refused.value.hint
    assert not (tmp_path / "published").exists()
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("command", ["convert", "train-stage1", "train-stage2"])
def test_no_model_is_called_what_always_means_the_bundled_one(
    stackgan: Callable[..., Any], home: Path, tmp_path: Path, command: str
) -> None:
    file = saved(tmp_path / "netG.pth", published("netG_stage1"))
    done = stackgan(command, *([file] if command == "convert" else ["--data", "birds"]), "--name", "bundled")
    assert done.code == 2
    assert done.says("'bundled' always means the model that comes with this program", "--name with another")
    assert not (home / "models").exists()


def test_an_encoder_of_another_width_is_refused(tmp_path: Path) -> None:
    weights = encoder_weights("cvpr")
    weights["emb_proj.weight"], weights["emb_proj.bias"] = torch.zeros(20, 512 // 2), torch.zeros(20)
    with pytest.raises(ModelError, match=r"1024.* have 20"):
        convert(
            ConvertRequest(
                generator=saved(tmp_path / "netG.pth", published("netG_stage1")),
                encoder=saved(tmp_path / "encoder.pth", weights),
                name=str(tmp_path / "published"),
            )
        )
    assert not (tmp_path / "published").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    file = saved(tmp_path / "netG.pth", published("netG_stage1"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="already"):
        convert(ConvertRequest(generator=file, name=str(tmp_path / "mine")))
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
