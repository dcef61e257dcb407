"""What a model folder says of a component: enough to build the same one again, and nothing that names code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from stackgan_cli.components.registry import COMPONENT_NAME, PACKAGE_NAME, find
from stackgan_cli.errors import ComponentError, ModelError, StackganError
from stackgan_cli.manifests import Manifest, checked

if TYPE_CHECKING:
    from stackgan_cli.components.binding import Binding
    from stackgan_cli.components.component import Kind

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")
_LARGEST_SHAPE = 2**31 - 1
_DEEPEST = 8


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether JSON holds a value as it is: numbers, text, paths, nothing, or lists of these."""
    if value is None or isinstance(value, bool | int | float | str | Path):
        return True
    return isinstance(value, list | tuple) and depth < _DEEPEST and all(is_plain(each, depth + 1) for each in value)


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

    def described(self, kind: Kind) -> str:
        """Kind, name, package and version for the beginning of a sentence."""
        return f"The {kind.title} {self.bare_name!r} of {self.package} {self.version}"

    def bind(self, kind: Kind) -> Binding:
        """Find the component and bind what is stored of it.

        Raises:
            ComponentError: it is not installed or does not take these options; where another version of its package
                is installed than the one that wrote the entry, the message names both.
        """
        try:
            component = find(kind, self.name)
        except ComponentError as error:
            hint = error.hint
            if hint and hint.endswith(f"pip install {self.package}") and self.version != "unknown":
                hint = hint.removesuffix(self.package) + f'"{self.package}=={self.version}"'
            raise ComponentError(f"The model needs a component that is not here. {error.message}", hint) from error
        try:
            return component.bind(self.shapes, self.options)
        except StackganError as error:
            raise self.blame_version(kind, error) from error

    def build(self, kind: Kind) -> Any:
        """Find, bind and build the component; errors as of :meth:`bind`, and whatever its factory has to say."""
        bound = self.bind(kind)
        try:
            return bound.build()
        except StackganError as error:
            raise self.blame_version(kind, error) from error

    def version_note(self, kind: Kind) -> str | None:
        """Say that another version of the component is installed than the one that was stored; None where it is not."""
        try:
            installed = find(kind, self.name).version
        except ComponentError:
            return None
        if installed == self.version:
            return None
        return (
            f"The {kind.title} {self.bare_name!r} was saved with {self.package} {self.version}, and {installed} is"
            " installed: what it computes may differ."
        )

    def blame_version(self, kind: Kind, error: StackganError) -> StackganError:
        """Add to an error that another version is installed than the one that was stored, where that is so."""
        installed = find(kind, self.name).version
        if installed == self.version:
            return error
        return type(error)(
            f"{error.message} The model was saved with {self.package} {self.version}; {installed} is installed.",
            f'Install the version it was saved with: pip install "{self.package}=={self.version}"',
        )


def stored_entry(kind: Kind, stored: Any) -> ComponentEntry:
    """Read the entry of a component, which may come from a stranger.

    Raises:
        ModelError: it is malformed.
    """
    what = f"The model's entry for its {kind.title}"
    if not isinstance(stored, Mapping):
        raise ModelError(
            f"{what} is malformed: it is {type(stored).__name__} instead of an object.",
            "Get the model again from where it came from, or convert it anew.",
        )
    return checked(
        ComponentEntry, stored, what=what, hint="Get the model again from where it came from, or convert it anew."
    )
