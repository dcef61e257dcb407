from __future__ import annotations

import itertools
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from stackgan_cli.dataset.batches import Batches
from stackgan_cli.dataset.caption_features import CaptionFeatures
from stackgan_cli.dataset.picture_store import PictureStore
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.ranks import Ranks

COUNT, SIDE, RESOLUTION, CAPTIONS = 24, 19, 16, 10


def pictures(count: int = COUNT) -> PictureStore:
    """Pictures whose red says which, green which row and blue which column."""
    place = np.arange(SIDE, dtype=np.uint8)
    arrays = []
    for index in range(count):
        rows, columns = np.meshgrid(place, place, indexing="ij")
        arrays.append(np.stack([np.full_like(rows, index * 10), rows * 10, columns * 10], axis=-1).tobytes())
    return PictureStore(pa.chunked_array([pa.array(arrays, pa.binary())]), SIDE, "raw")


def captions(count: int = COUNT, each: int = CAPTIONS) -> CaptionFeatures:
    """Captions as one-hot vectors, so that a sentence vector says which captions it is made of."""
    return CaptionFeatures({"sentence": torch.eye(count * each)}, [each] * count)


def batches(classes: list[int] | None = None, **changes: Any) -> Batches:
    options = {"resolution": RESOLUTION, "batch_size": 6, "captions_averaged": 4, "flip": True, "seed": 3}
    store, features = changes.pop("store", None) or pictures(), changes.pop("features", None) or captions()
    classes = [index // 4 for index in range(COUNT)] if classes is None else classes
    return Batches(store, features, classes, device=torch.device("cpu"), **{**options, **changes})


def which(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5 / 10).round().int().tolist()


def owners(sentence: torch.Tensor) -> list[list[int]]:
    """The picture of every caption that a sentence vector is made of."""
    return [(row.nonzero()[:, 0] // CAPTIONS).tolist() for row in sentence]


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    forwards, backwards = batches(), batches()
    made = [forwards.at(step) for step in range(9)]
    for step in reversed(range(9)):
        again = backwards.at(step)
        assert torch.equal(again.images, made[step].images)
        assert torch.equal(again.text.sentence, made[step].text.sentence)
        assert torch.equal(again.wrong_text.sentence, made[step].wrong_text.sentence)
    assert not torch.equal(batches(seed=4).at(0).images, made[0].images)


def test_an_epoch_shows_every_picture_once_and_the_next_in_another_order() -> None:
    made = batches()
    assert made.steps_per_epoch == 4
    epochs = [[index for step in range(4) for index in which(made.at(first + step).images)] for first in (0, 4, 8)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(COUNT))
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_remainder_of_an_epoch_is_dropped_and_a_small_set_is_repeated() -> None:
    made = batches(batch_size=7)
    assert made.steps_per_epoch == 3
    shown = [index for step in range(3) for index in which(made.at(step).images)]
    assert len(shown) == len(set(shown)) == 21
    few = batches([0, 1, 2], store=pictures(3), features=captions(3), batch_size=8)
    assert few.steps_per_epoch == 1
    assert sorted(which(few.at(0).images)).count(0) in (2, 3)


def test_every_picture_comes_with_its_own_captions_and_wrong_ones_are_of_another_class() -> None:
    made = batches()
    seen = set()
    for step in range(60):
        batch = made.at(step)
        chosen = which(batch.images)
        for picture, own, other in zip(
            chosen, owners(batch.text.sentence), owners(batch.wrong_text.sentence), strict=True
        ):
            assert set(own) == {picture}
            assert len(set(other)) == 1
            assert other[0] // 4 != picture // 4
            seen.add((picture // 4, other[0]))
    # Each of 6 classes could meet each of the 20 pictures of others.
    assert len(seen) > 100


@pytest.mark.parametrize("classes", [list(range(COUNT)), [0] * COUNT])
def test_without_classes_the_wrong_caption_is_of_another_picture(classes: list[int]) -> None:
    made = batches(classes)
    for step in range(40):
        batch = made.at(step)
        for picture, other in zip(which(batch.images), owners(batch.wrong_text.sentence), strict=True):
            assert picture not in other


def test_classes_of_any_size_and_number_never_meet_themselves() -> None:
    classes = [7] * 20 + [100] + [-1, 50, 7]
    made = batches(classes)
    for step in range(60):
        batch = made.at(step)
        for picture, other in zip(which(batch.images), owners(batch.wrong_text.sentence), strict=True):
            assert classes[other[0]] != classes[picture]


def test_four_of_ten_captions_are_averaged_without_replacement() -> None:
    made, used = batches(), set()
    for step in range(80):
        for row in made.at(step).text.sentence:
            assert sorted(row[row > 0].tolist()) == [0.25] * 4
            used |= set(row.nonzero()[:, 0].tolist())
    assert len(used) == COUNT * CAPTIONS


def test_pictures_with_fewer_captions_average_all_that_they_have() -> None:
    counts = [1, 2, 3, 4, 5, 10]
    features = CaptionFeatures({"sentence": torch.eye(sum(counts))}, counts)
    first = list(itertools.accumulate([0, *counts]))
    for seed in range(20):
        drawn = features.draw(torch.arange(6), 4, torch.Generator().manual_seed(seed)).sentence
        for picture, row in enumerate(drawn):
            hits = row.nonzero()[:, 0].tolist()
            assert len(hits) == min(4, counts[picture])
            assert all(first[picture] <= hit < first[picture + 1] for hit in hits)
            assert row.sum() == pytest.approx(1.0)


def test_one_caption_keeps_its_words() -> None:
    tensors = {
        "sentence": torch.eye(6),
        "words": torch.arange(6.0).view(6, 1, 1).expand(6, 5, 2).contiguous(),
        "padding": torch.zeros(6, 5, dtype=torch.bool),
    }
    features = CaptionFeatures(tensors, [2, 2, 2])
    drawn = features.draw(torch.arange(3), 1, torch.Generator().manual_seed(0))
    assert drawn.words is not None
    assert drawn.words[:, 0, 0].tolist() == drawn.sentence.argmax(1).float().tolist()
    assert drawn.padding is not None
    with pytest.raises(SettingsError, match="words"):
        batches([0, 1, 2], store=pictures(3), features=features, captions_averaged=4)


def test_crops_stay_inside_are_shared_by_all_channels_and_reach_every_corner() -> None:
    made, corners = batches(), set()
    for step in range(60):
        levels = ((made.at(step).images + 1) * 127.5 / 10).round().int()
        for picture in levels:
            rows, columns = picture[1, :, 0].tolist(), picture[2, 0, :].tolist()
            assert (picture[1] == picture[1, :, :1]).all()
            assert rows == list(range(rows[0], rows[0] + RESOLUTION))
            straight = list(range(min(columns), min(columns) + RESOLUTION))
            assert columns in (straight, straight[::-1])
            corners.add((rows[0], min(columns)))
    assert corners == set(itertools.product(range(4), range(4)))


def test_half_of_the_pictures_are_mirrored_and_none_where_it_is_off() -> None:
    def mirrored(made: Batches) -> float:
        flags = [bool(image[2, 0, 0] > image[2, 0, -1]) for step in range(60) for image in made.at(step).images]
        return sum(flags) / len(flags)

    assert 0.4 < mirrored(batches()) < 0.6
    assert mirrored(batches(flip=False)) == 0.0


def test_pictures_are_float_between_minus_one_and_one() -> None:
    white = np.full((2, SIDE, SIDE, 3), [0, 255, 128], dtype=np.uint8)
    column = pa.chunked_array([pa.array([each.tobytes() for each in white], pa.binary())])
    batch = batches([0, 1], store=PictureStore(column, SIDE, "raw"), features=captions(2)).at(0)
    assert batch.images.shape == (6, 3, RESOLUTION, RESOLUTION)
    assert batch.images.dtype == torch.float32
    assert batch.images[:, 0].unique().tolist() == [-1.0]
    assert batch.images[:, 1].unique().tolist() == [1.0]
    assert batch.images[:, 2].unique().item() == pytest.approx(128 / 127.5 - 1, abs=1e-6)


def test_pictures_held_in_memory_are_those_on_disk() -> None:
    on_disk, held = batches(), batches()
    needed = COUNT * 3 * SIDE**2 + (COUNT * CAPTIONS) ** 2 * 4
    assert not held.hold(needed - 1)
    assert held.hold(needed)
    for step in range(5):
        one, other = on_disk.at(step), held.at(step)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.text.sentence, other.text.sentence)
        assert torch.equal(one.wrong_text.sentence, other.wrong_text.sentence)


@pytest.mark.parametrize("averaged", [1, 4])
def test_ranks_divide_the_batch_that_one_alone_would_have(averaged: int) -> None:
    whole = batches(captions_averaged=averaged).at(3)
    parts = [batches(captions_averaged=averaged, ranks=Ranks(rank, 3)).at(3) for rank in range(3)]
    for each in ("images", "text.sentence", "wrong_text.sentence"):
        found = [attrgetter(each)(part) for part in parts]
        assert [len(part) for part in found] == [2, 2, 2]
        assert torch.equal(torch.cat(found), attrgetter(each)(whole))
    with pytest.raises(SettingsError, match="4 processes") as refused:
        batches(ranks=Ranks(0, 4))
    assert refused.value.hint == "--batch-size 8"


def test_one_picture_is_too_few() -> None:
    with pytest.raises(DataError, match="two pictures"):
        batches([0], store=pictures(1), features=captions(1))
