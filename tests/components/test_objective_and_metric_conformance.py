from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackgan_cli.components.conformance import assert_conforms, check
from stackgan_cli.components.protocols import Observation, TextFeatures, Texts, Update
from stackgan_cli.components.registry import Kind

pytestmark = pytest.mark.usefixtures("import_unchecked")


class Brightness:
    """Wants pictures as bright as the real ones."""

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {"": (update.generated.images.mean() - update.real.mean()).square()}


class Interpolation:
    """Wants pictures of texts between two captions to be taken for real."""

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        between = TextFeatures((update.text.sentence + update.text.sentence.roll(1, 0)) / 2)
        return {"between": update.fooling(update.draw(between, "between").images, between)}


class Sharpening:
    """Says nothing of sketches."""

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        if update.sketch is None:
            return {}
        return {"": (F.adaptive_avg_pool2d(update.seen, update.sketch.shape[-1]) - update.sketch).abs().mean()}


class Penalty:
    """Keeps discriminators smooth where the real pictures are."""

    input_gradients = True

    def discriminator_terms(self, update: Update) -> Mapping[str, Tensor]:
        ((_, pairs),) = update.pairs.items()
        assert pairs.real is not None
        (gradient,) = torch.autograd.grad(pairs.real.matching.sum(), [update.real], create_graph=True)
        return {"": gradient.float().square().sum(dim=(1, 2, 3)).mean()}


class Noise:
    """Adds the same noise to pictures and to sketches."""

    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        level = torch.randn(len(images), 1, 1, 1, generator=draw)
        return images + level, None if given is None else given + level


class Matching(nn.Module):
    """Learns from the data what picture and text have in common, and goes on learning beside the discriminators."""

    def __init__(self, *, text_width: int) -> None:
        super().__init__()
        self.text = nn.Linear(text_width, 3)

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        colours = data.pictures([0, 1, 2], 8).float().mean(dim=(2, 3))
        wanted = torch.linalg.lstsq(data.text([0, 1, 2], [0, 1, 0]).sentence, colours).solution
        self.text.weight.data = wanted.T.contiguous()
        return {"pictures": 3}

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {"matching": self.distance(update.generated.images, update.text)}

    def discriminator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {"matching": self.distance(update.real, update.right)}

    def distance(self, images: Tensor, text: TextFeatures) -> Tensor:
        return (images.mean(dim=(2, 3)) - self.text(text.sentence)).square().mean()


class Words:
    def __init__(self, *, word_width: int) -> None:
        self.word_width = word_width

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        assert update.text.words is not None
        assert update.text.words.shape[2] == self.word_width
        return Brightness().generator_terms(update)


class Idle:
    weight = 1.0


class Detached(Brightness):
    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {name: term.detach() for name, term in super().generator_terms(update).items()}


class PerPicture:
    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {"": update.generated.images.mean(dim=(1, 2, 3))}


class Endless(Brightness):
    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {"": super().generator_terms(update)[""] / 0}


class Number:
    def generator_terms(self, update: Update) -> Mapping[str, Any]:
        return {"brightness": 1.0}


class Silent:
    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {}


class Unseeded(Brightness):
    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {name: term * torch.rand(()) for name, term in super().generator_terms(update).items()}


class RealOnly:
    def discriminator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return {"": update.real.square().mean()}


class Unfrozen(Matching):
    def __init__(self, *, text_width: int) -> None:
        super().__init__(text_width=text_width)
        self.unused = nn.Linear(2, 2)


