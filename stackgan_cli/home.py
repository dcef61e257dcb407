"""Where named data and models live, and how a name or a path is told from the other."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from pathlib import Path
from typing import Literal

from stackgan_cli.errors import DataError, UsageError
from stackgan_cli.files import given_path

MANIFEST = "stackgan.json"
"""The file that makes a folder a model."""
DATA_MANIFEST = "data.json"
"""The file that makes a folder prepared data."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def home() -> Path:
    """Return ``$STACKGAN_HOME``, or the platform's folder for user data.

    Raises:
        UsageError: it cannot be a path here.
    """
    given = os.environ.get("STACKGAN_HOME")
    if given:
        return given_path(given)
    import platformdirs

    return Path(platformdirs.user_data_dir("stackgan", appauthor=False))


def data_folder(name_or_path: str) -> Path:
    """Return the folder of prepared data that a name or a path means, whether or not it exists."""
    return _resolve(name_or_path, "data")


def model_folder(name_or_path: str) -> Path:
    """Return the model folder that a name or a path means, whether or not it exists."""
    return _resolve(name_or_path, "models")


def existing_data(name_or_path: str) -> Path:
    """Return the folder of prepared data, which must exist.

    Raises:
        DataError: there is none.
    """
    folder = data_folder(name_or_path)
    if os.path.lexists(folder / DATA_MANIFEST):
        return folder
    known = names("data", DATA_MANIFEST)
    close = difflib.get_close_matches(name_or_path.lower().replace("_", "-"), known, n=1, cutoff=0.7)
    prepare = f"stackgan prepare --data {shlex.quote(name_or_path)}"
    raise DataError(
        f"There is no prepared data called {name_or_path!r} ({folder} has no {DATA_MANIFEST}).",
        hint=" ".join(
            [
                *([f"Did you mean {close[0]!r}?"] if close else []),
                *([f"Prepared so far: {', '.join(known)}. To prepare it: {prepare}"] if known else [prepare]),
            ]
        ),
    )


def shell_name(folder: Path, kind: Literal["data", "models"]) -> str:
    """What a command line calls data or a model: its name where its folder lies in the home folder, else its path.

    It is quoted where a shell needs that, for commands that people are told to type.
    """
    return shlex.quote(folder.name if folder.parent == home() / kind else str(folder))


def is_path(name_or_path: str) -> bool:
    """Whether it is meant as a path, not as a name."""
    return any(mark in name_or_path for mark in (os.sep, "/")) or name_or_path.startswith((".", "~"))


def names(kind: str, manifest: str) -> list[str]:
    """Names of the finished ``data`` or ``models`` in the home folder, sorted."""
    try:
        # A folder that a killed process left unfinished has a hidden name.
        return sorted(path.parent.name for path in (home() / kind).glob(f"[!.]*/{manifest}"))
    except OSError:
        return []


def _resolve(name_or_path: str, kind: str) -> Path:
    if not name_or_path.strip():
        raise UsageError(f"The name of the {kind} is empty.", hint="a name such as 'cub', or a path")
    if is_path(name_or_path):
        return given_path(name_or_path)
    if not _NAME.fullmatch(name_or_path):
        raise UsageError(
            f"{name_or_path!r} is no name for {kind}.",
            hint="letters, digits, dots, dashes and underscores, or a path with a slash in it",
        )
    return home() / kind / name_or_path
