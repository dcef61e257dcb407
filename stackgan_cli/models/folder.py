"""A model on disk: a folder that holds everything ``generate`` needs, and can be moved or shared as it stands.

Reading the manifest needs no torch. Manifests come from strangers: their types are checked, and nothing in them names a
file; which component they name, only entry points decide.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind
from stackgan_cli.components.entries import ComponentEntry
from stackgan_cli.components.storage import CONFIG, WEIGHTS, load_component, read_entry, save_component, version_note
from stackgan_cli.errors import ModelError, UsageError
from stackgan_cli.files import atomic_folder
from stackgan_cli.home import MANIFEST, shell_name
from stackgan_cli.manifests import checked, read_json, write_json
from stackgan_cli.models.card import write_card
from stackgan_cli.models.check import refuse_misfits
from stackgan_cli.models.glossary import FILE as GLOSSARY
from stackgan_cli.models.manifest import FORMAT, DataRecord, ModelManifest, StageRecord
from stackgan_cli.models.vocabulary import FILE as VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stackgan_cli.components.protocols import Stage1Generator, Stage2Generator, TextEncoder
    from stackgan_cli.components.resources import Resource

STAGES = {1: Kind.STAGE1_GENERATOR, 2: Kind.STAGE2_GENERATOR}
TEXT_ENCODER = "text_encoder"
SETTINGS = "settings.toml"
"""The file that holds the settings of a stage's run, in the run's folder."""
FILES_THAT_DRAW = (
    *(MANIFEST, VOCABULARY, GLOSSARY),
    *(f"{part}/{file}" for part in (TEXT_ENCODER, "stage1", "stage2") for file in (CONFIG, WEIGHTS)),
)
"""Everything that a model may be made of, by paths within its folder."""
_CHECKPOINT = re.compile(r"step-(\d{6,18})", re.ASCII)


class ModelFolder:
    """A model folder that exists.

    Args:
        folder: with ``stackgan.json`` in it.
        resource: what a package calls it; None where no package brings it.
        called: its name, where that is not its folder's.

    Raises:
        ModelError: the manifest is missing, damaged, or of a later format.
    """

    def __init__(self, folder: Path, resource: Resource | None = None, called: str | None = None) -> None:
        self.folder, self.resource, self._called = folder, resource, called
        self.manifest = read_model_manifest(folder)
        self._checked = False

    def reopened(self) -> ModelFolder:
        """The same model as it is now: it may have been trained on meanwhile."""
        return ModelFolder(self.folder, self.resource, self._called)

    @property
    def name(self) -> str:
        """Name of the model: its folder's, ``package:name`` where a package brings it, or ``hf:owner/name``."""
        if self._called is not None:
            return self._called
        return self.folder.name if self.resource is None else self.resource.full_name

    @property
    def shell_name(self) -> str:
        """What a command line calls the model."""
        if self._called is not None:
            return self._called
        return shell_name(self.folder, "models") if self.resource is None else self.resource.full_name

    @property
    def stages(self) -> list[int]:
        """Stages that are trained, 1 before 2."""
        return sorted(map(int, self.manifest.stages))

    def check(self) -> None:
        """Refuse a model whose pieces do not fit together, as their files describe them; nothing is built.

        Raises:
            ModelError: names the file and the field.
        """
        if not self._checked and self.stages:
            refuse_misfits(self.folder, self.manifest)
            self._checked = True

    def load(self, kind: Kind) -> tuple[Any, ComponentEntry]:
        """Load the text encoder or the generator of a stage, averaged weights and all, and the entry that describes it.

        Raises:
            ModelError: the stage is not trained, a file is damaged, or the pieces of the model do not fit together.
            ComponentError: the component is not installed, or cannot be built.
        """
        self.check()
        stage = next((stage for stage, generator in STAGES.items() if generator is kind), None)
        return load_component(kind, self.stage_folder(stage) if stage else self.encoder_folder)

    def text_encoder(self) -> TextEncoder:
        """Load the text encoder, weights and all."""
        encoder: TextEncoder = self.load(Kind.TEXT_ENCODER)[0]
        return encoder

    def stage1(self) -> Stage1Generator:
        """Load the Stage-I generator, averaged weights."""
        generator: Stage1Generator = self.load(Kind.STAGE1_GENERATOR)[0]
        return generator

    def stage2(self) -> Stage2Generator:
        """Load the Stage-II generator, averaged weights."""
        generator: Stage2Generator = self.load(Kind.STAGE2_GENERATOR)[0]
        return generator

    def stage_record(self, stage: int) -> StageRecord:
        """What the manifest says of a stage that is trained."""
        return self.manifest.stages["1" if stage == 1 else "2"]

    def described(self, stage: int) -> str:
        """The generator of a stage, for the beginning of a sentence."""
        return self.stage_record(stage).generator.described(STAGES[stage])

    def version_notes(self, *, training: bool = False) -> list[str]:
        """Say which of its components are installed in another version than the one that was saved.

        Args:
            training: of its discriminators and objectives, too, which draw nothing.
        """
        entries = [(Kind.TEXT_ENCODER, self.manifest.text_encoder)]
        entries += [(STAGES[int(stage)], record.generator) for stage, record in self.manifest.stages.items()]
        if training:
            beside = sorted(self.folder.glob(f"stage[12]/*/{CONFIG}"))
            kinds = [Kind.OBJECTIVE if is_objective(path.parent.name) else Kind.DISCRIMINATOR for path in beside]
            entries += [(kind, read_entry(kind, path.parent)) for kind, path in zip(kinds, beside, strict=True)]
        return list(dict.fromkeys(note for kind, entry in entries if (note := version_note(kind, entry))))

    def checkpoints(self, stage: int) -> dict[str, Path]:
        """Folders of the checkpoints of a stage's training, by what they are called: their steps, and ``best``."""
        run = self.folder / "training" / f"stage{stage}"
        there = {str(step): path for step, path in checkpoints_of(run).items()}
        return there | ({"best": run / "best"} if (run / "best").is_dir() else {})

    def checkpoint(self, stage: int, which: str) -> Path:
        """Folder of a checkpoint of a stage's training.

        Args:
            stage: 1 or 2.
            which: ``best``, or the number of steps.

        Raises:
            ModelError: it is not there.
        """
        there = self.checkpoints(stage)
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
            name = "" if self.name == self.manifest.data.name else f" --name {self.shell_name}"
            hint = f"stackgan train-stage{stage} --data {shlex.quote(self.manifest.data.name)}{name}"
            if self.resource is not None or self._called is not None:
                # Nothing is trained in what a package or the Hub brings.
                hint = "another model"
            raise ModelError(f"The model {self.name!r} has no Stage-{'I' * stage} yet.", hint=hint)
        return self.folder / f"stage{stage}"

    @property
    def encoder_folder(self) -> Path:
        """Folder of the text encoder."""
        return self.folder / TEXT_ENCODER

    @cached_property
    def fingerprint(self) -> str:
        """Of everything that draws: 16 hexadecimal digits, another one where a weight or an option is another."""
        parts = [self.encoder_folder, *(self.folder / f"stage{stage}" for stage in self.stages)]
        return hashlib.sha256("".join(map(hash_of, parts)).encode()).hexdigest()[:16]

    def encoder_hash(self) -> str:
        """Hash of the text encoder's files."""
        return hash_of(self.encoder_folder)


