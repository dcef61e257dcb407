from __future__ import annotations

import itertools

import torch

from stackgan_cli.randomness import generator_for, seed_of


def test_draws_belong_to_their_names_alone() -> None:
    names = [(0, "train", 1), (0, "train", 2), (1, "train", 1), (0, "samples", 1), (0, "train", "1"), (0, "train1")]
    assert len({seed_of(*each) for each in names}) == len(names)
    first = torch.randn(8, generator=generator_for(7, "noise"))
    torch.manual_seed(99)
    assert torch.equal(first, torch.randn(8, generator=generator_for(7, "noise")))


def test_a_seed_is_the_same_on_every_machine() -> None:
    # Checkpoints of earlier versions go on only while this number stays.
    assert seed_of(0, "train", 1) == 6131756510872657636
    assert all(0 <= seed_of(number, "x") < 2**63 for number in range(200))


def test_streams_of_neighbouring_steps_are_not_alike() -> None:
    draws = [torch.randn(4000, generator=generator_for(0, "train", step)) for step in range(6)]
    for one, other in itertools.combinations(draws, 2):
        assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.08
