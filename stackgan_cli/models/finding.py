"""Which models there are: folders of the home folder, folders that packages bring, and wherever a path leads.

A package's model is found from its metadata, without importing the package, and is only read. The model that comes with
this package is found in the same way.
"""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.components.resources import Resource, broken_resources, find_resource, resources
from stackgan_cli.errors import ModelError, StackganError, UsageError
from stackgan_cli.home import MANIFEST, home, is_path, model_folder, names
from stackgan_cli.models.fetching import fetched, hub_folder, hub_names, is_hub_name
from stackgan_cli.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.progress import Progress

GROUP = "stackgan.models"
BUNDLED = "bundled"
"""A name that always means the model of this package, whatever else is called as that is."""
_READS_NOTHING = "stackgan-cli:precomputed"
"""The text encoder of a model that draws from ready text features alone, as its manifest has it."""
_WEIGHTS = {".pth", ".pt", ".ckpt", ".t7", ".safetensors"}


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where a model lies, and the package that brings it, if one does."""

    folder: Path
    resource: Resource | None = None
    called: str | None = None
    """Its name, where that is not its folder's."""

    def open(self) -> ModelFolder:
        """Read its manifest.

        Raises:
            ModelError: the manifest is missing, damaged, or of a later format.
        """
        # What checks manifests takes longer to import than a page of help to show.
        from stackgan_cli.models.folder import ModelFolder

        return ModelFolder(self.folder, self.resource, self.called)


@dataclass(frozen=True, slots=True)
class UnusableModel:
    """A model that is there and cannot be drawn with, and why."""

    name: str
    why: str


def find_model(name_or_path: str | None, progress: Progress = SILENT) -> ModelFolder:
    """Open the model to use.

    Arguments and errors are those of :func:`place_of_model`, and of :meth:`ModelFolder.check`.
    """
    model = place_of_model(name_or_path, progress).open()
    model.check()
    return model


def find_saved_model(model: str | Path, progress: Progress = SILENT) -> ModelFolder:
    """Open a model as Python calls it: text is a name before it is the path of a folder, and a path is a path.

    On the command line a path has a slash in it; ``save_pretrained("birds")`` has written into a folder all the same.

    Arguments and errors are those of :func:`find_model`.
    """
    text = str(model)
    if is_path(text) or not (Path(text) / MANIFEST).is_file():
        return find_model(text, progress)
    named = False
    if not isinstance(model, Path):
        with suppress(ModelError, UsageError):
            named = bool(place_of_model(text, progress))
    return find_model(text if named else f".{os.sep}{text}", progress)


def place_of_model(name_or_path: str | None, progress: Progress = SILENT) -> ModelPlace:
    """Find the model to use, reading nothing of it; one of the Hub is fetched where it is not there.

    Args:
        name_or_path: a name, of which one in the home folder comes before one in a package; ``package:name``; a path;
            ``hf:owner/name``; or None for ``$STACKGAN_MODEL``, else the newest of the home folder that draws sentences,
            else the bundled one.
        progress: told what is fetched.

    Raises:
        ModelError: there is no such model, or several packages bring one of that name.
        UsageError: it can be neither a name nor a path.
        StackganError: a model of the Hub cannot be fetched.
    """
    wanted = name_or_path or os.environ.get("STACKGAN_MODEL")
    if not wanted:
        return _newest_that_reads() or _bundled()
    if wanted == BUNDLED:
        return _bundled()
    if is_hub_name(wanted):
        return ModelPlace(fetched(wanted, progress), called=wanted)
    _refuse_weights(wanted)
    in_package = ":" in wanted and not is_path(wanted)
    if not in_package:
        folder = model_folder(wanted)
        # Whatever cannot be read there is told when it is opened.
        if os.path.lexists(folder / MANIFEST):
            brought = [each for each in resources(GROUP) if each.path.resolve() == folder.resolve()]
            return ModelPlace(folder, brought[0] if brought else None)
        if is_path(wanted):
            raise ModelError(
                f"There is no model called {wanted!r} ({folder} has no {MANIFEST}).",
                hint=f"Check the path, or name one of: {', '.join(model_names())}; or hf:OWNER/NAME of the Hub.",
            )
    found = find_resource(
        GROUP,
        wanted,
        title="model",
        others=names("models", MANIFEST),
        error=ModelError,
        otherwise="the folder of a model",
    )
    return ModelPlace(found.path, found)


