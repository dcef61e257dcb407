"""Prepared data: what ``prepare`` wrote, read back memory-mapped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import TextFeatures
from stackgan_cli.components.storage import load_component
from stackgan_cli.dataset.caption_features import CaptionFeatures, encode_all
from stackgan_cli.dataset.manifest import read_manifest, stored_side
from stackgan_cli.dataset.picture_store import PictureStore
from stackgan_cli.errors import DataError
from stackgan_cli.files import open_regular
from stackgan_cli.home import shell_name
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray
    from torch import Tensor

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.components.protocols import TextEncoder
    from stackgan_cli.dataset.manifest import SplitName


class PreparedData:
    """A folder that ``prepare`` wrote, with ``data.json`` in it.

    Raises:
        DataError: ``data.json`` is missing, damaged, or of a later version.
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
    def shell_name(self) -> str:
        """What a command line calls this data."""
        return shell_name(self.folder, "data")

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decided what is in here."""
        return self.manifest.fingerprint

    @property
    def encoders(self) -> list[str]:
        """Folders of the text encoders that were fitted or cached, the first one first."""
        return list(self.manifest.encoders)

    @property
    def files(self) -> dict[SplitName, tuple[str, ...]]:
        """Names of the files of each split's pictures, in order."""
        return {split.name: tuple(path.name for path in split.files) for split in (self.train, self.test)}

    @property
    def no_sentences(self) -> str:
        """Why what is trained on ready features draws no sentence, and what to do about it."""
        why = f"The data {self.name!r} holds ready features of its captions, and not the encoder that made them"
        so = "so no sentence can be drawn with what is trained on them"
        if not self.manifest.captioned:
            return f"{why}, nor the captions: {so}. For that, put captions into the source, and prepare with --force."
        other = f"stackgan prepare --data {self.shell_name} --encoder char-cnn-rnn"
        return f"{why}: {so}. For that: {other}, and then train with --encoder char-cnn-rnn."

    def refuse_damage(self) -> None:
        """Open all files of pictures now, rather than when something in them is asked for; no picture is read.

        Raises:
            DataError: a file is missing or damaged, or lacks columns or rows.
        """
        _ = self.train.table, self.test.table

    def encoder_entry(self, folder: Path) -> ComponentEntry:
        """What is stored of the text encoder that has this folder."""
        return self.manifest.encoders[folder.name]

    def encoder_folder(self, wanted: str | None, options: Mapping[str, Any] | None = None) -> Path:
        """Folder of a text encoder of this data: the one wanted, else the first.

        Args:
            wanted: its folder's name, or its bare or full name.
            options: where several have that name, the one with these options is taken, else the first of them.

        Raises:
            DataError: this data was not prepared with it.
        """
        named = [
            folder
            for folder, entry in self.manifest.encoders.items()
            if wanted is None or wanted in (folder, entry.name, entry.bare_name)
        ]
        same = [folder for folder in named if self.manifest.encoders[folder].options == options]
        for folder in (*same, *named):
            return self.folder / "text" / folder
        have = f"it has {', '.join(self.encoders)}" if self.encoders else "it has none yet"
        prepare = f"stackgan prepare --data {self.shell_name}"
        others = f", or train with --encoder {self.encoders[0]}" if self.encoders else ""
        raise DataError(
            f"The data {self.name!r} has no features of {'the' if wanted else 'any'} text encoder"
            f"{f' {wanted!r}' if wanted else ''}: {have}.",
            hint=f"{prepare} --encoder {shlex.quote(wanted)}{others}" if wanted else prepare,
        )


