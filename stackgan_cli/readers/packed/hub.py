"""Tables of captioned pictures: Parquet and Arrow files, and sets of the Hugging Face Hub."""

from __future__ import annotations

import logging
import os
import re
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.home import DATA_MANIFEST
from stackgan_cli.readers import columns
from stackgan_cli.readers.captions import UnreadableCaptions
from stackgan_cli.readers.folder.metadata import NAMES
from stackgan_cli.readers.layout import at_least_one, opening
from stackgan_cli.readers.left_out import LeftOut, Tally
from stackgan_cli.readers.metadata_rows import split_named
from stackgan_cli.readers.packed.tables import (
    ROWS_AT_ONCE,
    DamagedTable,
    Table,
    batches_of,
    rows_of,
    schema_of,
    telling_damage,
)
from stackgan_cli.readers.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_TIMEOUT = 10
"""Seconds to wait for the Hub before it counts as out of reach."""


class HubReader:
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
    """

    scheme = "hf"
    crop = "center"
    recipe = "paper"
    encoder = ("char-cnn-rnn", {"variant": "cvpr", "channels": 128, "width": 256})

    def __init__(
        self,
        *,
        dataset: str | None = None,
        config: str | None = None,
        revision: str | None = None,
        image_column: str | None = None,
        caption_column: str | None = None,
    ) -> None:
        self._dataset = dataset
        # Options from a command line may look like numbers.
        self._version = [None if part is None else str(part) for part in (config, revision)]
        self._choices = image_column, caption_column
        self._loaded: tuple[list[Table], list[Skipped]] | None = None

    def recognises(self, source: Path) -> str | None:
        """Say in a few words why ``source`` looks like this layout, or return None where it does not."""
        try:
            if source.is_dir():
                if (source / DATA_MANIFEST).is_file() or any(columns.likely_files(source, _OF_OTHERS)):
                    return None
                for name in ("dataset_dict.json", _STATE):
                    if (source / name).is_file():
                        return f"{name}: it was written by save_to_disk"
            first = next(columns.likely_files(source, _SUFFIXES), None)
        except OSError:
            return None
        return None if first is None else f"{first.name} is a table in {first.suffix[1:].capitalize()} format"

    def examples(self, source: Path | None) -> Iterator[Example | Skipped]:
        """Yield every captioned picture, table by table and row by row, and what had to be left out.

        Raises:
            DataError: there is no table, or it has no columns of pictures and captions that can be told, or no
                captioned picture; or the Hub cannot be reached, or does not give the set.
        """
        if self._dataset is not None:
            if self._loaded is None:
                self._loaded = _hub_tables(self._dataset, *self._version)
            from datasets.config import HF_DATASETS_CACHE
            from huggingface_hub.constants import HF_HUB_CACHE

            (tables, problems), root = self._loaded, Path(self._dataset)
            folders = [Path(HF_DATASETS_CACHE), Path(HF_HUB_CACHE)]
        else:
            root = source or Path()
            with opening(root):
                tables, problems = _local_tables(source)
                folders = [root if root.is_dir() else root.parent]
        reading = _Reading(str(root), [Tree(folder, folder.resolve()) for folder in folders])
        found = reading.examples(tables, *self._choices)
        yield from at_least_one(chain(problems, found), root, _LAYOUT)


def _local_tables(source: Path | None) -> tuple[list[Table], list[Skipped]]:
    files, problems = columns.packed_files(source, _SUFFIXES, _LAYOUT)
    others = Tally("tables", f"left out: where {_STATE} is, files of other names hold intermediate results")
    tables = []
    for file in files:
        if (file.path.parent / _STATE).is_file() and not _SAVED.fullmatch(file.path.name):
            others.add(file.name)
            continue
        schema, batches = partial(schema_of, file.path), partial(batches_of, file.path)
        tables.append(Table(file.name, file.prefix, file.split, schema, batches))
    unsplit = columns.open_parts(((table.name, table.split) for table in tables), "tables")
    return tables, [*problems, *others.lines(), *unsplit]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns hold what."""

    image: str
    captions: tuple[str, ...]
    class_name: str | None
    split: str | None


