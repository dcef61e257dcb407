"""The page that tells what prepared data holds; ``prepare`` and ``info`` show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.dataset.manifest import DataManifest, Spread

_REASONS_SHOWN = 5


def data_facts(folder: Path, manifest: DataManifest) -> dict[str, Any]:
    """Give what is known of prepared data as plain values; the keys are the same for all data."""
    from stackgan_cli.files import bytes_in
    from stackgan_cli.preparing.preview import PREVIEW

    preview = folder / PREVIEW
    return {
        "name": folder.name,
        "folder": str(folder),
        "bytes": bytes_in(folder),
        "preview": str(preview) if preview.is_file() else None,
        **manifest.model_dump(mode="json", by_alias=True),
    }


def show_data(folder: Path, manifest: DataManifest) -> None:
    """Print what prepared data holds, in numbers, and where the sheet of its pictures lies."""
    from stackgan_cli.console import page
    from stackgan_cli.files import bytes_in, size_text
    from stackgan_cli.preparing.preview import PREVIEW

    summary, reader = manifest.summary, manifest.reader.name.removeprefix("stackgan-cli:")
    rows = [
        ["pictures for training", f"{manifest.counts.train:,}"],
        ["pictures for testing", f"{manifest.counts.test:,}"],
        ["classes", f"{len(manifest.classes):,}" if manifest.classes else "none given"],
        ["captions", f"{manifest.captions:,}" + ("" if manifest.captioned else ", their features alone")],
        ["captions of a picture", _spread(summary.captions_per_picture)],
        ["words of a caption", _spread(summary.caption_words)],
        ["characters of a caption", _spread(summary.caption_characters)],
        ["shorter side met", _spread(summary.short_side, " px")],
        ["longer side met", _spread(summary.long_side, " px")],
        ["crop", manifest.crop],
        ["resolutions", ", ".join(manifest.pictures)],
        ["text encoders", ", ".join(manifest.encoders) or "none yet"],
        ["recipe that suits", manifest.recipe],
        ["read by", f"{reader} from {manifest.source or '-'}"],
        ["left out or mended", f"{manifest.skipped:,}" + (" (skipped.jsonl)" if manifest.skipped else "")],
        *([f"  {reason}", f"{count:,}"] for reason, count in manifest.why_skipped[:_REASONS_SHOWN]),
    ]
    if (folder / PREVIEW).is_file():
        rows.append(["some of them", str(folder / PREVIEW)])
    rows.append(["takes", size_text(bytes_in(folder))])
    page(f"Data {folder.name} ({folder})", [row for row in rows if row[1]])


def _spread(numbers: Spread, unit: str = "") -> str:
    """Write the smallest, the median and the largest of something."""
    if not numbers:
        return ""
    low, middle, high = numbers
    return f"{low:,}{unit}" if low == high else f"{low:,} to {high:,}{unit}, median {middle:,}"
