"""Fitting a text encoder by a symmetric structured joint embedding.

Source: Reed et al. 2016, "Learning Deep Representations of Fine-grained Visual Descriptions", section 3, and their code
(icml2016 train_sje_hybrid.lua).

As published, every batch holds distinct classes, the score of a picture and a caption is a dot product, and both
directions pay for every pair that comes within a margin of 1 of the right one. Three things differ. The pictures' side
is a small convolutional network learnt with the text's, where the authors took frozen GoogLeNet features. Two captions
of one picture are a right pair too, as in the authors' text-to-text training for COCO. And where the data knows
attributes of its pictures, a linear layer learns to read them off the sentence vector as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from stackgan_cli.components.protocols import FittingData

RESOLUTION = 64
MOST_PICTURES = 20_000
"""Pictures held in memory for fitting: 250 MB at 64 pixels."""
HELD_OUT = 256
"""Most pictures that are kept from fitting, to measure it by."""
RIVALS = 32
"""Pictures, or captions, among which the right one must be found in that measurement."""
SAMPLE = 8_192
"""Captions by which the scale of the sentence vectors is set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to fit: steps, pictures in each, highest learning rate, weights of caption pairs and attributes."""

    steps: int
    batch: int
    rate: float
    text_weight: float
    attribute_weight: float


class Encoder(Protocol):
    """The text's side: a network over character codes that ends in a linear layer."""

    emb_proj: nn.Linear

    @property
    def width(self) -> int:
        """Width of the sentence vector."""
        ...

    def __call__(self, codes: Tensor) -> Tensor:
        """Give sentence vectors with gradients."""
        ...

    def encode_codes(self, codes: Tensor) -> Tensor:
        """Give sentence vectors of any number of captions, without gradients."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give the weights."""
        ...


def hinge(queries: Tensor, answers: Tensor) -> Tensor:
    """Give the symmetric structured loss of right pairs (batch, width) against all other pairs of the batch.

    The mean over all batch x batch pairs of max(0, 1 + wrong score - right score), in both directions, as in the
    published code; right pairs themselves count as 0.
    """
    scores = queries.float() @ answers.float().T
    right = scores.diagonal()
    wrong = ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    excess = F.relu(1 + scores - right[:, None]) + F.relu(1 + scores - right[None, :])
    return (excess * wrong).mean()


class Pool:
    """Pictures at 64 pixels, codes of their captions, numbered attributes, and which of them are of one class."""

    def __init__(
        self, pictures: Tensor, captions: Sequence[NDArray[np.uint8]], classes: NDArray[np.int64], attributes: Tensor
    ) -> None:
        order = np.argsort(classes, kind="stable")
        self.pictures = pictures[torch.from_numpy(order)]
        self.attributes = attributes[torch.from_numpy(order)]
        self.codes = torch.from_numpy(np.concatenate([captions[place] for place in order]))
        counts = torch.tensor([len(captions[place]) for place in order])
        self.caption_starts, self.caption_counts = counts.cumsum(0) - counts, counts
        sizes = torch.from_numpy(np.unique(classes, return_counts=True)[1])
        self.class_starts, self.class_sizes = sizes.cumsum(0) - sizes, sizes

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw pictures (batch, 3, 64, 64), uint8, of distinct classes.

        Returns:
            The pictures, the codes of one caption of each, those of another, and their attributes.
        """
        classes = torch.randperm(len(self.class_sizes), generator=generator)[:batch]
        places = self.class_starts[classes] + _below(self.class_sizes[classes], generator)
        counts = self.caption_counts[places]
        first = _below(counts, generator)
        # Another one than the first, where there is another.
        second = (first + 1 + _below((counts - 1).clamp(min=1), generator)) % counts
        starts = self.caption_starts[places]
        codes = self.codes
        return self.pictures[places], codes[starts + first], codes[starts + second], self.attributes[places]


def _below(limits: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(len(limits), generator=generator, dtype=torch.float64) * limits
    return drawn.long().minimum(limits - 1)


def picture_network(width: int, generator: torch.Generator) -> nn.Sequential:
    """Build the pictures' side: four strided convolutions with batch norm, then a linear layer over 4x4 places."""
    layers: list[nn.Module] = []
    channels = [3, 32, 64, 96, 128]
    for inputs, outputs in pairwise(channels):
        layers.append(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False, device="meta").to_empty(device="cpu"))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
    layers += [nn.Flatten(), unset_linear(16 * channels[-1], width, bias=False)]
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                drawn = torch.empty(module.weight.shape).normal_(generator=generator)
                module.weight.copy_(drawn * math.sqrt(2 / module.weight[0].numel()))
    return network


