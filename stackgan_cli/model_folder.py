"""A model on disk: a folder that holds everything ``generate`` needs, and can be moved or shared as it stands.

Reading the manifest needs no torch. Manifests come from strangers: their types are checked, and nothing in them names a
file; which component they name, only entry points decide.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.registry import Kind
from stackgan_cli.components.storage import CONFIG, WEIGHTS, load_component, save_component
from stackgan_cli.errors import ModelError
from stackgan_cli.files import atomic_folder, write_text
from stackgan_cli.home import MANIFEST
from stackgan_cli.manifests import read_json
from stackgan_cli.model_card import write_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.components.protocols import Stage1Generator, Stage2Generator, TextEncoder

FORMAT = 1
STAGES = {1: Kind.STAGE1_GENERATOR, 2: Kind.STAGE2_GENERATOR}
_TEXT_ENCODER = "text_encoder"


class ModelFolder:
    """A model folder that exists.

    Args:
        folder: with ``stackgan.json`` in it.

    Raises:
        ModelError: the manifest is missing, damaged, or of a later format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _checked(folder / MANIFEST, read_json(folder / MANIFEST))

    @property
    def name(self) -> str:
        """Name of the model: its folder's."""
        return self.folder.name

    @property
    def stages(self) -> list[int]:
        """Stages that are trained, 1 before 2."""
        return sorted(int(stage) for stage in self.manifest["stages"])

    def text_encoder(self) -> TextEncoder:
        """Load the text encoder, weights and all."""
        encoder: TextEncoder = load_component(Kind.TEXT_ENCODER, self.folder / _TEXT_ENCODER)[0]
        return encoder

    def stage1(self) -> Stage1Generator:
        """Load the Stage-I generator, averaged weights."""
        generator: Stage1Generator = load_component(Kind.STAGE1_GENERATOR, self.stage_folder(1))[0]
        return generator

    def stage2(self) -> Stage2Generator:
        """Load the Stage-II generator, averaged weights."""
        generator: Stage2Generator = load_component(Kind.STAGE2_GENERATOR, self.stage_folder(2))[0]
        return generator

    def checkpoint(self, stage: int, which: str) -> Path:
        """Folder of a checkpoint of a stage's training.

        Args:
            stage: 1 or 2.
            which: ``best``, or the number of steps.

        Raises:
            ModelError: it is not there.
        """
        run = self.folder / "training" / f"stage{stage}"
        there = {path.name.removeprefix("step-").lstrip("0"): path for path in (run / "checkpoints").glob("step-*")}
        there |= {"best": run / "best"} if (run / "best").is_dir() else {}
        if which.lstrip("0") not in there:
            raise ModelError(
                f"The model {self.name!r} has no checkpoint {which!r} of Stage-{'I' * stage}.",
                hint=f"one of: {', '.join(sorted(there))}" if there else "without --checkpoint",
            )
        return there[which.lstrip("0")]

    def stage_folder(self, stage: int) -> Path:
        """Folder of a trained stage.

        Raises:
            ModelError: the stage is not trained yet.
        """
        if stage not in self.stages:
            raise ModelError(
                f"The model {self.name!r} has no Stage-{'I' * stage} yet.",
                hint=f"stackgan train-stage{stage} --data {self.manifest['data']['name']}",
            )
        return self.folder / f"stage{stage}"

    def encoder_hash(self) -> str:
        """Hash of the text encoder's files."""
        return hash_of(self.folder / _TEXT_ENCODER)


def stage_facts(folder: Path, stage: int) -> dict[str, Any]:
    """What a model's manifest says of a stage; nothing where the stage, or the model, is not there."""
    if not (folder / MANIFEST).is_file() or not (folder / f"stage{stage}").is_dir():
        return {}
    return dict(ModelFolder(folder).manifest["stages"].get(str(stage), {}))


def hash_of(folder: Path) -> str:
    """Hash of a component's entry and weights, wherever its folder lies."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        path = folder / name
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def save_text_encoder(folder: Path, encoder_folder: Path) -> None:
    """Copy a fitted text encoder from prepared data into a model folder."""
    with atomic_folder(folder / _TEXT_ENCODER) as target:
        for name in (CONFIG, WEIGHTS):
            if (encoder_folder / name).is_file():
                shutil.copyfile(encoder_folder / name, target / name)


def save_stage(
    folder: Path,
    stage: int,
    *,
    generator: tuple[nn.Module, ComponentEntry],
    discriminator: tuple[nn.Module, ComponentEntry],
    facts: Mapping[str, Any],
    data: Mapping[str, Any],
) -> None:
    """Write a trained stage into a model folder and note it in the manifest.

    Args:
        folder: of the model; its text encoder is there already.
        stage: 1 or 2.
        generator: with averaged weights, and its entry.
        discriminator: and its entry.
        facts: about the training, such as steps, resolution and recipe.
        data: name and fingerprint of the data.
    """
    with atomic_folder(folder / f"stage{stage}") as target:
        save_component(target, generator[1], generator[0])
        (target / "discriminator").mkdir()
        save_component(target / "discriminator", discriminator[1], discriminator[0])
    manifest: dict[str, Any] = {"format": FORMAT, "stages": {}}
    if (folder / MANIFEST).is_file():
        manifest = dict(ModelFolder(folder).manifest)
    manifest |= {
        "data": dict(data),
        "text_encoder": read_json(folder / _TEXT_ENCODER / CONFIG),
        "stages": {**manifest["stages"], str(stage): {"generator": generator[1].as_json(), **facts}},
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_card(folder, manifest)
    write_text(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def forget_stage(folder: Path, stage: int) -> None:
    """Take a stage, whose folder is gone, out of a model's manifest, so that the model stays one that draws."""
    manifest = dict(ModelFolder(folder).manifest)
    manifest["stages"] = {number: facts for number, facts in manifest["stages"].items() if number != str(stage)}
    write_text(folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")


def set_aside(path: Path) -> Path | None:
    """Rename a folder to ``NAME-old-1`` (2, 3 ...) so that nothing is lost; None where there is no such folder."""
    if not path.exists():
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}-old-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def _checked(path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Trust nothing in a manifest but what has the right type."""
    version = manifest.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ModelError(f"{path} was written by a later version.", hint="pip install --upgrade stackgan-cli")
    stages, data = manifest.get("stages"), manifest.get("data")
    whole = (
        version == FORMAT
        and isinstance(stages, dict)
        and set(stages) <= {"1", "2"}
        and all(isinstance(facts, dict) for facts in stages.values())
        and isinstance(data, dict)
        and isinstance(data.get("name"), str)
    )
    if not whole:
        raise ModelError(f"{path} is no manifest of a model.", hint="Get the model again from where it came from.")
    return manifest
