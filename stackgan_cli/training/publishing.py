"""From a run to the model folder that draws: averaged weights, discriminators and objectives, and what made them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from stackgan_cli.errors import DataError
from stackgan_cli.models.folder import hash_of, save_stage, save_text_encoder, stage_record
from stackgan_cli.models.glossary import FILE as GLOSSARY
from stackgan_cli.models.glossary import read_glossary, write_glossary
from stackgan_cli.models.manifest import DataRecord, StageRecord, StartRecord
from stackgan_cli.models.vocabulary import FILE as VOCABULARY
from stackgan_cli.models.vocabulary import read_vocabulary, write_vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.recipes.schema import StageSettings
    from stackgan_cli.training.loop import StageTask


class Publisher:
    """Writes a stage into its model's folder.

    Args:
        folder: of the model.
        stage: 1 or 2.
        recipe: name of the recipe.
        settings: of the stage.
        steps: of the whole run.
        data: that it is trained on.
        encoder_folder: of the text encoder whose features it reads.
        entries: of the stage's components, by the names of their files.
        start: the model whose weights the run began with, if there is one.
    """

    def __init__(
        self,
        folder: Path,
        stage: int,
        *,
        recipe: str,
        settings: StageSettings,
        steps: int,
        data: PreparedData,
        encoder_folder: Path,
        entries: Mapping[str, ComponentEntry],
        start: ModelFolder | None = None,
    ) -> None:
        self._folder, self._stage, self._encoder_folder, self._entries = folder, stage, encoder_folder, entries
        self._recipe, self._settings, self._of = recipe, settings, steps
        self._start = None
        self._words: frozenset[str] = frozenset()
        self._glossary = read_glossary(data.folder)
        if start is not None:
            learnt = start.stage_record(stage)
            self._start = StartRecord(
                model=start.name, generator=hash_of(start.stage_folder(stage)), steps=learnt.steps
            )
            self._words = read_vocabulary(start.folder) or frozenset()
            self._glossary = read_glossary(start.folder) | self._glossary
        self._data, self._prepared = DataRecord(name=data.name, fingerprint=data.fingerprint), data

    @property
    def published(self) -> int | None:
        """Steps of the stage that the model folder holds; None where it holds none."""
        record = stage_record(self._folder, self._stage)
        return None if record is None else record.steps

    def publish(self, task: StageTask, step: int) -> None:
        """Write the stage as it is after ``step`` steps.

        Raises:
            StackganError: the disk is full or refuses.
        """
        if not (self._folder / "text_encoder").is_dir():
            save_text_encoder(self._folder, self._encoder_folder)
        if not (self._folder / VOCABULARY).is_file():
            # A run on streamed shards needs no table of the data, and then knows no words.
            with suppress(DataError):
                write_vocabulary(self._folder, self._prepared.train.captions, self._words)
        if not (self._folder / GLOSSARY).exists():
            write_glossary(self._folder, self._glossary)
        # A run that goes on need not be told again what it began with.
        before = stage_record(self._folder, self._stage)
        record = StageRecord(
            generator=self._entries["generator"],
            recipe=self._recipe,
            resolution=self._settings.resolution,
            steps=step,
            of=self._of,
            batch_size=self._settings.batch_size,
            seed=self._settings.seed,
            precision=task.machine.precision,
            condition=self._settings.draw_condition,
            stage1=hash_of(self._folder / "stage1") if self._stage == 2 else None,
            start=self._start or (before.start if before else None),
        )
        beside = {name: (task.networks[name], self._entries[name]) for name in task.networks if name != "generator"}
        save_stage(self._folder, self._stage, record, generator=task.averaged.network, beside=beside, data=self._data)
