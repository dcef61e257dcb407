"""A CLIP model of two small towers with weights drawn by lot, and tokens of a few merges, in all public forms."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from stackgan_clip.networks import Architecture, ClipNetwork
from torch import Tensor

MERGES = ["t h", "th e</w>", "i n", "b i", "r d</w>", "bi rd</w>", "in g</w>", "w in", "1 2"]
SIZES = Architecture(
    width=32, picture_width=128, picture_layers=2, patch=8, grid=3, text_width=64, text_layers=2, length=12,
    vocabulary=512 + len(MERGES) + 2,
)  # fmt: skip


@pytest.fixture(scope="session")
def sizes() -> Architecture:
    """Of the small model."""
    return SIZES


@pytest.fixture(scope="session")
def state() -> dict[str, Tensor]:
    """Weights by OpenAI's names, each of them large enough to matter."""
    torch.manual_seed(3)
    with torch.no_grad():
        return {name: torch.randn_like(each) * 0.2 for name, each in ClipNetwork(SIZES).state_dict().items()}


def as_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as ``CLIPModel`` of transformers saves them."""
    found: dict[str, Tensor] = {"logit_scale": state["logit_scale"]}
    found["text_model.embeddings.position_ids"] = torch.arange(SIZES.length)[None]
    found["vision_model.embeddings.position_ids"] = torch.arange(SIZES.grid**2 + 1)[None]
    plain = {
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    }
    found |= {theirs: state[ours] for ours, theirs in plain.items()}
    norms = {
        "ln_final": "text_model.final_layer_norm",
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
    }
    found |= {
        f"{theirs}.{each}": state[f"{ours}.{each}"] for ours, theirs in norms.items() for each in ("weight", "bias")
    }
    found["text_projection.weight"] = state["text_projection"].T.contiguous()
    found["visual_projection.weight"] = state["visual.proj"].T.contiguous()
    for ours, theirs in (("transformer", "text_model.encoder"), ("visual.transformer", "vision_model.encoder")):
        for name, tensor in state.items():
            if not (block := re.fullmatch(rf"{re.escape(ours)}\.resblocks\.(\d+)\.(.*)", name)):
                continue
            rest = block[2].replace("ln_1", "layer_norm1").replace("ln_2", "layer_norm2")
            rest = rest.replace("c_fc", "fc1").replace("c_proj", "fc2").replace("attn.out", "self_attn.out")
            place = f"{theirs}.layers.{block[1]}"
            if "in_proj" in rest:
                for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                    found[f"{place}.self_attn.{letter}_proj.{rest.rpartition('_')[2]}"] = part.contiguous()
            else:
                found[f"{place}.{rest}"] = tensor
    return found


@pytest.fixture(scope="session")
def files(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights in OpenAI's form, ``openai.pt``, with the merges, and with a folder of Hugging Face."""
    folder = tmp_path_factory.mktemp("clip")
    # As OpenAI's: half precision, and three numbers beside the weights.
    halves = {name: each.half() for name, each in state.items()}
    numbers = {"input_resolution": 24, "context_length": SIZES.length, "vocab_size": SIZES.vocabulary}
    torch.save({**halves, **{name: torch.tensor(number) for name, number in numbers.items()}}, folder / "openai.pt")
    (folder / "merges.txt.gz").write_bytes(gzip.compress("\n".join(['"a list of merges"', *MERGES, ""]).encode()))
    theirs = folder / "theirs"
    theirs.mkdir()
    save_file({name: each.float() for name, each in as_hugging_face(halves).items()}, theirs / "model.safetensors")
    (theirs / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]), encoding="utf-8")
    from stackgan_clip.tokenizer import read_tokenizer

    (theirs / "vocab.json").write_text(json.dumps(read_tokenizer(folder / "merges.txt.gz").numbers), encoding="utf-8")
    return folder


@pytest.fixture
def pictures() -> Callable[..., Tensor]:
    """``pictures(side)``: uint8 pictures drawn by lot."""

    def make(side: int, count: int = 3) -> Tensor:
        return torch.randint(
            0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(side)
        )

    return make