def unset_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Build a linear layer without drawing its weights, which would use up torch's global generator."""
    return nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device="cpu")


def fast_type(device: torch.device) -> torch.dtype | None:
    """Give the type for autocast that this device computes faster than float32, or None."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() else None


def fit_joint_embedding(
    encoder: Encoder,
    captions: Sequence[NDArray[np.uint8]],
    data: FittingData,
    settings: Settings,
    *,
    seed: int,
    report: Callable[[int, int, str], None],
) -> dict[str, float]:
    """Fit ``encoder`` to captioned pictures, then bring its sentence vectors to mean 0 and variance 1 per dimension.

    Where there are fewer than two classes, or no classes, every picture is a class of its own. All draws come from
    generators seeded by ``seed``.

    Args:
        encoder: the text's side; its weights are learnt in place.
        captions: for each picture the codes (captions, length) of its captions; pictures without any are left out.
        data: the pictures and their classes.
        settings: how long, how many, how fast.
        seed: of everything that is drawn.
        report: told (done, total, words) now and then.

    Returns:
        ``caption_to_picture`` and ``caption_to_caption``: the shares of captions whose right answer scores highest
        among ``rivals``; on pictures kept from fitting, but where these are fewer than 32, on those fitted.

    Raises:
        DataError: fewer than two pictures with captions.
    """
    device = encoder.emb_proj.weight.device
    generator = torch.Generator().manual_seed(seed)
    fitting, held_out = _pools(captions, data, generator)
    pictures = picture_network(encoder.width, generator).to(device)
    _optimise(encoder, pictures, fitting, settings, generator=generator, report=report)
    measured = _measure(encoder, pictures, held_out or fitting, generator)
    standardise(encoder, fitting.codes[torch.randperm(len(fitting.codes), generator=generator)[:SAMPLE]])
    return measured


def _pools(
    captions: Sequence[NDArray[np.uint8]], data: FittingData, generator: torch.Generator
) -> tuple[Pool, Pool | None]:
    usable = [place for place, codes in enumerate(captions) if len(codes)]
    if len(usable) < 2:
        raise DataError(
            "char-cnn-rnn cannot be fitted: fewer than two training pictures have captions.",
            "Prepare more captioned pictures, or choose the encoder hashed-words, which needs no fitting.",
        )
    chosen = [usable[int(place)] for place in torch.randperm(len(usable), generator=generator)[:MOST_PICTURES]]
    kept = min(HELD_OUT, len(chosen) // 10)
    if kept < RIVALS:
        kept = 0
    classes = np.asarray(data.classes, dtype=np.int64)[chosen]
    if len(np.unique(classes[kept:])) < 2:
        classes = np.arange(len(chosen))
    attributes = _numbered([data.attributes[place] for place in chosen] if data.attributes else [{}] * len(chosen))

    def pool(some: slice) -> Pool:
        pictures = data.pictures(chosen[some], RESOLUTION)
        codes = [captions[place] for place in chosen[some]]
        return Pool(pictures, codes, classes[some], attributes[some])

    return pool(slice(kept, None)), pool(slice(kept)) if len(np.unique(classes[:kept])) >= 2 else None


def _numbered(attributes: Sequence[Mapping[str, str]]) -> Tensor:
    """Number the values of every attribute from 0: (pictures, attributes), -1 where a picture's is unknown."""
    names = sorted({name for known in attributes for name in known})
    columns = []
    for name in names:
        places = {
            value: place for place, value in enumerate(sorted({known[name] for known in attributes if name in known}))
        }
        columns.append([places[known[name]] if name in known else -1 for known in attributes])
    return torch.tensor(columns, dtype=torch.long).reshape(len(names), len(attributes)).T


