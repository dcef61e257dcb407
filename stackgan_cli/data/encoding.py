"""Text encoders of prepared data: built, fitted where they learn, and their features of all captions cached."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.components.building import build, entry
from stackgan_cli.components.registry import Component, Kind, find
from stackgan_cli.components.storage import save_component, write_tensors
from stackgan_cli.data.features import encode_all, join
from stackgan_cli.data.preparing import add_encoder_entry
from stackgan_cli.home import atomic_folder
from stackgan_cli.randomness import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stackgan_cli.data.prepared import PreparedData


def folder_name(full_name: str) -> str:
    """Name of an encoder's folder: bare for a built-in encoder, with its package for others."""
    package, _, name = full_name.partition(":")
    return name if package == "stackgan-cli" else f"{package}--{name}"


def has_encoder(data: PreparedData, component: Component, options: Mapping[str, Any]) -> bool:
    """Whether the data was prepared with this text encoder, of this version and with these options."""
    there = data.manifest["encoders"].get(folder_name(component.full_name))
    wanted = entry(component, {}, options)
    if there is None or any(there.get(key) != wanted[key] for key in ("name", "version")):
        return False
    return all(there.get("options", {}).get(name) == value for name, value in wanted["options"].items())


def add_encoder(
    data: PreparedData,
    name: str,
    options: Mapping[str, Any],
    *,
    seed: int,
    report: Callable[[str, int, int, str], None],
) -> dict[str, float]:
    """Fit a text encoder to the training split and cache its features of every caption.

    Args:
        data: the prepared data; its ``text`` folder gains one folder.
        name: bare or full name of the encoder.
        options: of the encoder.
        seed: of everything random.
        report: told what is going on, how much of how much is done, and a few words.

    Returns:
        What the encoder measured of itself while it was fitted.

    Raises:
        ComponentError: the encoder is unknown, broken, or does not take the options.
    """
    component = find(Kind.TEXT_ENCODER, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "text encoder") % 2**63)
        encoder = build(Kind.TEXT_ENCODER, component.full_name, options=options)
        fit = getattr(encoder, "fit", None)
        measured: dict[str, float] = {}
        if fit is not None:
            measured = fit(
                data.train, seed=seed, report=lambda done, total, words: report("Fitting", done, total, words)
            )
    described = entry(component, {}, {**options, **getattr(encoder, "learnt_options", {})})
    target = data.folder / "text" / folder_name(component.full_name)
    total = sum(len(captions) for split in (data.train, data.test) for captions in split.captions)
    done = 0
    with atomic_folder(target) as folder:
        save_component(folder, described, encoder)
        for split in (data.train, data.test):
            batches = []
            for ready, tensors in encode_all(encoder, list(chain.from_iterable(split.captions))):
                batches.append(tensors)
                report("Encoding captions", done + ready, total, "")
            done += ready if batches else 0
            if batches:
                write_tensors(folder / f"{split.name}.safetensors", join(batches))
    add_encoder_entry(data.folder, target.name, described)
    data.manifest["encoders"][target.name] = described
    return dict(measured or {})
