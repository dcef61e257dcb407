"""The feature extractor that needs no download: a small network that learns the data's own attributes or classes.

It stands in for the Inception network that the StackGAN paper (section 4.1) fine-tunes on each data set. It
follows that method with another network, so its numbers compare models with each other, and with no published table.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from stackgan_cli.errors import DataError
from stackgan_cli.randomness import generator_for, seed_of

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


class DomainClassifier(nn.Module):
    """A residual network over 128 px pictures with one head for each attribute, or one for the classes.

    Args:
        width: of the features, kept small because the bias of a Fréchet distance grows with its square.
        channels: of the first layer.
        input_side: side in pixels that pictures are resized to, a multiple of 32.
        epochs: passes over the training pictures.
        labels: values of each head, in order; found out by :meth:`fit`, and stored with the weights.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        channels: int = 24,
        input_side: int = 128,
        epochs: int = 16,
        labels: list[list[str]] | None = None,
    ) -> None:
        super().__init__()
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
        self.labels: dict[str, list[str]] = {}
        self.heads = nn.ModuleList()
        if labels:
            self._make_heads({names[0]: names[1:] for names in labels})

    @property
    def learnt_options(self) -> dict[str, Any]:
        """The labels that :meth:`fit` found."""
        return {"labels": [[name, *values] for name, values in self.labels.items()]}

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Features (batch, width) and the logits of every head, of uint8 pictures (batch, 3, side, side)."""
        pictures = pictures.float()
        if pictures.shape[-1] != self.input_side:
            size = (self.input_side, self.input_side)
            pictures = F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
        features = self.body(pictures.div(127.5).sub(1).contiguous(memory_format=torch.channels_last))
        return features, [head(F.relu(features)) for head in self.heads]

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """(batch, width) float32 features of uint8 pictures (batch, 3, side, side)."""
        features: Tensor = self(pictures)[0].float()
        return features

    @torch.no_grad()
    def logits(self, pictures: Tensor) -> Tensor:
        """(batch, values) logits of the head with the most values, for the Inception-style score."""
        logits: Tensor = self(pictures)[1][self._widest()].float()
        return logits

    @torch.no_grad()
    def attributes(self, pictures: Tensor) -> dict[str, list[str]]:
        """For each head, the likeliest value of each picture."""
        logits = self(pictures)[1]
        return {
            name: [values[index] for index in scores.argmax(dim=1).tolist()]
            for (name, values), scores in zip(self.labels.items(), logits, strict=True)
        }

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
            "heads": {name: len(values) for name, values in self.labels.items()},
            "sha256": digest.hexdigest(),
        }

    def fit(self, data: FittingData, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        """Learn the attributes, or the classes, of the training pictures; a tenth of them is held out to be tested on.

        Args:
            data: the training split.
            seed: of everything random.
            report: told steps done, steps in all and a few words.

        Returns:
            On the held-out tenth, the share of right answers over all heads, and of pictures with no wrong one.

        Raises:
            DataError: the data has neither attributes nor repeated classes.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "extractor heads"))
            targets = self._learn_labels(data)
        order = torch.randperm(len(targets), generator=generator_for(seed, "extractor"))[:_MOST_PICTURES]
        held = max(1, round(_HELD_OUT * len(order)))
        total = self.epochs * _batches(len(order) - held)
        parts = []
        for number, part in enumerate(torch.split(order, _AT_ONCE)):
            parts.append(data.pictures(part.tolist(), self.input_side))
            report(0, total, f"{min((number + 1) * _AT_ONCE, len(order)):,} of {len(order):,} pictures read")
        pictures, targets = torch.cat(parts), targets[order]
        self._train(pictures[held:], targets[held:], seed, report)
        right = [
            (torch.stack([scores.argmax(1) for scores in self(part)[1]], 1) == wanted).float()
            for part, wanted in zip(
                torch.split(pictures[:held], _AT_ONCE), torch.split(targets[:held], _AT_ONCE), strict=True
            )
        ]
        told = torch.cat(right)
        return {"held_out_accuracy": float(told.mean()), "held_out_joint": float(told.amin(dim=1).mean())}

    def _learn_labels(self, data: FittingData) -> Tensor:
        """Make the heads; returns each picture's value for each head (pictures, heads)."""
        rows: Sequence[Mapping[str, str]]
        if data.attributes is not None:
            rows = data.attributes
        elif len(set(data.classes)) * 2 <= len(data.classes):
            rows = [{"class": str(index)} for index in data.classes]
        else:
            raise DataError(
                "The domain classifier learns attributes or classes, and this data has neither.",
                hint="prepare data with a class column, or name another --extractor",
            )
        self._make_heads({name: sorted({row[name] for row in rows}) for name in rows[0]})
        place = {name: {value: at for at, value in enumerate(values)} for name, values in self.labels.items()}
        return torch.tensor([[place[name][row[name]] for name in self.labels] for row in rows])

    def _make_heads(self, labels: Mapping[str, Sequence[str]]) -> None:
        self.labels = {name: list(values) for name, values in labels.items()}
        self.heads = nn.ModuleList(nn.Linear(self.width, len(values)) for values in self.labels.values())

    def _train(self, pictures: Tensor, targets: Tensor, seed: int, report: Callable[[int, int, str], None]) -> None:
        from stackgan_cli.machine import choose_machine

        machine = choose_machine("cpu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.train()
        per_epoch = _batches(len(pictures))
        total = self.epochs * per_epoch
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3, weight_decay=0.02, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=total, pct_start=0.15)
        for step in range(total):
            draw = generator_for(seed, "extractor", step)
            if step % per_epoch == 0:
                order = torch.randperm(len(pictures), generator=draw)
            chosen = order[step % per_epoch * _AT_ONCE :][:_AT_ONCE]
            with machine.autocast():
                logits = self(_jittered(pictures[chosen], draw))[1]
                loss = torch.stack(
                    [F.cross_entropy(scores.float(), targets[chosen, at]) for at, scores in enumerate(logits)]
                ).mean()
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            report(step + 1, total, f"loss {loss.item():.3f}" if step % 20 == 0 else "")
        self.eval()

    def _widest(self) -> int:
        sizes = [len(values) for values in self.labels.values()]
        return sizes.index(max(sizes))


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
