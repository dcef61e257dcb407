"""Prepared data: what ``prepare`` wrote, read back memory-mapped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stackgan_cli.components.component import Kind
from stackgan_cli.components.entries import stored_entry
from stackgan_cli.dataset.caption_features import CaptionFeatures
from stackgan_cli.dataset.manifest import read_manifest, stored_side
from stackgan_cli.dataset.picture_store import PictureStore
from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from stackgan_cli.components.entries import ComponentEntry


class PreparedData:
    """A folder that ``prepare`` wrote.

    Args:
        folder: the folder, with ``data.json`` in it.

    Raises:
        DataError: the folder is incomplete, damaged, or of a later version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.train = Split(self, "train")
        self.test = Split(self, "test")

    @property
    def name(self) -> str:
        """Name of the data: its folder's."""
        return self.folder.name

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decided what is in here."""
        return str(self.manifest["fingerprint"])

    @property
    def encoders(self) -> list[str]:
        """Folders of the text encoders that were fitted or cached, the first one first."""
        return list(self.manifest["encoders"])

    def encoder_entries(self) -> list[ComponentEntry]:
        """What is stored of each of these text encoders, in the same order."""
        return [stored_entry(Kind.TEXT_ENCODER, entry) for entry in self.manifest["encoders"].values()]

    def encoder_entry(self, folder: Path) -> ComponentEntry:
        """What is stored of the text encoder that has this folder."""
        return stored_entry(Kind.TEXT_ENCODER, self.manifest["encoders"][folder.name])

    def encoder_folder(self, wanted: str | None, options: Mapping[str, Any] | None = None) -> Path:
        """Folder of a text encoder of this data: the one wanted, else the first.

        Args:
            wanted: its folder's name, or its bare or full name.
            options: where several have that name, the one with these options is taken, else the first of them.

        Raises:
            DataError: this data was not prepared with it.
        """
        named = [name for name in self.encoders if wanted is None or wanted in self._names_of(name)]
        same = [name for name in named if self.manifest["encoders"][name].get("options") == options]
        for name in (*same, *named):
            return self.folder / "text" / name
        have = f"it has {', '.join(self.encoders)}" if self.encoders else "it has none yet"
        raise DataError(
            f"The data {self.name!r} has no features of the text encoder {wanted or 'any'!r}: {have}.",
            hint=f"stackgan prepare --data {self.name}" + (f" --encoder {wanted}" if wanted else ""),
        )

    def _names_of(self, folder: str) -> tuple[str, ...]:
        full_name = self.manifest["encoders"][folder]["name"]
        return folder, full_name, full_name.partition(":")[2]


class Split:
    """The train or the test split; fits what encoders and extractors learn from (``FittingData``)."""

    def __init__(self, data: PreparedData, name: str) -> None:
        self._data, self.name = data, name

    def __len__(self) -> int:
        return len(self._table)

    @cached_property
    def captions(self) -> Sequence[list[str]]:
        """All captions of every picture, read from the disk when they are asked for."""
        return _Captions(self._table.data.column("captions"))

    @cached_property
    def caption_counts(self) -> NDArray[np.int64]:
        """How many captions every picture has."""
        import pyarrow.compute as pc

        counts: NDArray[np.int64] = pc.list_value_length(self._table.data.column("captions")).to_numpy()
        return counts.astype(np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Names of the pictures in the source."""
        return list(self._column("name"))

    @cached_property
    def classes(self) -> list[int]:
        """Class of every picture; where the data has none, each picture is its own."""
        return list(self._column("class")) if self.has_classes else list(range(len(self)))

    @property
    def has_classes(self) -> bool:
        """Whether the source gave classes."""
        return bool(self._data.manifest["classes"])

    @cached_property
    def attributes(self) -> list[Mapping[str, str]] | None:
        """Known attributes of every picture, or None where the data has none."""
        return [json.loads(text) for text in self._column("attributes")] if self._data.manifest["attributes"] else None

    @cached_property
    def stated(self) -> list[list[list[str]]] | None:
        """For each caption of each picture, the attributes that it states, or None where that is not known."""
        return list(self._column("stated")) if self._data.manifest["stated"] else None

    def store(self, resolution: int) -> PictureStore:
        """Return the stored pictures for training at a resolution.

        Raises:
            DataError: the data was not prepared for it.
        """
        form = self._data.manifest["pictures"].get(str(resolution))
        if form is None:
            have = ", ".join(self._data.manifest["pictures"])
            raise DataError(
                f"The data {self._data.name!r} holds pictures for {have} pixels, not for {resolution}.",
                hint=f"stackgan prepare --data {self._data.name} --resolution {resolution} --force, with its --source",
            )
        return PictureStore(self._table.data.column(f"picture_{resolution}"), stored_side(resolution), form)

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Pictures as uint8 (batch, 3, resolution, resolution): the centre of the smallest stored size they fit."""
        sizes = sorted(int(size) for size in self._data.manifest["pictures"])
        source = next((size for size in sizes if size >= resolution), sizes[-1])
        store = self._stores.setdefault(source, self.store(source))
        stored = store.take(torch.as_tensor(list(indices)))
        margin = (store.side - source) // 2
        centre = stored[:, margin : margin + source, margin : margin + source].permute(0, 3, 1, 2)
        return centre.contiguous() if source == resolution else resized(centre, resolution)

    def features(self, folder: Path) -> CaptionFeatures:
        """Cached features of this split's captions, from a text encoder's folder."""
        from safetensors.torch import load_file

        path = folder / f"{self.name}.safetensors"
        try:
            tensors = load_file(path)
        except Exception as error:
            raise DataError(
                f"{path} cannot be read: {error}.", hint=f"stackgan prepare --data {self._data.name} --force"
            ) from error
        return CaptionFeatures(tensors, self.caption_counts.tolist())

    def digests(self) -> Iterator[tuple[str, bytes]]:
        """Name of every picture in the source, and the hash of its bytes; empty for one that was drawn."""
        columns = [self._table.data.column(name) for name in ("name", "digest")]
        for names, digests in zip(*(column.iterchunks() for column in columns), strict=True):
            yield from zip(names.to_pylist(), digests.to_pylist(), strict=True)

    @cached_property
    def _stores(self) -> dict[int, PictureStore]:
        return {}

    @cached_property
    def _table(self) -> Any:
        import datasets

        try:
            return datasets.load_from_disk(str(self._data.folder / self.name))
        except Exception as error:
            raise DataError(
                f"The {self.name} split in {self._data.folder} cannot be read: {error}.",
                hint=f"Prepare it again: stackgan prepare --data {self._data.name} --force",
            ) from error

    def _column(self, name: str) -> Any:
        return self._table.data.column(name).to_pylist()


class _Captions(Sequence[list[str]]):
    """A column of lists of texts; whole rows are made when they are asked for, a few hundred at a time in a loop."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, index: Any) -> Any:
        return self._column[index].as_py()

    def __iter__(self) -> Iterator[list[str]]:
        for chunk in self._column.iterchunks():
            yield from chunk.to_pylist()


def resized(pictures: Tensor, resolution: int) -> Tensor:
    """Resize uint8 pictures (batch, 3, side, side), antialiased bilinear, rounded back to uint8."""
    scaled = torch.nn.functional.interpolate(
        pictures.float(), size=(resolution, resolution), mode="bilinear", antialias=True, align_corners=False
    )
    return scaled.round_().clamp_(0, 255).to(torch.uint8)
