from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from stackgan_cli.components.protocols import DatasetReader, Example
from stackgan_cli.drawn_birds.attributes import ATTRIBUTE_NAMES, COLOURS, HELD_OUT
from stackgan_cli.drawn_birds.reader import DrawnBirdsReader
from stackgan_cli.errors import DataError, SettingsError


def examples(**options: int) -> list[Example]:
    reader: DatasetReader = DrawnBirdsReader(**options)
    found = list(reader.examples(None))
    assert all(isinstance(each, Example) for each in found)
    return [each for each in found if isinstance(each, Example)]


def pair(example: Example) -> tuple[str, str]:
    assert example.attributes is not None
    return example.attributes["body_colour"], example.attributes["wing_colour"]


@pytest.fixture(scope="module")
def thousand() -> list[Example]:
    return examples(count=1000)


def test_every_example_is_whole(thousand: list[Example]) -> None:
    assert len({each.name for each in thousand}) == 1000
    assert thousand[0].name == "bird-000000"
    for each in thousand:
        assert len(each.captions) == len(set(each.captions)) == 10
        assert each.stated is not None
        assert len(each.stated) == 10
        assert set(each.attributes or ()) == set(ATTRIBUTE_NAMES)
        assert all(set(stated) <= set(ATTRIBUTE_NAMES) for stated in each.stated)
        assert each.class_name is None


def test_held_out_pairs_are_half_of_the_test_split_and_never_in_training(thousand: list[Example]) -> None:
    assert Counter(each.split for each in thousand) == {"train": 900, "test": 100}
    test = [each for each in thousand if each.split == "test"]
    assert sum(pair(each) in HELD_OUT for each in test) == 50
    assert not any(pair(each) in HELD_OUT for each in thousand if each.split == "train")


def test_every_colour_is_in_training(thousand: list[Example]) -> None:
    train = [pair(each) for each in thousand if each.split == "train"]
    assert {body for body, _ in train} == {wing for _, wing in train} == set(COLOURS)


def test_a_small_count_holds_both_halves_of_the_test_split() -> None:
    assert [pair(each) in HELD_OUT for each in examples(count=20) if each.split == "test"] == [True, False]


def test_an_example_depends_on_the_seed_and_not_on_the_count(thousand: list[Example]) -> None:
    few = examples(count=40)
    assert [each.captions for each in few] == [each.captions for each in thousand[:40]]
    assert [each.attributes for each in few] == [each.attributes for each in thousand[:40]]
    assert [each.captions for each in examples(count=40, seed=1)] != [each.captions for each in few]
    assert [each.captions for each in examples(count=40, seed=-1)] != [each.captions for each in few]


def test_pictures_are_drawn_when_asked_for_and_survive_pickling(thousand: list[Example]) -> None:
    draw = thousand[3].image
    assert callable(draw)
    picture = draw()
    assert (picture.mode, picture.size) == ("RGB", (304, 304))
    assert pickle.loads(pickle.dumps(draw))().tobytes() == picture.tobytes()


def test_another_process_finds_the_same_birds() -> None:
    code = (
        "import hashlib\n"
        "from stackgan_cli.drawn_birds.reader import DrawnBirdsReader\n"
        "found = list(DrawnBirdsReader(count=30, seed=4).examples(None))\n"
        "text = repr([(e.captions, e.attributes, e.split, e.stated) for e in found]).encode()\n"
        "print(hashlib.sha256(text + found[-1].image().tobytes()).hexdigest())"
    )
    found = examples(count=30, seed=4)
    text = repr([(e.captions, e.attributes, e.split, e.stated) for e in found]).encode()
    assert callable(found[-1].image)
    expected = hashlib.sha256(text + found[-1].image().tobytes()).hexdigest()
    for _ in range(2):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert other.stdout.strip() == expected


def test_listing_is_cheap() -> None:
    start = time.process_time()
    examples(count=2000)
    assert time.process_time() - start < 2.0


def test_defaults_are_enough_to_train_on() -> None:
    assert DrawnBirdsReader().count >= 10_000
    assert DrawnBirdsReader.recipe == "quick"
    assert DrawnBirdsReader.encoder[0] == "words"


def test_no_folder_is_recognised_and_a_source_is_refused(tmp_path: Path) -> None:
    assert DrawnBirdsReader().recognises(tmp_path) is None
    with pytest.raises(DataError, match="draws its own pictures") as caught:
        DrawnBirdsReader().examples(tmp_path)
    assert "--source" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "options",
    [
        *({"count": count} for count in (19, 0, -5, 1_000_001, 30.5, True, "100")),
        *({"seed": seed} for seed in ("x", 1.5, None)),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="drawn-birds") as caught:
        DrawnBirdsReader(**options)
    assert caught.value.hint
