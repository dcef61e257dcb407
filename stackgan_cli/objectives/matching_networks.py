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
_HIDDEN = 512
"""Width of what the whole of a picture is brought to."""
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


class LearntPictures(nn.Module):
    """Pictures (batch, 3, side, side) in [-1, 1] to vectors (batch, width) and logits of attributes, from nothing.

    Args:
        side: of the pictures in pixels.
        width: of the vectors.
        channels: of the first layer.
        labels: what is read off pictures.
    """

    def __init__(self, side: int, width: int, channels: int, labels: Labels) -> None:
        super().__init__()
        widths = [3, channels, 2 * channels, 10 * channels // 3, 16 * channels // 3]
        self.body = nn.ModuleList(_Halving(before, after) for before, after in pairwise(widths))
        # Parts are told by where they are, so their places are kept.
        self.code = _code(widths[-1] * (side // 16) ** 2)
        self.vector = nn.Linear(_HIDDEN, width)
        self.reading = _Reading(widths[2], widths[3], labels) if labels.values else None

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Look at pictures, and read what is seen."""
        maps = []
        for halving in self.body:
            images = halving(images)
            maps.append(images)
        read = [] if self.reading is None else self.reading(maps[1], maps[2])
        return self.vector(self.code(maps[-1].flatten(1))), read


class _Reading(nn.Module):
    """Reads attributes place by place: what each place shows, weighed by how much it has to say of the attribute.

    Whoever reads a picture as a whole learns which values go together, too, and misreads a red bird with blue wings
    where there was none to learn from. A place sees 22 pixels of a picture of 64, which is little more than a part.

    Args:
        near: channels of the maps whose places are read, of a quarter of the pictures' side.
        far: of those of an eighth, which help to tell where to look.
        labels: what is read.
    """

    def __init__(self, near: int, far: int, labels: Labels) -> None:
        super().__init__()
        self._counts = [len(values) for values in labels.values.values()]
        self.shown = nn.Sequential(nn.Conv2d(near, 128, 1), nn.ReLU(), nn.Conv2d(128, sum(self._counts), 1))
        self.telling = nn.Sequential(nn.Conv2d(near + far + 2, 128, 1), nn.ReLU(), nn.Conv2d(128, len(self._counts), 1))

    def forward(self, near: Tensor, far: Tensor) -> list[Tensor]:
        """Logits (batch, values) of every attribute, of maps (batch, channels, side, side) and of half that side."""
        around = F.interpolate(far, size=near.shape[-2:], mode="nearest")
        height, width = (torch.linspace(-1, 1, side, device=near.device) for side in near.shape[-2:])
        where = torch.stack(torch.meshgrid(height, width, indexing="ij")).expand(len(near), -1, -1, -1)
        weights = self.telling(torch.cat([near, around, where], dim=1)).float().flatten(2).softmax(dim=2)
        shown = self.shown(near).float().flatten(2).split(self._counts, dim=1)
        return [(each * weights[:, at : at + 1]).sum(dim=2) for at, each in enumerate(shown)]


class SeenPictures(nn.Module):
    """What `LearntPictures` gives, read off a frozen extractor's deepest maps, averaged over places, by a small head.

    Args:
        features: name of the extractor.
        width: of the vectors.
        labels: what is read off pictures.
    """

    def __init__(self, features: str, width: int, labels: Labels) -> None:
        super().__init__()
        self.features = frozen_features(features)
        self.code = _code(sum(self.features.channels[-2:]))
        self.vector = nn.Linear(_HIDDEN, width)
        self.heads = nn.ModuleList(nn.Linear(_HIDDEN, len(values)) for values in labels.values.values())

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Look at pictures, and read what is seen."""
        return self.read(self.look(images))

    def look(self, images: Tensor) -> Tensor:
        """What the extractor sees (batch, hidden) of pictures; nothing of it is learnt."""
        return torch.cat([maps.mean((2, 3)) for maps in self.features.maps(images)[-2:]], dim=1)

    def read(self, seen: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Vectors and logits of what was seen (batch, hidden)."""
        code = self.code(seen)
        return self.vector(code), [head(code) for head in self.heads]

    def requires_grad_(self, requires_grad: bool = True) -> SeenPictures:
        """Let the head learn, or not; the extractor never does."""
        super().requires_grad_(requires_grad)
        self.features.requires_grad_(False)
        return self

    def train(self, mode: bool = True) -> SeenPictures:
        """Train the head; the extractor stays as it is."""
        super().train(mode)
        self.features.eval()
        return self


def _code(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU())


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
