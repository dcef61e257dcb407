from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest

from stackgan_cli.errors import UsageError
from stackgan_cli.evaluation.protocols.protocol import find_protocol, protocol_names
from stackgan_cli.evaluation.samples import choose_samples

WHOLE: dict[str, Any] = {
    "data": {"reader": "coco", "split": "test", "crop": "center", "train_pictures": 82783, "test_pictures": 40504},
    "captions": "at random among all of the split, none of them twice",
    "compared_with": "every real picture of the split",
    "noise": "normal",
    "generated": 30000,
    "resolution": 256,
    "rounding": "to the nearest of 256 levels",
    "precision": "float32",
    "condition": "sample",
    "extractor": {"name": "inception-fid", "resize": "TensorFlow 1 bilinear", "public": True},
}


def test_a_number_is_comparable_where_nothing_is_missing() -> None:
    assert find_protocol("coco-30k").missing(WHOLE, {"frechet-distance"}) == []


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("data.test_pictures", 400, "data: test pictures: the published number had 40,504, and this one has 400."),
        ("data.split", "train", "data: split: the published number had test"),
        ("data.reader", "folder", "data: reader"),
        ("data.crop", "pad", "data: crop: the published number had center, and this one has pad."),
        ("precision", "bfloat16", "precision: the published number had float32, and this one has bfloat16."),
        ("condition", "mean", "condition: the published number had sample, and this one has mean."),
        ("generated", 500, "generated: the published number had 30,000, and this one has 500."),
        ("resolution", 64, "resolution: the published number had 256, and this one has 64."),
        ("captions", "one at random for each picture of the split, in turn", "captions: "),
        ("compared_with", "statistics", "compared with: "),
        ("extractor.public", False, "extractor: public: the published number had yes, and this one has no."),
        ("extractor.name", None, "extractor: name: the published number had inception-fid"),
    ],
)
def test_whatever_is_missing_is_said(where: str, value: object, words: str) -> None:
    facts = deepcopy(WHOLE)
    *within, key = where.split(".")
    (facts[within[0]] if within else facts)[key] = value
    (why,) = find_protocol("coco-30k").missing(facts, {"frechet-distance"})
    assert why.startswith(words)


def test_what_is_not_known_or_not_measured_is_missing_too() -> None:
    facts = {key: value for key, value in WHOLE.items() if key != "extractor"}
    missing = find_protocol("coco-30k").missing(facts, set())
    assert [why.partition(":")[0] for why in missing[:-1]] == ["extractor"] * 3
    assert missing[-1] == "The metric 'frechet-distance' was not measured."


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_depends_on_data_extractor_pictures_and_captions(name: str) -> None:
    protocol = find_protocol(name)
    assert {"resolution", "noise", "rounding", "data", "extractor"} <= protocol.requires.keys()
    assert {"reader", "split", "crop", "test_pictures"} <= protocol.requires["data"].keys()
    # The whole of somebody else's data is not the whole of this one.
    assert len(protocol.missing({**WHOLE, "data": {}}, {protocol.metric})) >= 3


def test_a_slip_in_a_name_is_understood() -> None:
    with pytest.raises(UsageError) as told:
        find_protocol("coco30k")
    assert told.value.hint == "Did you mean coco-30k?"


def test_captions_are_chosen_without_repetition_until_all_were(colours: SimpleNamespace) -> None:
    whole = 3 * len(colours.split)
    chosen = [(each.picture, each.caption) for each in choose_samples(colours.split, whole, 4, without_repetition=True)]
    assert len(set(chosen)) == whole
    assert chosen[:9] != sorted(chosen)[:9]
    again = choose_samples(colours.split, whole + 2, 4, without_repetition=True)
    assert [(each.picture, each.caption) for each in again[whole:]] == chosen[:2]
