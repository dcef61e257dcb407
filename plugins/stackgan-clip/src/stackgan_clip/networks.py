"""CLIP's two transformers, which put pictures and captions into one space.

Source: Radford et al. 2021, *Learning Transferable Visual Models From Natural Language Supervision*, section 2.4, in
the form of the published models with vision transformers. Weights are called as in OpenAI's state dicts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

HEAD_WIDTH = 64
"""Of every attention head in all published models."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a model; the defaults are those of ViT-B/32, which has 151,277,313 weights."""

    width: int = 512
    """Of the space that both towers end in."""
    picture_width: int = 768
    picture_layers: int = 12
    patch: int = 32
    """Side of a patch in pixels."""
    grid: int = 7
    """Patches along a side."""
    text_width: int = 512
    text_layers: int = 12
    length: int = 77
    """Tokens of a caption, both ends included."""
    vocabulary: int = 49408
    quick_gelu: bool = True
    """Whether activations are x sigmoid(1.702 x), as OpenAI's are, or exact GELU."""

    @property
    def side(self) -> int:
        """Side in pixels of the pictures that it looks at."""
        return self.patch * self.grid


class ClipNetwork(nn.Module):
    """Both towers.

    Args:
        sizes: of the model.
    """

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        self.sizes = sizes
        self.visual = PictureTower(sizes)
        self.transformer = Transformer(sizes.text_width, sizes.text_layers, quick_gelu=sizes.quick_gelu)
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.text_width)
        self.positional_embedding = nn.Parameter(torch.randn(sizes.length, sizes.text_width) * 0.01)
        self.ln_final = nn.LayerNorm(sizes.text_width)
        self.text_projection = nn.Parameter(torch.randn(sizes.text_width, sizes.width) * sizes.text_width**-0.5)
        # It scales similarities in training, and belongs to the published weights.
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def pictures(self, images: Tensor) -> Tensor:
        """Describe pictures (batch, 3, side, side), normalised by mean and deviation: (batch, width)."""
        described: Tensor = self.visual(images)
        return described

    def captions(self, tokens: Tensor) -> Tensor:
        """Describe captions, each ended by the highest number of its tokens (batch, length): (batch, width)."""
        features = self.token_embedding(tokens) + self.positional_embedding
        # No token sees what comes after it, so that the end sees everything, and padding nothing changes.
        length = tokens.shape[1]
        unseen = torch.full((length, length), -torch.inf, device=features.device).triu(1)
        features = self.ln_final(self.transformer(features, unseen))
        ends = features[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=1)]
        described: Tensor = ends @ self.text_projection
        return described


class PictureTower(nn.Module):
    """A vision transformer over patches, of which a learnt token tells of the whole picture.

    Args:
        sizes: of the model.
    """

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        width, scale = sizes.picture_width, sizes.picture_width**-0.5
        self.conv1 = nn.Conv2d(3, width, sizes.patch, stride=sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(width) * scale)
        self.positional_embedding = nn.Parameter(torch.randn(sizes.grid**2 + 1, width) * scale)
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, sizes.picture_layers, quick_gelu=sizes.quick_gelu)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.randn(width, sizes.width) * scale)

    def forward(self, images: Tensor) -> Tensor:
        """Describe pictures (batch, 3, side, side): (batch, width)."""
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        whole = self.class_embedding.expand(len(images), 1, -1)
        features = self.ln_pre(torch.cat([whole, patches], dim=1) + self.positional_embedding)
        described: Tensor = self.ln_post(self.transformer(features)[:, 0]) @ self.proj
        return described


class Transformer(nn.Module):
    """Blocks of attention.

    Args:
        width: of a token.
        layers: number of blocks.
        quick_gelu: see :class:`Architecture`.
    """

    def __init__(self, width: int, layers: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, quick_gelu=quick_gelu) for _ in range(layers))

    def forward(self, features: Tensor, unseen: Tensor | None = None) -> Tensor:
        """Pass tokens (batch, length, width) through; ``unseen`` (length, length) is added to what attends to what."""
        for block in self.resblocks:
            features = block(features, unseen)
        return features


class Block(nn.Module):
    """Attention and two linear layers, each of what was normalised before, added to what came in."""

    def __init__(self, width: int, *, quick_gelu: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // HEAD_WIDTH, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        layers = {
            "c_fc": nn.Linear(width, 4 * width),
            "gelu": QuickGelu() if quick_gelu else nn.GELU(),
            "c_proj": nn.Linear(4 * width, width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, features: Tensor, unseen: Tensor | None) -> Tensor:
        """Pass tokens (batch, length, width) through."""
        normal = self.ln_1(features)
        features = features + self.attn(normal, normal, normal, need_weights=False, attn_mask=unseen)[0]
        passed: Tensor = features + self.mlp(self.ln_2(features))
        return passed


class QuickGelu(nn.Module):
    """The activation of OpenAI's models, x sigmoid(1.702 x) (Hendrycks and Gimpel 2016, section 2)."""

    def forward(self, features: Tensor) -> Tensor:
        """Activate."""
        return features * torch.sigmoid(1.702 * features)
