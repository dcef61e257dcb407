"""``data.json``: what prepared data says of itself; read without torch or Arrow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import DataError
from stackgan_cli.files import write_text
from stackgan_cli.home import DATA_MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1
MARGIN = (19, 16)
"""Pictures are stored at 76/64 of the resolution that is trained, for random crops (StackGAN misc/preprocess_*.py)."""


_TYPES = {
    "schema": int,
    "fingerprint": str,
    "counts": dict,
    "captions": int,
    "skipped": int,
    "classes": list,
    "attributes": list,
    "stated": bool,
    "reader": dict,
    "crop": str,
    "pictures": dict,
    "encoders": dict,
}
_SIZE = re.compile(r"[1-9][0-9]{0,4}")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.", hint="Prepare the data again with --force.") from error
    if not isinstance(manifest, dict) or not _is_whole(manifest) or manifest["schema"] != SCHEMA:
        raise DataError(f"{path} is not of the form this version writes.", hint="Prepare the data again with --force.")
    return dict(manifest)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``data.json``, whole or not at all."""
    write_text(folder / DATA_MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def _is_whole(manifest: dict[str, Any]) -> bool:
    """Trust nothing in a manifest but what has the right type, and no folder that lies elsewhere."""
    return (
        all(isinstance(manifest.get(key), kind) for key, kind in _TYPES.items())
        and isinstance(manifest["reader"].get("name"), str)
        and isinstance(manifest["reader"].get("options", {}), dict)
        and all(isinstance(manifest["counts"].get(split), int) for split in ("train", "test"))
        and _is_summary(manifest.get("summary", {}), manifest.get("why_skipped", []))
        and all(_SIZE.fullmatch(size) and form in ("raw", "jpeg") for size, form in manifest["pictures"].items())
        and all(
            _FOLDER.fullmatch(folder) and isinstance(entry, dict) and isinstance(entry.get("name"), str)
            for folder, entry in manifest["encoders"].items()
        )
    )


def _is_summary(summary: object, reasons: object) -> bool:
    return (
        isinstance(summary, dict)
        and all(
            isinstance(spread, list) and len(spread) in (0, 3) and all(isinstance(value, int) for value in spread)
            for spread in summary.values()
        )
        and isinstance(reasons, list)
        and all(
            isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], int)
            for pair in reasons
        )
    )