def objective_file(name: str) -> str:
    """Name of an objective's folder within a stage's, and of its files in a checkpoint."""
    return f"objective-{name}"


def is_objective(file: str) -> bool:
    """Whether a folder within a stage's is an objective's, and no discriminator's."""
    return file.startswith(objective_file(""))


def checkpoints_of(run_folder: Path) -> dict[int, Path]:
    """Folders of a run that are called as checkpoints are, by their steps, the newest first; none is looked into."""
    named = ((_CHECKPOINT.fullmatch(path.name), path) for path in (run_folder / "checkpoints").glob("step-*"))
    found = {int(name[1]): path for name, path in named if name and path.is_dir()}
    return dict(sorted(found.items(), reverse=True))


def read_model_manifest(folder: Path) -> ModelManifest:
    """Read and check ``stackgan.json``.

    Raises:
        ModelError: it is missing, damaged, malformed, or of a later format.
    """
    path = folder / MANIFEST
    value = read_json(path)
    version = value.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ModelError(f"{path} was written by a later version.", hint="pip install --upgrade stackgan-cli")
    return checked(ModelManifest, value, what=str(path), hint="Get the model again from where it came from.")


def stage_record(folder: Path, stage: int) -> StageRecord | None:
    """What a model's manifest says of a stage; None where the stage, or the model, is not there."""
    if not (folder / MANIFEST).is_file() or not (folder / f"stage{stage}").is_dir():
        return None
    return read_model_manifest(folder).stages.get("1" if stage == 1 else "2")