class Split:
    """The train or the test split; fits what encoders and extractors learn from (``FittingData``)."""

    def __init__(self, data: PreparedData, name: SplitName) -> None:
        self._data, self.name = data, name
        self._stores: dict[int, PictureStore] = {}

    def __len__(self) -> int:
        return len(self.table)

    @property
    def files(self) -> list[Path]:
        """Files of its pictures, in order."""
        manifest, folder = self._data.manifest, self._data.folder / self.name
        if manifest.files is None:
            return sorted(folder.glob("data-*.arrow"))
        return [folder / name for name in manifest.files.of(self.name)]

    @cached_property
    def table(self) -> pa.Table:
        """All rows, mapped from the disk; opened when something of them is first asked for.

        Raises:
            DataError: a file is missing or damaged, or lacks columns or rows.
        """
        from stackgan_cli.dataset.tables import open_table, split_columns

        manifest, folder = self._data.manifest, self._data.folder / self.name
        table = open_table(self.files, split_columns(manifest.resolutions), self._again)
        if len(table) != manifest.counts.of(self.name):
            raise DataError(
                f"{folder} holds {len(table):,} pictures in place of {manifest.counts.of(self.name):,}.", self._again
            )
        self._refuse_rows(table)
        return table

    @cached_property
    def captions(self) -> Sequence[list[str]]:
        """All captions of every picture, read from the disk when they are asked for."""
        return _Captions(self.table.column("captions"))

    @cached_property
    def caption_counts(self) -> NDArray[np.int64]:
        """How many captions every picture has."""
        return _lengths(self.table.column("captions"))

    @cached_property
    def names(self) -> list[str]:
        """Names of the pictures in the source."""
        return list(self._values("name"))

    @cached_property
    def classes(self) -> list[int]:
        """Class of every picture; where the data has none, each picture is its own."""
        return list(self._values("class")) if self.has_classes else list(range(len(self)))

    @property
    def has_classes(self) -> bool:
        """Whether the source gave classes."""
        return bool(self._data.manifest.classes)

    @cached_property
    def attributes(self) -> list[Mapping[str, str]] | None:
        """Known attributes of every picture, or None where the data has none.

        Raises:
            DataError: those of some picture are damaged.
        """
        names = set(self._data.manifest.attributes)
        if not names:
            return None
        try:
            return [_attributes(text, names) for text in self._values("attributes")]
        except ValueError as error:
            place = self._data.folder / self.name
            raise DataError(f"The attributes in {place} cannot be read: {error}.", self._again) from error

    @cached_property
    def stated(self) -> list[list[list[str]]] | None:
        """For each caption of each picture, the attributes that it states, or None where that is not known.

        Raises:
            DataError: they are of another number of captions.
        """
        if not self._data.manifest.stated:
            return None
        wrong = _lengths(self.table.column("stated")) != self.caption_counts
        self._refuse_row(wrong, "states attributes for another number of captions")
        return list(self._values("stated"))

    def store(self, resolution: int) -> PictureStore:
        """Return the stored pictures for training at a resolution.

        Raises:
            DataError: the data was not prepared for it, or the first picture is damaged.
        """
        forms = self._data.manifest.pictures
        if str(resolution) not in forms:
            sizes = _sizes({*self._data.manifest.resolutions, resolution})
            raise DataError(
                f"The data {self._data.name!r} holds pictures for {', '.join(forms)} pixels, not for {resolution}.",
                hint=f"stackgan prepare --data {self._data.shell_name} {sizes}",
            )
        column, side = self.table.column(f"picture_{resolution}"), stored_side(resolution)
        store = PictureStore(column, side, forms[str(resolution)], f"{self._data.folder / self.name}")
        # Pictures of another size than they should be are told from the first one, before anything is begun with them.
        if len(self):
            store.take(torch.tensor([0]))
        return store

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Pictures as uint8 (batch, 3, resolution, resolution): the centre of the smallest stored size they fit."""
        sizes = sorted(self._data.manifest.resolutions)
        source = next((size for size in sizes if size >= resolution), sizes[-1])
        if source not in self._stores:
            self._stores[source] = self.store(source)
        store = self._stores[source]
        stored = store.take(torch.as_tensor(list(indices)))
        margin = (store.side - source) // 2
        centre = stored[:, margin : margin + source, margin : margin + source].permute(0, 3, 1, 2)
        return centre.contiguous() if source == resolution else resized(centre, resolution)

    def features(self, folder: Path) -> CaptionFeatures:
        """Cached features of this split's captions, from a text encoder's folder.

        Raises:
            DataError: they are missing or damaged, or are those of other captions.
        """
        from safetensors.torch import load_file

        path = folder / f"{self.name}.safetensors"
        try:
            with open_regular(path):
                tensors = load_file(path)
        except Exception as error:
            raise DataError(f"{path} cannot be read: {error}.", self._again) from error
        counts = self.caption_counts.tolist()
        if not _are_features(tensors, sum(counts)):
            raise DataError(f"{path} does not hold the features of this data's captions.", self._again)
        return CaptionFeatures(tensors, counts)

    def digests(self) -> Iterator[tuple[str, bytes]]:
        """Name of every picture in the source, and the hash of its bytes; empty for one that was drawn."""
        columns = [self.table.column(name) for name in ("name", "digest")]
        for names, digests in zip(*(column.iterchunks() for column in columns), strict=True):
            yield from zip(names.to_pylist(), digests.to_pylist(), strict=True)

    def _refuse_rows(self, table: pa.Table) -> None:
        """Refuse rows that nothing can be learnt from; no picture is read."""
        self._refuse_row(_lengths(table.column("captions")) == 0, "has no caption")
        if self.has_classes:
            classes = _numbers(table.column("class"))
            beyond = (classes < 0) | (classes >= len(self._data.manifest.classes))
            self._refuse_row(beyond, "is of a class that the data has no name for")

    def _refuse_row(self, wrong: NDArray[np.bool_], what: str) -> None:
        """Refuse the first row that is wrong.

        Args:
            wrong: whether each row is.
            what: is wrong with it, for the end of a sentence.

        Raises:
            DataError: there is one.
        """
        if wrong.any():
            raise DataError(f"Picture {wrong.argmax()} of {self._data.folder / self.name} {what}.", self._again)

    @property
    def _again(self) -> str:
        return f"stackgan prepare --data {self._data.shell_name} --force"

    def _values(self, name: str) -> Any:
        return self.table.column(name).to_pylist()


def _lengths(column: Any) -> NDArray[np.int64]:
    """How many values every row of a column of lists has."""
    import pyarrow.compute as pc

    return _numbers(pc.list_value_length(column))


def _numbers(column: Any) -> NDArray[np.int64]:
    """A column of whole numbers, none of them missing."""
    # Arrow's own to_numpy imports pandas, which takes longer than all else here.
    return np.concatenate([np.empty(0, np.int64), *map(np.from_dlpack, column.chunks)])


def _are_features(tensors: Mapping[str, Tensor], captions: int) -> bool:
    """Whether these can be what an encoder made of so many captions."""
    ranks = {"sentence": 2, "words": 3, "padding": 2}
    return "sentence" in tensors and all(
        tensor.dim() == ranks.get(name)
        and len(tensor) == captions
        and (tensor.dtype == torch.bool if name == "padding" else tensor.is_floating_point())
        for name, tensor in tensors.items()
    )


def _attributes(text: str, names: set[str]) -> dict[str, str]:
    found = parse_json(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("they are no names with values")
    if not names <= found.keys():
        raise ValueError(f"{min(names - found.keys())!r} is missing")
    # What is known of some pictures alone is left out.
    return {name: value for name, value in found.items() if name in names}


def _sizes(resolutions: Iterable[int]) -> str:
    """The options that ask ``prepare`` for these resolutions."""
    return " ".join(f"--resolution {size}" for size in sorted(resolutions))


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


class CaptionedSplit:
    """A training split beside the features of its captions: what objectives that learn are fitted to.

    Args:
        split: of prepared data.
        encoder_folder: of the text encoder whose features these are.
    """

    def __init__(self, split: Split, encoder_folder: Path) -> None:
        self._split, self._features, self._encoder_folder = split, split.features(encoder_folder), encoder_folder
        self.captions, self.classes = split.captions, split.classes
        self.attributes, self.stated = split.attributes, split.stated

    def pictures(self, indices: Sequence[int], resolution: int) -> Tensor:
        """Pictures as uint8 (batch, 3, resolution, resolution)."""
        return self._split.pictures(indices, resolution)

    def text(self, pictures: Sequence[int], captions: Sequence[int]) -> TextFeatures:
        """Features of one caption of each picture; both (batch,), captions of a picture counted from 0."""
        return self._features.at(torch.as_tensor(list(pictures)), torch.as_tensor(list(captions)))

    def encode(self, captions: Sequence[str]) -> TextFeatures:
        """Features of captions that no picture has, in float32 on the processor.

        Raises:
            ComponentError: the text encoder cannot be loaded, or fails.
            SettingsError: it only stands for features that the source gave, and can encode nothing.
        """
        parts = [tensors for _, tensors in encode_all(self._encoder, captions)]
        sentence = torch.cat([part["sentence"] for part in parts])
        if "words" not in parts[0]:
            return TextFeatures(sentence)
        # The words of a batch are as many as those of its longest caption.
        length = max(part["words"].shape[1] for part in parts)
        words = [F.pad(part["words"], (0, 0, 0, length - part["words"].shape[1])) for part in parts]
        padding = [F.pad(part["padding"], (0, length - part["padding"].shape[1]), value=True) for part in parts]
        return TextFeatures(sentence, torch.cat(words), torch.cat(padding))

    @cached_property
    def _encoder(self) -> TextEncoder:
        encoder: TextEncoder = load_component(Kind.TEXT_ENCODER, self._encoder_folder)[0]
        return encoder
