"""char-CNN-RNN: convolutions over characters, then a recurrent network (Reed et al. 2016, icml2016 and cvpr2016).

Weights have the names of the public PyTorch conversion, so that published encoders load.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.errors import ModelError, SettingsError
from stackgan_cli.text_encoders.characters import ALPHABET, characters, coverage
from stackgan_cli.text_encoders.joint_embedding import Settings, fit_joint_embedding, unset_linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stackgan_cli.components.protocols import FittingData

THRESHOLD = 1e-6
"""Below it the activation is 0: Torch's Threshold, as the published code sets it."""
STEPS = 18
"""Places that are left of 201 characters after the third convolution."""
STRIDE = 9
"""Characters from one of those places to the next: two poolings by three."""
READ_BEHIND = 39
"""Characters that the convolutions read besides ``STRIDE`` for each place."""


class Shape(NamedTuple):
    """What tells the published variants apart (their Lua training scripts; the file names of the released weights)."""

    narrow: bool
    """The third convolution has half as many channels as the second."""
    pooled: bool
    """A third pooling leaves 8 of the 18 places."""
    gated: bool
    """The recurrent network is a GRU and not a plain one with ReLU."""


VARIANTS = {
    "icml-birds": Shape(narrow=False, pooled=False, gated=True),
    "icml-flowers": Shape(narrow=False, pooled=True, gated=False),
    "cvpr": Shape(narrow=True, pooled=True, gated=False),
}


