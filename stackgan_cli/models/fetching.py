"""Models of the Hugging Face Hub, by names such as ``hf:OWNER/NAME`` or ``hf:OWNER/NAME@REVISION``.

A model is fetched when it is named for the first time, and lies in the home folder from then on, where no network is
needed. Only files that a model of this program is made of are fetched, by their names; none of them is a pickle.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from stackgan_cli.errors import ModelError, UsageError
from stackgan_cli.files import atomic_folder, size_text
from stackgan_cli.home import MANIFEST, home
from stackgan_cli.locks import only_one

if TYPE_CHECKING:
    from pathlib import Path

    from stackgan_cli.progress import Progress

_SCHEME = "hf:"
_REVISION = re.compile(r"\w[\w.-]{0,95}", re.ASCII)


def is_hub_name(name: str) -> bool:
    """Whether a name means a model of the Hub."""
    return name.startswith(_SCHEME) and "/" in name


def hub_folder(name: str) -> Path:
    """Where a model of the Hub lies, or will lie, on this machine.

    Raises:
        UsageError: it is no ``hf:OWNER/NAME`` nor ``hf:OWNER/NAME@REVISION``.
    """
    repository, revision = _parts(name)
    return _place() / (f"{repository}@{revision}" if revision else repository)


def hub_names() -> list[str]:
    """Names of the models of the Hub that have been fetched, sorted."""
    try:
        found = [path.parent for path in _place().glob(f"[!.]*/[!.]*/{MANIFEST}")]
        return sorted(f"{_SCHEME}{folder.parent.name}/{folder.name}" for folder in found)
    except OSError:
        return []


def fetched(name: str, progress: Progress) -> Path:
    """The folder of a model of the Hub, which is fetched where it is not there.

    Args:
        name: ``hf:OWNER/NAME`` or ``hf:OWNER/NAME@REVISION``; a revision is a branch, a tag or a commit.
        progress: told what is fetched.

    Raises:
        UsageError: it is no such name.
        ModelError: there is no such repository, or it holds no model.
        StackganError: the Hub cannot be reached or refuses, or the files cannot be written.
    """
    folder = hub_folder(name)
    if (folder / MANIFEST).is_file():
        return folder
    with only_one(folder, "fetching"), atomic_folder(folder) as target:
        _fetch(*_parts(name), target, progress)
    return folder


def _place() -> Path:
    return home() / "downloads" / "hugging-face"


def _parts(name: str) -> tuple[str, str | None]:
    from stackgan_cli.downloads.hub import checked_repository

    repository, _, revision = name.removeprefix(_SCHEME).partition("@")
    if revision and not _REVISION.fullmatch(revision):
        raise UsageError(f"{revision!r} is no revision.", hint=f"{_SCHEME}{repository}@ with a branch, tag or commit")
    return checked_repository(repository), revision or None


def _fetch(repository: str, revision: str | None, target: Path, progress: Progress) -> None:
    from stackgan_cli.downloads.hub import hub_api, hub_refusals_told
    from stackgan_cli.models.folder import FILES_THAT_DRAW, read_model_manifest

    api = hub_api()
    with hub_refusals_told(api, repository, "read"):
        info = api.model_info(repository, revision=revision, files_metadata=True)
        sizes = {each.rfilename: each.size or 0 for each in info.siblings or () if each.rfilename in FILES_THAT_DRAW}
        if MANIFEST not in sizes:
            raise ModelError(
                f"{repository} holds no model of this program (it has no {MANIFEST}).", hint="another OWNER/NAME"
            )
        progress.say(f"Fetching {repository}, {size_text(sum(sizes.values()))} ...")
        for file in sizes:
            # From one commit, whatever is pushed meanwhile.
            api.hf_hub_download(repository, file, revision=info.sha, local_dir=target)
    # What the library notes of each file.
    shutil.rmtree(target / ".cache", ignore_errors=True)
    try:
        read_model_manifest(target)
    except ModelError as error:
        raise ModelError(error.message.replace(str(target), repository), hint="another OWNER/NAME") from error