def _choose(table: Table, schema: Any, place: str, image: str | None, captions: str | None) -> _Columns | None:
    """Choose the columns, or return None for a table without rows; raise a DataError where they cannot be told."""
    from pyarrow import types

    declared = {name: feature.get("_type") for name, feature in columns.features(schema).items()}
    checks = (types.is_struct, types.is_binary, types.is_large_binary)
    binary = [column.name for column in schema if any(check(column.type) for check in checks)]
    sample = list(islice(rows_of(table, binary or schema.names[:1]), ROWS_AT_ONCE))
    if not sample:
        return None
    looking = {name for name in binary if any(columns.looks_like_picture(row[name]) for row in sample)}
    pictures = [name for name in binary if name in looking or declared.get(name) == "Image"]
    texts = {column.name: columns.holds_text(column.type) and column.name not in pictures for column in schema}
    simple = [column.name for column in schema if types.is_integer(column.type) or types.is_string(column.type)]
    return _Columns(
        columns.image_column(pictures, {name: name in binary for name in schema.names}, image, place),
        columns.caption_columns(texts, captions, place),
        columns.class_column(simple, [name for name in schema.names if declared.get(name) == "ClassLabel"]),
        "split" if texts.get("split") else None,
    )


@dataclass(slots=True)
class _Reading:
    """Turns rows into examples."""

    place: str
    """What to call the source in messages."""
    trees: list[Tree]
    """Where files lie that rows may name."""
    left_out: LeftOut = field(default_factory=LeftOut)
    damaged: Tally = field(default_factory=lambda: Tally("rows", "kept; damaged characters were read as spaces"))
    unsplit: Tally = field(
        default_factory=lambda: Tally("rows", "kept as without a split: it is neither train nor test")
    )

    def examples(self, tables: list[Table], image: str | None, captions: str | None) -> Iterator[Example | Skipped]:
        """Yield the examples of all tables, whose columns are those of the first one that has rows.

        Raises:
            DataError: its columns cannot be told.
        """
        chosen = None
        for table in tables:
            count = 0
            try:
                with telling_damage():
                    schema = table.schema()
                    names = set(schema.names)
                    chosen = chosen or _choose(table, schema, self.place, image, captions)
                for example in self._of_table(table, schema, names, chosen) if chosen else ():
                    count += 1
                    yield from [example] if isinstance(example, Example) else self.left_out.add(*example)
            except DamagedTable as error:
                yield Skipped(table.name, f"not read after {count:,} rows: {error}")
        yield from chain(self.left_out.rest(), self.damaged.lines(), self.unsplit.lines())

    def _of_table(
        self, table: Table, schema: Any, names: set[str], chosen: _Columns
    ) -> Iterator[Example | tuple[str, str]]:
        """Yield an example for each row, or its name and why it is none."""
        class_names = columns.features(schema).get(chosen.class_name or "", {}).get("names")
        absent = {chosen.image, *chosen.captions} - names
        if absent:
            raise DamagedTable(f"it has no column {min(absent)}")
        wanted = dict.fromkeys((chosen.image, *chosen.captions, chosen.class_name or "", chosen.split or ""))
        present = [name for name in wanted if name in names]
        for number, row in enumerate(rows_of(table, present)):
            name = f"{table.prefix}/{number:08d}"
            try:
                image = self._image(row[chosen.image])
                captions, damaged = columns.captions_in([row[column] for column in chosen.captions])
            except (UnreadableCaptions, LookupError) as error:
                yield name, str(error.args[0])
                continue
            if not captions:
                yield name, "it has no caption"
                continue
            if damaged:
                self.damaged.add(name)
            word = columns.class_in(row.get(chosen.split or ""))
            split = table.split if word is None else split_named(word)
            if word is not None and split is None:
                self.unsplit.add(name)
            yield Example(name, image, captions, split, columns.class_in(row.get(chosen.class_name or ""), class_names))

    def _image(self, value: Any) -> bytes | Path:
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if isinstance(data, bytes) and data:
            return data
        if not isinstance(path, bytes) or not path or b"\0" in path:
            raise LookupError("it has no picture")
        name = os.fsdecode(path)
        try:
            inside = [tree.root / name for tree in self.trees if tree.holds(tree.root / name)]
            existing = [file for file in inside if file.is_file()]
        except OSError as error:
            raise LookupError(f"its picture cannot be opened ({error.strerror or error})") from error
        if existing:
            return existing[0]
        raise LookupError("it names a file that is not there" if inside else "it names a file outside of the source")


