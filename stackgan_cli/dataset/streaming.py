"""Batches from shards that are read as a stream, so that memory stays flat however many pictures there are."""

from __future__ import annotations

import glob
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stackgan_cli.dataset.batches import crop_places, made_batch, refuse_bad_batches
from stackgan_cli.dataset.caption_features import CaptionFeatures
from stackgan_cli.dataset.epochs import Epochs
from stackgan_cli.dataset.manifest import stored_side
from stackgan_cli.dataset.picture_store import parts_of
from stackgan_cli.dataset.shards import address_of, is_remote, read_shards_index, shard_columns, unreachable
from stackgan_cli.dataset.tables import refuse_other_columns
from stackgan_cli.errors import DataError, SettingsError, StackganError
from stackgan_cli.pictures.decoding import decode_picture
from stackgan_cli.randomness import generator_for, seed_of
from stackgan_cli.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.dataset.batches import Batch
    from stackgan_cli.dataset.shards import ShardsIndex
    from stackgan_cli.ranks import Ranks


class StreamedBatches:
    """All batches of a run, by step, from shards that ``prepare`` wrote.

    An epoch is the shards in an order of its own, shuffled within a buffer; each rank reads its part of it and makes
    its part of each batch, and the remainder that fills no batch is dropped. Steps are meant to be asked for one after
    the other. Any other step is found by reading the epoch from its beginning, so a resumed run sees exactly what the
    uninterrupted one would have seen. Wrong captions are those of other pictures of this rank's part of the batch.

    Args:
        location: folder or address of the shards.
        data_fingerprint: of the prepared data that the shards must be made of.
        encoder_entry: entry of the text encoder whose features they must hold.
        buffer: rows that are held in memory and shuffled among. All else is as for `Batches`.

    Raises:
        DataError: the shards cannot be read, are of other data, of another encoder or for other resolutions, or hold
            fewer than two pictures for each rank.
        SettingsError: word features cannot be averaged, or the ranks cannot divide a batch evenly into two or more.
    """

    def __init__(
        self,
        *,
        location: str,
        data_fingerprint: str,
        encoder_entry: ComponentEntry,
        resolution: int,
        batch_size: int,
        captions_averaged: int,
        flip: bool,
        seed: int,
        device: torch.device,
        ranks: Ranks = ALONE,
        buffer: int = 2048,
    ) -> None:
        index = read_shards_index(location)
        _refuse_other_data(location, index, data_fingerprint, encoder_entry, resolution)
        refuse_bad_batches("words" in index.features, captions_averaged, batch_size, ranks)
        self._own = batch_size // ranks.count
        _refuse_too_few(index.rows, self._own, buffer, ranks)
        self.epochs = Epochs(max(1, index.rows // batch_size))
        self._location, self._index, self._resolution = location, index, resolution
        self._rows_of = _Rows(index, resolution)
        self._averaged, self._flip, self._seed = captions_averaged, flip, seed
        self._device, self._ranks, self._buffer = device, ranks, buffer
        self._source = self._opened()
        self._next = -1
        self._tables: Iterator[Any] = iter(())

    @property
    def steps_per_epoch(self) -> int:
        """Steps that pass over the pictures once; the remainder that fills no batch is dropped."""
        return self.epochs.steps

    @property
    def resident(self) -> bool:
        """Whether batches are made from memory alone, which these never are."""
        return False

    @property
    def feature_width(self) -> int:
        """Width of a sentence vector."""
        return self._index.features["sentence"].shape[0]

    @property
    def word_width(self) -> int | None:
        """Width of a word's vector, or None where words are not described."""
        words = self._index.features.get("words")
        return words.shape[1] if words else None

    @property
    def pictures(self) -> int:
        """How many pictures the shards hold."""
        return self._index.rows

    def at(self, step: int) -> Batch:
        """Make this rank's part of the batch of one step.

        Raises:
            DataError: the shards cannot be reached any more, or are damaged.
        """
        epoch, within = self.epochs.place(step)
        if step != self._next or within == 0:
            self._tables = islice(self._batches(epoch), within, None)
        # Whatever fails, the stream is opened anew by the next call.
        self._next = -1
        try:
            images, features, groups = self._rows_of.read(next(self._tables))
        except StackganError:
            raise
        except Exception as error:  # each kind of address, and Arrow, has errors of its own
            raise unreachable(self._location, self._location, error) from error
        self._next = step + 1
        return self._made(step, images, features, groups)

    def _made(self, step: int, images: Tensor, features: CaptionFeatures, groups: tuple[Tensor, Tensor]) -> Batch:
        draw = generator_for(self._seed, "stream", step, self._ranks.rank)
        here = torch.arange(self._own)
        rows, columns = crop_places(self._own, images.shape[1], self._resolution, self._flip, draw)
        crops = parts_of(images, here, rows, columns)
        wrong = _others(groups, draw)
        text = features.draw(here, self._averaged, draw)
        wrong_text = features.draw(wrong, self._averaged, draw)
        return made_batch(crops, text, wrong_text, self._device)

    def _opened(self) -> Any:
        """Open the shards, which reads the beginning of the first one."""
        import datasets

        addresses = [address_of(self._location, file.name) for file in self._index.files]
        if not is_remote(self._location):
            for address, file in zip(addresses, self._index.files, strict=True):
                _refuse_cut_off(address, file.bytes)
            # A folder's name may hold what the library would take for a pattern.
            addresses = [glob.escape(address) for address in addresses]
        # What fails is told by the error alone, and reading is no work that the library should show a bar for.
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        datasets.disable_progress_bars()
        wanted = shard_columns([self._resolution], self._index.features)
        try:
            # Nothing is cached when streaming, yet the library leaves a lock in the folder of its cache.
            with tempfile.TemporaryDirectory() as cache:
                source = datasets.load_dataset(
                    "arrow", data_files=addresses, split="train", streaming=True, cache_dir=cache
                )
        except Exception as error:
            raise unreachable(self._location, self._location, error) from error
        refuse_other_columns(self._location, source.features.arrow_schema, wanted, hint="Write the shards again.")
        return source.select_columns(wanted.names)

    def _batches(self, epoch: int) -> Iterator[Any]:
        """Yield tables of as many rows as this rank's part of a batch, for ever."""
        import pyarrow as pa

        waiting: list[Any] = []
        for table in self._endless(epoch):
            rows = pa.concat_tables([*waiting, table])
            while len(rows) >= self._own:
                yield rows.slice(0, self._own)
                rows = rows.slice(self._own)
            waiting = [rows] if len(rows) else []

    def _endless(self, epoch: int) -> Iterator[Any]:
        """Yield tables of this rank's rows, over and over, as another rank may have more and wait for this one."""
        from datasets.distributed import split_dataset_by_node

        # A seed for each epoch, where `set_epoch` would shuffle the files anew unless rows are skipped.
        shuffled = self._source.shuffle(seed=seed_of(self._seed, "order", epoch), buffer_size=self._buffer)
        own = split_dataset_by_node(shuffled, rank=self._ranks.rank, world_size=self._ranks.count)
        while True:
            seen = 0
            for table in own.with_format("arrow").iter(batch_size=self._own):
                seen += len(table)
                yield table
            if seen < self._least():
                raise DataError(
                    f"The shards at {self._location} end after {seen} of {self._least()} pictures.",
                    hint="Copy or write them again.",
                )

    def _least(self) -> int:
        """Fewest rows that this rank's stream may have; ranks get whole files where the number of files divides."""
        files = sorted(file.rows for file in self._index.files)
        each, remainder = divmod(len(files), self._ranks.count)
        if remainder:
            return len(range(self._ranks.rank, self.pictures, self._ranks.count))
        return sum(files[:each])


class _Rows:
    """Turns rows of the shards, which come from strangers, into tensors."""

    def __init__(self, index: ShardsIndex, resolution: int) -> None:
        self._column, self._side = f"picture_{resolution}", stored_side(resolution)
        self._features, self._most, self._has_classes = index.features, index.captions, bool(index.classes)
        raw = index.pictures[str(resolution)] == "raw"
        # Pillow decodes outside Python's lock.
        self._pool = None if raw else ThreadPoolExecutor(min(8, os.cpu_count() or 1), "decoding")

    def read(self, table: Any) -> tuple[Tensor, CaptionFeatures, tuple[Tensor, Tensor]]:
        """Decode a table of rows.

        Returns:
            Pictures (batch, side, side, 3), features of their captions, and their classes and numbers.

        Raises:
            DataError: a picture is damaged.
            ValueError: anything else is not what the index says.
        """
        # Arrow reads wherever a damaged place of a value leads.
        table.validate(full=True)
        counts = _numbers(table, "captions")
        if int(counts.min()) < 1 or int(counts.max()) > self._most:
            raise ValueError("a picture has another number of captions than its index says")
        numbers = _numbers(table, "row")
        classes = _numbers(table, "class") if self._has_classes else numbers
        tensors = {name: self._feature(table.column(name), name, counts) for name in self._features}
        images = torch.from_numpy(np.stack(self._pictures(table.column(self._column))))
        features = CaptionFeatures(tensors, counts.tolist())
        return images, features, (torch.from_numpy(classes), torch.from_numpy(numbers))

    def _feature(self, column: Any, name: str, counts: NDArray[np.int64]) -> Tensor:
        kind, shape = np.dtype(self._features[name].dtype), self._features[name].shape
        rows = [
            np.frombuffer(value.as_buffer(), kind).reshape(int(count), *shape)
            for value, count in zip(column, counts, strict=True)
        ]
        return torch.from_numpy(np.concatenate(rows))

    def _pictures(self, column: Any) -> list[NDArray[np.uint8]]:
        shape = (self._side, self._side, 3)
        if self._pool is None:
            return [np.frombuffer(value.as_buffer(), np.uint8).reshape(shape) for value in column]
        pictures = list(self._pool.map(decode_picture, column.to_pylist()))
        if any(picture.shape != shape for picture in pictures):
            raise ValueError(f"a picture is not of {self._side} x {self._side} pixels")
        return pictures


def _numbers(table: Any, name: str) -> NDArray[np.int64]:
    column = table.column(name)
    if column.null_count:
        raise ValueError(f"a {name} is missing")
    numbers: NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return numbers


def _others(groups: tuple[Tensor, Tensor], draw: torch.Generator) -> Tensor:
    """Draw another row for each, uniformly from those of other classes, or of other pictures where all share one."""
    every_row = torch.arange(len(groups[0]))
    apart = next(group for group in (*groups, every_row) if len(torch.unique(group)) > 1)
    return torch.multinomial((apart[:, None] != apart).float(), 1, generator=draw)[:, 0]


def _refuse_other_data(
    location: str, index: ShardsIndex, fingerprint: str, encoder: ComponentEntry, resolution: int
) -> None:
    """Refuse shards that were made of something else than this run is for."""
    if index.fingerprint != fingerprint:
        raise DataError(
            f"The shards at {location} were made of other data: their fingerprint begins with"
            f" {index.fingerprint[:12]!r}, and the data's with {fingerprint[:12]!r}.",
            hint="Write the shards of this data again, or train on the data that they were made of.",
        )
    wanted, there = encoder.as_json(), index.encoder.as_json()
    if there != wanted:
        different = sorted(key for key in wanted if there[key] != wanted[key])
        raise DataError(
            f"The shards at {location} hold features of another text encoder: theirs is {index.encoder.name!r}, the"
            f" run's is {encoder.name!r}, and they differ in {', '.join(different)}.",
            hint="Write the shards again with this encoder, or train with theirs.",
        )
    if str(resolution) not in index.pictures:
        raise DataError(
            f"The shards at {location} hold pictures for {', '.join(index.pictures)} pixels, not for {resolution}.",
            hint=f"Prepare the data with --resolution {resolution} and write the shards again.",
        )


def _refuse_too_few(pictures: int, own: int, buffer: int, ranks: Ranks) -> None:
    """Refuse batches in which a picture could not meet another one."""
    if pictures < 2 * ranks.count:
        raise DataError(
            f"Training needs at least two pictures for each process, and there are {pictures} for {ranks.count}.",
            hint="Prepare more pictures.",
        )
    if own < 2:
        raise SettingsError(
            f"A stream needs batches of at least two pictures for each process, and {own} is one's part.",
            hint=f"--batch-size {2 * ranks.count}",
        )
    if buffer < 1:
        raise SettingsError(f"Rows cannot be shuffled among {buffer}.", hint="a buffer of at least 1, such as 2048")


def _refuse_cut_off(address: str, size: int) -> None:
    """Refuse a file that is not as long as when it was written, before hours are spent on those before it."""
    try:
        there = Path(address).stat().st_size
    except OSError as error:
        raise DataError(
            f"{address} cannot be read: {error.strerror or error}.", hint="Write the shards again."
        ) from error
    if there != size:
        raise DataError(f"{address} has {there} bytes in place of {size}.", hint="Copy or write the shards again.")
