"""A component of a model that draws, and who is to blame where it does what it may not."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import BUILT_IN_PACKAGE, Kind, blaming
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import blame_version, load_weights, read_weights, version_note
from stackgan_cli.errors import ComponentError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.models.folder import ModelFolder


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A component of the model, and what to say where something is wrong with what it does."""

    component: Any
    entry: ComponentEntry
    kind: Kind
    described: str

    @classmethod
    def of(cls, model: ModelFolder, kind: Kind) -> Self:
        """Load the text encoder of a model, or the generator of a stage; errors are those of `ModelFolder.load`."""
        component, entry = model.load(kind)
        return cls(component, entry, kind, find(kind, entry.name).described)

    @property
    def version_note(self) -> str | None:
        """What to say where the component is of another version now, and may compute something else."""
        # What this package offers computes the same in every version; others have promised nothing.
        return None if self.entry.package == BUILT_IN_PACKAGE else version_note(self.kind, self.entry)

    @contextmanager
    def blamed(self, doing: str) -> Iterator[None]:
        """Name the component, and the version that the model was saved with where it is another, in whatever fails."""
        try:
            with blaming(self.described, doing):
                yield
        except (ComponentError, ModelError) as error:
            raise blame_version(self.kind, self.entry, error) from error

    def take(self, weights: Path) -> None:
        """Take other weights than those that the model holds."""
        with self.blamed("taking weights"):
            load_weights(self.component, read_weights(weights), what=str(weights))

    def refuse(self, fault: str | None) -> None:
        """Refuse what the component returned, where there is a fault in it."""
        if fault is not None:
            hint = "The weights may be spoilt: train again, or report it to the component's authors."
            raise blame_version(self.kind, self.entry, ComponentError(f"{self.described} {fault}.", hint))
