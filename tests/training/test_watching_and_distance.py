from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stackgan_cli.errors import SettingsError
from stackgan_cli.training.distance import sliced_wasserstein
from stackgan_cli.training.loop import Progress
from stackgan_cli.training.watching import DivergedError, LossWatch


def watch() -> LossWatch:
    """A watch on the losses of a run of one process."""
    return LossWatch(lambda losses: losses)


def losses(generator: float, discriminator: float = 1.0) -> dict[str, Tensor]:
    return {"discriminator": torch.tensor(discriminator), "generator": torch.tensor(generator)}


def test_the_newest_losses_are_read_once() -> None:
    watching = watch()
    for step, value in enumerate([3.0, 2.0, 0.123456789], 1):
        watching.note(Progress(step, losses(value)))
    assert watching.read() == {"discriminator": 1.0, "generator": pytest.approx(0.123457, abs=5e-6)}
    assert watching.read() == {}


def test_where_nothing_was_noted_there_is_nothing_to_read() -> None:
    assert watch().read() == {}


def test_losses_that_only_some_steps_have_are_those_of_the_newest_and_not_kept_after_they_were_read() -> None:
    watching = watch()
    for step, value in enumerate([5.0, 4.0, 3.0], 1):
        watching.note(Progress(step, {**losses(value), **({"penalty": torch.tensor(value)} if step < 3 else {})}))
    assert watching.read() == {"discriminator": 1.0, "generator": 3.0, "penalty": 4.0}
    watching.note(Progress(4, losses(2.0)))
    assert watching.read() == {"discriminator": 1.0, "generator": 2.0}


def test_losses_in_half_precision_are_read_as_well() -> None:
    watching = watch()
    watching.note(Progress(1, {"generator": torch.tensor(0.5, dtype=torch.bfloat16), "kl": torch.tensor(0.25)}))
    assert watching.read() == {"generator": 0.5, "kl": 0.25}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_broken_step_of_several_unread_ones_is_named(value: float) -> None:
    watching = watch()
    for step in range(1, 1300):
        # Once a loss is broken, so are those of all later steps, and the others' with it.
        broken = step >= 1234
        watching.note(Progress(step, losses(value if broken else 1.0, math.nan if step > 1234 else 1.0)))
    with pytest.raises(DivergedError) as raised:
        watching.read()
    assert (raised.value.step, raised.value.what) == (1234, "the loss 'generator'")
    assert raised.value.message == f"After step 1,234 the loss 'generator' is {value}."
    assert isinstance(raised.value, SettingsError)
    assert watching.read() == {}


def test_a_broken_step_is_found_though_the_newest_one_is_whole() -> None:
    watching = watch()
    for step, value in enumerate([1.0, math.nan, 1.0], 1):
        watching.note(Progress(step, losses(value)))
    with pytest.raises(DivergedError, match="After step 2 "):
        watching.read()


def test_steps_that_are_forgotten_break_nothing() -> None:
    watching = watch()
    watching.note(Progress(1, losses(math.nan)))
    watching.forget()
    watching.note(Progress(1, losses(1.5)))
    assert watching.read()["generator"] == 1.5


def test_what_breaks_on_another_rank_breaks_here() -> None:
    # The mean over ranks is no number where one of them is none.
    watching = LossWatch(lambda mine: (mine + torch.full_like(mine, math.nan)) / 2)
    watching.note(Progress(7, losses(1.0)))
    with pytest.raises(DivergedError, match="After step 7 the loss 'discriminator' is nan"):
        watching.read()


SIDES = [8, 16, 64, 70]
"""Of 70 pixels a half is odd, and has no half of its own."""


def pictures(side: int, count: int = 16, seed: int = 0) -> Tensor:
    """Pictures of soft blobs in [-1, 1], which have detail at every scale."""
    draw = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, 3, side, side)
    size = 4
    while size <= side:
        total += F.interpolate(torch.randn(count, 3, size, size, generator=draw), side, mode="bicubic") * size**-0.5
        size *= 2
    return torch.tanh(total)


