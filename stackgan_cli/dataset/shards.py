"""Prepared data as self-contained Arrow shards: what their index says, and where they lie.

They serve training from a place that holds more than this disk or memory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.dataset.manifest import ArrowName, Count, Forms, Positive, SchemaOne
from stackgan_cli.errors import DataError
from stackgan_cli.files import at_home
from stackgan_cli.manifests import LARGEST, Manifest, checked, read_json
from stackgan_cli.parsing import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

INDEX = "shards.json"
"""The file that says what a folder of shards holds."""
SHARDS_SCHEMA = 1

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")
_WRITE_AGAIN = "Write the shards again."
_NUMBERS = ("float32", "float16")
_OF_A_CAPTION = {"sentence": (1, _NUMBERS), "words": (2, _NUMBERS), "padding": (1, ("bool",))}
"""Rank of each feature tensor of one caption, and the element types it may have."""


class ShardFile(Manifest):
    """A file of rows, beside the index."""

    name: ArrowName
    rows: Positive
    bytes: Positive


class ShardFeature(Manifest):
    """What each caption has of one feature tensor."""

    dtype: str
    shape: tuple[Positive, ...]


def _of_captions(features: dict[str, ShardFeature]) -> dict[str, ShardFeature]:
    if set(features) not in ({"sentence"}, set(_OF_A_CAPTION)):
        raise ValueError("it is not a sentence, or a sentence with words and padding")
    for name, feature in features.items():
        rank, types = _OF_A_CAPTION[name]
        if len(feature.shape) != rank or feature.dtype not in types:
            raise ValueError(f"{name} cannot be {feature.dtype[:20]} of {len(feature.shape)} dimensions")
    if "words" in features and features["words"].shape[0] != features["padding"].shape[0]:
        raise ValueError("words and padding are not of one length")
    return features


class ShardsIndex(Manifest):
    """What ``shards.json`` holds."""

    schema_version: SchemaOne = Field(alias="schema")
    fingerprint: str
    """Of the prepared data that the shards were made of."""
    encoder: ComponentEntry
    """The text encoder whose features they hold."""
    rows: Positive
    """Pictures in all files."""
    captions: Positive
    """The most captions that a picture has."""
    classes: Count
    """How many there are, 0 where the data has none."""
    pictures: Forms
    features: Annotated[dict[str, ShardFeature], AfterValidator(_of_captions)]
    """``sentence``, and ``words`` with ``padding`` where the encoder describes words."""
    files: tuple[ShardFile, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if len({file.name for file in self.files}) != len(self.files):
            raise ValueError("two files have one name")
        if sum(file.rows for file in self.files) != self.rows:
            raise ValueError(f"the files do not hold {self.rows} rows")
        return self


def shard_columns(resolutions: Iterable[int | str], features: Iterable[str]) -> pa.Schema:
    """Columns of shards with pictures of these resolutions and with these features."""
    import pyarrow as pa

    numbers = {name: pa.int64() for name in ("row", "class", "captions")}
    return pa.schema(numbers | dict.fromkeys((*(f"picture_{size}" for size in resolutions), *features), pa.binary()))


def address_of(location: str, name: str) -> str:
    """Address of a file beside the index: a path where the location is a folder, else what fsspec opens."""
    if is_remote(location):
        return f"{location.rstrip('/')}/{name}"
    return str(at_home(location).absolute() / name)


def is_remote(location: str) -> bool:
    """Whether the location is an address for fsspec, such as ``s3://bucket/birds``, and no folder of this machine."""
    return bool(_REMOTE.match(location))


def read_shards_index(location: str) -> ShardsIndex:
    """Read what a folder of shards holds, trusting nothing in it.

    Args:
        location: a folder, or an address of one that fsspec can open (``https://``, ``s3://``, ``hf://``).

    Raises:
        DataError: there is no index, it cannot be reached, or it is damaged or of a later version.
    """
    address = address_of(location, INDEX)
    if is_remote(location):
        value = _fetched(location, address)
    else:
        value = read_json(Path(address), error=DataError, hint="Check the path, or write the shards again.")
    return checked(ShardsIndex, value, what=address, error=DataError, hint=_WRITE_AGAIN)


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


def _fetched(location: str, address: str) -> Any:
    import fsspec  # type: ignore[import-untyped]  # it ships no types

    try:
        with fsspec.open(address, "rb") as file:
            return parse_json(file.read(LARGEST))
    except Exception as error:  # each kind of address has errors of its own
        raise unreachable(location, address, error) from error
