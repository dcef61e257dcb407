"""Prepared data as self-contained Arrow shards, for training from a place that holds more than this disk or memory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stackgan_cli.errors import DataError, SettingsError
from stackgan_cli.files import atomic_folder, write_text
from stackgan_cli.randomness import generator_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stackgan_cli.dataset.prepared import PreparedData

INDEX = "shards.json"
"""The file that says what a folder of shards holds."""
SCHEMA = 1

_GROUP_BYTES = 4 << 20
_GROUP_ROWS = 256
_INDEX_BYTES = 1 << 26
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.arrow")
_SIZE = re.compile(r"[1-9][0-9]{0,4}")
_FEATURES = {"sentence": (1, ("float32", "float16")), "words": (2, ("float32", "float16")), "padding": (1, ("bool",))}
"""Rank of each feature tensor of one caption, and the element types it may have."""


def write_shards(
    data: PreparedData,
    encoder_folder: Path,
    target: Path,
    *,
    rows_per_shard: int = 4096,
    report: Callable[[int, int], None],
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
    forms = data.manifest["pictures"]
    rows = _TrainingRows(data, encoder_folder)
    with atomic_folder(target) as folder:
        writer = ShardWriter(folder, forms, rows.features, rows_per_shard)
        for done, row in enumerate(rows, start=1):
            writer.write(row)
            if done % _GROUP_ROWS == 0 or done == len(rows):
                report(done, len(rows))
        writer.close(
            fingerprint=data.fingerprint,
            encoder=data.manifest["encoders"][encoder_folder.name],
            captions=rows.longest,
            classes=len(data.manifest["classes"]),
        )
    return len(rows)


def columns_of(resolutions: Sequence[int | str], features: Sequence[str]) -> list[str]:
    """Names of the columns that hold pictures of these resolutions and these features."""
    return ["row", "class", "captions", *(f"picture_{size}" for size in resolutions), *features]


class ShardWriter:
    """Writes rows to shards, one file after the other, and the index when all are there.

    Args:
        folder: an empty folder.
        forms: for each resolution, whether pictures are stored ``raw`` or as ``jpeg``.
        features: for each feature tensor, its ``dtype`` and its ``shape`` for one caption.
        rows_per_shard: rows in each file; the last one may hold fewer.
    """

    def __init__(
        self, folder: Path, forms: Mapping[str, str], features: Mapping[str, Mapping[str, Any]], rows_per_shard: int
    ) -> None:
        self._folder, self._forms, self._features, self._most = folder, dict(forms), dict(features), rows_per_shard
        self._files: list[dict[str, Any]] = []
        self._waiting: list[Mapping[str, int | bytes]] = []
        self._waiting_bytes = self._rows = 0
        self._writer: Any = None

    def write(self, row: Mapping[str, int | bytes]) -> None:
        """Write one row: a value for every column of :func:`columns_of`."""
        self._waiting.append(row)
        self._waiting_bytes += sum(len(value) for value in row.values() if isinstance(value, bytes))
        full = self._rows + len(self._waiting) == self._most
        # Readers hold some groups of each file at a time, so a group is small however large its pictures are.
        if full or len(self._waiting) == _GROUP_ROWS or self._waiting_bytes >= _GROUP_BYTES:
            self._flush()
        if full:
            self._finish_file()

    def close(self, *, fingerprint: str, encoder: Mapping[str, Any], captions: int, classes: int) -> None:
        """Finish the last file and write the index.

        Args:
            fingerprint: of the prepared data.
            encoder: entry of the text encoder in ``data.json``.
            captions: the most captions that a picture has.
            classes: how many there are, 0 where the data has none.
        """
        self._flush()
        self._finish_file()
        index = {
            "schema": SCHEMA,
            "fingerprint": fingerprint,
            "encoder": dict(encoder),
            "rows": sum(file["rows"] for file in self._files),
            "captions": captions,
            "classes": classes,
            "pictures": self._forms,
            "features": self._features,
            "files": self._files,
        }
        write_text(self._folder / INDEX, json.dumps(index, ensure_ascii=False, indent=1) + "\n")

    @property
    def _path(self) -> Path:
        return self._folder / f"train-{len(self._files):05d}.arrow"

    def _flush(self) -> None:
        if not self._waiting:
            return
        import pyarrow as pa

        if self._writer is None:
            self._writer = self._open()
        kinds = {name: pa.int64() for name in columns_of([], [])}
        names = columns_of(list(self._forms), list(self._features))
        self._writer.write_table(
            pa.table(
                {name: pa.array([row[name] for row in self._waiting], kinds.get(name, pa.binary())) for name in names}
            )
        )
        self._rows += len(self._waiting)
        self._waiting, self._waiting_bytes = [], 0

    def _open(self) -> Any:
        import datasets
        from datasets.arrow_writer import ArrowWriter

        features = {name: datasets.Value("binary") for name in columns_of(list(self._forms), list(self._features))}
        features |= {name: datasets.Value("int64") for name in columns_of([], [])}
        return ArrowWriter(path=str(self._path), features=datasets.Features(features), writer_batch_size=_GROUP_ROWS)

    def _finish_file(self) -> None:
        if self._writer is not None:
            self._writer.finalize()
            size = self._path.stat().st_size
            self._files.append({"name": self._path.name, "rows": self._rows, "bytes": size})
            self._writer, self._rows = None, 0


class _TrainingRows:
    """The rows to write, read one by one from mapped files."""

    def __init__(self, data: PreparedData, encoder_folder: Path) -> None:
        import datasets
        import pyarrow.compute as pc
        from safetensors import safe_open

        self._forms = data.manifest["pictures"]
        self._fingerprint = data.fingerprint
        path = encoder_folder / "train.safetensors"
        again = f"stackgan prepare --data {data.name} --force"
        try:
            self._table = datasets.load_from_disk(str(data.folder / "train")).data
            counts = pc.list_value_length(self._table.column("captions")).to_numpy().astype(np.int64)
            file: Any = safe_open(path, framework="np")
            self._slices = {name: file.get_slice(name) for name in _FEATURES if name in file.keys()}  # noqa: SIM118  # no mapping
            one = {name: tensor[0:1] for name, tensor in self._slices.items()}
        except Exception as error:
            raise DataError(f"The data {data.name!r} cannot be read: {error}.", hint=again) from error
        self.features = {name: {"dtype": str(each.dtype), "shape": list(each.shape[1:])} for name, each in one.items()}
        self._ends = np.cumsum(counts)
        self.longest = int(counts.max())
        lengths = {tensor.get_shape()[0] for tensor in self._slices.values()}
        if lengths != {int(self._ends[-1])} or not _features_are_whole(self.features):
            raise DataError(f"{path} does not hold the features of this data's captions.", hint=again)

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[dict[str, int | bytes]]:
        order = torch.randperm(len(self), generator=generator_for(self._fingerprint, "shards")).numpy()
        columns = {f"picture_{size}": self._table.column(f"picture_{size}") for size in self._forms}
        classes = self._table.column("class")
        for number in order:
            picture = int(number)
            first, end = int(self._ends[picture - 1]) if picture else 0, int(self._ends[picture])
            row: dict[str, int | bytes] = {
                "row": picture,
                "class": classes[picture].as_py(),
                "captions": end - first,
            }
            row |= {name: column[picture].as_py() for name, column in columns.items()}
            row |= {name: tensor[first:end].tobytes() for name, tensor in self._slices.items()}
            yield row


def address_of(location: str, name: str) -> str:
    """Address of a file beside the index: a path where the location is a folder, else what fsspec opens."""
    if is_remote(location):
        return f"{location.rstrip('/')}/{name}"
    return str(Path(location).expanduser().absolute() / name)


def is_remote(location: str) -> bool:
    """Whether the location is an address for fsspec, such as ``s3://bucket/birds``, and no folder of this machine."""
    return bool(_REMOTE.match(location))


