"""The training split of prepared data, with the features of its captions, to shards that can be streamed."""

from __future__ import annotations

from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stackgan_cli.dataset.shards import INDEX, SHARDS_SCHEMA, ShardFeature, ShardFile, ShardsIndex, shard_columns
from stackgan_cli.dataset.tables import write_rows
from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.files import atomic_folder
from stackgan_cli.manifests import write_json
from stackgan_cli.progress import IGNORED
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.dataset.tables import Row
    from stackgan_cli.progress import Report

_REPORT_EVERY = 256
_FEATURES = ("sentence", "words", "padding")


def write_shards(
    data: PreparedData, encoder_folder: Path, target: Path, *, rows_per_shard: int = 4096, report: Report = IGNORED
) -> int:
    """Write the training pictures with their captions' features as shards, whole or not at all.

    The rows stand in an order drawn from the data's fingerprint, so that a small buffer shuffles them well enough.

    Args:
        data: the prepared data.
        encoder_folder: folder of the text encoder whose features go along.
        target: folder to write, which must be empty or not exist.
        rows_per_shard: pictures in each file; the last one may hold fewer.
        report: told how many pictures of how many are done.

    Returns:
        How many pictures were written.

    Raises:
        DataError: the target holds something, or the data or its features are damaged.
        SettingsError: a shard would hold no row.
    """
    if rows_per_shard < 1:
        raise SettingsError(f"A shard cannot hold {rows_per_shard} pictures.", hint="at least 1, such as 4096")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} exists already, so it is left alone.", hint="Name a folder that does not exist yet.")
    rows = _TrainingRows(data, encoder_folder)
    with atomic_folder(target, new=True) as folder:
        files = write_shard_files(
            folder, rows.told(report), shard_columns(data.manifest.resolutions, rows.features), rows_per_shard
        )
        index = ShardsIndex(
            schema=SHARDS_SCHEMA,
            fingerprint=data.fingerprint,
            encoder=data.manifest.encoders[encoder_folder.name],
            rows=len(rows),
            captions=rows.longest,
            classes=len(data.manifest.classes),
            pictures=data.manifest.pictures,
            features=rows.features,
            files=files,
        )
        write_json(folder / INDEX, index.as_json())
    return len(rows)


def write_shard_files(
    folder: Path, rows: Iterable[Row], columns: pa.Schema, rows_per_shard: int
) -> tuple[ShardFile, ...]:
    """Write rows to files ``train-00000.arrow`` and so on, each of so many rows but for the last."""
    waiting = iter(rows)
    files = []
    for number in count():
        first = next(waiting, None)
        if first is None:
            break
        path = folder / f"train-{number:05d}.arrow"
        written = write_rows(path, chain([first], islice(waiting, rows_per_shard - 1)), columns)
        files.append(ShardFile(name=path.name, rows=written, bytes=path.stat().st_size))
    return tuple(files)


class _TrainingRows:
    """The rows to write, read one by one from mapped files."""

    def __init__(self, data: PreparedData, encoder_folder: Path) -> None:
        from safetensors import safe_open

        self._data = data
        path = encoder_folder / "train.safetensors"
        again = f"stackgan prepare --data {data.shell_name} --force"
        try:
            file: Any = safe_open(path, framework="np")
            self._slices = {name: file.get_slice(name) for name in _FEATURES if name in file.keys()}  # noqa: SIM118  # no mapping
            one = {name: tensor[0:1] for name, tensor in self._slices.items()}
        except Exception as error:
            raise DataError(f"{path} cannot be read: {error}.", hint=again) from error
        counts = data.train.caption_counts
        if not len(counts):
            raise DataError(f"The data {data.name!r} holds no picture for training.", hint=again)
        self.features = {name: ShardFeature(dtype=str(each.dtype), shape=each.shape[1:]) for name, each in one.items()}
        if {tensor.get_shape()[0] for tensor in self._slices.values()} != {int(counts.sum())}:
            raise DataError(f"{path} does not hold the features of this data's captions.", hint=again)
        self._ends = np.cumsum(counts)
        self.longest = int(counts.max())

    def __len__(self) -> int:
        return len(self._ends)

    def told(self, report: Report) -> Iterator[Row]:
        for done, row in enumerate(self, start=1):
            yield row
            if done % _REPORT_EVERY == 0 or done == len(self):
                report(done, len(self))

    def __iter__(self) -> Iterator[Row]:
        order = torch.randperm(len(self), generator=generator_for(self._data.fingerprint, "shards")).numpy()
        table = self._data.train.table
        columns = {name: table.column(name) for name in table.column_names if name.startswith("picture_")}
        classes = table.column("class")
        for number in order:
            picture = int(number)
            first, end = int(self._ends[picture - 1]) if picture else 0, int(self._ends[picture])
            row: dict[str, Any] = {"row": picture, "class": classes[picture].as_py(), "captions": end - first}
            row |= {name: column[picture].as_py() for name, column in columns.items()}
            row |= {name: tensor[first:end].tobytes() for name, tensor in self._slices.items()}
            yield row
