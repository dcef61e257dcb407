from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stackgan_cli.drawn_birds.attributes import COLOURS, PATTERNS, PLACES, BirdAttributes
from stackgan_cli.drawn_birds.painter import paint
from stackgan_cli.drawn_birds.palette import PLUMAGE

RED_BIRD = BirdAttributes(
    size="large",
    body_colour="red",
    wing_colour="red",
    head_colour="red",
    belly_colour="red",
    tail_colour="red",
    beak="short",
    pattern="plain",
    pose="perched",
    background="leaves",
)
PARTS = ("body_colour", "wing_colour", "head_colour", "belly_colour", "tail_colour")


def of_one_colour(colour: str, **others: str) -> BirdAttributes:
    return replace(RED_BIRD, **dict.fromkeys(PARTS, colour), **others)


def pixels(bird: BirdAttributes, seed: int, size: int = 128) -> np.ndarray:
    return np.asarray(paint(bird, seed, size), dtype=np.float64)


def nearest(colour: np.ndarray) -> str:
    """The colour that people would name, in full light or in some shade."""
    return min(
        COLOURS,
        key=lambda name: min(np.abs(colour - light * np.array(PLUMAGE[name])).sum() for light in (0.75, 0.9, 1)),
    )


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(one - other).sum(-1)


def bird_mask(bird: BirdAttributes, seed: int, repainted: str = "blue") -> np.ndarray:
    """Where the picture changes with the colour of the bird; red and blue birds have the same beak."""
    other = replace(bird, **dict.fromkeys(PARTS, repainted))
    return difference(pixels(bird, seed), pixels(other, seed)) > 100


@pytest.mark.parametrize("colour", COLOURS)
def test_a_bird_of_a_colour_has_that_colour(colour: str) -> None:
    far = max(COLOURS, key=lambda name: float(np.abs(np.subtract(PLUMAGE[colour], PLUMAGE[name])).sum()))
    for seed in range(8):
        bird = of_one_colour(colour)
        seen = pixels(bird, seed)[bird_mask(bird, seed, far)]
        assert nearest(np.median(seen, axis=0)) == colour


@pytest.mark.parametrize("part", PARTS[1:])
@pytest.mark.parametrize(("base", "other"), [("red", "blue"), ("white", "green"), ("black", "yellow")])
def test_each_part_has_its_own_colour(part: str, base: str, other: str) -> None:
    for seed, pose in itertools.product(range(3), ("perched", "flying")):
        bird = of_one_colour(base, pose=pose)
        changed = replace(bird, **{part: other})
        where = difference(pixels(bird, seed), pixels(changed, seed)) > 90
        assert 0.008 < where.mean() < 0.25
        assert nearest(np.median(pixels(changed, seed)[where], axis=0)) == other


def test_palette_colours_lie_far_apart() -> None:
    for one, other in itertools.combinations(COLOURS, 2):
        assert np.abs(np.subtract(PLUMAGE[one], PLUMAGE[other])).sum() > 85, (one, other)


def test_larger_birds_cover_more_of_the_picture() -> None:
    for pose in PLACES:
        background = PLACES[pose][0]
        areas = {
            size: np.mean([bird_mask(of_one_colour("red", size=size, pose=pose, background=background), seed).mean()
                           for seed in range(6)])
            for size in ("small", "medium", "large")
        }  # fmt: skip
        assert areas["medium"] > 1.5 * areas["small"]
        assert areas["large"] > 1.3 * areas["medium"]


@pytest.mark.parametrize(("size", "share"), [("small", 0.40), ("medium", 0.58), ("large", 0.76)])
def test_a_bird_takes_the_promised_share_of_the_width(size: str, share: float) -> None:
    widths = []
    for seed in range(8):
        columns = np.flatnonzero(bird_mask(of_one_colour("red", size=size), seed).any(0))
        widths.append((columns[-1] - columns[0] + 1) / 128)
    assert np.mean(widths) == pytest.approx(share, abs=0.06)


def test_long_beaks_reach_further_than_short_ones() -> None:
    for seed in range(5):
        short, long = pixels(RED_BIRD, seed), pixels(replace(RED_BIRD, beak="long"), seed)
        assert (difference(short, long) > 60).sum() > 60


def test_patterns_and_backgrounds_all_look_different() -> None:
    for seed in range(3):
        patterned = [pixels(replace(RED_BIRD, pattern=pattern), seed) for pattern in PATTERNS]
        for one, other in itertools.combinations(patterned, 2):
            assert (difference(one, other) > 60).mean() > 0.004
        flying = [
            pixels(of_one_colour("red", pose="flying", background=b), seed) for b in sorted(set(PLACES["flying"]))
        ]
        for one, other in itertools.combinations(flying, 2):
            assert difference(one, other).mean() > 15


def test_birds_look_both_ways() -> None:
    sides = set()
    for seed in range(12):
        mask = bird_mask(of_one_colour("red"), seed)
        rows, columns = np.nonzero(mask)
        # The head is the upper third of a perched bird, and lies on the side that it looks to.
        head = columns[rows < rows.min() + (np.ptp(rows) / 3)].mean()
        sides.add(bool(head > columns.mean()))
    assert sides == {True, False}


def test_no_two_seeds_give_the_same_picture() -> None:
    pictures = [pixels(RED_BIRD, seed, 64) for seed in range(6)]
    for one, other in itertools.combinations(pictures, 2):
        assert difference(one, other).mean() > 20


def test_the_large_picture_holds_detail_that_the_small_one_cannot_show() -> None:
    for pose in PLACES:
        bird = replace(RED_BIRD, pose=pose, background=PLACES[pose][0])
        large = paint(bird, 3, 256)
        upscaled = large.resize((64, 64), Image.Resampling.BOX).resize((256, 256), Image.Resampling.BICUBIC)
        lost = np.abs(np.asarray(large, dtype=float) - np.asarray(upscaled, dtype=float)).mean(-1)
        assert lost.mean() > 2.0
        assert (lost > 25).mean() > 0.01


def test_the_size_changes_the_resolution_and_not_the_picture() -> None:
    small, large = paint(RED_BIRD, 9, 64), paint(RED_BIRD, 9, 512)
    shrunk = np.asarray(large.resize((64, 64), Image.Resampling.BOX), dtype=float)
    assert np.abs(shrunk - np.asarray(small, dtype=float)).mean() < 8


@pytest.mark.parametrize("size", [16, 17, 64, 256, 304, 1024])
def test_sizes(size: int) -> None:
    picture = paint(RED_BIRD, 1, size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))


@pytest.mark.parametrize("size", [0, 15, 1025, -64])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 to 1024"):
        paint(RED_BIRD, 1, size)


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64 - 1])
def test_any_integer_is_a_seed(seed: int) -> None:
    assert paint(RED_BIRD, seed, 32).tobytes() == paint(RED_BIRD, seed, 32).tobytes()


def test_another_process_paints_the_same_picture() -> None:
    code = (
        "import hashlib\n"
        "from stackgan_cli.drawn_birds.attributes import BirdAttributes\n"
        "from stackgan_cli.drawn_birds.painter import paint\n"
        f"print(hashlib.sha256(paint({RED_BIRD!r}, 77, 96).tobytes()).hexdigest())"
    )
    paint(RED_BIRD, 5, 96)
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(paint(RED_BIRD, 77, 96).tobytes()).hexdigest()
