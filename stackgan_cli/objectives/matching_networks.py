"""The two sides of picture-text matching, and the labels that both are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.extractors.looking_through import frozen_features

if TYPE_CHECKING:
    from stackgan_cli.components.protocols import CaptionedData

UNSTATED = -1
"""Stands for the number of a value where a caption states none."""
_SHIFT = 0.08
"""Largest shift of a picture that is looked at, as a share of its side."""
_NOISE = 0.1
"""Largest deviation of the noise on it; pictures are in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Attributes and their values, or the classes, which then are the one attribute that every caption states."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, data: CaptionedData, order: Tensor) -> tuple[Labels, Tensor, list[Tensor]]:
        """Find out what data knows of its pictures.

        Args:
            data: the training split.
            order: the pictures (pictures,) that count.

        Returns:
            The labels; the number of each picture's value (pictures, attributes); and which attributes each caption of
            each picture states (captions, attributes).
        """
        places = order.tolist()
        rows: list[Mapping[str, str]] = [{} for _ in places]
        if data.attributes is not None:
            rows = [data.attributes[place] for place in places]
        elif len(set(data.classes)) * 2 <= len(data.classes):
            rows = [{"class": str(data.classes[place])} for place in places]
        names = sorted({name for row in rows for name in row})
        labels = cls({name: tuple(sorted({row[name] for row in rows if name in row})) for name in names})
        numbers = {name: {value: at for at, value in enumerate(values)} for name, values in labels.values.items()}
        targets = torch.tensor([[numbers[name].get(row.get(name, ""), 0) for name in names] for row in rows])
        stated = []
        for place, row in zip(places, rows, strict=True):
            known = [name in row for name in names]
            told = None if data.stated is None or data.attributes is None else data.stated[place]
            lines = [known] * len(data.captions[place])
            if told is not None:
                lines = [[here and name in line for here, name in zip(known, names, strict=True)] for line in told]
            stated.append(torch.tensor(lines, dtype=torch.bool).view(len(lines), len(names)))
        return labels, targets.view(len(places), len(names)), stated

    def loss(self, read: Sequence[Tensor], said: Sequence[Tensor], targets: Tensor, stated: Tensor) -> Tensor:
        """Cross-entropy of both sides, in nats, the mean over attributes; 0 where there are none.

        Args:
            read: for each attribute the picture side's logits (batch, values).
            said: likewise the text side's (batch, values + 1); the last says that nothing is said.
            targets: (batch, attributes) numbers of values.
            stated: (batch, attributes) whether the caption states them.
        """
        if not read:
            return torch.zeros(())
        losses = []
        for at, (picture, text) in enumerate(zip(read, said, strict=True)):
            silent = torch.where(stated[:, at], targets[:, at], picture.shape[1])
            losses.append(F.cross_entropy(picture.float(), targets[:, at]) + F.cross_entropy(text.float(), silent))
        return torch.stack(losses).mean()

    def disagreement(self, read: Sequence[Tensor], said: Sequence[Tensor]) -> Tensor:
        """Negative log-probability that picture and text have the same value, where the text says one; mean in nats.

        A text that leaves the value open, or says nothing of it, asks for nothing.
        """
        losses = []
        for picture, text in zip(read, said, strict=True):
            words = text.float().log_softmax(1)
            values = words[:, :-1].log_softmax(1)
            agree = torch.logsumexp(values + picture.float().log_softmax(1), dim=1)
            losses.append(-(agree * (1 - words[:, -1].exp())).mean())
        return torch.stack(losses).mean()

    def missing(self, read: Sequence[Tensor], values: Tensor) -> Tensor:
        """Cross-entropy of what is read off pictures and of what their texts are known to state; mean in nats.

        Args:
            read: for each attribute logits (batch, values).
            values: (batch, attributes) numbers of the values that are stated, :data:`UNSTATED` where none is.
        """
        losses = [
            F.cross_entropy(each.float(), wanted, ignore_index=UNSTATED, reduction="sum")
            for each, wanted in zip(read, values.T, strict=True)
        ]
        return torch.stack(losses).sum() / values.numel()


