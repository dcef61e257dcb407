"""Is what a component returned what it promised? The program that uses it and the kit that checks it ask here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from stackgan_cli.components.protocols import Generated, TextFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Example

_ROUNDING = 0.01
"""How far beyond [-1, 1] a picture may reach, which half precision may round it to."""


def text_fault(features: object, captions: int, width: int) -> str | None:
    """Say what is wrong with a text encoder's features, as the second half of a sentence; None where nothing is.

    Args:
        features: what ``encode`` returned.
        captions: how many it was given.
        width: what the encoder says its width is.
    """
    if not isinstance(features, TextFeatures):
        return f"returns {type(features).__name__} instead of TextFeatures"
    if _shape(features.sentence) != (captions, width):
        return f"gives sentences of the shape {_shape(features.sentence)}, not {(captions, width)}"
    for name, tensor in (("sentences", features.sentence), ("words", features.words)):
        if tensor is not None and not (tensor.is_floating_point() and bool(tensor.isfinite().all())):
            return f"gives {name} that hold NaN or infinity, or are no floating point numbers"
    return _words_fault(features.words, features.padding, captions)


def pictures_fault(generated: object, shape: tuple[int, ...]) -> str | None:
    """Say what is wrong with a generator's result, its numbers aside; no device has to be waited for.

    Args:
        generated: what the generator returned.
        shape: (batch, 3, resolution, resolution).
    """
    if not isinstance(generated, Generated):
        return f"returns {type(generated).__name__} instead of Generated"
    if _shape(generated.images) != shape:
        return f"draws images of the shape {_shape(generated.images)} instead of {shape}"
    return None


def range_fault(low: float, high: float) -> str | None:
    """Say what is wrong with pictures whose smallest and largest numbers are these; either is NaN where any is."""
    if -1 - _ROUNDING <= low <= high <= 1 + _ROUNDING:
        return None
    if math.isnan(low) or math.isnan(high):
        return "draws NaN"
    return f"draws images that reach from {low:.3g} to {high:.3g}, outside [-1, 1]"


def image_fault(example: Example) -> str | None:
    """Say what is wrong with the image that a reader gives for an example; it is not opened.

    An opened picture is refused: thousands of them would wait in the memory, or hold their files open.
    """
    if isinstance(example.image, Path | bytes) or callable(example.image):
        return None
    given = type(example.image).__name__
    return f"gives {given} for the image of {example.name!r}, not a Path, the bytes of a file, or a function for either"


def _words_fault(words: Tensor | None, padding: Tensor | None, captions: int) -> str | None:
    if words is None:
        return None if padding is None else "gives padding, but no words"
    if len(_shape(words)) != 3 or len(words) != captions:
        return f"gives words of the shape {_shape(words)}, not ({captions}, length, word width)"
    if padding is not None and (_shape(padding), str(padding.dtype)) != (_shape(words)[:2], "torch.bool"):
        return f"gives {padding.dtype} padding of the shape {_shape(padding)}, not bool {_shape(words)[:2]}"
    return None


def _shape(tensor: Tensor | object) -> tuple[int, ...]:
    return tuple(getattr(tensor, "shape", ()))
