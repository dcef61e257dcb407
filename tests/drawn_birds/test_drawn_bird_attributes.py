from __future__ import annotations

import dataclasses
import random

import pytest

from stackgan_cli.drawn_birds.attributes import (
    COLOURS,
    HELD_OUT,
    PLACES,
    BirdAttributes,
    sample_attributes,
    sample_held_out,
)


@pytest.fixture(scope="module")
def birds() -> list[BirdAttributes]:
    rng = random.Random(5)
    return [sample_attributes(rng) for _ in range(4000)]


def test_held_out_pairs_are_fixed_few_and_of_two_colours() -> None:
    assert ("red", "blue") in HELD_OUT
    assert 0.07 <= len(HELD_OUT) / 90 <= 0.1
    assert all(body != wing for body, wing in HELD_OUT)
    assert {colour for pair in HELD_OUT for colour in pair} <= set(COLOURS)


def test_ordinary_birds_are_never_of_a_held_out_pair(birds: list[BirdAttributes]) -> None:
    assert not any((bird.body_colour, bird.wing_colour) in HELD_OUT for bird in birds)


def test_held_out_birds_are_all_of_a_held_out_pair_and_cover_the_table() -> None:
    rng = random.Random(1)
    pairs = {(bird.body_colour, bird.wing_colour) for bird in (sample_held_out(rng) for _ in range(400))}
    assert pairs == HELD_OUT


def test_training_shows_every_colour_in_every_part_and_each_body_with_other_wings(birds: list[BirdAttributes]) -> None:
    for part in ("body_colour", "wing_colour", "head_colour", "belly_colour", "tail_colour"):
        assert {getattr(bird, part) for bird in birds} == set(COLOURS)
    for colour in COLOURS:
        assert len({bird.wing_colour for bird in birds if bird.body_colour == colour} - {colour}) >= 7


def test_about_half_of_the_birds_have_parts_that_say_nothing_of_one_another(birds: list[BirdAttributes]) -> None:
    rng = random.Random(8)
    for some in (birds, [sample_held_out(rng) for _ in range(2000)]):
        # Of five parts drawn from ten colours, four or five differ in 81 of 100 birds; other birds have few colours.
        colourful = sum(len(set(bird.colours)) >= 4 for bird in some) / len(some)
        assert 0.45 < colourful / 0.81 < 0.6


def test_the_other_birds_are_mostly_of_the_colour_of_their_body(birds: list[BirdAttributes]) -> None:
    close = sum(sum(colour == bird.body_colour for colour in bird.colours) >= 4 for bird in birds)
    assert close / len(birds) > 0.3
    assert 0.06 < sum(bird.one_colour for bird in birds) / len(birds) < 0.2


def test_backgrounds_suit_the_pose(birds: list[BirdAttributes]) -> None:
    assert all(bird.background in PLACES[bird.pose] for bird in birds)
    assert not any(bird.pose == "standing" and bird.background in {"sky", "leaves"} for bird in birds)


def test_attributes_are_frozen_and_come_as_plain_text() -> None:
    bird = sample_attributes(random.Random(2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        bird.size = "huge"  # type: ignore[misc]
    assert BirdAttributes(**bird.as_dict()) == bird
    assert all(isinstance(value, str) for value in bird.as_dict().values())
