"""A small stage in training, honest in all but its size: what objectives are tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.components.conformance.samples import drawn_pictures, sample_text
from stackgan_cli.components.conformance.subject import seeded
from stackgan_cli.components.protocols import Generated, Judgement, Pairs, TextFeatures, Update
from stackgan_cli.randomness import generator_for
from stackgan_cli.ranks import ALONE

_TRAINED_ON = "train"
_NOISE = 8
_CONDITION = 6


class _Generator(nn.Module):
    """One linear layer behind conditioning augmentation; in Stage-II it adds to the sketch."""

    def __init__(self, text_width: int, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution
        self.distribution = nn.Linear(text_width, 2 * _CONDITION)
        self.start = nn.Linear(_NOISE + _CONDITION, 3 * 16)

    def forward(self, sketch: Tensor | None, noise: Tensor, text: TextFeatures) -> Generated:
        mean, log_deviation = self.distribution(text.sentence).float().chunk(2, dim=1)
        code = torch.cat([noise, mean + log_deviation.exp() * noise[:, :_CONDITION]], dim=1)
        images = F.interpolate(self.start(code).unflatten(1, (3, 4, 4)), size=self.resolution)
        if sketch is not None:
            images = images + F.interpolate(sketch, size=self.resolution)
        kl = (mean.square() + (2 * log_deviation).exp() - 1).div(2).sub(log_deviation).sum(dim=1)
        return Generated(images.tanh(), kl, mean)


class _Discriminator(nn.Module):
    """Compares a picture of 4 x 4 pixels with the sentence; smooth, so that it can be differentiated twice."""

    def __init__(self, text_width: int, *, realism: bool) -> None:
        super().__init__()
        self.picture, self.text = nn.Linear(3 * 16, 8), nn.Linear(text_width, 8)
        self.realism = nn.Linear(8, 1) if realism else None

    def forward(self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None) -> list[Judgement]:
        features = self.picture(F.adaptive_avg_pool2d(images, 4).flatten(1)).tanh()
        if given is not None:
            features = features + self.picture(F.adaptive_avg_pool2d(given, 4).flatten(1)).tanh()
        realism = None if self.realism is None else self.realism(features)[:, 0]
        return [Judgement((features * self.text(text.sentence).tanh()).sum(dim=1), realism) for text in texts]


class SmallStage:
    """A generator, two discriminators (one with a head for realism alone) and a batch.

    Args:
        host: ``text_width``, ``word_width`` and ``resolution``.
        second: whether this is Stage-II, which is given a sketch.
        words: whether the text encoder describes words.
    """

    def __init__(self, host: Mapping[str, int], *, second: bool, words: bool = True) -> None:
        width, side = host["text_width"], host["resolution"]
        with seeded(1):
            self.generator = _Generator(width, side)
            self.discriminators = {
                "first": _Discriminator(width, realism=False),
                "second": _Discriminator(width, realism=True),
            }
        self.text, self.wrong = (sample_text(host, seed, words=words) for seed in (1, 11))
        self.real = drawn_pictures(3, side)
        self.sketch = drawn_pictures(4, max(side // 4, 1)) if second else None

    def judging(self) -> list[nn.Parameter]:
        """Weights of the discriminators."""
        return [each for network in self.discriminators.values() for each in network.parameters()]

    def draw(self, text: TextFeatures, purpose: str) -> Generated:
        """Draw pictures for texts with noise that belongs to a purpose."""
        return self._drawn(_noise(len(text.sentence), purpose), text)

    def vary(self, purpose: str) -> Generated:
        """Draw the batch again with the conditions of its own pictures, and other noise of a purpose."""
        noise = _noise(len(self.text.sentence), purpose)
        noise[:, :_CONDITION] = _noise(len(noise), _TRAINED_ON)[:, :_CONDITION]
        return self._drawn(noise, self.text)

    def _drawn(self, noise: Tensor, text: TextFeatures) -> Generated:
        generated: Generated = self.generator(self.sketch, noise, text)
        return generated

    def generator_half(self) -> Update:
        """The step as the generator's terms see it: gradients flow through the pictures and their judgements."""
        generated = self.draw(self.text, _TRAINED_ON)
        for network in self.discriminators.values():
            network.requires_grad_(False)
        pairs = {
            name: Pairs(network(generated.images, [self.text], self.sketch)[0])
            for name, network in self.discriminators.items()
        }
        return self._update(generated, self.real, self.text, pairs)

    def discriminator_half(self, name: str, *, input_gradients: bool) -> Update:
        """The step as the terms of one discriminator see it: the pictures are there, the way to the generator is not.

        Args:
            name: of the discriminator.
            input_gradients: whether the real pictures and their text require gradients.
        """
        self.generator.requires_grad_(False)
        generated = self.draw(self.text, _TRAINED_ON)
        real, sentence = (each.clone().requires_grad_(input_gradients) for each in (self.real, self.text.sentence))
        right = TextFeatures(sentence, self.text.words, self.text.padding)
        judge = self.discriminators[name]
        matching, mismatched = judge(real, [right, self.wrong], self.sketch)
        (fooled,) = judge(generated.images, [right], self.sketch)
        return self._update(generated, real, right, {name: Pairs(fooled, matching, mismatched)})

    def _update(self, generated: Generated, real: Tensor, right: TextFeatures, pairs: Mapping[str, Pairs]) -> Update:
        return Update(
            step=0,
            text=self.text,
            right=right,
            wrong=self.wrong,
            real=real,
            generated=generated,
            seen=generated.images,
            sketch=self.sketch,
            pairs=pairs,
            judge={name: self.discriminators[name] for name in pairs},
            draw=self.draw,
            vary=self.vary,
            fooling=self._fooling,
            random=lambda purpose: generator_for("conformance", "random", purpose),
            ranks=ALONE,
        )

    def _fooling(self, images: Tensor, text: TextFeatures) -> Tensor:
        judged = [network(images, [text], self.sketch)[0] for network in self.discriminators.values()]
        return torch.stack([F.softplus(-each.matching.float()).mean() for each in judged]).sum()


def _noise(count: int, purpose: str) -> Tensor:
    return torch.randn(count, _NOISE, generator=generator_for("conformance", purpose))