def has_another_stage1(folder: Path) -> bool:
    """Whether a model's Stage-II was trained on another Stage-I than it has now, as far as the manifest tells."""
    record = stage_record(folder, 2)
    return record is not None and record.stage1 not in (None, hash_of(folder / "stage1"))


def hash_of(folder: Path) -> str:
    """Hash of a component's entry and weights, wherever its folder lies."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        path = folder / name
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def save_text_encoder(folder: Path, encoder_folder: Path) -> None:
    """Copy a fitted text encoder from prepared data into a model folder."""
    with atomic_folder(folder / TEXT_ENCODER) as target:
        copy_component(encoder_folder, target)


def copy_component(source: Path, target: Path) -> None:
    """Copy a component's entry and weights, and nothing else of its folder, into a folder that exists."""
    for name in (CONFIG, WEIGHTS):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def drawing_files(model: ModelFolder) -> dict[str, Path]:
    """The files of a model that draw, and none that was kept for training alone, by their paths within its folder."""
    return {name: model.folder / name for name in FILES_THAT_DRAW if (model.folder / name).is_file()}


def copy_model(model: ModelFolder, target: Path) -> Path:
    """Copy what draws of a model, and nothing that was kept for training alone, into a folder that must not exist yet.

    Raises:
        UsageError: there is something at the folder already.
        StackganError: a file cannot be written, or something comes to be there meanwhile.
    """
    if target.exists():
        raise UsageError(f"There is something at {target} already, and it stays.", hint="another folder")
    with atomic_folder(target, new=True) as folder:
        for name, path in drawing_files(model).items():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name)
    write_card(target, model.manifest)
    return target


def save_stage(
    folder: Path,
    stage: int,
    record: StageRecord,
    *,
    generator: Any,
    beside: Mapping[str, tuple[Any, ComponentEntry]],
    data: DataRecord,
) -> None:
    """Write a trained stage into a model folder and note it in the manifest.

    Args:
        folder: of the model; its text encoder is there already.
        stage: 1 or 2.
        record: the entry of the generator, and how it was trained.
        generator: with averaged weights.
        beside: discriminators and objectives, each with its entry, by the name of its folder within the stage's.
        data: that it was trained on.
    """
    with atomic_folder(folder / f"stage{stage}") as target:
        save_component(target, record.generator, generator)
        for name, (component, entry) in beside.items():
            (target / name).mkdir()
            save_component(target / name, entry, component)
    stages = dict(read_model_manifest(folder).stages) if (folder / MANIFEST).is_file() else {}
    stages["1" if stage == 1 else "2"] = record
    manifest = ModelManifest(
        stages=dict(sorted(stages.items())),
        data=data,
        text_encoder=read_entry(Kind.TEXT_ENCODER, folder / TEXT_ENCODER),
        saved=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_card(folder, manifest)
    write_json(folder / MANIFEST, manifest.as_json())


def forget_stage(folder: Path, stage: int) -> None:
    """Take a stage, whose folder is gone, out of a model's manifest, so that the model stays one that draws."""
    manifest = read_model_manifest(folder)
    stages = {number: record for number, record in manifest.stages.items() if number != str(stage)}
    write_json(folder / MANIFEST, manifest.model_copy(update={"stages": stages}).as_json())


def set_aside(path: Path) -> Path | None:
    """Rename a folder to ``NAME-old-1`` (2, 3 ...) so that nothing is lost; None where there is no such folder."""
    if not path.exists():
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}-old-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside
