"""What the columns of tables and the members of records are for, and what their cells say of a picture.

One set of rules for every form: the same table says the same as CSV, JSON lines, Parquet and Arrow.
"""

from __future__ import annotations

import ast
import json
import math
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stackgan_cli.parsing import parse_json
from stackgan_cli.readers.captions import MAX_CAPTION_FILE, is_nothing, mended, text_lines
from stackgan_cli.readers.encodings import text_of
from stackgan_cli.readers.split_names import split_named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

PICTURE_COLUMNS = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp")
"""Columns that hold pictures, or name their files."""
KEY = "key"
"""The member that a record gets for the name under which it stands among others."""
FILE_COLUMNS = (
    *(*PICTURE_COLUMNS, "file", "path", "filename", "image_path", "file_path", "filepath"),
    *("image_name", "img_name", "imagename", "image_file", "image_filename", "img_path"),
    *("absolute_path", KEY, "name", "image_id", "img_id", "id"),
)
"""Columns that may name a picture's file, after ``file_name``, ``image_file_name`` and any other that ends like these,
which are Hugging Face's names."""
CAPTION_COLUMNS = (
    *("captions", "caption", "texts", "text", "txt", "descriptions", "description"),
    *("prompts", "prompt", "sentences", "sentence", "comments", "comment", "raw", "alt_text", "alt", "conversations"),
)
"""Columns that hold captions; the first that is not empty is taken."""
_SPEAKER, _SAID = "from", "value"
"""Members of a turn of a conversation, as LLaVA's data has them."""
_ANSWERING = ("gpt", "assistant")
_ASKS_FOR_CAPTION = re.compile(r"\b(?:descri|caption|summar)", re.IGNORECASE)
"""What a question has in it that asks what is on a picture."""
LAST_CAPTION_COLUMNS = ("title", "tags", "json")
"""Columns whose text is taken for captions only where no other column has any."""
CAPTION_MEMBERS = (*CAPTION_COLUMNS, "title")
"""Members of a record that stands for a caption; ``raw`` is that of the published captions of COCO."""
CLASS_COLUMNS = ("class_name", "class", "label", "labels", "cls", "category", "species", "fine_label")
"""Columns that hold a class: the first with a name is taken, else the first with a number."""
SPLIT_COLUMN = "split"
_PYTHON_TEXT = re.compile(r"""((?<![\w'"])[urUR]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))""")
_PYTHON_WORDS = {"None": "null", "nan": "null", "True": "true", "False": "false"}
_PYTHON_WORD = re.compile(r"\b(?:None|nan|True|False)\b")
_BRACKETS = str.maketrans("()", "[]")
_NUMBER = re.compile(r"-?[0-9]+")
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


class BadRow(Exception):  # noqa: N818
    """A row or a record is no example; the message is a short reason."""


def plain(column: str) -> str:
    """Make names of columns alike that differ in case, in outer spaces or in spaces for underscores."""
    return column.strip().lower().replace(" ", "_")


def plainly(record: Mapping[str, Any]) -> dict[str, Any]:
    """Make the names of a record's members `plain`."""
    return {plain(name): value for name, value in record.items()}


