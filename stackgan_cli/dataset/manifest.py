"""``data.json``: what prepared data says of itself; read without torch or Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field

from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.errors import DataError
from stackgan_cli.home import DATA_MANIFEST
from stackgan_cli.manifests import Manifest, checked, read_json, write_json
from stackgan_cli.pictures.cropping import CropRule
from stackgan_cli.pictures.decoding import WHITE

if TYPE_CHECKING:
    from pathlib import Path

DATA_SCHEMA = 1
MARGIN = (19, 16)
"""Pictures are stored at 76/64 of the resolution that is trained, for random crops (StackGAN misc/preprocess_*.py)."""

SplitName = Literal["train", "test"]
Form = Literal["raw", "jpeg"]
"""How pictures are stored: rows of RGB bytes, or JPEG."""
Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Positive = Annotated[int, Field(ge=1, lt=1 << 53)]
Resolution = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}$")]
Forms = Annotated[dict[Resolution, Form], Field(min_length=1)]
"""How the pictures of each resolution are stored."""
ArrowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.arrow$")]
"""Name of a file that lies in the folder itself, and nowhere else."""
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Spread = tuple[()] | tuple[Count, Count, Count]
"""The smallest, the median and the largest; nothing where there was nothing to measure."""
Value = TypeVar("Value")


def _one(version: int) -> int:
    if version != 1:
        raise ValueError("another version of this program wrote it, whose files this version does not read")
    return version


SchemaOne = Annotated[int, AfterValidator(_one)]
"""Version of a manifest's form; this program writes and reads 1."""

_PREPARE_AGAIN = "Prepare the data again with --force."


class BySplit(Manifest, Generic[Value]):
    """Something of each split."""

    train: Value
    test: Value

    def of(self, split: SplitName) -> Value:
        """What belongs to a split."""
        return self.train if split == "train" else self.test


class Summary(Manifest):
    """What the data looks like in numbers."""

    captions_per_picture: Spread = ()
    caption_words: Spread = ()
    caption_characters: Spread = ()
    short_side: Spread = ()
    """Pixels of the originals' shorter sides."""
    long_side: Spread = ()


class DataManifest(Manifest):
    """What ``data.json`` holds."""

    schema_version: SchemaOne = Field(alias="schema")
    reader: ComponentEntry
    """The reader that read the source, with the options that it was given."""
    source: str | None = None
    """Path of the source; None where the reader draws or fetches its pictures."""
    fingerprint: Annotated[str, Field(min_length=1, max_length=200)]
    """Hash of everything that decided what is stored."""
    counts: BySplit[Count]
    """Pictures in each split."""
    captions: Count
    captioned: bool = True
    """Whether the text of the captions is known; False where the source gave features of them alone."""
    skipped: Count
    """How many things were left out or mended."""
    why_skipped: tuple[tuple[str, Count], ...] = ()
    """The commonest reasons, and how often each was met."""
    summary: Summary = Summary()
    classes: tuple[str, ...]
    """Names of the classes, in order; none where some picture has no class."""
    attributes: tuple[str, ...]
    """Names of the attributes that every picture has."""
    stated: bool
    """Whether it is known of every caption which attributes it states."""
    crop: CropRule
    background: str = WHITE
    seed: Annotated[int, Field(ge=0)] = 0
    limit: Positive | None = None
    encoding: str | None = None
    """Encoding in which the source's texts were read, where one was chosen."""
    recipe: str = "paper"
    """Name of the recipe that suits the data."""
    extractor: str | None = None
    """Name of the feature extractor that suits it; None for the one that suits any data."""
    pictures: Forms
    first_resolutions: tuple[Positive, ...] = ()
    """Resolutions that it was first prepared for, where others were added since; the fingerprint counts these."""
    files: BySplit[tuple[ArrowName, ...]] | None = None
    """Arrow files of each split, in order; None in data of earlier versions, where they are all that lie there."""
    encoders: dict[FolderName, ComponentEntry]
    """For each folder in ``text`` the text encoder whose features it holds, the first one first."""

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions that pictures are stored for, in pixels."""
        return tuple(map(int, self.pictures))

    @property
    def counted_resolutions(self) -> tuple[int, ...]:
        """Resolutions that the fingerprint counts."""
        return self.first_resolutions or self.resolutions

    def encoder_for(self, wanted: str | None) -> str | None:
        """Folder of the text encoder to train with: the one wanted, else the only one; None where neither is clear.

        Args:
            wanted: its folder's name, or its bare or full name; None for the first of the data.
        """
        for folder, entry in self.encoders.items():
            if wanted is None or wanted in (folder, entry.name, entry.bare_name) or len(self.encoders) == 1:
                return folder
        return None

    def as_json(self) -> dict[str, Any]:
        """Plain values, by the names that they have on disk; what an earlier version left out stays out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def stored_side(resolution: int) -> int:
    """Side in pixels at which pictures are stored for training at a resolution."""
    return resolution * MARGIN[0] // MARGIN[1]


def read_manifest(folder: Path) -> DataManifest:
    """Read ``data.json`` without torch or Arrow, trusting nothing in it.

    Raises:
        DataError: it is missing, damaged, or of a later version.
    """
    path = folder / DATA_MANIFEST
    value = read_json(path, error=DataError, hint=_PREPARE_AGAIN)
    return checked(DataManifest, value, what=str(path), error=DataError, hint=_PREPARE_AGAIN)


def write_manifest(folder: Path, manifest: DataManifest) -> None:
    """Write ``data.json``, whole or not at all.

    Raises:
        DataError: nobody could read it.
        StackganError: it cannot be written.
    """
    path, value = folder / DATA_MANIFEST, manifest.as_json()
    hint = "Report this to the authors of the component that it names."
    checked(DataManifest, value, what=f"What {path} should hold", error=DataError, hint=hint)
    write_json(path, value)
