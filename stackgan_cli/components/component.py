"""What a component is before anybody's code is imported: a kind, a name, a package, a version and a target."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import ComponentError, StackganError, UsageError

if TYPE_CHECKING:
    from stackgan_cli.components.binding import Binding

BUILT_IN_PACKAGE = "stackgan-cli"
GROUP_PREFIX = "stackgan."


class Kind(StrEnum):
    """The kinds of component; the value is the tail of the entry-point group."""

    TEXT_ENCODER = "text_encoders"
    STAGE1_GENERATOR = "stage1_generators"
    STAGE2_GENERATOR = "stage2_generators"
    DISCRIMINATOR = "discriminators"
    OBJECTIVE = "objectives"
    DATASET_READER = "dataset_readers"
    FEATURE_EXTRACTOR = "feature_extractors"
    METRIC = "metrics"
    COMMAND = "commands"

    @property
    def group(self) -> str:
        """Entry-point group, such as ``stackgan.text_encoders``."""
        return GROUP_PREFIX + self.value

    @property
    def title(self) -> str:  # type: ignore[override]  # a property where str has a method
        """Name for sentences, such as ``text encoder``."""
        return _TITLES[self]

    @property
    def slug(self) -> str:
        """Name for the command line, such as ``text-encoder``."""
        return self.value.removesuffix("s").replace("_", "-")

    @classmethod
    def parse(cls, text: str) -> Kind:
        """Read a kind as people write it: ``text-encoder``, ``text_encoders`` or ``text encoder``.

        Raises:
            UsageError: no kind is called that.
        """
        wanted = re.sub(r"[\s_]+", "-", text.strip().lower()).removeprefix(GROUP_PREFIX).removesuffix("s")
        for kind in cls:
            if kind.slug == wanted:
                return kind
        raise UsageError(f"There is no kind of component called {text!r}.", f"Use one of: {join(k.slug for k in cls)}.")


_TITLES = {
    Kind.TEXT_ENCODER: "text encoder",
    Kind.STAGE1_GENERATOR: "stage-one generator",
    Kind.STAGE2_GENERATOR: "stage-two generator",
    Kind.DISCRIMINATOR: "discriminator",
    Kind.OBJECTIVE: "objective",
    Kind.DATASET_READER: "dataset reader",
    Kind.FEATURE_EXTRACTOR: "feature extractor",
    Kind.METRIC: "metric",
    Kind.COMMAND: "command",
}


class Offer:
    """Something that a package offers by name."""

    __slots__ = ()

    name: str
    package: str

    @property
    def full_name(self) -> str:
        """``package:name``, which is what saved models hold."""
        return f"{self.package}:{self.name}"

    @property
    def built_in(self) -> bool:
        """Whether it comes with this package."""
        return self.package == BUILT_IN_PACKAGE


@dataclass(frozen=True, slots=True)
class Component(Offer):
    """A component as its package advertises it; nothing of it has been imported."""

    kind: Kind
    name: str
    package: str
    version: str
    target: str
    """``module:attribute`` of the factory."""

    @property
    def described(self) -> str:
        """Kind, name, package and version for the beginning of a sentence."""
        return f"The {self.kind.title} {self.name!r} of {self.package} {self.version}"

    def bind(self, host: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None) -> Binding:
        """Import the component and check what it is to be built with; nothing is built yet.

        Args:
            host: values from the program, such as ``text_width``; kept where the factory takes them.
            options: values from a recipe or a person; every one must be taken, and fit its annotation.

        Raises:
            ComponentError: it cannot be imported, an option is unknown, belongs to the program or has the wrong type,
                or a parameter has no value.
        """
        from stackgan_cli.components.binding import bind

        return bind(self, host or {}, options or {})

    def factory(self) -> Callable[..., Any]:
        """Import the module and return the factory.

        Raises:
            ComponentError: the module cannot be imported, or what the entry point names is not there or not callable.
        """
        module_name, _, attributes = self.target.partition(":")
        try:
            with talk_on_stderr():
                found: Any = importlib.import_module(module_name)
                for attribute in attributes.split("."):
                    found = getattr(found, attribute)
        except (Exception, SystemExit) as error:
            raise ComponentError(
                f"{self.described} cannot be imported: {cause_of(error)}.", self._repair(error)
            ) from error
        if not callable(found):
            raise ComponentError(
                f"{self.described} is no factory: {self.target} is {type(found).__name__} and cannot be called.",
                f"Report this to the authors of {self.package}.",
            )
        factory: Callable[..., Any] = found
        return factory

    def _repair(self, error: BaseException) -> str:
        own = self.target.partition(":")[0].partition(".")[0]
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and missing.partition(".")[0] != own:
            return f"Install what provides {missing.partition('.')[0]!r}, or choose another {self.kind.title}."
        return f"Reinstall or update it: pip install --upgrade {self.package}"


@contextlib.contextmanager
def blaming(described: str, doing: str) -> Iterator[None]:
    """Turn what a component raises while it runs into an error that names it.

    Args:
        described: the component for the beginning of a sentence, as :attr:`Component.described` has it.
        doing: what it was doing, such as ``encoding captions``.

    Raises:
        ComponentError: in place of whatever it raised; errors of this program pass unchanged, and so does what is the
            machine's fault and not the component's: a full memory, a refused file.
    """
    try:
        yield
    except (StackganError, MemoryError, OSError):
        raise
    except Exception as error:
        if "out of memory" in str(error).lower():
            raise
        raise ComponentError(
            f"{described} failed while {doing}: {cause_of(error)}.",
            "STACKGAN_DEBUG=1 shows where; report it to its authors.",
        ) from error


def cause_of(error: BaseException) -> str:
    """Put an exception of somebody else's code into half a sentence, without a full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    if len(text) > 400:
        text = text[:400] + " ..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextlib.contextmanager
def talk_on_stderr() -> Iterator[None]:
    """Send what somebody else's code prints to stderr, because stdout carries results alone."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def join(words: Iterable[str], last: str | None = None) -> str:
    """Join words with commas, and with ``last`` before the last one where it is given."""
    listed = list(words)
    if last is None or len(listed) < 2:
        return ", ".join(listed)
    return f"{', '.join(listed[:-1])} {last} {listed[-1]}"
