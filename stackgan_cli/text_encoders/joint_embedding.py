"""Fitting a text encoder by a symmetric structured joint embedding.

Source: Reed et al. 2016, "Learning Deep Representations of Fine-grained Visual Descriptions", section 3, and their code
(icml2016 train_sje_hybrid.lua).

As published, every batch holds distinct classes, the score of a picture and a caption is a dot product, and both
directions pay for every pair that comes within a margin of 1 of the right one. Four things differ. The pictures' side
is a small convolutional network learnt with the text's, where the authors took frozen GoogLeNet features. Two captions
of one picture are a right pair too, as in the authors' text-to-text training for COCO. A linear layer learns to tell
the caption's own words from its sentence vector, which teaches spelling in a fraction of the time. And where the data
knows which attributes a caption states, another learns to read off it what is stated, and what is not.
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
from stackgan_cli.machine import fast_half_type
from stackgan_cli.text_encoders.hashed_words import HashedWords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from stackgan_cli.components.protocols import FittingData, TextFeatures
    from stackgan_cli.text_encoders.rewording import Rewording

RESOLUTION = 64
MOST_PICTURES = 20_000
"""Pictures held in memory for fitting: 250 MB at 64 pixels."""
HELD_OUT = 256
"""Most pictures that are kept from fitting, to measure it by."""
RIVALS = 32
"""Pictures, or captions, among which the right one must be found in that measurement."""
_SORTED_TOGETHER = 8
"""Batches of captions that are drawn together and sorted by length, because a batch costs what its longest one does."""
_MOST_GRADIENT = 20.0
"""Norm above which gradients are scaled down."""
SAMPLE = 8_192
"""Captions by which the scale of the sentence vectors is set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to fit: see the options of the encoder."""

    steps: int
    batch: int
    rate: float
    picture_every: int
    text_weight: float
    word_weight: float
    attribute_weight: float


class Encoder(Protocol):
    """The text's side: a network that ends in a linear layer."""

    emb_proj: nn.Linear

    @property
    def width(self) -> int:
        """Width of the sentence vector."""
        ...

    def vectors(self, captions: Sequence[str]) -> Tensor:
        """Give sentence vectors of a batch with gradients."""
        ...

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Describe any number of captions, without gradients."""
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
    """Pictures at 64 pixels, their captions and what these state, and which of the pictures are of one class."""

    def __init__(
        self,
        pictures: Tensor,
        texts: Sequence[Sequence[str]],
        classes: NDArray[np.int64],
        attributes: Sequence[Tensor],
    ) -> None:
        order = np.argsort(classes, kind="stable")
        self.pictures = pictures[torch.from_numpy(order)]
        self.texts = [text for place in order for text in texts[place]]
        self.attributes = torch.cat([attributes[place] for place in order])
        self.lengths = torch.tensor([len(text) for text in self.texts])
        counts = torch.tensor([len(texts[place]) for place in order])
        self.caption_starts, self.caption_counts = counts.cumsum(0) - counts, counts
        sizes = torch.from_numpy(np.unique(classes, return_counts=True)[1])
        self.class_starts, self.class_sizes = sizes.cumsum(0) - sizes, sizes

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, list[str], list[str]]:
        """Draw pictures (batch, 3, 64, 64), uint8, of distinct classes.

        Returns:
            The pictures, one caption of each, and another.
        """
        classes = torch.randperm(len(self.class_sizes), generator=generator)[:batch]
        places = self.class_starts[classes] + _below(self.class_sizes[classes], generator)
        counts = self.caption_counts[places]
        first = _below(counts, generator)
        # Another one than the first, where there is another.
        second = (first + 1 + _below((counts - 1).clamp(min=1), generator)) % counts
        starts = self.caption_starts[places]
        one, other = ([self.texts[row] for row in (starts + drawn).tolist()] for drawn in (first, second))
        return self.pictures[places], one, other

    def draw_captions(self, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Draw places of captions, batch after batch without end; those of a batch are about equally long."""
        while True:
            drawn = torch.randint(len(self.texts), (_SORTED_TOGETHER * batch,), generator=generator)
            batches = drawn[self.lengths[drawn].argsort()].view(_SORTED_TOGETHER, batch)
            yield from batches[torch.randperm(_SORTED_TOGETHER, generator=generator)]


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


