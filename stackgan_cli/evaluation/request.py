"""What to evaluate, and how; importing it imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import UsageError
from stackgan_cli.home import MANIFEST, data_folder, names
from stackgan_cli.models.finding import place_of_model
from stackgan_cli.progress import SILENT

if TYPE_CHECKING:
    from stackgan_cli.models.finding import ModelPlace
    from stackgan_cli.progress import Progress

DEFAULT_EXTRACTOR = "domain-classifier"
EXTRACTOR_SEED = 0
"""Of an extractor's fitting, so that it is the same for every request."""
FEWEST_PICTURES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """A model to measure on prepared data.

    Raises:
        UsageError: too few pictures, a negative seed, or a file to write that is there or is no npz file.
    """

    data: str
    """Name or folder of prepared data, whose test captions are drawn and whose test pictures are compared with."""
    model: str | Path | None = None
    """Name or folder; None for the model that is named after the data, else the one that ``generate`` would take."""
    num_images: int | None = None
    """Pictures to draw; None for one for each test picture."""
    extractor: str | None = None
    """Bare or full name of the feature extractor; None for the one that suits the data."""
    extractor_options: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    """Bare or full names; none for all that are installed and apply."""
    seed: int = 0
    """Of captions, noise and metrics. The extractor has a seed of its own, so that it is the same for every request."""
    device: str = "auto"
    precision: str = "auto"
    report: bool = False
    """Write a page with figures beside the results."""
    protocol: str | None = None
    """Name of published numbers' protocol, which sets what they depended on and nothing else here does."""
    statistics: Path | None = None
    """File with ``mu`` and ``sigma`` of real pictures' features that drawings are compared with, in place of the data's
    own pictures."""
    export_statistics: Path | None = None
    """New file for those of the data's own pictures."""

    def __post_init__(self) -> None:
        if self.num_images is not None and self.num_images < FEWEST_PICTURES:
            raise UsageError(f"{self.num_images} pictures are too few to measure.", f"{FEWEST_PICTURES} or more")
        if self.seed < 0:
            raise UsageError(f"The seed {self.seed} is negative.", "0 or more")
        if self.export_statistics is not None:
            if self.export_statistics.suffix != ".npz":
                raise UsageError(f"{self.export_statistics} is no name of statistics.", "a name that ends in .npz")
            if self.export_statistics.exists():
                raise UsageError(f"There is already something at {self.export_statistics}.", "another name")

    def model_place(self, progress: Progress = SILENT) -> ModelPlace:
        """Where the model lies.

        Raises:
            ModelError: there is no such model.
        """
        if self.model is None:
            name = data_folder(self.data).name
            return place_of_model(name if name in names("models", MANIFEST) else None)
        return place_of_model(str(self.model), progress)
