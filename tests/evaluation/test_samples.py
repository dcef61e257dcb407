from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import torch

from stackgan_cli.evaluation.samples import batched, choose_samples, drawn_pictures, real_pictures, reordered, texts_of


def test_captions_are_spread_over_all_pictures(colours: SimpleNamespace) -> None:
    samples = choose_samples(colours.split, 64 * 15 + 7, 0)
    times = Counter(sample.picture for sample in samples)
    assert set(times.values()) == {15, 16}
    assert sorted(picture for picture, count in times.items() if count == 16) == list(range(7))
    captions = Counter(sample.caption for sample in samples)
    assert set(captions) == {0, 1, 2}
    assert min(captions.values()) > 250
    assert len({sample.seed for sample in samples}) == len(samples)


def test_fewer_captions_than_pictures_come_from_all_over_the_split(colours: SimpleNamespace) -> None:
    # Data with classes has them one after the other, and the first few are none like the others.
    chosen = [sample.picture for sample in choose_samples(colours.split, 10, 0)]
    assert sorted(chosen) == [0, 6, 12, 19, 25, 32, 38, 44, 51, 57]
    # The first few of all are from all over it, too.
    everything = [sample.picture for sample in choose_samples(colours.split, 64, 0)]
    assert sorted(everything) == list(range(64))
    assert min(everything[:10]) < 16 < 48 <= max(everything[:10])


def test_a_seed_chooses_captions_and_noise(colours: SimpleNamespace) -> None:
    first = choose_samples(colours.split, 64, 3)
    assert choose_samples(colours.split, 64, 3) == first
    other = choose_samples(colours.split, 64, 4)
    assert sorted(each.picture for each in other) == sorted(each.picture for each in first)
    assert [each.picture for each in other] != [each.picture for each in first]
    assert [each.caption for each in other] != [each.caption for each in first]
    assert not {each.seed for each in other} & {each.seed for each in first}


def test_texts_say_what_the_data_knows_of_each_sample(colours: SimpleNamespace) -> None:
    samples = choose_samples(colours.split, 70, 0)
    texts = texts_of(colours.split, samples, colours.data.train.attributes)
    at, picture = 65, samples[65].picture
    assert texts.captions[at] == colours.split.captions[picture][samples[at].caption]
    assert texts.truth is not None
    assert texts.truth[at] == colours.split.attributes[picture]
    assert texts.stated is not None
    assert texts.stated[at] == ["red"]
    assert texts.classes is not None
    assert texts.classes[at] == picture
    turned = reordered(texts, range(69, -1, -1))
    assert turned.captions == texts.captions[::-1]
    assert turned.truth == texts.truth[::-1]
    assert turned.classes == texts.classes[::-1]
    assert turned.features is None


def test_pictures_do_not_depend_on_the_batch(colours: SimpleNamespace) -> None:
    samples = choose_samples(colours.split, 20, 0)
    drawn = [
        list(drawn_pictures(colours.pipeline, colours.data, colours.split, samples, 2, at_once)) for at_once in (1, 16)
    ]
    assert [len(batches) for batches in drawn] == [20, 2]
    assert torch.equal(torch.cat(drawn[0]), torch.cat(drawn[1]))
    # The second stage draws what the captions say.
    real = torch.cat(list(real_pictures(colours.split, [each.picture for each in samples], 8, 7)))
    assert torch.equal(torch.cat(drawn[1]), real)
    assert [len(part) for part in batched(range(20), 7)] == [7, 7, 6]
