"""Drawing again what a picture says of itself."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stackgan_cli.errors import DataError, ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.progress import Progress

_WITH_FOLDER = "--model with the folder of the one that drew it"


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

    def find(self, given: str | None, progress: Progress) -> ModelFolder:
        """Find the model that drew the picture.

        Args:
            given: name or path of it, where somebody gave one.
            progress: told what is fetched of the Hub.

        Raises:
            ModelError: it is not here, or what is called so has another fingerprint than the one that drew the picture.
        """
        from stackgan_cli.models.finding import find_model, model_that_drew

        if given is None and self.fingerprint is not None and (same := model_that_drew(self.model, self.fingerprint)):
            return same
        try:
            model = find_model(given or self.model, progress)
        except ModelError as error:
            if given is not None or ":" in self.model:
                raise
            raise ModelError(
                f"{self.picture} was drawn by the model {self.model!r}, which is not here.", hint=_WITH_FOLDER
            ) from error
        if self.fingerprint is not None and self.fingerprint != model.fingerprint:
            other = model_that_drew(self.model, self.fingerprint)
            raise ModelError(
                f"{self.picture} was drawn by another model than {model.name!r}: its fingerprint is"
                f" {self.fingerprint}, and that of the one here is {model.fingerprint}.",
                hint=_WITH_FOLDER if other is None else f"--model {other.shell_name}",
            )
        return model


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
