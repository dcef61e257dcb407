"""What names say in packed data: which files are parts of a set, of which split, and which fields hold what."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.errors import DataError
from stackgan_cli.readers.captions import MAX_CAPTION_FILE, UnreadableCaptions, decode_text, mended, text_lines
from stackgan_cli.readers.layout import PICTURE_SUFFIXES
from stackgan_cli.readers.left_out import Tally
from stackgan_cli.readers.metadata_rows import CAPTION_COLUMNS, is_text, split_named
from stackgan_cli.readers.tree import OUTSIDE, Tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

CAPTION_NAMES = (*CAPTION_COLUMNS, "texts", "descriptions", "prompts", "txt")
"""Names of fields that hold captions."""
_MEMBERS = (*CAPTION_NAMES, "raw")
"""Names under which an object that stands for a caption has its text; ``raw`` is that of the captions of COCO."""
CLASS_NAMES = ("class_name", "class", "label", "labels", "cls", "category", "species", "fine_label")
"""Names of fields that hold a class."""
_PICTURE_NAMES = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp")
_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51")
"""First bytes of pictures: JPEG, PNG, GIF, BMP, TIFF and JPEG 2000."""
_WEAK_NAMES = ("title", "json")
"""Columns whose text is taken for captions only where no other column is."""
_SUFFIX = re.compile(r"\.(tar|tar\.gz|tgz|parquet|arrow)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file that holds many pictures."""

    path: Path
    name: str
    """Relative to the source, with slashes."""
    prefix: str
    """What the names of its pictures begin with: its own name, without the suffix where that is still unique."""
    split: str | None


def packed_files(source: Path | None, suffixes: tuple[str, ...], layout: str) -> tuple[list[PackedFile], list[Skipped]]:
    """Find the files of a set: the source itself, or all with one of the suffixes in it and in its folders.

    Args:
        source: a file or a folder.
        suffixes: what their names end in, in lower case.
        layout: a sentence saying what the source should hold, for the hint.

    Returns:
        The files in the order of their names, and what cannot be one of them. No link out of the folder is followed,
        and none to a folder.

    Raises:
        DataError: there is no source, or no such file in it.
        OSError: the source cannot be opened.
    """
    if source is None or not source.exists():
        place = "There is nothing to read." if source is None else f"There is nothing at {source}."
        raise DataError(place, f"Name a file or a folder with --source. {layout}")
    if source.is_dir():
        next(os.scandir(source), None)
        names, problems = _names_inside(source, suffixes)
        root = source
    else:
        # A file that a person names is read whatever it is called.
        names, problems, root = [source.name], [], source.parent
        if not source.is_file():
            raise DataError(f"{source} is neither a file nor a folder.", layout)
    if not names:
        first = f" Left out: {problems[0].name}: {problems[0].reason}." if problems else ""
        raise DataError(f"{source} holds no file whose name ends in {' or '.join(suffixes)}.{first}", layout)
    prefixes = _prefixes(names)
    splits = splits_in_names(names)
    return [PackedFile(root / name, name, prefixes[name], splits[name]) for name in names], problems