def brightened(real: Tensor, amount: float) -> Tensor:
    return real + amount


def blurred(real: Tensor, amount: float) -> Tensor:
    soft = F.avg_pool2d(F.pad(real, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return real + amount * (soft - real)


def noised(real: Tensor, amount: float) -> Tensor:
    return real + amount * torch.randn(real.shape, generator=torch.Generator().manual_seed(7))


def without_colour(real: Tensor, amount: float) -> Tensor:
    return real + amount * (real.mean(1, keepdim=True) - real)


def all_alike(real: Tensor, amount: float) -> Tensor:
    """What a generator does that draws ever the same picture."""
    same = torch.arange(len(real)) < amount * len(real)
    return torch.where(same[:, None, None, None], real[:1], real)


@pytest.mark.parametrize("side", SIDES)
def test_the_same_pictures_have_no_distance(side: int) -> None:
    assert sliced_wasserstein(pictures(side), pictures(side)) == 0.0


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("spoil", [brightened, blurred, noised, without_colour, all_alike])
def test_the_more_pictures_are_spoilt_the_farther_they_are(spoil: Callable[[Tensor, float], Tensor], side: int) -> None:
    real = pictures(side)
    distances = [sliced_wasserstein(real, spoil(real, amount)) for amount in (0.0, 0.25, 0.5, 0.75)]
    assert all(less < more for less, more in pairwise(distances)), distances


@pytest.mark.parametrize("side", SIDES)
def test_other_pictures_of_the_same_kind_are_nearer_than_spoilt_ones(side: int) -> None:
    real, others = pictures(side, count=32), pictures(side, count=32, seed=1)
    near = sliced_wasserstein(real, others)
    assert 0 < near < sliced_wasserstein(real, noised(others, 0.6))
    assert near < sliced_wasserstein(real, blurred(others, 0.9))
    assert near < sliced_wasserstein(real, brightened(others, 0.5))


@pytest.mark.parametrize("side", SIDES)
def test_it_is_symmetric_but_for_whose_deviation_normalises(side: int) -> None:
    one, other = pictures(side, count=32), pictures(side, count=32, seed=1)
    assert sliced_wasserstein(one, other) == pytest.approx(sliced_wasserstein(other, one), rel=0.1)


@pytest.mark.parametrize("side", SIDES)
def test_the_order_of_the_pictures_hardly_matters(side: int) -> None:
    one, other = pictures(side, count=32), noised(pictures(side, count=32, seed=1), 0.5)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(3))
    assert sliced_wasserstein(one, other[order]) == pytest.approx(sliced_wasserstein(one, other), rel=0.1)
    # Which patch is cut from which picture is drawn, so the same pictures in another order are near, but not equal.
    assert sliced_wasserstein(one, one[order]) < 0.2 * sliced_wasserstein(one, other)


def test_it_is_the_same_in_every_call_and_leaves_the_random_state_alone() -> None:
    one, other = pictures(64), pictures(64, seed=1)
    before = torch.get_rng_state()
    first = sliced_wasserstein(one, other)
    torch.manual_seed(99)
    torch.rand(5)
    assert sliced_wasserstein(one, other) == first
    torch.set_rng_state(before)
    sliced_wasserstein(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_pictures_of_one_colour_have_a_finite_distance(value: float) -> None:
    plain = torch.full((8, 3, 32, 32), value)
    assert sliced_wasserstein(plain, plain) == 0.0
    assert 0 < sliced_wasserstein(pictures(32, count=8), plain) < math.inf


def test_half_precision_measures_nearly_the_same() -> None:
    one, other = pictures(32), noised(pictures(32), 0.3)
    assert sliced_wasserstein(one, other.bfloat16()) == pytest.approx(sliced_wasserstein(one, other), rel=0.05)
