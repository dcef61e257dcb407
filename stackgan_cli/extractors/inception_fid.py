"""The Inception network that FID, KID and the Inception score are defined by, from a file of its public weights.

Source: the network of Szegedy et al. 2015, *Rethinking the Inception Architecture*, as TensorFlow published it on 5
December 2015 and as the FID's authors score by it (Heusel et al. 2017). Its conversion to PyTorch, a plain state dict
of 566 tensors in a file called ``pt_inception-2015-12-05-6726825d.pth``, is published by pytorch-fid and by
torch-fidelity; neither package is needed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import Observation
from stackgan_cli.components.storage import load_weights
from stackgan_cli.errors import DataError, MissingOptionError, ModelError
from stackgan_cli.files import given_path
from stackgan_cli.formats.torch_weights import read_torch_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

PUBLIC_FILE = "pt_inception-2015-12-05-6726825d.pth"
_PUBLIC_HASH = "6726825d"
"""How the SHA-256 of the public file begins."""
_SIDE = 299
_EPSILON = 1e-3
"""Of batch-norm, as in the published network."""
_CLASSES = 1008


class InceptionFid(nn.Module):
    """2,048 pooled features and 1,008 logits of the network that FID is defined by.

    Pictures are resized to 299 px as TensorFlow 1 did: bilinearly, without antialiasing, and with corners at the edges
    rather than half a pixel within. Average pools do not count what is padded, and the last block pools by the maximum,
    which are the two places where the published network differs from torchvision's. Logits leave out the bias of the
    last layer, as the Inception score of the FID's authors and of torch-fidelity does.

    Args:
        weights: path of the public file (see the module).

    Raises:
        MissingOptionError: no path was given.
        DataError: there is no such file, or it holds something else.
    """

    width = 2048

    def __init__(self, *, weights: str = "") -> None:
        super().__init__()
        if not weights:
            raise MissingOptionError(
                "The extractor 'inception-fid' needs its public weights, which do not come with this package.",
                hint=f"--extractor-option weights=PATH, a copy of {PUBLIC_FILE} as pytorch-fid publishes it",
            )
        self.network = InceptionNetwork()
        self._sha256 = _load(self.network, given_path(weights))
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def observe(self, pictures: Tensor) -> Observation:
        """Features and logits of uint8 pictures (batch, 3, size, size)."""
        pooled: Tensor = self.network(pictures)
        return Observation(pooled, F.linear(pooled, self.network.fc.weight))

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """(batch, 2048) float32 pooled features of uint8 pictures (batch, 3, size, size)."""
        return self.observe(pictures).features

    @torch.no_grad()
    def logits(self, pictures: Tensor) -> Tensor:
        """(batch, 1008) float32 logits, without the last layer's bias."""
        return F.linear(self.network(pictures), self.network.fc.weight)

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers; ``public`` says whether the weights are the published ones."""
        return {
            "name": "inception-fid",
            "width": self.width,
            "input_side": _SIDE,
            "resize": "TensorFlow 1 bilinear",
            "logits": "without bias",
            "public": self._sha256.startswith(_PUBLIC_HASH),
            "sha256": self._sha256,
        }


class InceptionNetwork(nn.Module):
    """The network itself; its weights are called as in torchvision's, of which it has 566 with those of ``fc``."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, (3, 3), 2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, (3, 3))
        self.Conv2d_2b_3x3 = _Convolution(32, 64, (3, 3), padding=(1, 1))
        self.Conv2d_3b_1x1 = _Convolution(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = _Convolution(80, 192, (3, 3))
        width = 192
        for name, block in _BLOCKS.items():
            made = _Mixed(width, block)
            self.add_module(name, made)
            width = made.outputs
        self.fc = nn.Linear(width, _CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pool features (batch, 2048) of uint8 pictures (batch, 3, size, size)."""
        features = self.Conv2d_1a_3x3((resized(pictures.float(), _SIDE) - 128) / 128)
        features = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(features)), 3, 2)
        features = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(features)), 3, 2)
        for name in _BLOCKS:
            features = self.get_submodule(name)(features)
        pooled: Tensor = features.mean((2, 3))
        return pooled


class _Layer(NamedTuple):
    """A convolution of a block, by the name that its weights have."""

    name: str
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


class _Block(NamedTuple):
    """Branches beside each other; the layers of the last entry of a branch all look at what comes before them."""

    branches: Sequence[Sequence[Sequence[_Layer]]]
    pool: str
    """What is beside them: ``average`` or ``max`` around each place, or ``halve``."""


def _a(pooled: int) -> _Block:
    return _Block(
        (
            ((_Layer("branch1x1", 64),),),
            ((_Layer("branch5x5_1", 48),), (_Layer("branch5x5_2", 64, (5, 5)),)),
            (
                (_Layer("branch3x3dbl_1", 64),),
                (_Layer("branch3x3dbl_2", 96, (3, 3)),),
                (_Layer("branch3x3dbl_3", 96, (3, 3)),),
            ),
            ((_Layer("branch_pool", pooled),),),
        ),
        "average",
    )


def _c(narrow: int) -> _Block:
    return _Block(
        (
            ((_Layer("branch1x1", 192),),),
            (
                (_Layer("branch7x7_1", narrow),),
                (_Layer("branch7x7_2", narrow, (1, 7)),),
                (_Layer("branch7x7_3", 192, (7, 1)),),
            ),
            (
                (_Layer("branch7x7dbl_1", narrow),),
                (_Layer("branch7x7dbl_2", narrow, (7, 1)),),
                (_Layer("branch7x7dbl_3", narrow, (1, 7)),),
                (_Layer("branch7x7dbl_4", narrow, (7, 1)),),
                (_Layer("branch7x7dbl_5", 192, (1, 7)),),
            ),
            ((_Layer("branch_pool", 192),),),
        ),
        "average",
    )


def _e(pool: str) -> _Block:
    return _Block(
        (
            ((_Layer("branch1x1", 320),),),
            (
                (_Layer("branch3x3_1", 384),),
                (_Layer("branch3x3_2a", 384, (1, 3)), _Layer("branch3x3_2b", 384, (3, 1))),
            ),
            (
                (_Layer("branch3x3dbl_1", 448),),
                (_Layer("branch3x3dbl_2", 384, (3, 3)),),
                (_Layer("branch3x3dbl_3a", 384, (1, 3)), _Layer("branch3x3dbl_3b", 384, (3, 1))),
            ),
            ((_Layer("branch_pool", 192),),),
        ),
        pool,
    )


_BLOCKS: Mapping[str, _Block] = {
    "Mixed_5b": _a(32),
    "Mixed_5c": _a(64),
    "Mixed_5d": _a(64),
    "Mixed_6a": _Block(
        (
            ((_Layer("branch3x3", 384, (3, 3), 2),),),
            (
                (_Layer("branch3x3dbl_1", 64),),
                (_Layer("branch3x3dbl_2", 96, (3, 3)),),
                (_Layer("branch3x3dbl_3", 96, (3, 3), 2),),
            ),
        ),
        "halve",
    ),
    "Mixed_6b": _c(128),
    "Mixed_6c": _c(160),
    "Mixed_6d": _c(160),
    "Mixed_6e": _c(192),
    "Mixed_7a": _Block(
        (
            ((_Layer("branch3x3_1", 192),), (_Layer("branch3x3_2", 320, (3, 3), 2),)),
            (
                (_Layer("branch7x7x3_1", 192),),
                (_Layer("branch7x7x3_2", 192, (1, 7)),),
                (_Layer("branch7x7x3_3", 192, (7, 1)),),
                (_Layer("branch7x7x3_4", 192, (3, 3), 2),),
            ),
        ),
        "halve",
    ),
    "Mixed_7b": _e("average"),
    "Mixed_7c": _e("max"),
}


class _Convolution(nn.Module):
    """A convolution without bias, batch-norm and ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, padding: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=_EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(features)))


