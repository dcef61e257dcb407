"""What is being checked, and the notebook in which the checks write."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stackgan_cli.components.binding import Binding, bind_factory, signature_of
from stackgan_cli.components.component import Kind, cause_of
from stackgan_cli.errors import StackganError

TOLERANCE = 1e-4
"""Largest difference that the order of a sum may make; absolute, for values around one."""


@dataclass(frozen=True, slots=True)
class Check:
    """One checked property."""

    name: str
    passed: bool
    detail: str
    """What was found; for failures, what to mend."""


class UnmetError(Exception):
    """A property does not hold; the message says how."""


@dataclass
class Notebook:
    """Collects checks; a failing or raising check does not keep the others from running."""

    checks: list[Check] = field(default_factory=list)

    def note(self, name: str, passed: bool, detail: str = "") -> None:
        """Write one result down."""
        self.checks.append(Check(name, passed, detail))

    def run(self, name: str, check: Callable[[], str | None]) -> bool:
        """Run one check under a seed; it returns a remark or None and raises :class:`UnmetError` where it fails."""
        try:
            with seeded(3):
                remark = check()
        except UnmetError as error:
            self.note(name, False, str(error))
        except StackganError as error:
            self.note(name, False, error.message)
        except (Exception, SystemExit) as error:
            self.note(name, False, f"it raised {cause_of(error)}")
        else:
            self.note(name, True, remark or "")
            return True
        return False


@dataclass(frozen=True)
class Subject:
    """A factory, and what to build with it."""

    kind: Kind
    described: str
    factory: Callable[..., Any]
    host: Mapping[str, Any]
    options: Mapping[str, Any]
    source: Path | None = None

    @property
    def binding(self) -> Binding:
        """The factory with its arguments."""
        return bind_factory(self.factory, self.kind, self.described, self.host, self.options)

    def build(self, *, seed: int = 0) -> Any:
        """Build one, under a seed of torch's default generator."""
        return self.binding.build(seed=seed)

    @property
    def reads_words(self) -> bool:
        """Whether the factory asks for the width of word vectors."""
        return "word_width" in self.binding.shapes

    @property
    def words_may_lack(self) -> bool:
        """Whether it can be built for a text encoder that describes sentences alone."""
        word_width = signature_of(self.factory, self.described).parameters.get("word_width")
        return word_width is None or word_width.default is not word_width.empty

    def without_words(self) -> Subject:
        """The same beside a text encoder that describes sentences alone."""
        return replace(self, host={name: value for name, value in self.host.items() if name != "word_width"})


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's default generator and give its state back afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def accept(fault: str | None) -> None:
    """Raise :class:`UnmetError` where ``stackgan_cli.components.results`` finds a fault in what was returned."""
    if fault is not None:
        raise UnmetError(f"it {fault}")


def whole_number(component: Any, name: str, least: int = 1) -> int:
    """Require a member to be a whole number of at least ``least``, and return it."""
    value = getattr(component, name, None)
    if type(value) is not int or value < least:
        raise UnmetError(f"{name} should be a whole number of {least} or more, not {value!r}")
    return value


def require(condition: bool, otherwise: str) -> None:
    """Raise :class:`UnmetError` with ``otherwise`` where the condition does not hold."""
    if not condition:
        raise UnmetError(otherwise)
