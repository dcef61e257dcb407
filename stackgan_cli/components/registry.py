"""Which components are installed, by kind and name.

Everything here is read from the metadata of installed packages, so listing imports nobody's code; a component's module
is imported when its factory is asked for, and not before. The components of this package come in the same way.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from stackgan_cli.components.binding import Component
from stackgan_cli.components.component import (
    BUILT_IN_PACKAGE,
    COMPONENT_NAME,
    GROUP_PREFIX,
    PACKAGE_NAME,
    Kind,
    Offer,
    join,
)
from stackgan_cli.errors import ComponentError, StackganError, UsageError

Named = TypeVar("Named", bound=Offer)

LIMIT_VARIABLE = "STACKGAN_PLUGINS"
RESOURCE_GROUPS = ("stackgan.recipes", "stackgan.models")
"""Groups whose entries name files of a package instead of factories."""

_PLUGINS_OF_OURS = ("stackgan-clip", "stackgan-letter-trigrams", "stackgan-torch7")
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class BrokenEntry:
    """Something that a package advertises and that cannot be a component."""

    package: str
    version: str
    group: str
    entry: str
    """The name, or the whole line where it has no name."""
    reason: str


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One line of a package's entry points in a group of ours, well formed or not."""

    package: str
    version: str
    group: str
    name: str
    target: str
    root: Path
    """The folder that the package was installed into; of an editable install only its metadata lies there."""

    def broken(self, reason: str) -> BrokenEntry:
        """Say that it cannot be used, and why."""
        return BrokenEntry(self.package, self.version, self.group, self.name or self.target, reason)


@dataclass(frozen=True, slots=True)
class _Inventory:
    components: tuple[Component, ...]
    broken: tuple[BrokenEntry, ...]


def available(kind: Kind | None = None) -> list[Component]:
    """List the installed components that ``STACKGAN_PLUGINS`` lets through, importing none of them.

    Returns:
        Components by kind; within a kind the built-in ones first, then by package and name.
    """
    allowed = _allowed_packages()
    return [
        component
        for component in _scan(tuple(sys.path)).components
        if (kind is None or component.kind is kind)
        and (allowed is None or component.built_in or component.package in allowed)
    ]


def broken() -> list[BrokenEntry]:
    """List what installed packages advertise wrongly; none of it can be named, and none of it does harm."""
    allowed = _allowed_packages()
    return [
        entry
        for entry in _scan(tuple(sys.path)).broken
        if allowed is None or entry.package == BUILT_IN_PACKAGE or entry.package in allowed
    ]


def entries(group: str) -> list[EntryLine]:
    """List what packages that ``STACKGAN_PLUGINS`` lets through advertise in a group, importing none of them."""
    allowed = _allowed_packages()
    return [
        entry
        for entry in _advertised(tuple(sys.path))
        if entry.group == group and (allowed is None or entry.package in (BUILT_IN_PACKAGE, *allowed))
    ]


def absent_plugins() -> list[str]:
    """List the packages that ``STACKGAN_PLUGINS`` names and that offer nothing here."""
    present = {each.package for each in _advertised(tuple(sys.path))}
    return sorted((_allowed_packages() or frozenset()) - present)


def find(kind: Kind, name: str) -> Component:
    """Find one component by its bare name or by ``package:name``; a bare name means the built-in first.

    Raises:
        ComponentError: nothing is called that, its package is not installed, it is advertised wrongly, or several
            packages offer that bare name.
    """
    known = available(kind)
    matches = _matching(known, name)
    if not matches:
        raise _not_found(kind, name, known)
    return the_one(matches, name, kind.title, ComponentError)


def find_any(name: str, kind: Kind | None = None) -> Component:
    """Find one component whose kind may be left out where the name says enough.

    Raises:
        UsageError: components of several kinds have that name.
        ComponentError: as for :func:`find`.
    """
    if kind is not None:
        return find(kind, name)
    kinds = [each for each in Kind if _matching(available(each), name)]
    if len(kinds) > 1:
        raise UsageError(
            f"{name!r} is the name of a {join((each.title for each in kinds), 'and of a')}.",
            f"Say which one with --kind {join((each.slug for each in kinds), 'or --kind')}.",
        )
    if kinds:
        return find(kinds[0], name)
    raise _not_found(None, name, available())