class _Mixed(nn.Module):
    """Looks at the same places in several ways, and puts what it sees side by side."""

    def __init__(self, inputs: int, block: _Block) -> None:
        super().__init__()
        self._branches, self._pool = block.branches, block.pool
        self.outputs = inputs if block.pool == "halve" else 0
        for branch in block.branches:
            width = inputs
            for beside in branch:
                for layer in beside:
                    high, wide = layer.kernel
                    padding = (0, 0) if layer.stride == 2 else (high // 2, wide // 2)
                    made = _Convolution(width, layer.outputs, layer.kernel, layer.stride, padding)
                    self.add_module(layer.name, made)
                width = sum(layer.outputs for layer in beside)
            self.outputs += width

    def forward(self, features: Tensor) -> Tensor:
        seen = []
        for branch in self._branches:
            found = self._pooled(features) if branch[0][0].name == "branch_pool" else features
            for beside in branch:
                found = torch.cat([self.get_submodule(layer.name)(found) for layer in beside], dim=1)
            seen.append(found)
        if self._pool == "halve":
            seen.append(F.max_pool2d(features, 3, 2))
        return torch.cat(seen, dim=1)

    def _pooled(self, features: Tensor) -> Tensor:
        if self._pool == "max":
            return F.max_pool2d(features, 3, 1, 1)
        return F.avg_pool2d(features, 3, 1, 1, count_include_pad=False)


def resized(pictures: Tensor, side: int) -> Tensor:
    """Resize (batch, channels, height, width) as TensorFlow 1's ``resize_bilinear`` does with its defaults.

    The place of an output pixel in the input is its number times input / output, without the half pixel that everyone
    has added since; beyond the last pixel the last one counts.
    """
    for axis in (2, 3):
        count = pictures.shape[axis]
        places = torch.arange(side, device=pictures.device) * (count / side)
        low = places.floor().long()
        share = (places - low).to(pictures.dtype).view(-1, *(1,) * (3 - axis))
        before = pictures.index_select(axis, low)
        after = pictures.index_select(axis, (low + 1).clamp(max=count - 1))
        pictures = before + (after - before) * share
    return pictures


def _load(network: InceptionNetwork, path: Path) -> str:
    """Load a state dict and nothing else; returns the SHA-256 of its file."""
    hint = f"a copy of {PUBLIC_FILE}, as pytorch-fid and torch-fidelity publish it"
    if not path.is_file():
        raise DataError(f"There are no weights of Inception at {path}.", hint=hint)
    try:
        load_weights(network, read_torch_weights(path), what=str(path))
    except ModelError as error:
        raise DataError(error.message, hint=hint) from error
    return hashlib.sha256(path.read_bytes()).hexdigest()
