from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stackgan_cli.components.fitting import fit
from stackgan_cli.drawn_birds.attributes import HELD_OUT
from stackgan_cli.drawn_birds.reader import DrawnBirdsReader
from stackgan_cli.errors import SettingsError
from stackgan_cli.extractors.drawn_birds_judge import DrawnBirdsJudge, _PaintedBirds


def birds_of(split: str, count: int) -> tuple[Tensor, Sequence[Mapping[str, str]]]:
    """Pictures of prepared data as evaluation shows them, at their centre, and what is true of them."""
    examples: list[Any] = [each for each in DrawnBirdsReader(count=count).examples() if each.split == split]
    pictures = np.stack([np.asarray(each.image()) for each in examples])
    return torch.from_numpy(pictures[:, 24:-24, 24:-24]).permute(0, 3, 1, 2), [each.attributes for each in examples]


def right(judge: DrawnBirdsJudge, pictures: Tensor, truth: Sequence[Mapping[str, str]]) -> dict[str, Tensor]:
    found = [judge.attributes(part) for part in pictures.split(64)]
    values = {name: [value for part in found for value in part[name]] for name in truth[0]}
    return {
        name: torch.tensor([value == known[name] for value, known in zip(values[name], truth, strict=True)])
        for name in truth[0]
    }


def test_it_learns_from_birds_of_its_own_and_names_what_it_sees() -> None:
    torch.manual_seed(0)
    judge = DrawnBirdsJudge(count=400, channels=16, epochs=6)
    told: list[int] = []
    data: Any = SimpleNamespace(captions=[[]] * 1000)
    measured = fit(judge, "judge", data, seed=0, report=lambda done, total, words: told.append(done))
    assert set(measured) == {"held_out_accuracy", "held_out_joint", "chance", "temperature"}
    assert told
    pictures, truth = birds_of("test", 400)
    share = {name: float(each.float().mean()) for name, each in right(judge.eval(), pictures, truth).items()}
    # Six backgrounds and three sizes: chance is below a half.
    assert share["background"] > 0.5
    assert judge.spec()["name"] == "drawn-birds-judge"


def test_it_has_seen_every_pair_of_colours_and_no_bird_of_the_data() -> None:
    own = _PaintedBirds(6000, 0)
    assert own.attributes is not None
    pairs = {(known["body_colour"], known["wing_colour"]) for known in own.attributes}
    assert pairs >= HELD_OUT
    assert len(pairs) == 100
    # A reader's birds have the seeds (its own << 32) + index, and an index is below a million.
    assert all(seed % 2**32 >= 2**31 for seed in own._seeds)


def test_too_few_birds_are_refused() -> None:
    with pytest.raises(SettingsError):
        DrawnBirdsJudge(count=3)


@pytest.mark.slow
def test_the_whole_judge_reads_real_birds_of_all_pairs() -> None:
    torch.manual_seed(0)
    judge = DrawnBirdsJudge()
    data: Any = SimpleNamespace(captions=[[]] * 1000)
    fit(judge, "judge", data, seed=0, report=lambda *told: None)
    pictures, truth = birds_of("test", 6000)
    joint = torch.stack([*right(judge.eval(), pictures, truth).values()]).all(0)
    held_out = torch.tensor([(known["body_colour"], known["wing_colour"]) in HELD_OUT for known in truth])
    assert joint[held_out].float().mean() > 0.98
    assert joint[~held_out].float().mean() > 0.98