class PictureSide(nn.Module):
    """Pictures (batch, 3, side, side) in [-1, 1] to vectors (batch, width) and the logits of every attribute.

    Args:
        side: of the pictures in pixels.
        width: of the vectors.
        channels: of the first layer of a network that is learnt.
        features: the feature extractor to look through instead.
        labels: what is read off pictures.
    """

    def __init__(self, side: int, width: int, channels: int, features: str | None, labels: Labels) -> None:
        super().__init__()
        self.features = frozen_features(features) if features else None
        if self.features is None:
            widths = [3, channels, 2 * channels, 10 * channels // 3, 16 * channels // 3]
            # Parts are told by where they are, so their places are kept.
            self.body = nn.Sequential(*(_Halving(before, after) for before, after in pairwise(widths)), nn.Flatten())
            hidden = widths[-1] * (side // 16) ** 2
        else:
            self.body = nn.Sequential()
            hidden = sum(self.features.channels[-2:])
        self.code = nn.Sequential(nn.Linear(hidden, 512), nn.BatchNorm1d(512), nn.ReLU())
        self.vector = nn.Linear(512, width)
        self.heads = nn.ModuleList(nn.Linear(512, len(values)) for values in labels.values.values())

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Look at pictures, and read what is seen."""
        return self.read(self.look(images))

    def look(self, images: Tensor) -> Tensor:
        """What is seen (batch, hidden) of pictures; through an extractor nothing of it is learnt."""
        if self.features is None:
            seen: Tensor = self.body(images)
            return seen
        return torch.cat([maps.mean((2, 3)) for maps in self.features.maps(images)[-2:]], dim=1)

    def read(self, seen: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Vectors and logits of what was seen (batch, hidden)."""
        code = self.code(seen)
        return self.vector(code), [head(code) for head in self.heads]

    def freeze_features(self) -> None:
        """Keep what was trained elsewhere from learning."""
        if self.features is not None:
            self.features.requires_grad_(False)

    def train(self, mode: bool = True) -> PictureSide:
        """Train what learns; an extractor stays as it is."""
        super().train(mode)
        if self.features is not None:
            self.features.eval()
        return self


class _Halving(nn.Module):
    """Half the side by a strided convolution, then a residual block that looks around each place."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.halve = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 4, 2, 1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
        )
        self.around = nn.Sequential(
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False), nn.BatchNorm2d(channels_out)
        )

    def forward(self, features: Tensor) -> Tensor:
        halved = self.halve(features)
        return F.relu(halved + self.around(halved))


class TextSide(nn.Module):
    """Sentence vectors (batch, text_width) to vectors (batch, width) and what is said of every attribute.

    Args:
        text_width: of the sentence vectors.
        width: of the vectors.
        labels: what is read off sentences; the last value of each is that nothing is said.
    """

    def __init__(self, text_width: int, width: int, labels: Labels) -> None:
        super().__init__()
        self.code = nn.Sequential(nn.Linear(text_width, 256), nn.LeakyReLU(0.2))
        self.vector = nn.Linear(256, width)
        self.heads = nn.ModuleList(nn.Linear(256, len(values) + 1) for values in labels.values.values())

    def forward(self, sentence: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Read sentence vectors."""
        code = self.code(sentence)
        return self.vector(code), [head(code) for head in self.heads]


def disturbed(images: Tensor, draw: torch.Generator) -> Tensor:
    """Shift each picture by up to 8% of its side, mirror half of them and add noise; gradients flow through.

    What is true of a picture is true of these too, and a generator that must please all of them cannot hide dots that
    please only the network.

    Args:
        images: (batch, 3, side, side) in [-1, 1].
        draw: source of randomness, on the processor.
    """
    count, side = len(images), images.shape[-1]
    most = round(_SHIFT * side)
    shifts = torch.randint(0, 2 * most + 1, (count, 2, 1), generator=draw)
    mirrored = torch.rand(count, 1, generator=draw) < 0.5
    places = torch.arange(side)
    rows, columns = shifts[:, 0] + places, shifts[:, 1] + torch.where(mirrored, places.flip(0), places)
    picture = torch.arange(count)[:, None, None]
    padded = F.pad(images, (most, most, most, most), mode="replicate").permute(0, 2, 3, 1)
    device = images.device
    moved = padded[picture.to(device), rows[:, :, None].to(device), columns[:, None, :].to(device)]
    noise = torch.randn(moved.shape, generator=draw) * torch.rand(count, 1, 1, 1, generator=draw) * _NOISE
    return (moved + noise.to(device)).permute(0, 3, 1, 2)
