"""Beginning with what another model has learnt, instead of with weights drawn by lot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import Fits
from stackgan_cli.components.storage import CONFIG, WEIGHTS, load_weights, read_entry, read_weights
from stackgan_cli.errors import ModelError
from stackgan_cli.models.folder import STAGES, hash_of, is_objective

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from stackgan_cli.components.entries import ComponentEntry
    from stackgan_cli.dataset.prepared import PreparedData
    from stackgan_cli.models.folder import ModelFolder
    from stackgan_cli.training.loop import StageTask


def refuse_other_words(model: ModelFolder, encoder_folder: Path, data: PreparedData) -> None:
    """Refuse a model that reads text through another encoder than the data was prepared with.

    Raises:
        ModelError: saying how to prepare the data with the model's encoder.
    """
    if model.encoder_hash() != hash_of(encoder_folder):
        raise ModelError(
            f"The model {model.name!r} reads text through another encoder than {data.name!r} was prepared with.",
            hint=f"stackgan prepare --data {data.shell_name} --encoder-from {model.shell_name}",
        )


def start_with(task: StageTask, entries: Mapping[str, ComponentEntry], model: ModelFolder, stage: int) -> list[str]:
    """Put another model's weights into a stage that has not been trained yet.

    The generator and its average begin with the model's averaged generator; discriminators and objectives begin with
    the model's where it keeps such ones, and are left as they are where it does not. Objectives that learn before
    training are left as they are, too: what the model's have learnt may be of other data.

    Args:
        task: the stage.
        entries: of its components, by the names of their files.
        model: to begin with.
        stage: 1 or 2.

    Returns:
        A sentence for each network that begins with weights drawn by lot all the same, and what to do about it, and for
        each that has other options than the model's.

    Raises:
        ModelError: the model lacks the stage, or its generator is another one, whose weights do not fit.
    """
    folder, left, judges_anew = model.stage_folder(stage), [], False
    for name, network in task.networks.items():
        if isinstance(network, Fits):
            continue
        kind = Kind.OBJECTIVE if is_objective(name) else Kind.DISCRIMINATOR
        place, kind = (folder, STAGES[stage]) if name == "generator" else (folder / name, kind)
        ours = entries[name]
        theirs = read_entry(kind, place) if (place / CONFIG).is_file() else None
        if theirs is not None and _taken(network, ours, theirs, place):
            others = [option for option, value in theirs.options.items() if ours.options.get(option, value) != value]
            if others:
                left.append(
                    f"The {name.replace('-', ' ')} of {model.name} had"
                    f" {', '.join(f'{each}={theirs.options[each]}' for each in others)}; its weights fit all the same."
                )
        elif name == "generator":
            raise ModelError(
                f"The generator of {model.name!r} is another one than the recipe asks for.",
                hint=f"--generator {theirs.name} and the options in {place / CONFIG}" if theirs else None,
            )
        elif any(weight.requires_grad for weight in network.parameters()):
            left.append(f"{model.name} keeps no such {name.replace('-', ' ')}, so it begins with weights drawn by lot.")
            judges_anew |= not is_objective(name)
    if judges_anew and not task.settings.head_start:
        left.append(
            "A discriminator that knows nothing may spoil what a generator has learnt; with --set head_start=250 the"
            " discriminators learn alone first."
        )
    task.averaged.network.load_state_dict(task.generator.state_dict())
    return left


def _taken(network: nn.Module, ours: ComponentEntry, theirs: ComponentEntry, place: Path) -> bool:
    """Load the weights of a component that may have other options, such as one that a later version added."""
    if (theirs.name, theirs.shapes) != (ours.name, ours.shapes):
        return False
    weights = read_weights(place / WEIGHTS)
    try:
        load_weights(network, weights, what=str(place / WEIGHTS))
    except ModelError:
        if theirs.options == ours.options:
            raise
        return False
    return True