def read_shards_index(location: str) -> dict[str, Any]:
    """Read what a folder of shards holds, trusting nothing in it.

    Args:
        location: a folder, or an address of one that fsspec can open (``https://``, ``s3://``, ``hf://``).

    Returns:
        ``schema``, ``fingerprint``, ``encoder`` (its entry), ``rows`` (pictures), ``captions`` (the most of a picture),
        ``classes`` (0 where there are none), ``pictures`` (``raw`` or ``jpeg`` for each resolution), ``features``
        (``dtype`` and ``shape`` for each) and ``files`` (``name``, ``rows`` and ``bytes`` of each).

    Raises:
        DataError: there is no index, it cannot be reached, or it is damaged or of a later version.
    """
    address = address_of(location, INDEX)
    try:
        index = json.loads(_opened(address))
    except Exception as error:  # each kind of address has errors of its own
        raise unreachable(location, address, error) from error
    if not isinstance(index, dict) or index.get("schema") != SCHEMA or not _is_whole(index):
        raise DataError(f"{address} is not of the form this version writes.", hint="Write the shards again.")
    return index


def unreachable(location: str, address: str, error: Exception) -> DataError:
    """Describe why something at a location cannot be read, with the package to install where one is missing."""
    if isinstance(error, ImportError):
        scheme = location.partition(":")[0].lower()
        hint = f'pip install "fsspec[{"http" if scheme == "https" else scheme}]"'
    elif is_remote(location):
        hint = "Check the address, the network and your permission to read it."
    else:
        hint = "Check the path, or write the shards again."
    return DataError(f"{address} cannot be read: {str(error).rstrip('.') or type(error).__name__}.", hint=hint)


