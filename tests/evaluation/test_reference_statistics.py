from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from stackgan_cli.components.protocols import Observation
from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.evaluation.metrics.frechet_distance import FrechetDistance
from stackgan_cli.evaluation.metrics.given_features import GivenFeatures
from stackgan_cli.evaluation.reference_statistics import read_statistics, statistics_of, write_statistics


def distance(drawn: torch.Tensor, real: Observation) -> float:
    return float(FrechetDistance().measure(Observation(drawn), real, None, 0)["value"])


@pytest.mark.parametrize(("pictures", "tolerance"), [((400, 300), 1e-10), ((40, 30), 1e-6)])
def test_the_distance_is_that_of_torchmetrics_from_features_and_from_a_file(
    tmp_path: Path, pictures: tuple[int, int], tolerance: float
) -> None:
    draw = torch.Generator().manual_seed(1)
    real, drawn = (torch.randn(count, 48, generator=draw, dtype=torch.float64).abs() for count in pictures)
    theirs = FrechetInceptionDistance(GivenFeatures(48)).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(drawn, real=False)
    expected = pytest.approx(float(theirs.compute()), rel=tolerance)
    assert distance(drawn, Observation(real)) == expected
    path = tmp_path / "real.npz"
    write_statistics(path, statistics_of(real))
    # What pytorch-fid reads: numpy's own mean and covariance under these two names.
    with np.load(path, allow_pickle=False) as arrays:
        assert np.allclose(arrays["mu"], real.numpy().mean(0), rtol=1e-12)
        assert np.allclose(arrays["sigma"], np.cov(real.numpy(), rowvar=False), rtol=1e-10)
    found, digest = read_statistics(path, 48)
    assert len(digest) == 64
    assert distance(drawn, Observation(torch.empty(0, 48), statistics=found)) == expected


def test_dead_features_a_single_picture_and_a_set_itself_are_no_trouble() -> None:
    features = torch.randn(50, 12, generator=torch.Generator().manual_seed(2))
    features[:, 4:] = 0
    assert distance(features, Observation(features)) == pytest.approx(0, abs=1e-9)
    one = features[:1].expand(50, -1)
    away = features.double() - features[0].double()
    expected = away.mean(0).square().sum() + features.double().var(0).sum()
    assert distance(one, Observation(features)) == pytest.approx(float(expected), rel=1e-9)


GOOD: dict[str, Any] = {"mu": np.zeros(3), "sigma": np.eye(3)}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mu": np.zeros(3)}, "cannot be read: 'sigma is not a file in the archive'"),
        (GOOD | {"mu": np.zeros((3, 1))}, r"mu of the shape \(3, 1\)"),
        (GOOD | {"sigma": np.eye(4)}, r"sigma of the shape \(4, 4\)"),
        (GOOD | {"sigma": np.triu(np.ones((3, 3)))}, "not symmetric"),
        (GOOD | {"sigma": -np.eye(3)}, "negative variances"),
        (GOOD | {"mu": np.array([0, np.nan, 0])}, "NaN"),
        (GOOD | {"mu": np.array([0j, 0, 0])}, "not real numbers"),
        (GOOD | {"mu": np.array([{}, {}, {}], dtype=object)}, "cannot be read: .*allow_pickle"),
        ({"mu": np.zeros(5), "sigma": np.eye(5)}, "features 5 wide, and this extractor's are 3 wide"),
    ],
)
def test_what_is_no_statistics_is_refused(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    path = tmp_path / "real.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=words):
        read_statistics(path, 3)


def test_other_files_are_refused_and_none_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "real.npz"
    with pytest.raises(DataError, match="cannot be read"):
        read_statistics(path, 3)
    path.write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="cannot be read"):
        read_statistics(path, 3)
    with pytest.raises(UsageError, match="already something"):
        write_statistics(path, statistics_of(torch.eye(3)))
    assert path.read_bytes() == b"PK no archive"


def test_every_kind_of_damage_is_one_sentence(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", **GOOD)
    whole = (tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "real.npz"
    told: list[str] = []
    for place in range(0, len(whole), 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_statistics(path, 3)
        except DataError as error:
            told.append(error.message)
    assert len(told) > len(whole) // 8
    assert all(str(path) in message for message in told)


def test_what_never_ends_is_no_statistics() -> None:
    with pytest.raises(DataError, match=r"cannot be read: .*a pipe or a device"):
        read_statistics(Path("/dev/zero"), 3)
