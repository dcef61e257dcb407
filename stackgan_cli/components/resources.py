"""Files and folders that packages bring, such as recipes and models, found without importing anybody's code.

A package advertises one by an entry point, ``flowers = "stackgan_flowers.recipes:flowers.toml"``: the dotted path of a
folder in a package of its, a colon, and the place inside that. ``stackgan_flowers:recipes/flowers.toml`` means the
same, but setuptools builds no package with a slash there.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.components.component import BUILT_IN_PACKAGE, Offer, join
from stackgan_cli.components.registry import COMPONENT_NAME, LIMIT_VARIABLE, canonical, did_you_mean, entries, the_one
from stackgan_cli.files import relative_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stackgan_cli.components.registry import BrokenEntry, EntryLine
    from stackgan_cli.errors import StackganError

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Resource(Offer):
    """A file or folder that a package brings, by name."""

    name: str
    package: str
    version: str
    path: Path


def resources(group: str) -> list[Resource]:
    """List what installed packages bring in a group, such as ``stackgan.models``, this one first."""
    return [each for each in _read(group) if isinstance(each, Resource)]


def broken_resources(group: str) -> list[BrokenEntry]:
    """List what packages advertise wrongly in a group; none of it can be named, and none of it does harm."""
    return [each for each in _read(group) if not isinstance(each, Resource)]


def find_resource(
    group: str,
    name: str,
    *,
    title: str,
    built_in: Iterable[Resource] = (),
    others: Sequence[str] = (),
    error: type[StackganError],
    otherwise: str,
) -> Resource:
    """Find what a bare name or ``package:name`` means; a bare name means the built-in one first.

    Args:
        group: of the entry points.
        name: what was asked for.
        title: what such a thing is called, such as ``recipe``.
        built_in: those that this package brings without advertising them.
        others: names of such things that no package brings, for the hint.
        error: what to raise.
        otherwise: what may be given instead of a name, for the hint.

    Raises:
        StackganError: of the kind ``error``; nothing usable is called that, or several packages offer that bare name.
    """
    known = [*built_in, *resources(group)]
    package, _, bare = name.rpartition(":")
    same = [each for each in known if each.name == bare and _comes_from(each.package, package)]
    if same:
        return the_one(same, name, title, error)
    message, hint = _why_not(group, title, package, bare) or _unknown(title, name, known, others, otherwise)
    raise error(message, hint)


def _why_not(group: str, title: str, package: str, name: str) -> tuple[str, str] | None:
    """What is wrong with a name that is advertised and cannot be used, and what to do about it."""
    for entry in broken_resources(group):
        if entry.entry == name and _comes_from(entry.package, package):
            return (
                f"The {title} {name!r} of {entry.package} {entry.version} cannot be used: {entry.reason}.",
                f"Update {entry.package}, or report this to its authors.",
            )
    return None


def _unknown(title: str, name: str, known: list[Resource], others: Sequence[str], otherwise: str) -> tuple[str, str]:
    limit = f" in the packages that {LIMIT_VARIABLE} names" if LIMIT_VARIABLE in os.environ else ""
    names = sorted({*others, *(each.name for each in known)})
    listed = f"There are: {join(names)}; or" if names else "There is none, so"
    hint = " ".join(filter(None, (did_you_mean(name, known, others), f"{listed} name {otherwise}.")))
    return f"There is no {title} called {name!r}{limit}.", hint


def _comes_from(package: str, wanted: str) -> bool:
    """Whether a package is the wanted one, however that is spelt; any is where none is wanted."""
    return not wanted or package == canonical(wanted)


def _read(group: str) -> list[Resource | BrokenEntry]:
    read: list[Resource | BrokenEntry] = []
    seen: set[tuple[str, str]] = set()
    for entry in sorted(entries(group), key=lambda each: (each.package != BUILT_IN_PACKAGE, each.package, each.name)):
        twice = (entry.package, entry.name) in seen
        read.append(entry.broken("the package advertises this name twice") if twice else _read_entry(entry))
        seen.add((entry.package, entry.name))
    return read


def _read_entry(entry: EntryLine) -> Resource | BrokenEntry:
    module, _, inside = entry.target.partition(":")
    place = relative_name(inside)
    if not COMPONENT_NAME.fullmatch(entry.name):
        return entry.broken("names are lower-case words with dashes")
    if not _MODULE.fullmatch(module) or place is None:
        return entry.broken(f"{entry.target!r} does not name a file as module:path")
    try:
        for folder in _folders(entry.root, module.split(".")):
            if (folder / place).exists():
                return Resource(entry.name, entry.package, entry.version, folder / place)
    except Exception as error:
        # Whatever finds somebody's modules is not ours, and may fail in any way.
        return entry.broken(f"its package cannot be found: {error}")
    return entry.broken(f"there is no {place} in {module}")


def _folders(root: Path, module: list[str]) -> Iterator[Path]:
    """Where the folder of a package may lie: beside its metadata, or wherever an editable install says."""
    yield root.joinpath(*module)
    # Of a top-level name alone, because finding a module below imports the packages above it.
    spec = find_spec(module[0])
    for location in (spec and spec.submodule_search_locations) or ():
        yield Path(location, *module[1:])