class Hopeless(nn.Module):
    """Has weights and no terms to learn from."""

    def __init__(self, *, text_width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(text_width, 1)

    def generator_terms(self, update: Update) -> Mapping[str, Tensor]:
        return Brightness().generator_terms(update)


class Forgetful(Matching):
    """Keeps what it learnt outside its state dictionary."""

    shift = 0.0

    def fit(self, data: Any, *, seed: int, report: Callable[[int, int, str], None]) -> dict[str, float]:
        self.shift = 2.0
        return super().fit(data, seed=seed, report=report)

    def distance(self, images: Tensor, text: TextFeatures) -> Tensor:
        return super().distance(images + self.shift, text)


class Shrinking(Noise):
    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return images[..., 1:], given


class Double(Noise):
    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return images.double(), given


class Opaque(Noise):
    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return images.detach(), given


class Losing(Noise):
    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return images, None


class GloballyNoisy(Noise):
    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        return images + torch.randn(()), given


class Distance:
    title, better, needs = "distance", "lower", frozenset({"real"})

    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        assert real is not None
        assert drawn.logits is None
        assert texts is None
        return {"value": float((drawn.features.mean(0) - real.features.mean(0)).square().sum()), "interval": [0, 9.0]}


class Matches:
    title, better, needs = "right captions", "higher", frozenset({"texts", "attributes"})

    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        assert texts is not None
        assert drawn.attributes is not None
        if texts.truth is None:
            return {}
        right = [row["colour"] == seen for row, seen in zip(texts.truth, drawn.attributes["colour"], strict=True)]
        return {"value": sum(right) / len(right)}


class Contrary(Distance):
    better = "higher"


class Vague(Distance):
    better = "more"


class Greedy(Distance):
    needs = frozenset({"real", "pixels"})


class Whole(Distance):
    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        return {"value": torch.tensor(1.0)}


class Holding(Distance):
    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        return {**super().measure(drawn, real, texts, seed), "features": drawn.features}


class Dicing(Distance):
    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        return {"value": float(torch.rand(()))}


class Demanding(Matches):
    def measure(
        self, drawn: Observation, real: Observation | None, texts: Texts | None, seed: int
    ) -> Mapping[str, Any]:
        assert texts is not None
        assert texts.truth is not None
        return super().measure(drawn, real, texts, seed)


def failures(kind: Kind, factory: Callable[..., Any]) -> dict[str, str]:
    return {each.name: each.detail for each in check(kind, factory) if not each.passed}


GOOD: Sequence[tuple[Kind, Callable[..., Any]]] = [
    *((Kind.OBJECTIVE, each) for each in (Brightness, Interpolation, Sharpening, Penalty, Noise, Matching, Words)),
    (Kind.METRIC, Distance),
    (Kind.METRIC, Matches),
]


@pytest.mark.parametrize(("kind", "factory"), GOOD)
def test_good_ones_conform(kind: Kind, factory: Callable[..., Any]) -> None:
    assert_conforms(kind, factory)


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (Idle, "has an ability", "none of generator_terms, discriminator_terms or augment"),
        (Detached, "terms of the generator", "reaches no generator"),
        (PerPicture, "terms of the generator", "gives the loss '' as (4,) instead of a scalar tensor"),
        (Endless, "terms of the generator", "holds NaN or infinity"),
        (Number, "terms of the generator", "gives the loss 'brightness' as float instead of a scalar tensor"),
        (Silent, "terms of the generator", "no term in either stage"),
        (Unseeded, "equal updates, equal results", "draws from torch's default generator"),
        (RealOnly, "terms of discriminators", "reaches no weight of the discriminator, and none of its own"),
        (Unfrozen, "terms of discriminators", "unused.bias, unused.weight: freeze what does not learn"),
        (Hopeless, "weights learn from something", "layer.weight, layer.bias should learn"),
        (Forgetful, "fits under a seed", "keep all state in state_dict"),
        (Shrinking, "changes pictures", "(4, 3, 32, 31) instead of (4, 3, 32, 32)"),
        (Double, "changes pictures", "float64 instead of torch.float32"),
        (Opaque, "changes pictures", "no gradient passes through"),
        (Losing, "changes pictures", "sketches come back if, and only if, they were given"),
        (GloballyNoisy, "equal updates, equal results", "draws from torch's default generator"),
    ],
)
def test_faulty_objective_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.OBJECTIVE, factory)[name]


@pytest.mark.parametrize(
    ("factory", "name", "detail"),
    [
        (Vague, "title, better and needs", "lower or higher is better, but 'more'"),
        (Greedy, "title, better and needs", "needs 'pixels', which nothing gives"),
        (Whole, "a finite value", "it should be a finite float"),
        (Holding, "a finite value", "JSON cannot hold"),
        (Dicing, "one seed, one result", "draws from torch's default generator"),
        (Demanding, "texts without features", "AssertionError"),
        (Contrary, "better is better", "though higher is better"),
    ],
)
def test_faulty_metric_is_caught(factory: Callable[..., Any], name: str, detail: str) -> None:
    assert detail in failures(Kind.METRIC, factory)[name]
