"""Sharing a model on the Hugging Face Hub: what draws of it, and a card with pictures that it drew."""

from __future__ import annotations

import io
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackgan_cli.downloads.hub import LOG_IN, checked_repository, hub_api, hub_refusals_told
from stackgan_cli.errors import StackganError, UsageError
from stackgan_cli.home import MANIFEST
from stackgan_cli.models.card import CARD, card, newest_sheets
from stackgan_cli.models.finding import find_model
from stackgan_cli.models.folder import drawing_files
from stackgan_cli.pictures.sheets import sheet
from stackgan_cli.pipeline import Pipeline
from stackgan_cli.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from huggingface_hub import HfApi

    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.progress import Progress

DRAWN = "samples.png"
_EACH = 2
"""Pictures of each sentence on the sheet of the card."""
_MOST_PROMPTS = 32
_OF_THE_HUB = {".gitattributes", CARD}
"""Files that the Hub itself makes in a new repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    """A model, and the repository of the Hub that it is to lie in.

    Raises:
        UsageError: the repository has no such name, or there are too many prompts.
    """

    model: str | Path
    """Name or folder."""
    repository: str
    """``OWNER/NAME``; it is made where there is none."""
    private: bool = False
    """Make it one that only its owner sees."""
    prompts: tuple[str, ...] = ()
    """Sentences whose pictures stand on the card; without any, the training's newest sheets of samples do."""

    def __post_init__(self) -> None:
        checked_repository(self.repository)
        if len(self.prompts) > _MOST_PROMPTS:
            raise UsageError(f"{len(self.prompts)} prompts are too many for a card.", hint=f"{_MOST_PROMPTS} or fewer")


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What is uploaded: files on this machine and files made for it, by their paths in the repository."""

    repository: str
    private: bool
    kept: Mapping[str, Path]
    made: Mapping[str, bytes]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every file."""
        sizes = {name: path.stat().st_size for name, path in self.kept.items()}
        return dict(sorted((sizes | {name: len(content) for name, content in self.made.items()}).items()))


def plan_push(request: PushRequest, progress: Progress = SILENT) -> PushPlan:
    """Load a model, so that nothing is shared that does not draw, and gather what is to be uploaded; no network.

    Args:
        request: what to share.
        progress: told what takes long.

    Raises:
        ModelError: there is no such model, or it is damaged.
        ComponentError: the model needs a component that is not installed.
        UsageError: a prompt cannot be read.
    """
    model = find_model(str(request.model), progress)
    progress.say(f"Loading {model.name}, to see that it draws ...")
    pipeline = Pipeline.from_pretrained(model.folder)
    sheets = newest_sheets(model.folder, model.manifest)
    kept, made = drawing_files(model), {}
    if request.prompts:
        made[DRAWN] = _drawn(pipeline, request.prompts)
        sheets = {_how_drawn(request): DRAWN}
    else:
        kept |= {name: model.folder / name for name in sheets.values()}
    made[CARD] = _card(model, request.repository, sheets).encode()
    return PushPlan(request.repository, request.private, kept, made)


def require_token() -> None:
    """Refuse to go on where this machine has no token, before anything takes long.

    Raises:
        StackganError: it has none.
    """
    from huggingface_hub import get_token

    if not get_token():
        raise StackganError("The Hub takes models only from those it knows, and this machine has no token.", LOG_IN)


def push(plan: PushPlan, progress: Progress = SILENT) -> str:
    """Upload a model in one commit, making the repository where there is none; nothing in it is deleted.

    Args:
        plan: what :func:`plan_push` gathered.
        progress: told what takes long.

    Returns:
        The address of the commit.

    Raises:
        StackganError: there is no token, the Hub cannot be reached, or it refuses.
        UsageError: the repository holds something that is no model, or is public and was to be private.
    """
    require_token()
    api = hub_api()
    with hub_refusals_told(api, plan.repository, "write to"):
        if not _is_there(api, plan):
            api.create_repo(plan.repository, private=plan.private)
            progress.say(f"Made {plan.repository}, {'private' if plan.private else 'public'}.")
        return _upload(api, plan)


def _is_there(api: HfApi, plan: PushPlan) -> bool:
    """Whether the repository is there, and one that this model may go to."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(plan.repository)
    except RepositoryNotFoundError:
        return False
    files = {each.rfilename for each in info.siblings or ()}
    if files - _OF_THE_HUB and MANIFEST not in files:
        raise UsageError(
            f"{plan.repository} holds something that is no model of this program, and it stays.", "another OWNER/NAME"
        )
    if plan.private and not info.private:
        raise UsageError(
            f"{plan.repository} is there and public.", f"Make it private at {api.endpoint}/{plan.repository}/settings."
        )
    return True


def _upload(api: HfApi, plan: PushPlan) -> str:
    from huggingface_hub import CommitOperationAdd

    contents: dict[str, Path | bytes] = {**plan.kept, **plan.made}
    additions = [CommitOperationAdd(name, content) for name, content in sorted(contents.items())]
    done = api.create_commit(plan.repository, additions, commit_message="Upload a model with stackgan")
    return done.commit_url


def _drawn(pipeline: Pipeline, prompts: Sequence[str]) -> bytes:
    pictures = pipeline(prompts, num_images_per_prompt=_EACH, seed=0).images
    rows = [(prompt, pictures[place * _EACH : (place + 1) * _EACH]) for place, prompt in enumerate(prompts)]
    content = io.BytesIO()
    sheet(rows, side=min(pipeline.resolution, 256)).save(content, "PNG")
    return content.getvalue()


def _how_drawn(request: PushRequest) -> str:
    prompts = " ".join(shlex.quote(" ".join(prompt.split())) for prompt in request.prompts)
    return f"Drawn, uncurated, by `stackgan generate {prompts} -n {_EACH} --seed 0 --model hf:{request.repository}`:"


def _card(model: ModelFolder, repository: str, sheets: Mapping[str, str]) -> str:
    name = repository.partition("/")[2]
    use = [f'$ stackgan generate "..." --model hf:{repository}']
    return card(model.manifest, title=name, use=use, sheets=sheets)
