"""Tables of captioned pictures: Parquet and Arrow files, and sets of the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.home import DATA_MANIFEST
from stackgan_cli.readers.captions import UnreadableCaptions
from stackgan_cli.readers.columns import (
    PICTURE_COLUMNS,
    BadRow,
    Columns,
    Description,
    caption_candidates,
    described_beside,
    described_by,
    enumerated,
    features,
    plain,
    simple_columns,
)
from stackgan_cli.readers.folder.list_rows import NAMES
from stackgan_cli.readers.layout import PICTURE_SUFFIXES, Boundary, LayoutReader
from stackgan_cli.readers.left_out import LeftOut
from stackgan_cli.readers.packed.captions_elsewhere import CaptionsElsewhere
from stackgan_cli.readers.packed.files import likely_files, packed_files, packed_source
from stackgan_cli.readers.packed.hub_sets import hub_tables
from stackgan_cli.readers.split_names import tell_open_parts
from stackgan_cli.readers.tables import ROWS_AT_ONCE, DamagedTable, Table, telling_damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.components.protocols import Skipped

_LAYOUT = (
    "It should be, or hold, .parquet or .arrow files with a column of pictures and one of captions, or a folder that "
    "save_to_disk of Hugging Face's datasets wrote."
)
_SUFFIXES = (".parquet", ".arrow")
_OF_OTHERS = (".tar", ".tar.gz", ".tgz", *NAMES)
"""Where these are, tables are lists of pictures that lie elsewhere: in shards, or in files."""
_STATE = "state.json"
"""What `save_to_disk` writes beside the files of a table, which it gives names like these."""
_SAVED = re.compile(r"data-\d+-of-\d+\.arrow|dataset\.arrow")
_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51")
"""First bytes of pictures: JPEG, PNG, GIF, BMP, TIFF and JPEG 2000."""


class HubReader(LayoutReader):
    """Reads tables of pictures and captions: local files, or a set of the Hugging Face Hub.

    The split is that of the set, or what the names of files and folders speak of, unless a column ``split`` says
    something else; validation counts as test. A set of the Hub is downloaded into the cache of ``datasets`` once. No
    code that comes with a set is run, and pictures are taken as they are stored.

    Args:
        dataset: ``owner/name`` on the Hub; a source is read where it is None.
        config: configuration of a set on the Hub that has several.
        revision: branch, tag or commit on the Hub.
        image_column: name of the column of pictures.
        caption_column: name of the column of captions, or several with commas between.
        captions: a list of captions or a folder of caption files, relative to the source or absolute, that speak of
            pictures by the names of their files in the table, or by a column such as ``file_name`` or ``id``; the
            column of captions is then that of the list.
    """

    scheme = "hf"
    file_suffixes = _SUFFIXES
    layout = _LAYOUT
    recipe = "modern"
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def __init__(
        self,
        *,
        dataset: str | None = None,
        config: str | None = None,
        revision: str | None = None,
        image_column: str | None = None,
        caption_column: str | None = None,
        captions: str | None = None,
    ) -> None:
        self._dataset = dataset
        # Options from a command line may look like numbers.
        self._version = [None if part is None else str(part) for part in (config, revision)]
        self._columns = Columns(image_column, caption_column)
        self._captions = captions
        self._loaded: tuple[list[Table], bool] | None = None

    def root_of(self, source: Path | None) -> Path:
        """Return the name of the set on the Hub, else the source, a file or a folder."""
        return packed_source(source, _LAYOUT) if self._dataset is None else Path(self._dataset)

    def evidence(self, source: Path) -> str | None:
        """Look for tables, unless shards, metadata files or prepared data are there too."""
        if source.is_dir():
            if (source / DATA_MANIFEST).is_file() or any(likely_files(source, _OF_OTHERS)):
                return None
            for name in ("dataset_dict.json", _STATE):
                if (source / name).is_file():
                    return f"{name}: it was written by save_to_disk"
        first = next(likely_files(source, _SUFFIXES), None)
        return (
            None
            if first is None or not _may_hold_pictures(first)
            else f"{first.name} is a table in {first.suffix[1:].capitalize()} format"
        )

    def found(self, root: Path) -> Iterator[Example | Skipped]:
        """Yield the captioned pictures, table by table and row by row, and what had to be left out."""
        left_out = LeftOut()
        if self._dataset is not None:
            tables, folders = self._from_hub(self._dataset, left_out)
        else:
            tables, folders = _local_tables(root, left_out), (root if root.is_dir() else root.parent,)
        elsewhere = None
        if self._captions is not None:
            folder = Path() if self._dataset is not None else root if root.is_dir() else root.parent
            columns = Columns(None, self._columns.caption)
            elsewhere = CaptionsElsewhere(folder / self._captions, columns, left_out)
        yield from _Reading(str(root), Boundary(*folders), folders, self._columns, elsewhere, left_out).examples(tables)

    def _from_hub(self, dataset: str, left_out: LeftOut) -> tuple[list[Table], tuple[Path, ...]]:
        if self._loaded is None:
            self._loaded = hub_tables(dataset, *self._version)
        from datasets.config import HF_DATASETS_CACHE
        from huggingface_hub.constants import HF_HUB_CACHE

        tables, reached = self._loaded
        if not reached:
            left_out.add(dataset, "sets", "read from this machine's cache, as the Hub cannot be reached")
        return tables, (Path(HF_DATASETS_CACHE), Path(HF_HUB_CACHE))


def _may_hold_pictures(path: Path) -> bool:
    """Say whether a table has a column that can hold pictures, or is damaged; others list them, or something else."""
    from pyarrow import types

    checks = (types.is_struct, types.is_binary, types.is_large_binary)
    try:
        with telling_damage():
            return any(
                check(column.type) for column in Table.of_file(path, path.name, "", None).schema() for check in checks
            )
    except DamagedTable:
        return True


def _local_tables(source: Path, left_out: LeftOut) -> list[Table]:
    tables = []
    for file in packed_files(source, _SUFFIXES, _LAYOUT, left_out):
        if (file.path.parent / _STATE).is_file() and not _SAVED.fullmatch(file.path.name):
            reason = f"left out: where {_STATE} is, files of other names hold intermediate results"
            left_out.add(file.name, "tables", reason)
        else:
            tables.append(Table.of_file(file.path, file.name, file.prefix, file.split))
    tell_open_parts(((table.name, table.split) for table in tables), "tables", left_out)
    return tables


@dataclass(frozen=True, slots=True)
class _Reading:
    """Turns rows into examples."""

    place: str
    """What to call the source in messages."""
    boundary: Boundary
    """What the files that rows may name must not lie outside of."""
    folders: tuple[Path, ...]
    """What their names are relative to."""
    columns: Columns
    elsewhere: CaptionsElsewhere | None
    left_out: LeftOut

    def examples(self, tables: list[Table]) -> Iterator[Example | Skipped]:
        """Yield the examples of all tables, whose column of pictures is that of the first one that has rows.

        Raises:
            DataError: its columns cannot be told.
        """
        image = None
        for table in tables:
            count = 0
            try:
                with telling_damage():
                    image = image or self._picture_column(table)
                if image is None:
                    continue
                for example in self._of_table(table, image):
                    count += 1
                    if example is not None:
                        yield example
            except (DamagedTable, BadRow) as error:
                self.left_out.add(table.name, "tables", f"not read after {count:,} rows: {error}")
        if self.elsewhere is not None:
            self.elsewhere.tell_unused()
        yield from self.left_out.lines()

    def _picture_column(self, table: Table) -> str | None:
        column = _picture_column(table, self.columns, self.place)
        if column is not None and self.elsewhere is None:
            _check_captions(table.schema(), self.columns, self.place)
        return column

    def _of_table(self, table: Table, image: str) -> Iterator[Example | None]:
        """Yield an example for each row, or None where it is none, which is told."""
        with telling_damage():
            schema = table.schema()
            names = described_by(schema, self.columns) if self.elsewhere is None else described_beside(schema)
            called = [] if self.elsewhere is None else _naming_columns(schema, image)
            if image not in schema.names:
                raise DamagedTable(f"it has no column {image}")
            if self.elsewhere is None and not self.columns.of_captions(names):
                raise DamagedTable("it has no column of captions")
        for number, row in enumerate(table.rows(list(dict.fromkeys((image, *names.values(), *called))))):
            name = f"{table.prefix}/{number:08d}"
            item = {key: row[column] for key, column in names.items()}
            try:
                picture = self._picture(row[image])
                if self.elsewhere is None:
                    said = self.columns.describe(item)
                else:
                    path = row[image].get("path") if isinstance(row[image], dict) else None
                    said = _said_elsewhere(
                        self.elsewhere, name, table.prefix, [path, *(row[column] for column in called)], item
                    )
            except (BadRow, UnreadableCaptions) as problem:
                self.left_out.add(name, "rows", str(problem))
                yield None
                continue
            for oddity in said.oddities():
                self.left_out.add(name, "rows", oddity)
            split = None if said.odd_split is not None else said.split or table.split
            yield Example(name, picture, said.captions, split, said.class_name)

    def _picture(self, value: Any) -> bytes | Path:
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if isinstance(data, bytes) and data:
            return data
        if not isinstance(path, bytes) or not path or b"\0" in path:
            raise BadRow("it has no picture")
        try:
            files = [folder / os.fsdecode(path) for folder in self.folders]
            inside = [file for file in files if self.boundary.holds(file)]
            existing = [file for file in inside if file.is_file()]
        except OSError as error:
            raise BadRow(f"its picture cannot be opened ({error.strerror or error})") from error
        if existing:
            return existing[0]
        raise BadRow("it names a file that is not there" if inside else "it names a file outside of the source")


def _picture_column(table: Table, columns: Columns, place: str) -> str | None:
    """Choose the column of pictures by looking at a few rows.

    Returns:
        Its name; None for a table without rows.

    Raises:
        DataError: it cannot be told; the message names the columns, and the hint the option that decides.
    """
    from pyarrow import types

    schema = table.schema()
    declared = {name for name, feature in features(schema).items() if feature.get("_type") == "Image"}
    checks = (types.is_struct, types.is_binary, types.is_large_binary)
    binary = [column.name for column in schema if any(check(column.type) for check in checks)]
    sample = list(islice(table.rows(binary or schema.names[:1]), ROWS_AT_ONCE))
    if not sample:
        return None
    found = [name for name in binary if name in declared or any(_looks_like_picture(row[name]) for row in sample)]
    return _only_one(found, binary, schema.names, columns.image, place)


def _naming_columns(schema: Any, image: str) -> list[str]:
    """Return the columns other than that of the pictures by which these may be called, the likeliest first."""
    simple = simple_columns(schema)
    return [simple[name] for name in Columns().of_files(simple) if simple[name] != image]


def _said_elsewhere(
    elsewhere: CaptionsElsewhere, picture: str, prefix: str, names: list[Any], item: dict[str, Any]
) -> Description:
    """Return what is said of a picture elsewhere, and beside that what its row says.

    Args:
        elsewhere: what is said.
        picture: what messages call it.
        prefix: what the names of its table's pictures begin with.
        names: cells that may name it.
        item: cells of its row that hold its class and split.

    Raises:
        BadRow: it has no name.
        UnreadableCaptions: nothing is said of it.
    """
    texts = [os.fsdecode(name) if isinstance(name, bytes) else str(name) for name in names if name not in (None, b"")]
    if not texts:
        raise BadRow(
            "it has no name, in its file's path or a column such as file_name, that captions elsewhere could say"
        )
    said = elsewhere.of(picture, *(each for text in texts for each in (f"{prefix}/{text}", text)))
    row = Description.of((), False, item)
    odd = said.odd_split or (None if said.split else row.odd_split)
    return replace(said, class_name=said.class_name or row.class_name, split=said.split or row.split, odd_split=odd)


def _looks_like_picture(value: Any) -> bool:
    """Say whether a field holds an encoded picture, alone or as ``bytes`` of an object, or the ``path`` of one."""
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if isinstance(data, bytes):
        return data.startswith(_STARTS) or data[4:12] in (b"ftypavif", b"ftypheic") or data[8:12] == b"WEBP"
    return isinstance(path, bytes) and PurePosixPath(os.fsdecode(path)).suffix.lower() in PICTURE_SUFFIXES


def _only_one(found: list[str], possible: list[str], names: list[str], choice: str | None, place: str) -> str:
    if choice is not None:
        column = _existing(choice, names, "--image-column", place)
        if column not in possible:
            raise DataError(f"The column {choice} of {place} holds no pictures.", "--image-column with another name")
        return column
    preferred = [name for name in found if plain(name) in PICTURE_COLUMNS]
    candidates = preferred if len(preferred) == 1 else found
    if len(candidates) > 1:
        raise DataError(
            f"{place} has more than one column that may hold the pictures: {enumerated(candidates)}.",
            f"--image-column with the one that is meant, such as --image-column {enumerated(candidates[:1])}",
        )
    if not candidates:
        raise _none_known("pictures", names, "--image-column", place)
    return candidates[0]


def _check_captions(schema: Any, columns: Columns, place: str) -> None:
    """Raise a DataError where it cannot be told which columns hold the captions."""
    texts = caption_candidates(schema)
    try:
        if columns.of_captions(texts):
            return
    except BadRow as problem:
        raise DataError(f"In {place}, {problem}.", "--caption-column with the one that is meant") from None
    if columns.caption is None:
        raise _none_known("captions", schema.names, "--caption-column", place)
    for name in columns.caption.split(","):
        _existing(name, schema.names, "--caption-column", place)
        if plain(name) not in texts:
            raise DataError(f"The column {name} of {place} holds no text.", "--caption-column with another name")


def _existing(name: str, columns: list[str], option: str, place: str) -> str:
    found = name if name in columns else next((each for each in columns if plain(each) == plain(name)), None)
    if found is None:
        raise DataError(
            f"{place} has no column {name}; its columns are {enumerated(columns)}.", f"{option} with one of them"
        )
    return found


def _none_known(what: str, columns: list[str], option: str, place: str) -> DataError:
    return DataError(
        f"{place} has no column that is known to hold {what}; its columns are {enumerated(columns)}.",
        f"{option} with the name of the one that does",
    )