def likely_files(source: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield files of a set from the places where they usually are, without walking through a whole tree.

    Raises:
        OSError: the source cannot be opened.
    """
    found = [source] if source.is_file() else sorted(source.iterdir())
    folders = [path for path in found if split_named(path.name) or path.name in ("data", "shards")]
    inside = [sorted(path.iterdir()) for path in folders if path.is_dir() and not path.is_symlink()]
    for path in chain(found, *inside):
        if path.name.lower().endswith(suffixes) and path.is_file() and (path == source or not path.is_symlink()):
            yield path


def _names_inside(root: Path, suffixes: tuple[str, ...]) -> tuple[list[str], list[Skipped]]:
    tree = Tree(root, root.resolve())
    names: list[str] = []
    problems: list[Skipped] = []

    def closed(error: OSError) -> None:
        name = _printable(os.path.relpath(error.filename, root))
        problems.append(Skipped(name, f"this folder cannot be opened: {error.strerror or error}"))

    for place, folders, files in os.walk(root, onerror=closed):
        base = PurePosixPath(Path(place).relative_to(root).as_posix())
        links = [str(base / name) for name in sorted(folders) if (Path(place) / name).is_symlink()]
        problems += [Skipped(_printable(name), "a link to a folder, which is not followed") for name in links]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in (str(base / name) for name in sorted(files)):
            if name.lower().endswith(suffixes) and not PurePosixPath(name).name.startswith("."):
                fault = _fault(tree, name)
                if fault is None:
                    names.append(name)
                else:
                    problems.append(Skipped(_printable(name), fault))
    return sorted(names), problems


def _fault(tree: Tree, name: str) -> str | None:
    path = tree.root / name
    try:
        if not tree.holds(path):
            return OUTSIDE
        if not path.is_file():
            return "no ordinary file"
    except OSError as error:
        return f"it cannot be opened ({error.strerror or error})"
    return None if _printable(name) == name else "its name is not UTF-8"


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def _prefixes(names: Collection[str]) -> dict[str, str]:
    short = {name: _SUFFIX.sub("", name) for name in names}
    used = set(short.values())
    # With a.tar and a/b.tar, the picture b/c of the first would be called like the picture c of the second.
    nested = any(str(folder) in used for name in used for folder in PurePosixPath(name).parents)
    return {name: name for name in names} if nested or len(used) < len(short) else short


def split_in_name(name: str) -> str | None:
    """Return the split that a file's name speaks of, else that of the innermost folder that does.

    ``train-00001.tar``, ``data/val/3.parquet`` and ``birds_test.arrow`` speak of ``train``, ``test`` and ``test``.
    """
    for part in reversed(PurePosixPath(name).parts):
        for word in re.split(r"[^A-Za-z]+", _SUFFIX.sub("", part)):
            split = split_named(word)
            if split is not None:
                return split
    return None


def splits_in_names(names: Collection[str]) -> dict[str, str | None]:
    """Say of which split each part of a set is by its name; of none where all are for training.

    A set that is called training as a whole, as most on the Hub are, has none for testing: a tenth of it is taken.
    """
    splits = {name: split_in_name(name) for name in names}
    return splits if "test" in splits.values() or None in splits.values() else dict.fromkeys(splits)


def open_parts(parts: Iterable[tuple[str, str | None]], what: str) -> Iterator[Skipped]:
    """Say which parts of a set are of no split, where others are of one.

    Args:
        parts: name and split of each.
        what: what they are called.
    """
    tally = Tally(what, "kept, though its name says neither train nor test: it is used as if it came without a split")
    named = list(parts)
    if any(split is not None for _, split in named):
        for name, split in named:
            if split is None:
                tally.add(name)
    yield from tally.lines()


def captions_in(value: Any) -> tuple[tuple[str, ...], bool]:
    """Take the captions out of a field.

    Args:
        value: text, a list of texts, an object that has its text under one of `CAPTION_NAMES` or ``raw``, or a list of
            those; text may be UTF-8 in bytes.

    Returns:
        The captions without the empty ones, line ends inside them read as spaces, and whether anything was damaged.

    Raises:
        UnreadableCaptions: it is something else, or longer than a megabyte.
    """
    texts = list(_texts(value))
    if sum(map(len, texts)) > MAX_CAPTION_FILE:
        raise UnreadableCaptions("its caption is longer than a megabyte")
    pairs = [mended(" ".join(text_lines(text))) for text in texts]
    return tuple(caption for caption, _ in pairs if caption), any(damage for _, damage in pairs)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = next((value[name] for name in _MEMBERS if isinstance(value.get(name), str | bytes)), 0)
    if isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str | bytes):
        yield _decoded(value)
    elif value is not None:
        raise UnreadableCaptions("its caption is neither text nor a list of texts")


def _decoded(value: str | bytes) -> str:
    return value if isinstance(value, str) else decode_text(value)


def class_in(value: Any, names: Any = None) -> str | None:
    """Return the name of a class that a field holds; None where it is empty or something else.

    Args:
        value: text or a number.
        names: a list that gives names for numbers; a number is its own name where it is None.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(names, list) and isinstance(value, int):
        value = names[value] if 0 <= value < len(names) else None
    if isinstance(value, str | bytes):
        return mended(_decoded(value))[0] or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def captions_of(record: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Take the captions out of the first field of an object that may hold them; see `captions_in`."""
    return captions_in(next((record[name] for name in CAPTION_NAMES if record.get(name)), None))


def class_of(record: Mapping[str, Any], otherwise: str | None) -> str | None:
    """Return the name of a class that an object has, else ``otherwise``, else a number that it has for a class."""
    found = [record.get(name) for name in CLASS_NAMES]
    names = [class_in(value) for value in found if isinstance(value, str)]
    return next((name for name in (*names, otherwise, *map(class_in, found)) if name), None)


def image_column(candidates: list[str], possible: Mapping[str, bool], choice: str | None, place: str) -> str:
    """Choose the column of pictures.

    Args:
        candidates: columns that hold pictures.
        possible: for each column whether it could hold pictures.
        choice: the name that a person gave.
        place: what to call the table.

    Raises:
        DataError: none can be chosen; the message names the columns, and the hint the option that decides.
    """
    if choice is not None:
        if not possible[_existing(choice, possible, "--image-column", place)]:
            raise DataError(f"The column {choice} of {place} holds no pictures.", "--image-column with another name")
        return choice
    preferred = _named(candidates, _PICTURE_NAMES)
    found = preferred if len(preferred) == 1 else candidates
    return _only_one(found, possible, "pictures", "--image-column", place)


def caption_columns(texts: Mapping[str, bool], choice: str | None, place: str) -> tuple[str, ...]:
    """Choose the columns of captions.

    Args:
        texts: for each column whether it holds text.
        choice: the name that a person gave, or several with commas between.
        place: what to call the table.

    Returns:
        One name, or several of the kind of ``caption_0``, ``caption_1`` that belong together.

    Raises:
        DataError: none can be chosen; the message names the columns, and the hint the option that decides.
    """
    if choice is not None:
        names = [choice] if choice in texts else [name.strip() for name in choice.split(",")]
        for name in names:
            if not texts[_existing(name, texts, "--caption-column", place)]:
                raise DataError(f"The column {name} of {place} holds no text.", "--caption-column with another name")
        return tuple(names)
    usable = [name for name, is_text in texts.items() if is_text]
    named = [name for name in _named(usable, CAPTION_NAMES) if name.lower() not in _WEAK_NAMES]
    numbered = [name for name in usable if _unnumbered(name) is not None]
    if not named and len({_unnumbered(name) for name in numbered}) == 1:
        return tuple(numbered)
    found = named or numbered or [name for name in usable if "caption" in name.lower()] or _named(usable, _WEAK_NAMES)
    return (_only_one(found, texts, "captions", "--caption-column", place),)


def _existing(name: str, columns: Collection[str], option: str, place: str) -> str:
    if name not in columns:
        raise DataError(
            f"{place} has no column {name}; its columns are {_enumerated(columns)}.", f"{option} with one of them"
        )
    return name


def _only_one(found: list[str], columns: Iterable[str], what: str, option: str, place: str) -> str:
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{place} has more than one column that may hold the {what}: {_enumerated(found)}.",
            f"{option} with the one that is meant, such as {option} {mended(found[0])[0][:100]}",
        )
    raise DataError(
        f"{place} has no column that is known to hold {what}; its columns are {_enumerated(columns)}.",
        f"{option} with the name of the one that does",
    )


def _enumerated(names: Iterable[str]) -> str:
    listed = [mended(name)[0][:100] for name in names]
    more = f" and {len(listed) - 30} more" if len(listed) > 30 else ""
    return (", ".join(listed[:30]) + more) or "none at all"


def _named(columns: Iterable[str], names: Collection[str]) -> list[str]:
    return [column for column in columns if column.strip().lower() in names]


def _unnumbered(name: str) -> str | None:
    base = re.fullmatch(r"(.*?)_?\d+", name.strip().lower())
    return base[1] if base is not None and base[1] in CAPTION_NAMES else None


def holds_text(kind: Any) -> bool:
    """Say whether a type of pyarrow is one that `captions_in` takes captions from."""
    from pyarrow import types

    if types.is_dictionary(kind) or types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return holds_text(kind.value_type)
    if types.is_struct(kind):
        return any(field.name in _MEMBERS and holds_text(field.type) for field in kind)
    return is_text(kind)


def text_as_bytes(array: Any) -> Any:
    """Turn text in an array of pyarrow into bytes, which need not be UTF-8, and check that all of it lies inside.

    Raises:
        pyarrow.ArrowException: it does not, or is damaged otherwise.
    """
    from pyarrow import types

    if types.is_dictionary(array.type):
        array.validate(full=True)
        array = array.dictionary_decode()
    array.validate()
    array = array.cast(_with_bytes(array.type))
    array.validate(full=True)
    return array


def _with_bytes(kind: Any) -> Any:
    import pyarrow
    from pyarrow import types

    # A column of nulls too: pyarrow loses count of one inside a part of a struct where its type stays.
    if types.is_string(kind) or types.is_string_view(kind) or types.is_null(kind):
        return pyarrow.binary()
    if types.is_large_string(kind):
        return pyarrow.large_binary()
    if types.is_list(kind) or types.is_large_list(kind):
        return (pyarrow.list_ if types.is_list(kind) else pyarrow.large_list)(_with_bytes(kind.value_type))
    return pyarrow.struct([(field.name, _with_bytes(field.type)) for field in kind]) if types.is_struct(kind) else kind


def class_column(simple: Collection[str], labels: Collection[str]) -> str | None:
    """Choose among columns of numbers and texts that of the class; ``labels`` have names for their numbers."""
    named = [name for name in CLASS_NAMES if name in labels] or [name for name in CLASS_NAMES if name in simple]
    return named[0] if named else next(iter(labels)) if len(labels) == 1 else None


def looks_like_picture(value: Any) -> bool:
    """Say whether a field holds an encoded picture, alone or as ``bytes`` of an object, or the ``path`` of one."""
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if isinstance(data, bytes):
        return data.startswith(_STARTS) or data[4:12] in (b"ftypavif", b"ftypheic") or data[8:12] == b"WEBP"
    return isinstance(path, bytes) and PurePosixPath(os.fsdecode(path)).suffix.lower() in PICTURE_SUFFIXES


def features(schema: Any) -> dict[str, dict[str, Any]]:
    """Return what Hugging Face's datasets notes of columns in a schema of pyarrow: their kind, and names of classes."""
    try:
        found = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in found.items() if isinstance(feature, dict)}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