class AttributeReader(nn.Module):
    """Reads attributes off sentence vectors by one linear layer, only to teach the encoder; it is not kept."""

    def __init__(self, width: int, attributes: Tensor) -> None:
        super().__init__()
        self.sizes = [int(column.max()) + 1 for column in attributes.T]
        self.linear = unset_linear(width, sum(self.sizes))
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, sentence: Tensor, attributes: Tensor) -> Tensor:
        """Give the cross-entropy, nats, summed over attributes and averaged over the batch; unknown ones count 0."""
        logits = self.linear(sentence).split(self.sizes, dim=1)
        losses = [
            F.cross_entropy(values, column, ignore_index=-1, reduction="sum")
            for values, column in zip(logits, attributes.T, strict=True)
        ]
        return torch.stack(losses).sum() / len(sentence)


def _optimise(
    encoder: Encoder,
    pictures: nn.Sequential,
    pool: Pool,
    settings: Settings,
    *,
    generator: torch.Generator,
    report: Callable[[int, int, str], None],
) -> None:
    device = encoder.emb_proj.weight.device
    weights = [*encoder.parameters(), *pictures.parameters()]
    reader = None
    if pool.attributes.shape[1] and settings.attribute_weight:
        reader = AttributeReader(encoder.width, pool.attributes).to(device)
        weights += reader.parameters()
    optimizer = torch.optim.Adam(weights, lr=settings.rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.rate, total_steps=settings.steps + 1, pct_start=0.1, cycle_momentum=False
    )
    quick = fast_type(device)
    for step in range(settings.steps):
        seen, first, second, attributes = pool.draw(settings.batch, generator)
        with torch.autocast(device.type, quick, enabled=quick is not None):
            picture = pictures(_scaled(seen.to(device)))
            one, other = encoder(torch.cat([first, second]).to(device)).float().chunk(2)
        loss = hinge(picture, one) + hinge(picture, other) + settings.text_weight * hinge(one, other)
        if reader is not None:
            read = reader(torch.cat([one, other]), torch.cat([attributes, attributes]).to(device))
            loss = loss + settings.attribute_weight * read
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 20 == 0 or step + 1 == settings.steps:
            report(step + 1, settings.steps, f"fitting the text encoder, loss {loss.item():.3f}")


def _scaled(pictures: Tensor) -> Tensor:
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _measure(encoder: Encoder, pictures: nn.Sequential, pool: Pool, generator: torch.Generator) -> dict[str, float]:
    pictures.eval()
    right = {"caption_to_picture": 0, "caption_to_caption": 0}
    rivals = asked = 0
    for _ in range(16):
        seen, first, second, _ = pool.draw(RIVALS, generator)
        one, other = encoder.encode_codes(first), encoder.encode_codes(second)
        answers = torch.arange(len(one), device=one.device)
        rivals = len(one)
        asked += rivals
        right["caption_to_picture"] += int(
            ((one @ pictures(_scaled(seen.to(one.device))).float().T).argmax(1) == answers).sum()
        )
        right["caption_to_caption"] += int(((one @ other.T).argmax(1) == answers).sum())
    return {**{name: count / asked for name, count in right.items()}, "rivals": float(rivals)}


@torch.no_grad()
def standardise(encoder: Encoder, codes: Tensor) -> None:
    """Fold into the last layer what gives sentence vectors of ``codes`` mean 0 and variance 1 per dimension."""
    vectors = encoder.encode_codes(codes)
    mean, deviation = vectors.mean(dim=0), vectors.std(dim=0, correction=0)
    # A dimension that says nothing must not be blown up to say nothing loudly.
    deviation = deviation.maximum(0.1 * deviation.mean()).clamp(min=1e-6)
    layer = encoder.emb_proj
    layer.bias.copy_((layer.bias - mean) / deviation)
    layer.weight.div_(deviation[:, None])