def _hub_tables(name: str, config: str | None, revision: str | None) -> tuple[list[Table], list[Skipped]]:
    """Load a set of the Hub through the cache of `datasets`, or raise a DataError."""
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        raise DataError(f"{name!r} is no name of a set on the Hugging Face Hub.", "--source hf:OWNER/NAME")
    if Path(name).exists():
        # `datasets` would read it in place of the set on the Hub.
        raise DataError(f"There is a local {name} in this folder.", f"--source {name} to read it, or go elsewhere")
    import datasets

    with _silence():
        there = _answers(name, revision)
        before, datasets.config.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE, not there
        try:
            found = datasets.load_dataset(name, config, revision=revision, keep_in_memory=False)
        except Exception as error:  # whatever servers, caches and files of strangers lead to
            raise _explained(name, error) from error
        finally:
            datasets.config.HF_HUB_OFFLINE = before
    problems = [] if there else [Skipped(name, "read from this machine's cache, as the Hub cannot be reached")]
    splits = columns.splits_in_names([str(name) for name in found])
    return [_hub_table(str(name), splits[str(name)], rows) for name, rows in found.items()], problems


def _hub_table(name: str, split: str | None, rows: Any) -> Table:
    def batches(names: Sequence[str]) -> Iterator[Any]:
        for table in rows.select_columns(list(names)).with_format("arrow").iter(ROWS_AT_ONCE):
            yield from table.to_batches()

    return Table(name, name, split, lambda: rows.features.arrow_schema, batches)


def _answers(name: str, revision: str | None) -> bool:
    """Ask the Hub once for a set; left alone, `datasets` asks a dead network again for half a minute."""
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if datasets.config.HF_HUB_OFFLINE:
        return False
    try:
        HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT)
        return True
    except HfHubHTTPError as error:
        return error.response.status_code < 500
    except Exception:  # of whichever library carries requests
        return False


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the progress bars, log lines and warnings of the Hub's libraries from the terminal."""
    import datasets
    import huggingface_hub.utils

    with warnings.catch_warnings(), ExitStack() as afterwards:
        warnings.simplefilter("ignore")
        for library in (datasets, huggingface_hub.utils):
            afterwards.callback(library.logging.set_verbosity, library.logging.get_verbosity())
            library.logging.set_verbosity(logging.CRITICAL)
            if not library.are_progress_bars_disabled():
                afterwards.callback(library.enable_progress_bars)
                library.disable_progress_bars()
        yield


_EXPLANATIONS = {
    r"^\w*(?:Connect|Timeout|LocalEntry)\w*:": "The Hugging Face Hub cannot be reached, and there is no copy of {name} "
    "on this machine. | "
    "Get it where there is a network (hf download {name} --repo-type dataset --local-dir FOLDER), then --source FOLDER",
    r"\bgated\b": "{name} is a gated set: its owners say who may have it. | "
    "Ask for access at https://huggingface.co/datasets/{name}, then run: hf auth login",
    r"scripts are no longer supported": "{name} is made by a script of its own, and no code from the Hub is run. | "
    "Many such sets have a copy in tables: --reader-option revision=refs/convert/parquet",
    r"Revision '": "{name} has no such revision on the Hugging Face Hub. | --reader-option revision=main",
    r"^DatasetNotFoundError": "There is no set {name} on the Hugging Face Hub, or it is private. | "
    "Check how it is spelt; for a private set, run: hf auth login",
    r"(?:available configs|Available): \[(.*?)\]": "{name} has several configurations: {found}. | "
    "--reader-option config=NAME, with one of them",
    r"(.{1,300})": "{name} cannot be loaded: {found} | See what it holds at https://huggingface.co/datasets/{name}",
}
"""What the errors of `datasets` look like, the first that fits, and what is to be said and, after the bar, done."""


def _explained(name: str, error: Exception) -> DataError:
    cause = (error.__cause__ if type(error).__name__ == "DatasetGenerationError" else None) or error
    words = f"{type(cause).__name__}: {cause}"
    match, text = next((match, text) for pattern, text in _EXPLANATIONS.items() if (match := re.search(pattern, words)))
    message, _, hint = text.partition(" | ")
    return DataError(message.format(name=name, found="".join(match.groups())), hint.format(name=name))
