"""The feature extractor that needs no download: a small network that learns what is known of the data's own pictures.

It stands in for the Inception network that the StackGAN paper (section 4.1) fine-tunes on each data set. It
follows that method with another network, so its numbers compare models with each other, and with no published table.
It learns attributes or classes where the data has them, and always which caption belongs to which picture, so that
pictures with captions alone can be measured too.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.components.protocols import AttributeProbabilities, Observation
from stackgan_cli.errors import DataError
from stackgan_cli.randomness import generator_for, seed_of
from stackgan_cli.text_encoders.hashed_words import HashedWords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from stackgan_cli.components.protocols import FittingData

_SHIFT = 6
"""Largest shift of a picture in training, in pixels."""
_HELD_OUT = 0.1
_MOST_PICTURES = 20_000
"""Pictures to learn from, at most: they are held in memory."""
_AT_ONCE = 64
_COLDEST = 0.05
_TERMS = 1024
"""Places that words and pairs of words are hashed to."""


class DomainClassifier(nn.Module):
    """A residual network over 128 px pictures: a head for each attribute, or one for the classes, and one for captions.

    Captions are read as bags of words and pairs of words, by weights that are this network's own: it shares nothing
    with what reads or judges in training.

    Args:
        width: of the features, kept small because the bias of a Fréchet distance grows with its square.
        channels: of the first layer.
        input_side: side in pixels that pictures are resized to, a multiple of 32.
        epochs: passes over the training pictures.
        labels: values of each head, in order; found out by :meth:`fit`, and stored with the weights.
        captions: whether it reads captions; likewise.
        temperature: what its logits must be divided by to be as sure as they are right; likewise.
    """

    logits: Callable[[Tensor], Tensor | None]
    """There only where it has heads: (batch, values) logits of the one with the most values."""
    attributes: Callable[[Tensor], Mapping[str, Sequence[str]] | None]
    """There only where it has heads: for each, the likeliest value of each of uint8 pictures."""
    probabilities: Callable[[Tensor], AttributeProbabilities | None]
    """There only where it has heads: of all of their values on each of uint8 pictures."""
    caption_features: Callable[[Sequence[str]], Tensor]
    """There only where it reads captions: (captions, width) float32."""

    def __init__(
        self,
        *,
        width: int = 64,
        channels: int = 24,
        input_side: int = 128,
        epochs: int = 16,
        labels: list[list[str]] | None = None,
        captions: bool = False,
        temperature: float | None = None,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.width, self.input_side, self.epochs = width, input_side, epochs
        self.body = nn.Sequential(
            nn.Conv2d(3, channels, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            *(_Down(channels * min(2**step, 4), channels * min(2 ** (step + 1), 4)) for step in range(4)),
            # Parts are told by where they are, so their places are kept: a mean over all of them loses a beak.
            nn.Flatten(),
            nn.Linear(channels * 4 * (input_side // 32) ** 2, 4 * width),
            nn.BatchNorm1d(4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, width),
        )
        self._make_heads({names[0]: names[1:] for names in labels or ()}, captions=captions)

    @property
    def learnt_options(self) -> dict[str, Any]:
        """The labels that :meth:`fit` found, how sure it is of them, and whether there were captions."""
        found: dict[str, Any] = {"labels": [[name, *values] for name, values in self.labels.items()]}
        if self.temperature is not None:
            found["temperature"] = self.temperature
        return found if self.captions is None else found | {"captions": True}

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features (batch, width) and the logits of every head, of uint8 pictures (batch, 3, side, side)."""
        pictures = pictures.float()
        if pictures.shape[-1] != self.input_side:
            size = (self.input_side, self.input_side)
            pictures = F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
        features = self.body(pictures.div(127.5).sub(1).contiguous(memory_format=torch.channels_last))
        return features, [head(F.relu(features)) for head in self.heads]

    @torch.no_grad()
    def observe(self, pictures: Tensor) -> Observation:
        """Features, and where it has heads what they tell, of uint8 pictures (batch, 3, side, side)."""
        features, logits = self(pictures)
        if not self.labels:
            return Observation(features.float())
        attributes = {
            name: [values[index] for index in scores.argmax(dim=1).tolist()]
            for (name, values), scores in zip(self.labels.items(), logits, strict=True)
        }
        weighed = AttributeProbabilities(
            [(name, value) for name, values in self.labels.items() for value in values],
            torch.cat([scores.float().log_softmax(1) for scores in logits], 1),
        )
        return Observation(features.float(), logits[self._widest()].float(), attributes, weighed)

    def features(self, pictures: Tensor) -> Tensor:
        """(batch, width) float32 features of uint8 pictures (batch, 3, side, side)."""
        return self.observe(pictures).features

    def _logits(self, pictures: Tensor) -> Tensor | None:
        return self.observe(pictures).logits

    def _attributes(self, pictures: Tensor) -> Mapping[str, Sequence[str]] | None:
        return self.observe(pictures).attributes

    def _probabilities(self, pictures: Tensor) -> AttributeProbabilities | None:
        return self.observe(pictures).probabilities

    @torch.no_grad()
    def _caption_features(self, captions: Sequence[str]) -> Tensor:
        return self._read(captions).float()

    def _read(self, captions: Sequence[str]) -> Tensor:
        assert self.captions is not None
        found: Tensor = self.captions(HashedWords(width=_TERMS).encode(captions).sentence)
        return found

    def spec(self) -> dict[str, Any]:
        """Everything that changes the numbers."""
        digest = hashlib.sha256()
        for tensor in self.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return {
            "name": "domain-classifier",
            "width": self.width,
            "input_side": self.input_side,
            "resize": "antialiased bilinear",
            "score_over": list(self.labels)[self._widest()] if self.labels else None,
            "temperature": self.temperature,
            "reads_captions": self.captions is not None,
            "heads": {name: len(values) for name, values in self.labels.items()},
            "sha256": digest.hexdigest(),
        }

    def fit(self, data: FittingData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn from the training pictures; a tenth of them is held out to be tested on.

        Args:
            data: the training split.
            seed: of everything random.
            report: told steps done, steps in all and a few words.

        Returns:
            Of the held-out tenth, where there are attributes or classes: ``held_out_accuracy``, the share of right
            answers over all heads, ``chance``, what always naming the commonest value comes to, and
            ``held_out_joint``, the share of pictures with no wrong answer, and ``temperature``. Where there are
            captions: ``caption_to_picture``, the share of captions whose picture is the closest of ``of_pictures``.

        Raises:
            DataError: the data has neither attributes, nor repeated classes, nor captions.
        """
        order = torch.randperm(len(data.classes), generator=generator_for(seed, "extractor"))[:_MOST_PICTURES]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "extractor heads"))
            targets = self._learn_labels(data)[order]
        captions = [data.captions[place] for place in order.tolist()]
        held = max(1, round(_HELD_OUT * len(order)))
        total = self.epochs * _batches(len(order) - held)
        parts = []
        for number, part in enumerate(torch.split(order, _AT_ONCE)):
            parts.append(data.pictures(part.tolist(), self.input_side))
            report(0, total, f"{min((number + 1) * _AT_ONCE, len(order)):,} of {len(order):,} pictures read")
        pictures = torch.cat(parts)
        self._train(_Known(pictures[held:], targets[held:], captions[held:]), seed, report)
        return self._measure(_Known(pictures[:held], targets[:held], captions[:held]), targets[held:])

    def _learn_labels(self, data: FittingData) -> Tensor:
        """Make the heads; returns each picture's value for each head (pictures, heads)."""
        rows: Sequence[Mapping[str, str]] = [{} for _ in data.classes]
        if data.attributes is not None:
            rows = data.attributes
        elif len(set(data.classes)) * 2 <= len(data.classes):
            rows = [{"class": str(index)} for index in data.classes]
        captioned = any(any(texts) for texts in data.captions)
        if not captioned and not any(rows):
            raise DataError(
                "The domain classifier learns attributes, classes or captions, and this data has none of them.",
                hint="prepare data with captions or a class column, or name another --extractor",
            )
        self._make_heads({name: sorted({row[name] for row in rows}) for name in rows[0]}, captions=captioned)
        place = {name: {value: at for at, value in enumerate(values)} for name, values in self.labels.items()}
        known = [[place[name][row[name]] for name in self.labels] for row in rows]
        return torch.tensor(known, dtype=torch.long).view(len(rows), len(self.labels))

    def _make_heads(self, labels: Mapping[str, Sequence[str]], *, captions: bool) -> None:
        """Make what reads off the features, and offer what can be read."""
        self.labels = {name: list(values) for name, values in labels.items()}
        self.heads = nn.ModuleList(nn.Linear(self.width, len(values)) for values in self.labels.values())
        self.captions: nn.Module | None = None
        if self.labels:
            self.logits, self.attributes, self.probabilities = self._logits, self._attributes, self._probabilities
        if captions:
            self.captions = nn.Sequential(
                nn.Linear(_TERMS, 4 * self.width), nn.ReLU(), nn.Linear(4 * self.width, self.width)
            )
            self.sharpness = nn.Parameter(torch.tensor(10.0).log())
            self.caption_features = self._caption_features

    def _train(self, known: _Known, seed: int, report: Callable[[int, int, str], None]) -> None:
        from stackgan_cli.machine import choose_machine

        machine = choose_machine("cpu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train()
        per_epoch = _batches(len(known.pictures))
        total = self.epochs * per_epoch
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=0.02, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=total, pct_start=0.15)
        for step in range(total):
            draw = generator_for(seed, "extractor", step)
            if step % per_epoch == 0:
                order = torch.randperm(len(known.pictures), generator=draw)
            chosen = order[step % per_epoch * _AT_ONCE :][:_AT_ONCE]
            with machine.autocast():
                features, logits = self(_jittered(known.pictures[chosen], draw))
                losses = [
                    F.cross_entropy(scores.float(), known.targets[chosen, at]) for at, scores in enumerate(logits)
                ]
                loss = torch.stack(losses).mean() if losses else torch.zeros(())
                if self.captions is not None:
                    loss = loss + self._contrast(features, *known.one_caption(chosen, draw))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            report(step + 1, total, f"loss {loss.item():.3f}" if step % 20 == 0 else "")
        self.eval()

    def _contrast(self, features: Tensor, rows: Tensor, captions: Sequence[str]) -> Tensor:
        """Mean of both cross-entropies of finding the other one in the batch, in nats (Zhang et al. 2020, ConVIRT)."""
        if len(captions) < 2:
            return torch.zeros(())
        pictures, texts = (F.normalize(each.float(), dim=1) for each in (features[rows], self._read(captions)))
        scores = self.sharpness.exp().clamp(max=100.0) * pictures @ texts.T
        right = torch.arange(len(scores))
        return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2

    @torch.no_grad()
    def _measure(self, held: _Known, learnt: Tensor) -> dict[str, float]:
        """Test on held-out pictures; ``learnt`` are the targets that were learnt from."""
        seen = [self(part) for part in torch.split(held.pictures, _AT_ONCE)]
        measured: dict[str, float] = {}
        if self.labels:
            named = torch.cat([torch.stack([scores.argmax(1) for scores in logits], 1) for _, logits in seen])
            right = (named == held.targets).float()
            common = (held.targets == learnt.mode(dim=0).values).float()
            measured = {"held_out_accuracy": float(right.mean()), "chance": float(common.mean())}
            measured["held_out_joint"] = float(right.amin(dim=1).mean())
            scores = torch.cat([logits[self._widest()] for _, logits in seen])
            self.temperature = measured["temperature"] = temperature_of(scores, held.targets[:, self._widest()])
        if self.captions is not None:
            rows, captions = held.one_caption(
                torch.arange(min(_AT_ONCE, len(held.pictures))), generator_for("held out")
            )
            pictures = F.normalize(torch.cat([features for features, _ in seen])[rows].float(), dim=1)
            found = (F.normalize(self._read(captions).float(), dim=1) @ pictures.T).argmax(1) == torch.arange(len(rows))
            measured |= {"caption_to_picture": float(found.float().mean()), "of_pictures": float(len(rows))}
        return measured

    def _widest(self) -> int:
        sizes = [len(values) for values in self.labels.values()]
        return sizes.index(max(sizes))


@dataclass(frozen=True, slots=True)
class _Known:
    """Pictures and what is known of them."""

    pictures: Tensor
    """uint8 (pictures, 3, side, side)."""
    targets: Tensor
    """(pictures, heads) numbers of values."""
    captions: Sequence[Sequence[str]]

    def one_caption(self, chosen: Tensor, draw: torch.Generator) -> tuple[Tensor, list[str]]:
        """Draw a caption for each chosen picture that has any; no two of them read the same.

        Returns:
            Which of the chosen have one, and their captions.
        """
        lots = torch.rand(len(chosen), generator=draw).tolist()
        found: dict[str, int] = {}
        for row, (place, lot) in enumerate(zip(chosen.tolist(), lots, strict=True)):
            texts = self.captions[place]
            if texts:
                found.setdefault(texts[int(lot * len(texts))], row)
        return torch.tensor(list(found.values()), dtype=torch.long), list(found)


def temperature_of(logits: Tensor, right: Tensor) -> float:
    """What logits must be divided by for the likelihood of the right answers to be largest (Guo et al. 2017).

    Args:
        logits: (pictures, values) of pictures that were not learnt from.
        right: (pictures,) numbers of the right values.

    Returns:
        Between 0.05 and 20: where every answer is right, nothing is too sure.
    """
    low, high = math.log(_COLDEST), -math.log(_COLDEST)
    # The likelihood is concave in one over the temperature, so that it has a single peak.
    for _ in range(60):
        one, other = low + (high - low) / 3, high - (high - low) / 3
        losses = [F.cross_entropy(logits.double() / math.exp(each), right) for each in (one, other)]
        low, high = (low, other) if losses[0] <= losses[1] else (one, high)
    return math.exp((low + high) / 2)


def _batches(pictures: int) -> int:
    """Whole batches in a pass."""
    return max(1, pictures // _AT_ONCE)


def _jittered(pictures: Tensor, draw: torch.Generator) -> Tensor:
    """Shift the batch, mirror half of it and blur or add noise to some, so that a generator's faults do not decide."""
    across, down = torch.randint(-_SHIFT, _SHIFT + 1, (2,), generator=draw).tolist()
    pictures = pictures.roll((down, across), dims=(2, 3)).float()
    mirrored = torch.rand(len(pictures), 1, 1, 1, generator=draw) < 0.5
    pictures = torch.where(mirrored, pictures.flip(3), pictures)
    blurred = F.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
    soft = torch.rand(len(pictures), 1, 1, 1, generator=draw) < 0.3
    noise = torch.randn(pictures.shape, generator=draw) * 8 * torch.rand(len(pictures), 1, 1, 1, generator=draw)
    return torch.where(soft, blurred, pictures) + noise


class _Down(nn.Module):
    """Halve the side, then one residual convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.down_norm = nn.BatchNorm2d(channels_out)
        self.refine = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.refine_norm = nn.BatchNorm2d(channels_out)

    def forward(self, features: Tensor) -> Tensor:
        features = F.relu(self.down_norm(self.down(features)))
        return F.relu(features + self.refine_norm(self.refine(features)))