def fit_joint_embedding(
    encoder: Encoder,
    data: FittingData,
    settings: Settings,
    *,
    seed: int,
    report: Callable[[int, int, str], None],
    reworded: Rewording | None = None,
) -> dict[str, float]:
    """Fit ``encoder`` to captioned pictures, then bring its sentence vectors to mean 0 and variance 1 per dimension.

    Where there are fewer than two classes, or no classes, every picture is a class of its own. All draws come from
    generators seeded by ``seed``.

    Args:
        encoder: the text's side; its weights are learnt in place.
        data: the pictures, their captions and classes; pictures without captions are left out.
        settings: how long, how many, how fast.
        seed: of everything that is drawn.
        report: told (done, total, words) now and then.
        reworded: changes captions, and what they state, each time they are read for their attributes.

    Returns:
        ``caption_to_picture`` and ``caption_to_caption``: the shares of captions whose right answer scores highest
        among ``rivals``; on pictures kept from fitting, but where these are fewer than 32, on those fitted.

    Raises:
        DataError: fewer than two pictures with captions.
    """
    device = encoder.emb_proj.weight.device
    generator = torch.Generator().manual_seed(seed)
    fitting, held_out = _pools(data, generator)
    pictures = picture_network(encoder.width, generator).to(device)
    if reworded is not None:
        reworded.learn(_values(data))
    _optimise(encoder, pictures, fitting, settings, generator=generator, report=report, reworded=reworded)
    measured = _measure(encoder, pictures, held_out or fitting, generator)
    chosen = torch.randperm(len(fitting.texts), generator=generator)[:SAMPLE]
    standardise(encoder, [fitting.texts[place] for place in chosen.tolist()])
    return measured


