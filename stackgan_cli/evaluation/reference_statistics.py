"""Mean and covariance of features: computed, read and written in the form that pytorch-fid and others exchange."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stackgan_cli.components.protocols import FeatureStatistics
from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.files import create_file, given_path, read_bounded

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST = 1 << 30
"""Bytes unpacked; those of features 8,192 wide take half of this."""
_UNEVEN = 1e-6
"""Share of its largest number that a covariance may differ from its mirror image: some are written in float32."""


def statistics_of(features: Tensor) -> FeatureStatistics:
    """Mean and covariance, by N - 1, of features (pictures, width), in float64."""
    features = features.double()
    mean = features.mean(0)
    middle = features - mean
    return FeatureStatistics(mean, middle.T @ middle / (len(features) - 1))


def write_statistics(path: Path, statistics: FeatureStatistics) -> None:
    """Write ``mu`` and ``sigma`` into a new file.

    Raises:
        UsageError: something has this name.
        StackganError: it cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, mu=statistics.mean.numpy(), sigma=statistics.covariance.numpy())
    try:
        create_file(path, content.getvalue())
    except FileExistsError as error:
        raise UsageError(f"There is already something at {path}.", "another name for --export-statistics") from error


def read_statistics(path: Path, width: int) -> tuple[FeatureStatistics, str]:
    """Read ``mu`` and ``sigma``; nothing is ever unpickled.

    Args:
        path: an npz file, as pytorch-fid writes and the authors of text-to-image models publish them.
        width: of the features that they are to be compared with.

    Returns:
        The statistics, and the SHA-256 of the file.

    Raises:
        DataError: there is no such file, it holds something else, or features of another width.
    """
    path = given_path(str(path))
    try:
        content = read_bounded(path, _LARGEST)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(each.file_size for each in archive.infolist()) > _LARGEST:
                raise ValueError("it is too large to be statistics")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            mean, covariance = arrays["mu"], arrays["sigma"]
    except Exception as error:  # a damaged archive can raise nearly anything
        words = (error.strerror if isinstance(error, OSError) else None) or str(error).strip(".")
        raise _unusable(path, f"cannot be read: {words or type(error).__name__}") from error
    if fault := _fault(mean, covariance):
        raise _unusable(path, fault)
    if len(mean) != width:
        raise DataError(
            f"{path} is of features {len(mean):,} wide, and this extractor's are {width:,} wide.",
            hint="the --extractor that the file was made with",
        )
    found = FeatureStatistics(torch.from_numpy(mean).double(), torch.from_numpy(covariance).double())
    return found, hashlib.sha256(content).hexdigest()


def _fault(mean: Any, covariance: Any) -> str | None:
    """Say why arrays are no statistics, as the second half of a sentence."""
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or not len(mean):
        return f"holds mu of the shape {mean.shape} and sigma of the shape {covariance.shape}, not (d) and (d, d)"
    if mean.dtype.kind not in "fiu" or covariance.dtype.kind not in "fiu":
        return f"holds {mean.dtype} and {covariance.dtype}, not real numbers"
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        return "holds NaN or infinity"
    if np.abs(covariance - covariance.T).max() > _UNEVEN * np.abs(covariance).max():
        return "holds a sigma that is not symmetric"
    if (covariance.diagonal() < 0).any():
        return "holds a sigma with negative variances"
    return None


def _unusable(path: Path, fault: str) -> DataError:
    return DataError(f"{path} {fault}.", hint="an npz file with mu and sigma, as --export-statistics writes it")