def _opened(address: str) -> bytes:
    import fsspec  # type: ignore[import-untyped]  # it ships no types

    if not is_remote(address):
        return Path(address).read_bytes()
    with fsspec.open(address, "rb") as file:
        text: bytes = file.read(_INDEX_BYTES)
    return text


def _is_whole(index: Mapping[str, Any]) -> bool:
    """Check every type, and that files lie beside the index and add up."""
    files, pictures, features = index.get("files"), index.get("pictures"), index.get("features")
    encoder = index.get("encoder")
    return (
        isinstance(index.get("fingerprint"), str)
        and isinstance(encoder, dict)
        and isinstance(encoder.get("name"), str)
        and _is_count(index.get("captions"))
        and _is_count(index.get("classes"), least=0)
        and isinstance(pictures, dict)
        and all(_SIZE.fullmatch(size) and form in ("raw", "jpeg") for size, form in pictures.items())
        and isinstance(features, dict)
        and _features_are_whole(features)
        and isinstance(files, list)
        and all(isinstance(file, dict) and _is_file(file) for file in files)
        and len({file["name"] for file in files}) == len(files)
        and _is_count(index.get("rows"))
        and sum(file["rows"] for file in files) == index["rows"]
    )


def _is_file(file: Mapping[str, Any]) -> bool:
    name = file.get("name")
    return (
        isinstance(name, str)
        and _FILE.fullmatch(name) is not None
        and _is_count(file.get("rows"))
        and _is_count(file.get("bytes"))
    )


def _features_are_whole(features: Mapping[str, Any]) -> bool:
    names = set(features)
    if names not in ({"sentence"}, {"sentence", "words", "padding"}):
        return False
    for name, described in features.items():
        rank, kinds = _FEATURES[name]
        shape = described.get("shape") if isinstance(described, dict) else None
        if not isinstance(shape, list) or len(shape) != rank or not all(map(_is_count, shape)):
            return False
        if described.get("dtype") not in kinds:
            return False
    return "words" not in names or bool(features["words"]["shape"][0] == features["padding"]["shape"][0])


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 1 << 53
