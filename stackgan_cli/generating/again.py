"""Drawing again what a picture says of itself."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stackgan_cli.errors import DataError, ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Again:
    """What a picture was drawn from."""

    picture: Path
    prompt: str
    seed: int
    model: str
    fingerprint: str | None
    stage: int | None
    checkpoint: str | None
    condition: Literal["mean", "sample"] | None
    truncation: float | None
    upscale: int | None

    @classmethod
    def of(cls, picture: Path, others: Mapping[str, Any]) -> Again:
        """Read a picture.

        Args:
            picture: its file.
            others: options beside it, by name, of which none may be set: the picture says it all.

        Raises:
            UsageError: one is set.
            DataError: the file is no picture, or does not say enough.
        """
        from stackgan_cli.pictures.picture_files import read_facts, stage_in

        also = [name for name, value in others.items() if value]
        if also:
            raise UsageError("--again draws what the picture was drawn from.", hint=f"it without {also[0]}")
        facts = read_facts(picture)
        told = f"the command that this prints: stackgan info {shlex.quote(str(picture))}"
        if isinstance(facts.get("prompts"), list):
            raise DataError(f"{picture} is a sheet of several pictures.", hint=told)
        if isinstance(facts.get("way"), list):
            raise DataError(f"{picture} is on a way, or shows one.", hint=told)
        prompt, seed, model = facts.get("prompt"), facts.get("seed"), facts.get("model")
        if not isinstance(prompt, str) or not isinstance(model, str) or type(seed) is not int or seed < 0:
            raise DataError(f"{picture} does not say what it was drawn from.", hint="a picture made by generate")
        condition, truncation, upscale = (facts.get(key) for key in ("condition", "truncation", "upscale"))
        return cls(
            picture=picture,
            prompt=prompt,
            seed=seed,
            model=model,
            fingerprint=_text(facts.get("fingerprint")),
            stage=stage_in(facts),
            checkpoint=_text(facts.get("checkpoint")),
            condition=condition if condition in ("mean", "sample") else None,
            # From Python it may be a whole number.
            truncation=float(truncation) if type(truncation) is int or isinstance(truncation, float) else None,
            upscale=upscale if type(upscale) is int and upscale > 0 else None,
        )

    def refuse_other(self, fingerprint: str) -> None:
        """Refuse a model of the same name that is another one.

        Raises:
            ModelError: it has another fingerprint than the one that drew the picture.
        """
        if self.fingerprint not in (None, fingerprint):
            raise ModelError(
                f"{self.picture} was drawn by another model called {self.model!r}: its fingerprint is"
                f" {self.fingerprint}, and that of the one here is {fingerprint}.",
                hint="--model with the folder of the one that drew it",
            )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
