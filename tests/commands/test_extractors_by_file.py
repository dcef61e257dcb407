"""Extractors whose weights do not come with the package: what is said without them leads to a measurement with them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stackgan_cli.extractors.inception_fid import InceptionNetwork

EVALUATE = ("evaluate", "--data", "birds", "--num-images", 10, "--device", "cpu", "--metric", "frechet-distance")
LACKING = "The extractor 'inception-fid' needs its public weights, which do not come with this package."
FILE = "pt_inception-2015-12-05-6726825d.pth"


def test_without_its_weights_nothing_is_measured_and_the_way_on_is_said(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    done = stackgan(*EVALUATE, "--extractor", "inception-fid")
    assert done.code == 3
    assert done.out == ""
    assert done.says(LACKING, "--extractor-option weights=PATH", FILE)
    absent = stackgan(*EVALUATE, "--extractor", "inception-fid", "--extractor-option", f"weights={tmp_path / FILE}")
    assert absent.code == 3
    assert absent.says(f"There are no weights of Inception at {tmp_path / FILE}", "pytorch-fid and torch-fidelity")
    assert not (model / "evaluation").exists()


@pytest.mark.slow
def test_what_is_said_without_the_weights_works_with_them(
    stackgan: Callable[..., Any], model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a folder" / FILE
    path.parent.mkdir()
    torch.manual_seed(0)
    torch.save(InceptionNetwork().state_dict(), path)
    refused = stackgan(*EVALUATE, "--extractor", "inception-fid")
    said = refused.err.partition("Try: ")[2].partition(",")[0].replace("PATH", shlex.quote(str(path)))
    done = stackgan(*EVALUATE, "--extractor", "inception-fid", *shlex.split(said), "--json")
    assert done.code == 0, done.err
    extractor = done.json["protocol"]["extractor"]
    assert (extractor["name"], extractor["width"], extractor["public"]) == ("inception-fid", 2048, False)
    assert done.json["rows"][2]["metrics"]["frechet-distance"]["value"] > 0
    assert done.says("3 pictures are few for features 2048 wide")


def test_a_protocol_that_would_use_it_goes_on_with_another_and_says_so(
    stackgan: Callable[..., Any], captioned_folder: Callable[..., Path], model: Path
) -> None:
    prepare = ("prepare", "--source", captioned_folder(12), "--encoder", "hashed-words", "--resolution", 16)
    assert stackgan(*prepare, "--data", "plain").code == 0
    measure = ("evaluate", "--data", "plain", "--model", "birds", "--num-images", 10, "--device", "cpu")
    done = stackgan(*measure, "--metric", "frechet-distance", "--protocol", "coco-30k", "--json")
    assert done.code == 0, done.err
    assert done.says(f"{LACKING} domain-classifier measures in its place.", "the published number had inception-fid")
    assert done.json["protocol"]["extractor"]["name"] == "domain-classifier"
    assert done.json["comparable_to"] == []
    refused = stackgan(*measure, "--protocol", "coco-30k", "--extractor-option", "width=64")
    assert refused.code == 4
    assert refused.says("'inception-fid'", "has no option 'width'. The protocol 'coco-30k' measures by it")
    assert refused.says("--extractor domain-classifier, if they are of that one")
    absent = stackgan(*measure, "--protocol", "coco-30k", "--extractor-option", "weights=")
    assert absent.says(LACKING, "--extractor-option weights=PATH")
    assert absent.code == 3


def test_a_check_of_it_says_why_little_was_checked(stackgan: Callable[..., Any]) -> None:
    done = stackgan("components", "check", "inception-fid", "--json")
    assert done.code == 0, done.err
    (component,) = done.json["components"]
    builds = next(each for each in component["checks"] if each["name"] == "builds")
    assert builds["passed"]
    assert builds["detail"] == f"only with --option, so nothing else was checked: {LACKING}"
