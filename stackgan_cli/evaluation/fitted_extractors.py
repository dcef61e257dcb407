"""Feature extractors of prepared data: fitted once, kept beside the data, and used again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.component import Kind
from stackgan_cli.components.fitting import fit, learnt_options
from stackgan_cli.components.protocols import Fits
from stackgan_cli.components.registry import find
from stackgan_cli.components.storage import CONFIG, load_component, save_component
from stackgan_cli.files import atomic_folder
from stackgan_cli.manifests import read_json
from stackgan_cli.randomness import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgan_cli.components.protocols import FeatureExtractor
    from stackgan_cli.dataset.prepared import PreparedData

_CARD = "card.json"


def extractor_for(
    data: PreparedData, name: str, *, seed: int, report: Callable[[int, int, str], None]
) -> tuple[FeatureExtractor, dict[str, Any]]:
    """Load the extractor that was fitted to this data, or fit it now; it never sees a generated picture.

    Args:
        data: prepared data; the extractor learns from its training split.
        name: bare or full name of the extractor.
        seed: of everything random in fitting.
        report: told how far the fitting is.

    Returns:
        The extractor, and what was measured of it.

    Raises:
        ComponentError: the extractor is unknown or broken.
        DataError: the data holds nothing that it could learn.
    """
    component = find(Kind.FEATURE_EXTRACTOR, name)
    folder = data.folder / "extractors" / component.full_name.replace(":", "--")
    if (folder / CONFIG).is_file():
        return load_component(Kind.FEATURE_EXTRACTOR, folder)[0], read_json(folder / _CARD)
    bound = component.bind()
    extractor = bound.build(seed=seed_of(seed, "extractor weights"))
    card: dict[str, Any] = {"data": data.fingerprint, "seed": seed}
    if isinstance(extractor, Fits):
        card |= fit(extractor, bound.described, data.train, seed=seed, report=report)
        with atomic_folder(folder) as target:
            save_component(target, bound.entry(learnt_options(extractor)), extractor)
            (target / _CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return extractor, card
