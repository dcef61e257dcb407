"""The networks and the objectives of a stage, each with what the recipe says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stackgan_cli.recipes.schema import ObjectiveChoice


@dataclass(frozen=True, slots=True)
class Part:
    """A network or an objective of a stage, and what to call it in messages."""

    component: Any
    described: str = "A component"


@dataclass(frozen=True, slots=True)
class Judge(Part):
    """A discriminator of a stage."""

    weight: float = 1.0
    """Of its adversarial loss in the generator's step."""


@dataclass(frozen=True, slots=True)
class Goal(Part):
    """An objective of a stage, with what the recipe says of it."""

    weight: float = 1.0
    every: int = 1
    """Steps from one in which it is due to the next."""
    judges: frozenset[str] | None = None
    """Names of the discriminators that it concerns; None for all."""

    def is_due(self, step: int) -> bool:
        """Whether it takes part in a step."""
        return self.weight > 0 and step % self.every == 0

    def concerns(self, judge: str) -> bool:
        """Whether a discriminator is among those it is for."""
        return self.judges is None or judge in self.judges

    @classmethod
    def of(cls, choice: ObjectiveChoice, component: Any, described: str) -> Goal:
        """Take over what a recipe says."""
        judges = None if choice.discriminators is None else frozenset(choice.discriminators)
        return cls(component, described, choice.weight, choice.every, judges)


@dataclass(frozen=True, slots=True)
class StageParts:
    """Everything of a stage that computes."""

    generator: Part
    judges: Mapping[str, Judge]
    """Discriminators by name."""
    goals: Mapping[str, Goal] = field(default_factory=dict)
    """Objectives by name."""
    stage1: Part | None = None
    """The frozen Stage-I generator where this is Stage-II."""


def judge_file(name: str, among: Mapping[str, Any]) -> str:
    """Name of a discriminator's files and of its loss: plain where there is one, with its own name among several."""
    return "discriminator" if len(among) == 1 else f"discriminator-{name}"
