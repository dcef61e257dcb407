"""``data.json``: what prepared data says of itself; read without torch or Arrow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.home import DATA_MANIFEST, write_text

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1
MARGIN = (19, 16)
"""Pictures are stored at 76/64 of the resolution that is trained, for random crops (StackGAN misc/preprocess_*.py)."""


def stored_side(resolution: int) -> int:
    """Side in pixels at which pictures are stored for training at a resolution."""
    return resolution * MARGIN[0] // MARGIN[1]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``data.json`` without torch or Arrow.

    Raises:
        DataError: it is missing, damaged, or of a later version.
    """
    path = folder / DATA_MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(manifest, dict) and all(
            isinstance(manifest[key], kind)
            for key, kind in {"schema": int, "fingerprint": str, "pictures": dict, "encoders": dict}.items()
        )
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.", hint="Prepare the data again with --force.") from error
    if not whole or manifest["schema"] != SCHEMA:
        raise DataError(f"{path} is not of the form this version writes.", hint="Prepare the data again with --force.")
    return dict(manifest)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``data.json``, whole or not at all."""
    write_text(folder / DATA_MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
