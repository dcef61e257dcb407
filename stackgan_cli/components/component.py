"""Kinds of component, how they are named, and whose fault it is when one fails."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum

from stackgan_cli.errors import ComponentError, StackganError, UsageError, is_out_of_memory

BUILT_IN_PACKAGE = "stackgan-cli"
GROUP_PREFIX = "stackgan."
COMPONENT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PACKAGE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


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
        if is_out_of_memory(error):
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
