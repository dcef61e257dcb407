"""Feature extractors of prepared data: fitted once, kept beside the data, and used again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.binding import Component, options_of
from stackgan_cli.components.component import Kind
from stackgan_cli.components.fitting import fitted_once
from stackgan_cli.components.protocols import HasShortName
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import version_note
from stackgan_cli.randomness import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stackgan_cli.components.binding import Binding
    from stackgan_cli.components.protocols import FeatureExtractor
    from stackgan_cli.dataset.prepared import PreparedData


_LEARNT = 0.4
"""Share of the way from chance to certainty that an extractor must have gone."""
_FOUND = 3.0
"""Times as many pictures must be found as chance would find."""


@dataclass(frozen=True, slots=True)
class FittedExtractor:
    """An extractor that is ready to describe pictures."""

    extractor: FeatureExtractor
    described: str
    """It, for the beginning of a sentence."""
    card: Mapping[str, Any]
    """What it was fitted to, and what it measured of itself."""
    note: str | None
    """That another version of its package fitted it, where that is so."""
    name: str = ""
    """``package:name``."""

    @property
    def short_name(self) -> str:
        """What numbers that are measured by it are called after."""
        return self.extractor.short_name if isinstance(self.extractor, HasShortName) else self.name.rpartition(":")[2]

    @property
    def doubts(self) -> list[str]:
        """What it measured of itself that makes its numbers mean little, a sentence each.

        Of what a fit returns, ``held_out_accuracy`` is held against ``chance``, and ``caption_to_picture`` against one
        in ``of_pictures``.
        """
        doubts = []
        accuracy, chance = self.card.get("held_out_accuracy"), self.card.get("chance")
        if accuracy is not None and chance is not None and accuracy < chance + _LEARNT * (1 - chance):
            doubts.append(
                f"{self.described} names {accuracy:.0%} of what held-out pictures show, where always naming the"
                f" commonest comes to {chance:.0%}: it has learnt little, so that its scores say little."
            )
        found, pictures = self.card.get("caption_to_picture"), self.card.get("of_pictures")
        if found is not None and pictures and found < _FOUND / pictures:
            doubts.append(
                f"{self.described} finds the picture of a caption among {pictures:.0f} in {found:.0%}: it has hardly"
                " learnt which captions fit, so that R-precision says little."
            )
        return doubts


def fitted_extractor(
    data: PreparedData,
    name: str,
    options: Mapping[str, Any],
    *,
    seed: int,
    report: Callable[[int, int, str], None],
) -> FittedExtractor:
    """Load the extractor that was fitted to this data, or fit it now; it never sees a generated picture.

    Args:
        data: prepared data; the extractor learns from its training split.
        name: bare or full name of the extractor.
        options: of the extractor; one with other options is fitted anew and kept beside the first.
        seed: of everything random in fitting.
        report: told how far the fitting is.

    Raises:
        ComponentError: the extractor is unknown or broken, or does not take these options.
        DataError: the data holds nothing that it could learn.
    """
    component = find(Kind.FEATURE_EXTRACTOR, name)
    bound = component.bind(options=options)
    extractor, entry, card = fitted_once(
        bound,
        data.folder / "extractors" / _folder_name(component, bound),
        data.train,
        weights_seed=seed_of(seed, "extractor weights"),
        card={"data": data.fingerprint, "seed": seed},
        seed=seed,
        report=report,
    )
    note = version_note(Kind.FEATURE_EXTRACTOR, entry)
    return FittedExtractor(extractor, component.described, card, note, component.full_name)


def _folder_name(component: Component, bound: Binding) -> str:
    """Name of the extractor's folder; options that are not the defaults add a hash of theirs."""
    name = component.full_name.replace(":", "--")
    defaults = {option.name: option.default for option in options_of(component)}
    settled = bound.entry().options
    changed = {key: settled[key] for key in sorted(bound.options) if settled[key] != defaults.get(key)}
    if not changed:
        return name
    return f"{name}--{hashlib.sha256(json.dumps(changed).encode()).hexdigest()[:8]}"
