"""Finding a feature extractor that losses can look through."""

from __future__ import annotations

from typing import Any

from torch import nn

from stackgan_cli.components.component import Kind
from stackgan_cli.components.protocols import HasFeatureMaps
from stackgan_cli.components.registry import find
from stackgan_cli.errors import SettingsError


def frozen_features(name: str) -> Any:
    """Build a feature extractor by name whose maps let gradients through.

    Returns:
        A :class:`HasFeatureMaps` that is a ``torch.nn.Module`` in evaluation mode.

    Raises:
        ComponentError: it is unknown, or cannot be built.
        SettingsError: it is one that only measures.
    """
    bound = find(Kind.FEATURE_EXTRACTOR, name).bind({}, {})
    extractor = bound.build()
    if not isinstance(extractor, HasFeatureMaps) or not isinstance(extractor, nn.Module):
        raise SettingsError(
            f"{bound.described} has no maps that a loss could look through.", hint='features = "imagenet-lite0"'
        )
    return extractor.requires_grad_(False).eval()