@dataclass(frozen=True, slots=True)
class Description:
    """What a row or a record says of its picture."""

    captions: tuple[str, ...]
    damaged: bool
    """Whether damaged characters of the captions were read as spaces."""
    class_name: str | None
    split: str | None
    odd_split: str | None
    """The word for its split where that is neither for training nor for testing."""

    @classmethod
    def of(cls, captions: tuple[str, ...], damaged: bool, item: Mapping[str, Any]) -> Description:
        """Make sense of what stands beside captions, in a row or a record the names of whose columns are `plain`."""
        word = class_in(item.get(SPLIT_COLUMN))
        split = None if word is None else split_named(word)
        odd = None if word is None or split is not None else word[:40]
        return cls(captions, damaged, class_of(item), split, odd)

    def oddities(self) -> Iterator[str]:
        """Say what is odd about it, though it is kept."""
        if self.damaged:
            yield "kept; damaged characters were read as spaces"
        if self.odd_split is not None:
            yield f"kept as without a split: its own is neither train nor test ({self.odd_split})"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns name the picture and hold its captions: those that a person chose, or those with the usual names.

    The choice of captions may be several columns with commas between.
    """

    image: str | None = None
    caption: str | None = None

    def of_files(self, names: Collection[str]) -> list[str]:
        """Those of some columns, their names `plain`, that may name the picture; the first comes first."""
        only = "file_name" if self.image is None else plain(self.image)
        if only in names:
            return [only]
        if self.image is not None:
            return []
        others = (name for name in names if name.endswith("_file_name"))
        return [name for name in dict.fromkeys(("image_file_name", *others, *FILE_COLUMNS)) if name in names]

    def of_captions(self, names: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """Groups of some columns, their names `plain`, that hold captions; the first that is not empty is taken.

        Those of a group belong together, such as ``caption_0`` and ``caption_1``.

        Raises:
            BadRow: more than one may hold the captions, and none has a usual name.
        """
        return _caption_groups(self.caption, tuple(names))

    def file_name(self, item: Mapping[str, Any]) -> str | None:
        """The name of a row's picture; None where there is none."""
        for value in (item.get(name) for name in self.of_files(item)):
            name = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
            if isinstance(name, str) and name.strip():
                return name.strip()
        return None

    def describe(self, item: Mapping[str, Any]) -> Description:
        """Make sense of a row or a record, the names of whose columns are `plain`.

        Raises:
            BadRow: it has no caption.
        """
        captions, damaged = self.captions(item)
        if not captions:
            raise BadRow("it has no caption")
        return Description.of(captions, damaged, item)

    def captions(self, item: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
        """Take the captions out of the first columns that have any; see `captions_in`.

        Raises:
            BadRow: what is there cannot be captions, or it is not clear which column has them.
        """
        for group in self.of_captions(item):
            captions, damaged = captions_in([item[name] for name in group])
            if captions:
                return captions, damaged
        return (), False


@lru_cache(maxsize=8)
def _caption_groups(choice: str | None, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if choice is not None:
        wanted = (plain(choice),) if plain(choice) in names else tuple(map(plain, choice.split(",")))
        return (wanted,) if set(wanted) <= set(names) else ()
    usual: list[tuple[str, ...]] = [(name,) for name in CAPTION_COLUMNS if name in names]
    last = [(name,) for name in LAST_CAPTION_COLUMNS if name in names]
    if not usual:
        usual = _numbered(names)
    if not usual:
        called = [name for name in names if "caption" in name]
        if len(called) > 1:
            raise BadRow(f"more than one column may hold the captions: {enumerated(called)}")
        usual = [(name,) for name in called]
    return (*usual, *last)


def _numbered(names: Collection[str]) -> list[tuple[str, ...]]:
    """Group columns such as ``caption_0`` and ``caption_1``, in the order of their numbers."""
    groups: dict[str, list[tuple[int, str]]] = {name: [] for name in CAPTION_COLUMNS}
    for name in names:
        match = re.fullmatch(r"(.*?)_?([0-9]{1,9})", name)
        if match is not None and match[1] in groups:
            groups[match[1]].append((int(match[2]), name))
    return [tuple(name for _, name in sorted(group)) for group in groups.values() if group]


def captions_in(cells: Iterable[Any]) -> tuple[tuple[str, ...], bool]:
    """Take the captions out of cells.

    Args:
        cells: each of them text, a list of texts, a record that has its text under one of `CAPTION_MEMBERS`, a list
            of those, or a conversation about a picture, whose caption is one of its answers (`_answer`). Text may be
            UTF-8 in bytes; a list or a record may be written as JSON, as a table of text has to.

    Returns:
        The captions without those that stand for nothing, such as ``NaN``, line ends inside them read as spaces, and
        whether anything was damaged.

    Raises:
        BadRow: it is something else, or longer than a megabyte.
    """
    try:
        texts = [text for cell in cells for text in _texts(_answer(_unfolded(cell)))]
    except RecursionError:
        raise _unusable_caption() from None
    if sum(map(len, texts)) > MAX_CAPTION_FILE:
        raise BadRow("its caption is longer than a megabyte")
    pairs = [mended(" ".join(text_lines(text))) for text in texts]
    return tuple(text for text, _ in pairs if not _is_nothing(text)), any(damage for _, damage in pairs)


def _answer(value: Any) -> Any:
    """Return the caption among the turns of a conversation: the answer to the first question that asks for one.

    Where no question does, it is the first answer. Anything but a conversation stays as it is.
    """
    if not isinstance(value, list) or not value or not all(map(_is_turn, value)):
        return value
    question = first = None
    for turn in value:
        if _decoded(turn[_SPEAKER]) not in _ANSWERING:
            question = _decoded(turn[_SAID])
        elif isinstance(question, str) and _ASKS_FOR_CAPTION.search(question):
            return turn[_SAID]
        elif first is None:
            first = turn[_SAID]
    return first


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and _SPEAKER in value and _SAID in value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        there = [value[name] for name in CAPTION_MEMBERS if name in value]
        value = next((each for each in there if isinstance(each, str | bytes)), None if there else 0)
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str | bytes):
        yield _decoded(value)
    elif not _is_nothing(value):
        raise _unusable_caption()


def _unusable_caption() -> BadRow:
    return BadRow("its caption is neither text nor a list of texts")


def class_of(item: Mapping[str, Any], otherwise: str | None = None) -> str | None:
    """Return the class that a row or a record names, else ``otherwise``, else a number that it has for a class."""
    found = [name for column in CLASS_COLUMNS if column in item and (name := class_in(item[column])) is not None]
    names = (name for name in found if not _NUMBER.fullmatch(name))
    return next(names, otherwise) or next(iter(found), None)


def class_in(cell: Any) -> str | None:
    """Return the name of a class that a cell holds, text or a number; None where it holds nothing or something else."""
    return _class_name(_decoded(cell)) if isinstance(cell, str | bytes | int | float) else None


@lru_cache(maxsize=512, typed=True)
def _class_name(cell: str | float) -> str | None:
    value = _unfolded(cell)
    if not isinstance(value, str | int | float):
        return None
    text = mended(str(value))[0]
    # Tables with gaps hold whole numbers as floating point.
    whole = _WHOLE.fullmatch(text)
    # Thousands of rows share a class, and need only one copy of its name.
    return None if _is_nothing(text) else sys.intern(whole[1] if whole else text)


def _is_nothing(value: Any) -> bool:
    if isinstance(value, str):
        return is_nothing(value)
    return value is None or (isinstance(value, float) and math.isnan(value))


def _unfolded(cell: Any) -> Any:
    """Read a list or a record written as JSON or as Python has it; text that only begins like one stays text."""
    text = _decoded(cell)
    if isinstance(text, str) and text.lstrip()[:1] in ("[", "{", "("):
        for form in (text, _as_json(text)):
            with suppress(ValueError):
                return parse_json(form)
    return text


def _as_json(text: str) -> str:
    """Turn lists, tuples and records as Python and numpy print them into JSON, without running anything."""
    if len(text) > MAX_CAPTION_FILE:
        return ""
    parts = _PYTHON_TEXT.split(text)
    for place in range(0, len(parts), 2):
        between = _PYTHON_WORD.sub(lambda word: _PYTHON_WORDS[word[0]], parts[place])
        between = re.sub(r",(\s*[\])}])", r"\1", between).translate(_BRACKETS)
        # numpy prints no commas.
        parts[place] = between if between.strip() or place in (0, len(parts) - 1) else ","
    for place in range(1, len(parts), 2):
        with suppress(ValueError, SyntaxError):
            parts[place] = json.dumps(ast.literal_eval(parts[place]))
    return "".join(parts)


def _decoded(value: Any) -> Any:
    return text_of(value) if isinstance(value, bytes) else value


def enumerated(names: Iterable[str]) -> str:
    """List names of columns, the first of many."""
    listed = [mended(name)[0][:100] for name in names]
    more = f" and {len(listed) - 30} more" if len(listed) > 30 else ""
    return (", ".join(listed[:30]) + more) or "none at all"


def described_by(schema: Any, columns: Columns) -> dict[str, str]:
    """Find the columns of a schema of pyarrow that hold captions, the class and the split, by their plain names.

    A column of class labels stands for the class if it is the only one, whatever it is called.

    Raises:
        BadRow: more than one column may hold the captions.
    """
    texts = caption_candidates(schema)
    found = {name: texts[name] for group in columns.of_captions(texts) for name in group}
    return found | described_beside(schema)


def described_beside(schema: Any) -> dict[str, str]:
    """Find the columns that hold the class and the split, as `described_by` does."""
    found: dict[str, str] = {}
    simple = simple_columns(schema)
    labels = [name for name in label_names(schema) if name in simple.values()]
    if len(labels) == 1 and simple.keys().isdisjoint(CLASS_COLUMNS):
        found[CLASS_COLUMNS[0]] = labels[0]
    return found | {name: simple[name] for name in (*CLASS_COLUMNS, SPLIT_COLUMN) if name in simple}


def simple_columns(schema: Any) -> dict[str, str]:
    """Return the columns of a table that hold text or numbers, by plain names."""
    return {plain(column.name): column.name for column in schema if _is_simple(column.type)}


def caption_candidates(schema: Any) -> dict[str, str]:
    """Return the columns of a table whose type is one of text, lists of it, or records with it, by plain names."""
    return {plain(column.name): column.name for column in schema if _holds_text(column.type)}


def is_text(kind: Any) -> bool:
    """Say whether a type of pyarrow is one of its kinds of text."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    return any(check(kind) for check in (types.is_string, types.is_large_string, types.is_string_view))


def _holds_text(kind: Any) -> bool:
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _holds_text(kind.value_type)
    if types.is_struct(kind):
        named = (*CAPTION_MEMBERS, _SAID) if kind.get_field_index(_SPEAKER) >= 0 else CAPTION_MEMBERS
        return any(field.name in named and _holds_text(field.type) for field in kind)
    return is_text(kind)


def _is_simple(kind: Any) -> bool:
    from pyarrow import types

    return is_text(kind) or any(check(kind) for check in (types.is_integer, types.is_floating, types.is_boolean))


def features(schema: Any) -> dict[str, dict[str, Any]]:
    """Return what Hugging Face's datasets notes of columns in a schema of pyarrow, such as their kind."""
    try:
        found = parse_json(schema.metadata[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in found.items() if isinstance(feature, dict)}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def label_names(schema: Any) -> dict[str, list[str]]:
    """Return the names that the numbers in a table's columns of class labels have."""
    listed = {name: each.get("names") for name, each in features(schema).items() if each.get("_type") == "ClassLabel"}
    return {name: names for name, names in listed.items() if isinstance(names, list)}
