from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stackgan_cli.components.conformance import assert_conforms, check
from stackgan_cli.components.protocols import Generated, Judgement, TextFeatures
from stackgan_cli.components.registry import Kind

pytestmark = pytest.mark.usefixtures("import_unchecked")


class Generator(nn.Module):
    def __init__(self, *, text_width: int, resolution: int = 16, channels: int = 4) -> None:
        super().__init__()
        self.resolution, self.noise_width = resolution, 6
        self.start = nn.Linear(text_width + self.noise_width, channels * 16)
        self.norm = nn.BatchNorm2d(channels)
        self.end = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        features = self.norm(self.start(torch.cat([noise, text.sentence], 1)).unflatten(1, (-1, 4, 4)))
        return Generated(self.finish(self.end(nn.functional.interpolate(features, size=self.resolution))))

    def finish(self, images: Tensor) -> Tensor:
        return images.tanh().float()


class UnboundedGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return images * 100


class SmallGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images)[..., 1:]


class NoisyGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images + torch.randn_like(images))


class BatchGenerator(Generator):
    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images - images.mean(dim=0))


class DetachedGenerator(Generator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.unused = nn.Linear(2, 2)


class DeafGenerator(Generator):
    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        return super().forward(noise, TextFeatures(text.sentence * 0))


class UnseededGenerator(Generator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        nn.init.constant_(self.end.bias, random.random())


class GeneratorWithOutsideState(Generator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.outside = torch.randn(1)

    def finish(self, images: Tensor) -> Tensor:
        return super().finish(images + self.outside)


class ConditionedGenerator(Generator):
    """Draws its condition from a distribution and gives that distribution's mean."""

    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.condition_width = 6
        self.mean = nn.Linear(text_width, 6)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        mean = self.mean(text.sentence).float()
        images = super().forward(mean + noise, text).images
        return self.told(images, mean.square().sum(1) / 2, mean, mean + noise)

    def told(self, images: Tensor, kl: Tensor, mean: Tensor, draw: Tensor) -> Generated:
        return Generated(images, kl, mean)


class DrawTellingGenerator(ConditionedGenerator):
    def told(self, images: Tensor, kl: Tensor, mean: Tensor, draw: Tensor) -> Generated:
        return Generated(images, kl, draw)


class DivergenceAloneGenerator(ConditionedGenerator):
    def told(self, images: Tensor, kl: Tensor, mean: Tensor, draw: Tensor) -> Generated:
        return Generated(images, kl)


class NarrowConditionGenerator(ConditionedGenerator):
    def told(self, images: Tensor, kl: Tensor, mean: Tensor, draw: Tensor) -> Generated:
        return Generated(images, kl, mean[:, 1:])


class ElsewhereGenerator(ConditionedGenerator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.condition_noise = slice(self.noise_width, None)


class IdleNoiseGenerator(ConditionedGenerator):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.noise_width += 1
        self.condition_noise = slice(self.noise_width - 1, None)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        return super().forward(noise[:, :-1], text)


def pooled(text: TextFeatures) -> Tensor:
    """Mean of the words that are words."""
    assert text.words is not None
    assert text.padding is not None
    return text.words.masked_fill(text.padding[..., None], 0).sum(1)


class WordGenerator(Generator):
    """Reads the words of a caption beside its sentence."""

    def __init__(self, *, text_width: int, word_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.words = nn.Linear(word_width, text_width)

    def forward(self, noise: Tensor, text: TextFeatures) -> Generated:
        return super().forward(noise, TextFeatures(text.sentence + self.words(self.pooled(text))))

    def pooled(self, text: TextFeatures) -> Tensor:
        return pooled(text)


class MixedUpGenerator(WordGenerator):
    def __init__(self, *, text_width: int, word_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, word_width=text_width, resolution=resolution)


class PaddingGenerator(WordGenerator):
    def pooled(self, text: TextFeatures) -> Tensor:
        assert text.words is not None
        return text.words.mean(1)


class WordlessGenerator(WordGenerator):
    def pooled(self, text: TextFeatures) -> Tensor:
        return pooled(text) * 0


class HopefulGenerator(WordGenerator):
    """Says that it can do without words, and cannot."""

    def __init__(self, *, text_width: int, word_width: int | None = None, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, word_width=word_width or 1, resolution=resolution)


class Discriminator(nn.Module):
    def __init__(self, *, text_width: int, resolution: int = 16) -> None:
        super().__init__()
        self.picture = nn.Linear(3 * resolution * resolution, 8)
        self.text = nn.Linear(text_width, 8)

    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        features = self.picture(images.flatten(1))
        return [self.judge(features, self.text(text.sentence)) for text in texts]

    def judge(self, picture: Tensor, text: Tensor) -> Judgement:
        return Judgement((picture * text).sum(1).float())


class WordDiscriminator(Discriminator):
    def __init__(self, *, text_width: int, word_width: int, resolution: int = 16) -> None:
        super().__init__(text_width=text_width, resolution=resolution)
        self.words = nn.Linear(word_width, text_width)

    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        read = [TextFeatures(text.sentence + self.words(self.pooled(text))) for text in texts]
        return super().forward(images, read, given)

    def pooled(self, text: TextFeatures) -> Tensor:
        return pooled(text)


class PaddingDiscriminator(WordDiscriminator):
    def pooled(self, text: TextFeatures) -> Tensor:
        assert text.words is not None
        return text.words.mean(1)


class ColumnDiscriminator(Discriminator):
    def judge(self, picture: Tensor, text: Tensor) -> Judgement:
        return Judgement((picture * text).sum(1)[:, None, None])


class BlindDiscriminator(Discriminator):
    def judge(self, picture: Tensor, text: Tensor) -> Judgement:
        return Judgement((picture.detach() * text).sum(1))


class FirstTextDiscriminator(Discriminator):
    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        return super().forward(images, texts[:1])


class LookingDiscriminator(Discriminator):
    """Needs the Stage-I picture."""

    def forward(
        self, images: Tensor, texts: Sequence[TextFeatures], given: Tensor | None = None
    ) -> Sequence[Judgement]:
        if given is None:
            raise ValueError("no picture")
        return super().forward(images + nn.functional.interpolate(given, size=images.shape[-1]), texts)


def failures(kind: Kind, factory: Callable[..., Any], **arguments: Any) -> dict[str, str]:
    return {each.name: each.detail for each in check(kind, factory, **arguments) if not each.passed}


@pytest.mark.parametrize(
    ("kind", "factory"),
    [
        (Kind.STAGE1_GENERATOR, Generator),
        (Kind.STAGE1_GENERATOR, ConditionedGenerator),
        (Kind.STAGE1_GENERATOR, WordGenerator),
        (Kind.DISCRIMINATOR, Discriminator),
        (Kind.DISCRIMINATOR, LookingDiscriminator),
        (Kind.DISCRIMINATOR, WordDiscriminator),
    ],
)
def test_good_networks_conform(kind: Kind, factory: Callable[..., Any]) -> None:
    assert_conforms(kind, factory)


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (UnboundedGenerator, "finite float32", "outside [-1, 1]"),
        (SmallGenerator, "shapes", "(4, 3, 32, 31) instead of (4, 3, 32, 32)"),
        (NoisyGenerator, "a function of its arguments", "from noise"),
        (BatchGenerator, "rows are independent", "others in its batch"),
        (DetachedGenerator, "gradients reach all parameters", "2 parameters (unused.weight, unused.bias)"),
        (DeafGenerator, "heeds the text", "another sentence gives the same result"),
        (UnseededGenerator, "equal seeds, equal weights", "end.bias differs"),
        (DrawTellingGenerator, "kl and condition", "the mean of the distribution, not a draw from it"),
        (DivergenceAloneGenerator, "shapes", "one of kl and condition alone"),
        (NarrowConditionGenerator, "kl and condition", "condition_width is 6, but condition has the shape (4, 5)"),
        (ElsewhereGenerator, "kl and condition", "no column of the noise"),
        (IdleNoiseGenerator, "kl and condition", "columns of the noise that change nothing"),
        (MixedUpGenerator, "shapes", "(4x18 and 24x24)"),
        (PaddingGenerator, "heeds the text", "where padding is True"),
        (WordlessGenerator, "heeds the text", "other words give the same result"),
        (HopefulGenerator, "takes sentences alone too", "AssertionError"),
        (GeneratorWithOutsideState, "saves and loads", "keep all state in state_dict"),
    ],
)
def test_faulty_generator_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.STAGE1_GENERATOR, factory)[name]


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (ColumnDiscriminator, "module and sizes", "(4, 1, 1)"),
        (BlindDiscriminator, "gradients reach all parameters", "no gradient reaches 2 parameters"),
        (PaddingDiscriminator, "heeds the text", "where padding is True"),
        (FirstTextDiscriminator, "module and sizes", "1 judgements for 2 texts"),
    ],
)
def test_faulty_discriminator_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.DISCRIMINATOR, factory)[name]