def _pools(data: FittingData, generator: torch.Generator) -> tuple[Pool, Pool | None]:
    usable = [place for place, texts in enumerate(data.captions) if texts]
    if len(usable) < 2:
        raise DataError(
            "The text encoder cannot be fitted: fewer than two training pictures have captions.",
            "Prepare more captioned pictures, or choose the encoder hashed-words, which needs no fitting.",
        )
    chosen = [usable[int(place)] for place in torch.randperm(len(usable), generator=generator)[:MOST_PICTURES]]
    kept = min(HELD_OUT, len(chosen) // 10)
    if kept < RIVALS:
        kept = 0
    classes = np.asarray(data.classes, dtype=np.int64)[chosen]
    if len(np.unique(classes[kept:])) < 2:
        classes = np.arange(len(chosen))
    attributes = _stated_attributes(data, chosen)

    def pool(some: slice) -> Pool:
        pictures = data.pictures(chosen[some], RESOLUTION)
        texts = [data.captions[place] for place in chosen[some]]
        return Pool(pictures, texts, classes[some], attributes[some])

    return pool(slice(kept, None)), pool(slice(kept)) if len(np.unique(classes[:kept])) >= 2 else None


def _stated_attributes(data: FittingData, pictures: Sequence[int]) -> list[Tensor]:
    """For each picture the numbered attributes of its captions (captions, attributes); -1 where one is not stated."""
    if not data.attributes or data.stated is None:
        return [torch.empty(len(data.captions[place]), 0, dtype=torch.long) for place in pictures]
    values = _values(data)
    names = list(values)
    numbers = {name: {value: place for place, value in enumerate(values[name])} for name in names}
    result = []
    for place in pictures:
        known = data.attributes[place]
        rows = [
            [numbers[n][known[n]] if n in said and n in known else -1 for n in names] for said in data.stated[place]
        ]
        result.append(torch.tensor(rows, dtype=torch.long))
    return result


def _values(data: FittingData) -> dict[str, list[str]]:
    """Values of every attribute that the data knows, both in order; empty where no caption's statements are known."""
    if not data.attributes or data.stated is None:
        return {}
    names = sorted({name for known in data.attributes for name in known})
    return {name: sorted({known[name] for known in data.attributes if name in known}) for name in names}


class CaptionReader(nn.Module):
    """Reads words and attributes off sentence vectors by linear layers, only to teach the encoder; it is not kept."""

    def __init__(self, width: int, pool: Pool, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.teacher = HashedWords()
        self.words = unset_linear(width, self.teacher.width)
        # One value more says that the caption does not state the attribute.
        self.sizes = [int(column.max()) + 2 for column in pool.attributes.T]
        self.attributes = unset_linear(width, sum(self.sizes)) if self.sizes else None
        for weight in self.parameters():
            nn.init.zeros_(weight)

    def forward(self, sentence: Tensor, texts: Sequence[str], attributes: Tensor) -> Tensor:
        """Give the loss of reading ``texts`` and their ``attributes`` (batch, attributes) off ``sentence``.

        The mean squared error of the hashed words, and the cross-entropy in nats of what is stated of each attribute,
        or that nothing is, summed over attributes and averaged over the batch.
        """
        hashed = self.teacher.encode(texts).sentence.to(sentence.device)
        loss = self.settings.word_weight * F.mse_loss(self.words(sentence), hashed)
        if self.attributes is None:
            return loss
        logits = torch.split(self.attributes(sentence), self.sizes, dim=1)
        entropies = [
            F.cross_entropy(values, torch.where(column < 0, values.shape[1] - 1, column), reduction="sum")
            for values, column in zip(logits, attributes.T, strict=True)
        ]
        return loss + self.settings.attribute_weight * torch.stack(entropies).sum() / len(sentence)


def _optimise(
    encoder: Encoder,
    pictures: nn.Sequential,
    pool: Pool,
    settings: Settings,
    *,
    generator: torch.Generator,
    report: Callable[[int, int, str], None],
    reworded: Rewording | None,
) -> None:
    device = encoder.emb_proj.weight.device
    reader = CaptionReader(encoder.width, pool, settings).to(device)
    weights = [*encoder.parameters(), *pictures.parameters(), *reader.parameters()]
    optimizer = torch.optim.Adam(weights, lr=settings.rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.rate, total_steps=settings.steps + 1, pct_start=0.1, cycle_momentum=False
    )
    quick = fast_half_type(device)
    captions = pool.draw_captions(2 * settings.batch, generator)
    for step in range(settings.steps):
        places = next(captions)
        texts, stated = [pool.texts[place] for place in places.tolist()], pool.attributes[places]
        if reworded is not None:
            texts, stated = reworded(texts, stated, generator)
        with torch.autocast(device.type, quick, enabled=quick is not None):
            sentence = encoder.vectors(texts).float()
        loss = reader(sentence, texts, stated.to(device))
        if step % settings.picture_every == 0:
            loss = loss + _embedding_loss(encoder, pictures, pool, settings, quick, generator)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(weights, _MOST_GRADIENT)
        optimizer.step()
        schedule.step()
        if (step + 1) % 20 == 0 or step + 1 == settings.steps:
            report(step + 1, settings.steps, f"loss {loss.item():.3f}")


def _embedding_loss(
    encoder: Encoder,
    pictures: nn.Sequential,
    pool: Pool,
    settings: Settings,
    quick: torch.dtype | None,
    generator: torch.Generator,
) -> Tensor:
    device = encoder.emb_proj.weight.device
    seen, first, second = pool.draw(settings.batch, generator)
    with torch.autocast(device.type, quick, enabled=quick is not None):
        picture = pictures(_scaled(seen.to(device)))
        one, other = encoder.vectors([*first, *second]).float().chunk(2)
    return hinge(picture, one) + hinge(picture, other) + settings.text_weight * hinge(one, other)


def _scaled(pictures: Tensor) -> Tensor:
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _measure(encoder: Encoder, pictures: nn.Sequential, pool: Pool, generator: torch.Generator) -> dict[str, float]:
    pictures.eval()
    right = {"caption_to_picture": 0, "caption_to_caption": 0}
    rivals = asked = 0
    for _ in range(16):
        seen, first, second = pool.draw(RIVALS, generator)
        one, other = encoder.encode(first).sentence, encoder.encode(second).sentence
        answers = torch.arange(len(one), device=one.device)
        rivals = len(one)
        asked += rivals
        right["caption_to_picture"] += int(
            ((one @ pictures(_scaled(seen.to(one.device))).float().T).argmax(1) == answers).sum()
        )
        right["caption_to_caption"] += int(((one @ other.T).argmax(1) == answers).sum())
    return {**{name: count / asked for name, count in right.items()}, "rivals": float(rivals)}


@torch.no_grad()
def standardise(encoder: Encoder, captions: Sequence[str]) -> None:
    """Fold into the last layer what gives sentence vectors of ``captions`` mean 0 and variance 1 per dimension."""
    vectors = encoder.encode(captions).sentence
    mean, deviation = vectors.mean(dim=0), vectors.std(dim=0, correction=0)
    # A dimension that says nothing must not be blown up to say nothing loudly.
    deviation = deviation.maximum(0.1 * deviation.mean()).clamp(min=1e-6)
    layer = encoder.emb_proj
    layer.bias.copy_((layer.bias - mean) / deviation)
    layer.weight.div_(deviation[:, None])
