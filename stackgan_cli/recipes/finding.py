"""Which recipes there are: TOML files beside this module, in other packages, and wherever a path leads."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from stackgan_cli.components.component import BUILT_IN_PACKAGE
from stackgan_cli.components.resources import Resource, find_resource, resources
from stackgan_cli.errors import SettingsError
from stackgan_cli.files import at_home, given_path

GROUP = "stackgan.recipes"


def recipes() -> list[Resource]:
    """List the recipes of this package and then those that others bring, each sorted, reading none of them."""
    return [*_built_in(), *resources(GROUP)]


def recipe_file(name_or_path: str, beside: Path | None = None) -> Path:
    """Return the file of a recipe.

    Args:
        name_or_path: a name, ``package:name``, or the path of a ``.toml`` file.
        beside: folder that a relative path starts from; by default the current one.

    Raises:
        SettingsError: there is no such recipe.
        UsageError: the path cannot be one.
    """
    if not name_or_path.endswith(".toml"):
        return find_resource(
            GROUP,
            name_or_path,
            title="recipe",
            built_in=_built_in(),
            error=SettingsError,
            otherwise="the path of a .toml file",
        ).path
    path = given_path(str((beside or Path()) / at_home(name_or_path)))
    if not path.exists():
        names = ", ".join(sorted({recipe.name for recipe in recipes()}))
        raise SettingsError(f"There is no recipe file {path}.", hint=f"Check the path, or name one of: {names}.")
    return path


def _built_in() -> list[Resource]:
    version = metadata.version(BUILT_IN_PACKAGE)
    files = sorted(Path(__file__).parent.glob("*.toml"))
    return [Resource(path.stem, BUILT_IN_PACKAGE, version, path) for path in files]
