"""Published checkpoints of CLIP: tensors alone, under the names of OpenAI or those of Hugging Face."""

from __future__ import annotations

import hashlib
import math
import re
import zipfile
from typing import TYPE_CHECKING

import torch

from stackgan_cli.components.storage import load_weights, read_weights, refuse_misfit
from stackgan_cli.errors import DataError
from stackgan_cli.formats.torch_weights import read_torch_weights
from stackgan_clip.networks import HEAD_WIDTH, Architecture, ClipNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

HINT = "a state dict of a CLIP model with a vision transformer, or a folder with its model.safetensors"
IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
"""Files of weights in the folders of Hugging Face, the better one first."""
_MOST_LAYERS = 200
"""Of a tower; the largest one published has 48."""
_BESIDE = {"input_resolution", "context_length", "vocab_size"}
"""Numbers that OpenAI's files hold beside the weights."""
_RENAMED = (
    # Hugging Face's name, and OpenAI's.
    (r"text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.(.*)", r"ln_final.\1"),
    (r"text_model\.encoder\.layers\.(.*)", r"transformer.resblocks.\1"),
    (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"vision_model\.embeddings\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    # So it is spelt there.
    (r"vision_model\.pre_layrnorm\.(.*)", r"visual.ln_pre.\1"),
    (r"vision_model\.post_layernorm\.(.*)", r"visual.ln_post.\1"),
    (r"vision_model\.encoder\.layers\.(.*)", r"visual.transformer.resblocks.\1"),
)
_IN_BLOCK = (
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
    (".self_attn.out_proj.", ".attn.out_proj."),
)
_TRANSPOSED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}


def load_clip(path: Path, *, quick_gelu: bool) -> tuple[ClipNetwork, str]:
    """Build the network that a checkpoint is of, with its weights.

    Args:
        path: of the file, or of a folder of Hugging Face.
        quick_gelu: see :class:`Architecture`; no checkpoint says so itself.

    Returns:
        The network, and the SHA-256 of its weights, which is the same whatever form they came in.

    Raises:
        DataError: there is no such file, or it holds another network.
        ModelError: it is damaged, or its weights do not fit together.
    """
    state = _as_openai(_read(path))
    sizes = _architecture(state, path, quick_gelu=quick_gelu)
    with torch.device("meta"):
        network = ClipNetwork(sizes)
    refuse_misfit(network, state, what=str(path))
    network.to_empty(device="cpu")
    load_weights(network, state, what=str(path))
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name} {tuple(state[name].shape)} ".encode())
        digest.update(state[name].float().contiguous().numpy().tobytes())
    return network, digest.hexdigest()


def _read(path: Path) -> dict[str, Tensor]:
    if path.is_dir():
        path = next((path / name for name in IN_FOLDER if (path / name).is_file()), path / IN_FOLDER[0])
    if not path.is_file():
        raise DataError(f"There are no weights of CLIP at {path}.", hint=HINT)
    if path.suffix == ".safetensors":
        return read_weights(path)
    if _is_program(path):
        raise DataError(
            f"{path} is a program of TorchScript with weights inside, and nothing here runs programs from files.",
            hint='if you trust it, take the weights out once: python -c "import torch;'
            f" torch.save(torch.jit.load('{path.name}', 'cpu').state_dict(), 'clip-weights.pt')\"",
        )
    return read_torch_weights(path)


def _is_program(path: Path) -> bool:
    """Whether a file is what ``torch.jit.save`` wrote, as OpenAI's own downloads are."""
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def _as_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under OpenAI's names, in float32."""
    if not any(name.startswith(("text_model.", "vision_model.")) for name in state):
        return {name: each.float() for name, each in state.items() if name not in _BESIDE}
    found: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if name.endswith(".position_ids"):
            continue
        if name in _TRANSPOSED:
            found[_TRANSPOSED[name]] = tensor.float().T.contiguous()
            continue
        ours = _renamed(name)
        # Queries, keys and values are one matrix there, and three here.
        if split := re.fullmatch(r"(.*)\.self_attn\.([qkv])_proj\.(weight|bias)", ours):
            parts.setdefault(f"{split[1]}.attn.in_proj_{split[3]}", {})[split[2]] = tensor.float()
        else:
            found[ours] = tensor.float()
    for name, each in parts.items():
        if each.keys() == set("qkv"):
            found[name] = torch.cat([each[letter] for letter in "qkv"])
    return found


def _renamed(name: str) -> str:
    for pattern, ours in _RENAMED:
        if found := re.fullmatch(pattern, name):
            name = found.expand(ours)
            break
    for theirs, ours in _IN_BLOCK:
        name = name.replace(theirs, ours)
    return name


def _architecture(state: Mapping[str, Tensor], path: Path, *, quick_gelu: bool) -> Architecture:
    """Read the sizes off the weights."""

    def shape(name: str, dimensions: int) -> tuple[int, ...]:
        found = tuple(state[name].shape) if name in state else ()
        if len(found) != dimensions or 0 in found:
            residual = "visual.layer1.0.conv1.weight" in state
            what = "a CLIP model with a residual network for pictures" if residual else "no CLIP model"
            raise DataError(f"{path} holds {what}.", hint=HINT)
        return found

    vocabulary, text_width = shape("token_embedding.weight", 2)
    picture_width, _, _, patch = shape("visual.conv1.weight", 4)
    sizes = Architecture(
        width=shape("visual.proj", 2)[1],
        picture_width=picture_width,
        picture_layers=_layers("visual.transformer.resblocks.", state),
        patch=patch,
        grid=math.isqrt(shape("visual.positional_embedding", 2)[0] - 1),
        text_width=text_width,
        text_layers=_layers("transformer.resblocks.", state),
        length=shape("positional_embedding", 2)[0],
        vocabulary=vocabulary,
        quick_gelu=quick_gelu,
    )
    if picture_width % HEAD_WIDTH or text_width % HEAD_WIDTH:
        raise DataError(
            f"{path} holds towers {picture_width} and {text_width} wide, and heads of attention are {HEAD_WIDTH} wide.",
            hint=HINT,
        )
    if max(sizes.picture_layers, sizes.text_layers) > _MOST_LAYERS or not sizes.grid:
        raise DataError(f"{path} holds no CLIP model.", hint=HINT)
    return sizes


def _layers(prefix: str, names: Iterable[str]) -> int:
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.ln_1\.weight")
    return sum(pattern.fullmatch(name) is not None for name in names)
