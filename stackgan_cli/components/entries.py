"""What a model folder says of a component: enough to build the same one again, and nothing that names code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from stackgan_cli.components.component import COMPONENT_NAME, PACKAGE_NAME
from stackgan_cli.components.key_values import is_plain
from stackgan_cli.errors import ModelError
from stackgan_cli.manifests import Manifest, checked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stackgan_cli.components.component import Kind

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")
_LARGEST_SHAPE = 2**31 - 1
_LONGEST_SHOWN = 60
"""Characters of a value in a message."""


def _full_name(name: str) -> str:
    package, colon, bare = name.partition(":")
    if not colon or not PACKAGE_NAME.fullmatch(package) or not COMPONENT_NAME.fullmatch(bare):
        raise ValueError(f"{name[:100]!r} is not of the form package:name")
    return name


def _version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ValueError("it is no version number")
    return version


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"{name[:40]!r} cannot be the name of an option")
    return name


def _plain(value: Any) -> Any:
    if not is_plain(value):
        raise ValueError(f"{str(value)[:40]!r} cannot be meant")
    return value


class ComponentEntry(Manifest):
    """A component as it is stored: which one, of which version, with which options and shapes."""

    name: Annotated[str, AfterValidator(_full_name)]
    """``package:name``."""
    version: Annotated[str, AfterValidator(_version)]
    options: dict[Annotated[str, AfterValidator(_identifier)], Annotated[Any, AfterValidator(_plain)]] = Field(
        default_factory=dict
    )
    shapes: dict[Annotated[str, AfterValidator(_identifier)], Annotated[int, Field(ge=0, le=_LARGEST_SHAPE)]] = Field(
        default_factory=dict
    )
    """What the host gave, such as ``text_width``."""

    @property
    def package(self) -> str:
        """The package that offers it."""
        return self.name.partition(":")[0]

    @property
    def bare_name(self) -> str:
        """Its name without the package."""
        return self.name.partition(":")[2]

    def computes_as(self, other: ComponentEntry) -> bool:
        """Whether it is the same component with the same options and shapes, in whatever version."""
        return (self.name, self.options, self.shapes) == (other.name, other.options, other.shapes)

    def described(self, kind: Kind) -> str:
        """Kind, name, package and version for the beginning of a sentence."""
        return f"The {kind.title} {self.bare_name!r} of {self.package} {self.version}"


def stored_entry(kind: Kind, stored: Any, what: str | None = None) -> ComponentEntry:
    """Read the entry of a component, which may come from a stranger.

    Args:
        kind: of the component.
        stored: as JSON holds it.
        what: the file for the beginning of a sentence; None where it is a part of some other.

    Raises:
        ModelError: it is malformed.
    """
    what = what or f"The model's entry for its {kind.title}"
    hint = "Get the model again from where it came from, or convert it anew."
    if not isinstance(stored, Mapping):
        raise ModelError(f"{what} is malformed: it is {type(stored).__name__} instead of an object.", hint)
    return checked(ComponentEntry, stored, what=what, hint=hint)


def refuse_another(path: Path, found: ComponentEntry, other_path: Path, other: ComponentEntry) -> None:
    """Refuse a component that two files describe, each otherwise.

    Args:
        path: that holds one description.
        found: in it.
        other_path: that holds another.
        other: in that.

    Raises:
        ModelError: names both files, and a field in which they differ.
    """
    if found.computes_as(other):
        return
    name, one, another = next(_differences(found, other))
    raise ModelError(
        f"{path} has {name} = {_shown(one)}, and {other_path} has {_shown(another)} for it.",
        hint="They are of two models: get the model again from where it came from.",
    )


def _differences(found: ComponentEntry, other: ComponentEntry) -> Iterator[tuple[str, Any, Any]]:
    """Yield the fields in which two entries differ, and what each has there."""
    if found.name != other.name:
        yield "name", found.name, other.name
    for part, one, another in (("options", found.options, other.options), ("shapes", found.shapes, other.shapes)):
        for name in sorted({*one, *another}):
            if one.get(name) != another.get(name) or (name in one) != (name in another):
                yield f"{part}.{name}", one.get(name), another.get(name)


def _shown(value: Any) -> str:
    text = repr(value)
    return "none" if value is None else text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} ..."
