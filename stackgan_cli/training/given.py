"""What a run was asked for, kept beside it, so that an option that was given once need not be given again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from stackgan_cli.errors import SettingsError
from stackgan_cli.manifests import Manifest, checked, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FILE = "run.json"


class GivenOptions(Manifest):
    """``run.json``: the options of a run, as people gave them, over all the times that it went on."""

    recipe: str
    """Name of a recipe, or path of a TOML file."""
    encoder: str
    """Folder of the text encoder within the data's."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """By dotted key, in the order in which they were laid over the recipe."""
    precision: str = "auto"
    start: str | None = None
    """Name or path of the model whose weights the run began with."""

    def write(self, run_folder: Path) -> None:
        """Keep them with a run.

        Raises:
            StackganError: the disk is full or refuses.
        """
        write_json(run_folder / _FILE, self.as_json())


def given_before(run_folder: Path) -> GivenOptions | None:
    """What a run was asked for so far; None where there is no run, or one of a version that did not keep it.

    Raises:
        SettingsError: the file is damaged.
    """
    path = run_folder / _FILE
    if not path.is_file():
        return None
    hint = "Delete it, and give the options of the run once more."
    value = read_json(path, error=SettingsError, hint=hint)
    return checked(GivenOptions, value, what=str(path), error=SettingsError, hint=hint)


def with_later(before: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings given later over those given before, each in the place that it had."""
    kept = dict(before)
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in later:
            kept.pop(other, None)
    return kept | dict(later)