def the_one(matches: Sequence[Named], name: str, title: str, error: type[StackganError]) -> Named:
    """Choose among what packages offer by one name: the built-in one, which stands first, or the only one.

    Raises:
        StackganError: of the kind ``error``; several packages offer it.
    """
    if matches[0].built_in or len(matches) == 1:
        return matches[0]
    raise error(
        f"Several packages offer a {title} called {name!r}.",
        f"Write the full name: {join((each.full_name for each in matches), 'or')}.",
    )


def did_you_mean(name: str, known: Iterable[Offer], others: Iterable[str] = ()) -> str | None:
    """Suggest what a name is close to, as a sentence; None where it is close to nothing.

    Args:
        name: what was asked for.
        known: what packages offer.
        others: names that no package offers.
    """
    names = [*others, *(spelling for each in known for spelling in (each.name, each.full_name))]
    close = difflib.get_close_matches(name.lower().replace("_", "-"), names, n=1)
    return f"Did you mean {close[0]!r}?" if close else None


def clear_cache() -> None:
    """Forget what was read, so that packages installed since are seen."""
    importlib.invalidate_caches()
    _advertised.cache_clear()
    _scan.cache_clear()


def canonical(package: str) -> str:
    """Spell a package name the one way that all its spellings share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _matching(components: Iterable[Component], name: str) -> list[Component]:
    package, colon, bare = name.rpartition(":")
    if colon:
        wanted = canonical(package)
        return [each for each in components if each.name == bare and each.package == wanted]
    return [each for each in components if each.name == name]


def _not_found(kind: Kind | None, name: str, known: list[Component]) -> ComponentError:
    """Say why nothing was found, the most specific reason first."""
    title = kind.title if kind else "component"
    package, _, bare = name.rpartition(":")
    found = _scan(tuple(sys.path))
    hidden = [
        each for each in _matching(found.components, name) if (kind is None or each.kind is kind) and each not in known
    ]
    if hidden:
        return ComponentError(
            f"The {title} {name!r} comes from {hidden[0].package}, which {LIMIT_VARIABLE} leaves out.",
            f"Add {hidden[0].package} to {LIMIT_VARIABLE}, or unset it.",
        )
    for entry in found.broken:
        right_kind = kind is None or entry.group == kind.group or entry.group not in {k.group for k in Kind}
        if entry.entry == bare and right_kind and (not package or entry.package == canonical(package)):
            return ComponentError(
                f"The {title} {entry.entry!r} of {entry.package} {entry.version} cannot be used: {entry.reason}.",
                f"Update {entry.package}, or report this to its authors.",
            )
    present = {each.package for each in found.components} | {each.package for each in found.broken}
    if package and canonical(package) not in present:
        return _missing_package(title, package, bare)
    elsewhere = [each for each in available() if kind is not None and each in _matching([each], name)]
    if elsewhere:
        kinds = join((each.kind.title for each in elsewhere), "and a")
        return ComponentError(
            f"There is no {title} called {name!r}; {name!r} is a {kinds}.", _listing_hint(kind, known)
        )
    return ComponentError(
        f"There is no {title} called {name!r}.", did_you_mean(name, known) or _listing_hint(kind, known)
    )


def _missing_package(title: str, package: str, bare: str) -> ComponentError:
    if not PACKAGE_NAME.fullmatch(package):
        return ComponentError(
            f"{package!r} is not the name of a package, so there is no {title} called '{package}:{bare}'.",
            "Full names are written package:name.",
        )
    # A model, data or a recipe may come from a stranger, who may have put a package of this name where pip finds it.
    named = package in _PLUGINS_OF_OURS or any(f"{package}:{bare}" in word for word in sys.argv[1:])
    return ComponentError(
        f"The {title} {bare!r} comes from the package {package}, which is not installed.",
        f"If you trust that package, install it: pip install {package}"
        if named
        else "Ask whoever made what names it where that package comes from, and install it if you trust them both.",
    )


def _listing_hint(kind: Kind | None, known: Iterable[Component]) -> str:
    names = sorted({each.name for each in known})
    if not names:
        return "None is installed; install this project itself with pip, or a package that offers one."
    if kind is None:
        return "See what is installed: stackgan components list"
    return f"Installed: {join(names)}."


def _allowed_packages() -> frozenset[str] | None:
    """Packages that ``STACKGAN_PLUGINS`` names; None where it is not set and everything is allowed."""
    value = os.environ.get(LIMIT_VARIABLE)
    if value is None:
        return None
    return frozenset(canonical(part.strip()) for part in value.split(",") if part.strip())


@lru_cache(maxsize=8)
def _advertised(_path: tuple[str, ...]) -> tuple[EntryLine, ...]:
    """Read the metadata of everything on ``sys.path``, which is also the key under which the answer is remembered.

    ``importlib.metadata.entry_points()`` is of no use here: one malformed line in one package makes it raise for all.
    """
    found: list[EntryLine] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        try:
            text = distribution.read_text("entry_points.txt")
        except (OSError, ValueError):
            continue
        if not text or GROUP_PREFIX not in text:
            continue
        package, version = _identity(distribution)
        if package in seen:
            continue
        seen.add(package)
        root = Path(str(distribution.locate_file("")))
        found += [EntryLine(package, version, *entry, root) for entry in _entries(text)]
    return tuple(found)


@lru_cache(maxsize=8)
def _scan(path: tuple[str, ...]) -> _Inventory:
    """Tell the components among what is advertised from what cannot be one."""
    components: list[Component] = []
    wrong: list[BrokenEntry] = []
    for entry in _advertised(path):
        if entry.group in RESOURCE_GROUPS:
            continue
        read = _read_entry(entry)
        if isinstance(read, Component) and any(_same(read, each) for each in components):
            read = entry.broken("the package advertises this name twice")
        if isinstance(read, Component):
            components.append(read)
        else:
            wrong.append(read)
    order = list(Kind)
    components.sort(key=lambda each: (order.index(each.kind), not each.built_in, each.package, each.name))
    wrong.sort(key=lambda each: (each.package, each.group, each.entry))
    return _Inventory(tuple(components), tuple(wrong))


def _same(one: Component, other: Component) -> bool:
    return (one.kind, one.full_name) == (other.kind, other.full_name)


def _identity(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version of a distribution whose metadata may be damaged."""
    try:
        fields = distribution.metadata
        name, version = fields["Name"], fields["Version"]
    except Exception:
        return "unknown", "unknown"
    return canonical(name or "unknown"), version or "unknown"


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and target of every line in one of our groups, well formed or not."""
    group = ""
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group.startswith(GROUP_PREFIX):
            name, _, target = line.partition("=")
            yield group, name.strip(), target.strip()


def _read_entry(entry: EntryLine) -> Component | BrokenEntry:
    kinds = {kind.group: kind for kind in Kind}
    if entry.group not in kinds:
        close = difflib.get_close_matches(entry.group, [*kinds, *RESOURCE_GROUPS], n=1)
        return entry.broken(f"there is no group {entry.group!r}" + (f"; did they mean {close[0]!r}" if close else ""))
    if not COMPONENT_NAME.fullmatch(entry.name):
        return entry.broken("names are lower-case words with dashes")
    if not _TARGET.fullmatch(entry.target):
        return entry.broken(f"{entry.target!r} does not name a factory as module:attribute")
    return Component(kinds[entry.group], entry.name, entry.package, entry.version, entry.target)


__all__ = [
    "BUILT_IN_PACKAGE",
    "COMPONENT_NAME",
    "LIMIT_VARIABLE",
    "PACKAGE_NAME",
    "RESOURCE_GROUPS",
    "BrokenEntry",
    "Component",
    "EntryLine",
    "Kind",
    "absent_plugins",
    "available",
    "broken",
    "canonical",
    "clear_cache",
    "did_you_mean",
    "entries",
    "find",
    "find_any",
    "the_one",
]