class CharCnnRnn(nn.Module):
    """Describes a caption by reading its first 201 characters.

    Args:
        variant: ``icml-birds`` (GRU over 18 places; the published encoder of CUB and COCO), ``icml-flowers`` or
            ``cvpr`` (plain recurrent network over 8 places, the latter with a narrower third convolution).
        width: width of the sentence vector.
        channels: channels of the second convolution, 512 as published; the first has three quarters as many.
        fit_steps: steps of fitting.
        fit_batch: pictures of distinct classes in each of them; 40 as published.
        fit_rate: learning rate of fitting at its highest.
        picture_every: steps from one that embeds pictures and captions jointly to the next; the others read captions
            alone, which costs less.
        text_weight: weight of telling captions of one picture from those of others, beside captions from pictures.
        word_weight: weight of reading a caption's own words off its sentence vector.
        attribute_weight: weight of reading the stated attributes off it, for data that knows them.

    Raises:
        SettingsError: an unknown variant, or a size below the smallest.
    """

    def __init__(
        self,
        *,
        variant: str = "icml-birds",
        width: int = 1024,
        channels: int = 512,
        fit_steps: int = 600,
        fit_batch: int = 64,
        fit_rate: float = 1e-3,
        picture_every: int = 1,
        text_weight: float = 1.0,
        word_weight: float = 10.0,
        attribute_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise SettingsError(f"char-cnn-rnn has no variant {variant!r}.", f"Choose one of {', '.join(VARIANTS)}.")
        if width < 1 or channels < 4 or channels % 4:
            raise SettingsError(
                f"char-cnn-rnn cannot have width {width} and {channels} channels.",
                "Set width to 1 or more and channels to a multiple of 4.",
            )
        if fit_steps < 1 or fit_batch < 2 or fit_rate <= 0 or picture_every < 1:
            raise SettingsError(
                f"char-cnn-rnn cannot be fitted in {fit_steps} steps of {fit_batch} pictures at rate {fit_rate}.",
                "Set fit_steps and picture_every to 1 or more, fit_batch to 2 or more, and fit_rate above 0.",
            )
        self.shape = VARIANTS[variant]
        self.settings = Settings(
            steps=fit_steps,
            batch=fit_batch,
            rate=fit_rate,
            picture_every=picture_every,
            text_weight=text_weight,
            word_weight=word_weight,
            attribute_weight=attribute_weight,
        )
        first, last = channels * 3 // 4, channels // 2 if self.shape.narrow else channels
        self.conv1 = _unset_convolution(len(ALPHABET), first, 4)
        self.conv2 = _unset_convolution(first, channels, 4)
        self.conv3 = _unset_convolution(channels, last, 4)
        self.rnn: GatedRecurrence | PlainRecurrence = (
            GatedRecurrence(last) if self.shape.gated else PlainRecurrence(last)
        )
        self.emb_proj = unset_linear(last, width)
        self.begin(torch.Generator().manual_seed(0))

    @property
    def width(self) -> int:
        """Width of the sentence vector."""
        return int(self.emb_proj.out_features)

    @torch.no_grad()
    def begin(self, generator: torch.Generator) -> None:
        """Draw all weights anew: uniform with the variance 2 / fan-in, biases 0."""
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
            else:
                # Of the first layer's inputs only one in seventy is set.
                reads = 4 if name == "conv1.weight" else weight[0].numel()
                bound = math.sqrt((6 if name.startswith("conv") else 3) / reads)
                weight.copy_(torch.empty(weight.shape).uniform_(-bound, bound, generator=generator))

    def forward(self, codes: Tensor) -> Tensor:
        """Give sentence vectors (batch, width) of character codes (batch, 201), uint8.

        Only as many characters are computed as the longest caption of the batch has: behind the end of a caption every
        place of a convolution holds the same vector, which is computed once, on an empty caption.
        """
        length = int((codes != 0).sum(dim=1).max())
        steps = min(max(1, math.ceil(length / STRIDE)), STEPS)
        read = F.pad(codes[:, : steps * STRIDE + READ_BEHIND], (0, 0, 0, 1))
        places = self.convolve(read)
        behind = places[-1:, :1].expand(len(codes), STEPS - steps, -1)
        places = torch.cat([places[:-1], behind], dim=1)
        if self.shape.pooled:
            places = F.max_pool1d(places.transpose(1, 2), 3, 2).transpose(1, 2)
        result: Tensor = self.emb_proj(self.rnn(places))
        return result

    def vectors(self, captions: Sequence[str]) -> Tensor:
        """Give sentence vectors (captions, width) of a batch of captions, with gradients."""
        result: Tensor = self(torch.from_numpy(characters(captions)).to(self.emb_proj.weight.device))
        return result

    def convolve(self, codes: Tensor) -> Tensor:
        """Give what the convolutions make of codes (batch, characters): (batch, places, channels)."""
        ones = F.one_hot(codes.long(), len(ALPHABET) + 1)[..., 1:].to(self.conv1.weight.dtype).transpose(1, 2)
        features = F.max_pool1d(_active(self.conv1(ones)), 3)
        features = F.max_pool1d(_active(self.conv2(features)), 3)
        return _active(self.conv3(features)).transpose(1, 2)

    @torch.no_grad()
    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe captions; the sentence vectors are float32."""
        distinct = {caption: place for place, caption in enumerate(dict.fromkeys(captions))}
        sentence = self.encode_codes(torch.from_numpy(characters(list(distinct))))
        places = [distinct[caption] for caption in captions]
        return TextFeatures(sentence[torch.tensor(places, dtype=torch.long, device=sentence.device)])

    @torch.no_grad()
    def encode_codes(self, codes: Tensor, batch: int = 256) -> Tensor:
        """Give sentence vectors (captions, width), float32, of codes (captions, 201), similar lengths together."""
        weight = self.emb_proj.weight
        result = weight.new_empty(len(codes), self.width, dtype=torch.float32)
        order = (codes != 0).sum(dim=1).argsort()
        for places in (order[start : start + batch] for start in range(0, len(order), batch)):
            result[places.to(weight.device)] = self(codes[places].to(weight.device)).float()
        return result

    def coverage(self, caption: str) -> float:
        """Give the share, 0 to 1, of a caption's characters other than white space that are read."""
        return coverage(caption)

    def fit(self, data: FittingData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn from captioned pictures by a joint embedding; see :mod:`stackgan_cli.text_encoders.joint_embedding`.

        Raises:
            DataError: fewer than two pictures with captions.
        """
        self.begin(torch.Generator().manual_seed(seed))
        return fit_joint_embedding(self, data, self.settings, seed=seed, report=report)

    @staticmethod
    def published_options(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
        """Read the options of an encoder in the naming of the public PyTorch conversion off its shapes.

        Raises:
            ModelError: the weights are another network's.
        """
        sizes = {name: tuple(weight.shape) for name, weight in CharCnnRnn.from_published(state_dict).items()}
        gated = "rnn.i2h_update.weight" in sizes
        try:
            (channels, *_), (last, *_), (width, _) = (
                sizes[f"{layer}.weight"] for layer in ("conv2", "conv3", "emb_proj")
            )
        except (KeyError, ValueError):
            raise ModelError(
                "These are no weights of char-cnn-rnn: conv2, conv3 and emb_proj are not among them.",
                hint="the .pth file of a public PyTorch conversion of that encoder",
            ) from None
        shape = Shape(narrow=last != channels, pooled=not gated, gated=gated)
        variant = next((name for name, known in VARIANTS.items() if known == shape), "")
        return {"variant": variant, "width": width, "channels": channels}

    @staticmethod
    def from_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give the weights of a public PyTorch conversion, which have these names already."""
        return {name.removeprefix("module."): weight for name, weight in state_dict.items()}


class GatedRecurrence(nn.Module):
    """The published GRU: the reset gate acts before the recurrent layer, the update gate weighs the candidate.

    That is why it is no ``torch.nn.GRU``. The first state is the candidate of the first place with nothing before it.
    Gives the mean state: (batch, places, channels) to (batch, channels).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.i2h = unset_linear(channels, channels)
        self.h2h = unset_linear(channels, channels)
        self.i2h_update = unset_linear(channels, channels)
        self.h2h_update = unset_linear(channels, channels)
        self.i2h_reset = unset_linear(channels, channels)
        self.h2h_reset = unset_linear(channels, channels)

    def forward(self, places: Tensor) -> Tensor:
        """Run over the places and average the states."""
        candidates, updates, resets = (layer(places).unbind(1) for layer in (self.i2h, self.i2h_update, self.i2h_reset))
        state = torch.tanh(candidates[0])
        total = state
        for step in range(1, len(candidates)):
            update = torch.sigmoid(updates[step] + self.h2h_update(state))
            reset = torch.sigmoid(resets[step] + self.h2h_reset(state))
            candidate = torch.tanh(candidates[step] + self.h2h(reset * state))
            state = state + update * (candidate - state)
            total = total + state
        return total / len(candidates)


class PlainRecurrence(nn.Module):
    """The published plain recurrent network with ReLU, whose first state has no recurrent part, its bias included.

    Gives the mean state: (batch, places, channels) to (batch, channels).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.i2h = unset_linear(channels, channels)
        self.h2h = unset_linear(channels, channels)

    def forward(self, places: Tensor) -> Tensor:
        """Run over the places and average the states."""
        inputs = self.i2h(places).unbind(1)
        state = torch.relu(inputs[0])
        total = state
        for step in inputs[1:]:
            state = torch.relu(step + self.h2h(state))
            total = total + state
        return total / len(inputs)


def _unset_convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv1d:
    # Weights are drawn by a generator of our own; torch's own beginning would use up the global one.
    return nn.Conv1d(inputs, outputs, kernel, device="meta").to_empty(device="cpu")


def _active(features: Tensor) -> Tensor:
    return F.threshold(features, THRESHOLD, 0.0)
