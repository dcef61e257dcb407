"""The models that can be drawn with: loaded when they are first asked for, and a few of them kept."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from stackgan_cli.console import say
from stackgan_cli.home import MANIFEST
from stackgan_cli.models.finding import list_models
from stackgan_cli.models.folder import ModelFolder
from stackgan_cli.pipeline import Pipeline
from stackgan_cli.serving.refusals import RefusalError

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.machine import Machine

MOST_KEPT = 2
"""Models in memory."""


class ModelShelf:
    """Models by the names that requests may say; a path is none of them.

    Args:
        first: what is drawn with where a request names no model.
        machine: device and precision to draw with.
    """

    def __init__(self, first: ModelFolder, machine: Machine) -> None:
        self._first, self._machine = first, machine
        self._kept: OrderedDict[tuple[Path, int], Pipeline] = OrderedDict()

    def folders(self) -> dict[str, ModelFolder]:
        """Every model that is there now, by its name, the first one first."""
        found = {self._first.name: self._first.reopened()}
        for each in list_models()[0]:
            # A name that no answer can hold is none that a request can say.
            if each.name.isprintable():
                found.setdefault(each.name, each)
        return found

    def pipeline(self, name: str | None) -> Pipeline:
        """The model of a name, ready to draw; for one thread alone.

        Raises:
            RefusalError: there is none of that name.
            ModelError: it is damaged.
            ComponentError: it needs a component that is not installed.
        """
        folders = self.folders()
        wanted = self._first.name if name is None else name
        if wanted not in folders:
            raise RefusalError(404, f"There is no model called {wanted!r} here.", f"One of: {', '.join(folders)}.")
        folder = folders[wanted]
        key = folder.folder, (folder.folder / MANIFEST).stat().st_mtime_ns
        if key not in self._kept:
            while len(self._kept) >= MOST_KEPT:
                self._kept.popitem(last=False)
            if self._kept:
                say(f"Loading the model {folder.name} ...")
            self._kept[key] = Pipeline(folder, self._machine)
        self._kept.move_to_end(key)
        return self._kept[key]