def model_names() -> list[str]:
    """Names that mean a model here: those of the home folder, then those of packages in full."""
    return [*names("models", MANIFEST), *(each.full_name for each in resources(GROUP)), *hub_names()]


def list_models() -> tuple[list[ModelFolder], list[UnusableModel]]:
    """Open every model of the home folder and of packages, and say of those that cannot be opened why."""
    models: list[ModelFolder] = []
    unusable = [
        UnusableModel(f"{each.package}:{each.entry}", f"It cannot be used: {each.reason}.")
        for each in broken_resources(GROUP)
    ]
    for name, place in _places():
        try:
            models.append(place.open())
        except StackganError as error:
            unusable.append(UnusableModel(name, error.message))
    return models, unusable


def model_that_drew(name: str, fingerprint: str) -> ModelFolder | None:
    """Find the model here that drew a picture; none is fetched.

    Args:
        name: that the picture has of it, which is its folder's where it was given by path: a picture that is passed on
            tells no paths.
        fingerprint: that the picture has of it.

    Returns:
        The model of this name, unless its fingerprint is another one, else whichever has the fingerprint; None where
        there is none.
    """
    named: list[ModelFolder] = []
    if not is_hub_name(name) or name in hub_names():
        with suppress(StackganError):
            named.append(place_of_model(name).open())
    for model in chain(named, list_models()[0]):
        # One that cannot be read has drawn nothing lately.
        with suppress(OSError):
            if model.fingerprint == fingerprint:
                return model
    return None


def folder_to_write(name_or_path: str) -> Path:
    """The folder of a model that is to be made or trained on.

    Raises:
        UsageError: it can be neither a name nor a path, or is the name that always means the bundled model.
        ModelError: the folder belongs to a package, which is named.
    """
    if name_or_path == BUNDLED:
        raise UsageError(
            f"The name {BUNDLED!r} always means the model that comes with this program.", hint="--name with another"
        )
    folder = model_folder(name_or_path)
    for each in resources(GROUP):
        if folder.resolve().is_relative_to(each.path.resolve()):
            raise ModelError(
                f"{folder} belongs to the package {each.package} {each.version}, so nothing is trained in it.",
                hint=f"--name with a name of your own, and --from {each.full_name} to begin with its weights",
            )
    return folder


def _refuse_weights(wanted: str) -> None:
    """Refuse a file of weights that stands where a model should."""
    if Path(wanted).suffix.lower() in _WEIGHTS and Path(wanted).is_file():
        raise ModelError(
            f"{wanted} is a file of weights, and a model is a folder.",
            hint=f"stackgan convert {shlex.quote(wanted)}, for weights of the published PyTorch code",
        )


def _places() -> Iterator[tuple[str, ModelPlace]]:
    for name in names("models", MANIFEST):
        yield name, ModelPlace(home() / "models" / name)
    for each in resources(GROUP):
        yield each.full_name, ModelPlace(each.path, each)
    for name in hub_names():
        yield name, ModelPlace(hub_folder(name), called=name)


def _bundled() -> ModelPlace:
    for each in resources(GROUP):
        if each.built_in:
            return ModelPlace(each.path, each)
    raise ModelError("This installation lacks the model that comes with it.", hint="Install stackgan-cli again.")


def _newest_that_reads() -> ModelPlace | None:
    """The newest model of the home folder that draws sentences."""
    folders = [home() / "models" / name for name in names("models", MANIFEST)]
    newest_first = sorted(folders, key=lambda folder: ((folder / MANIFEST).stat().st_mtime, folder), reverse=True)
    return next((ModelPlace(folder) for folder in newest_first if _reads_sentences(folder)), None)


def _reads_sentences(folder: Path) -> bool:
    """Whether a model draws sentences, as far as its manifest tells: no encoder is imported to be asked."""
    from stackgan_cli.manifests import read_json

    try:
        entry = read_json(folder / MANIFEST).get("text_encoder")
    except ModelError:
        # Whoever opens it is told what is wrong with it.
        return True
    return not isinstance(entry, dict) or entry.get("name") != _READS_NOTHING
