"""CLIP as a feature extractor: pictures and captions in one space, from weights that came with neither package."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.errors import DataError, MissingOptionError
from stackgan_cli.files import given_path
from stackgan_clip.checkpoints import load_clip
from stackgan_clip.tokenizer import IN_FOLDER, PUBLIC_FILE, read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from stackgan_clip.tokenizer import Tokenizer

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that the published models learnt from, by colour."""


class ClipExtractor(nn.Module):
    """Features of pictures and captions as CLIP (Radford et al. 2021) describes them, not normalised.

    Pictures are resized as in the published code. The sizes of the model are read off its weights: ViT-B/32, ViT-B/16
    and ViT-L/14 are such models.

    Args:
        weights: path of a state dict by OpenAI's names, or of Hugging Face's ``model.safetensors`` or its folder.
        tokenizer: path of the public list of merges, or of a folder with ``vocab.json`` and ``merges.txt``; by default
            the folder of the weights, where it has these. Without any, pictures alone are described.
        quick_gelu: whether the model was trained with OpenAI's quick form of GELU, as all of theirs are.

    Raises:
        MissingOptionError: no weights were named.
        DataError: a file is missing, or holds something else.
        ModelError: a file is damaged, or its weights do not fit together.
    """

    caption_features: Callable[[Sequence[str]], Tensor]
    """There only where there are tokens: (captions, width) float32."""

    def __init__(self, *, weights: str = "", tokenizer: str = "", quick_gelu: bool = True) -> None:
        super().__init__()
        if not weights:
            raise MissingOptionError(
                "The extractor 'clip' needs the weights of a CLIP model, which do not come with its package.",
                hint="--extractor-option weights=PATH, a folder of Hugging Face with model.safetensors, or a state dict"
                f" by OpenAI's names, and then also --extractor-option tokenizer=PATH, a copy of {PUBLIC_FILE}",
            )
        self.network, self._sha256 = load_clip(given_path(weights), quick_gelu=quick_gelu)
        self.requires_grad_(False).eval()
        self.width = self.network.sizes.width
        self._tokenizer = self._read_tokenizer(_place_of_tokens(weights, tokenizer))
        if self._tokenizer is not None:
            self.caption_features = self._caption_features

    def _read_tokenizer(self, path: Path | None) -> Tokenizer | None:
        if path is None:
            return None
        found = read_tokenizer(path)
        if found.vocabulary != self.network.sizes.vocabulary:
            raise DataError(
                f"{path} has {found.vocabulary:,} tokens, and the weights are of {self.network.sizes.vocabulary:,}.",
                hint="the tokens that belong to the weights",
            )
        return found

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """(batch, width) float32 features of uint8 pictures (batch, 3, size, size)."""
        images = resized(pictures, self.network.sizes.side)
        mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (_MEAN, _DEVIATION))
        return self.network.pictures((images / 255 - mean) / deviation)

    @torch.no_grad()
    def _caption_features(self, captions: Sequence[str]) -> Tensor:
        assert self._tokenizer is not None
        length = self.network.sizes.length
        return self.network.captions(torch.tensor([self._tokenizer.tokens(each, length) for each in captions]))

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers; ``sha256`` is of the weights themselves, whatever file they came in."""
        return {
            "name": "clip",
            "width": self.width,
            "input_side": self.network.sizes.side,
            "resize": "Pillow's bicubic",
            "normalised": False,
            "tokens": None if self._tokenizer is None else self._tokenizer.sha256,
            "model": asdict(self.network.sizes),
            "sha256": self._sha256,
        }


def resized(pictures: Tensor, side: int) -> Tensor:
    """Resize uint8 pictures (batch, 3, size, size) as Pillow's bicubic filter does: rows first, rounded in between.

    Returns:
        Whole numbers from 0 to 255, as float32.
    """
    images = pictures.float()
    for size in ((pictures.shape[-2], side), (side, side)):
        if images.shape[-2:] != size:
            images = F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
            images = images.round().clamp(0, 255)
    return images


def _place_of_tokens(weights: str, tokenizer: str) -> Path | None:
    """Where the tokens are: where somebody said, else beside weights that lie in a folder of Hugging Face."""
    if tokenizer:
        return given_path(tokenizer)
    path = given_path(weights)
    folder = path if path.is_dir() else path.parent
    return folder if all((folder / name).is_file() for name in IN_FOLDER) else None
