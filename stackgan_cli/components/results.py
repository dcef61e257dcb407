"""Is what a component returned what it promised? The program that uses it and the kit that checks it ask here."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import (
    METRIC_NEEDS,
    AttributeProbabilities,
    Generated,
    Judgement,
    TextFeatures,
)
from stackgan_cli.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor

    from stackgan_cli.components.protocols import Example

_ROUNDING = 0.01
"""How far beyond [-1, 1] a picture may reach, which half precision may round it to."""
_NOT_FINITE = "that hold NaN or infinity, or are no floating point numbers"


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
        if tensor is not None and not _finite(tensor):
            return f"gives {name} {_NOT_FINITE}"
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
    if (generated.kl is None) != (generated.condition is None):
        return "gives one of kl and condition alone; a generator with a conditioning distribution gives both"
    if generated.kl is not None and _shape(generated.kl) != shape[:1]:
        return f"gives a kl of the shape {_shape(generated.kl)} instead of {shape[:1]}"
    return None


def judgements_fault(judged: object, texts: int, pictures: int) -> str | None:
    """Say what is wrong with a discriminator's result, its numbers aside.

    Args:
        judged: what the discriminator returned.
        texts: how many batches of texts it was given.
        pictures: how many pictures.
    """
    if not isinstance(judged, Sequence) or not all(isinstance(each, Judgement) for each in judged):
        return f"returns {type(judged).__name__} instead of a list of Judgement"
    if len(judged) != texts:
        return f"returns {len(judged)} judgements for {texts} texts"
    for each in judged:
        for name, logits in (("matching", each.matching), ("realism", each.realism)):
            if logits is not None and (_shape(logits)[:1] != (pictures,) or logits.dim() > 2):
                return f"gives {name} of the shape {_shape(logits)} instead of {(pictures,)}"
    return None


def terms_fault(terms: object) -> str | None:
    """Say what is wrong with an objective's losses, their numbers aside."""
    if not isinstance(terms, Mapping):
        return f"returns {type(terms).__name__} instead of losses by name"
    for name, term in terms.items():
        if not isinstance(name, str):
            return f"gives a loss the name {name!r}, which is no text"
        if getattr(term, "shape", None) != ():
            return f"gives the loss {name!r} as {_shape(term) or type(term).__name__} instead of a scalar tensor"
    return None


def table_fault(found: object, what: str, count: int, width: int | None = None) -> str | None:
    """Say what is wrong with a feature extractor's features or logits.

    Args:
        found: what it returned.
        what: their name, such as ``features of captions``.
        count: how many pictures or captions it was given.
        width: how many numbers it should give for each; None for any.
    """
    if not hasattr(found, "is_floating_point"):
        return f"gives {type(found).__name__} for {what}, not a tensor"
    shape = _shape(found)
    if len(shape) != 2 or shape[0] != count or width not in (None, shape[1]):
        return f"gives {what} of the shape {shape}, not ({count}, {'values' if width is None else width})"
    return None if _finite(found) else f"gives {what} {_NOT_FINITE}"


def attributes_fault(found: object, count: int) -> str | None:
    """Say what is wrong with the attributes that a feature extractor tells of ``count`` pictures."""
    if not isinstance(found, Mapping):
        return f"gives {type(found).__name__} for attributes, not lists by name"
    for name, values in found.items():
        if len(values) != count:
            return f"gives {len(values)} values of the attribute {name!r} for {count} pictures"
        if not all(isinstance(each, str) for each in values):
            return f"gives values of the attribute {name!r} that are no text"
    return None


def probabilities_fault(found: object, count: int) -> str | None:
    """Say what is wrong with the probabilities that a feature extractor tells of ``count`` pictures."""
    if not isinstance(found, AttributeProbabilities):
        return f"gives {type(found).__name__} for probabilities, not AttributeProbabilities"
    if fault := table_fault(found.logarithms, "logarithms of probabilities", count, len(found.columns)):
        return fault
    return "gives probabilities above one" if bool((found.logarithms > _ROUNDING).any()) else None


def metric_fault(metric: object) -> str | None:
    """Say what is wrong with what a metric says of itself."""
    title, better, needs = (getattr(metric, name, None) for name in ("title", "better", "needs"))
    if not isinstance(title, str) or not title.strip():
        return "has no title"
    if better not in ("lower", "higher"):
        return f"does not say whether lower or higher is better, but {better!r}"
    if not isinstance(needs, frozenset | set):
        return f"does not say what it needs in a frozenset, but {needs!r}"
    for unknown in sorted(needs - METRIC_NEEDS.keys()):
        close = difflib.get_close_matches(str(unknown), METRIC_NEEDS, n=1)
        return f"needs {unknown!r}, which nothing gives" + (f" (did they mean {close[0]!r}?)" if close else "")
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


def refuse(described: str, fault: str | None) -> None:
    """Refuse what a component returned, where there is a fault in it.

    Raises:
        ComponentError: naming the component.
    """
    if fault is not None:
        raise ComponentError(f"{described} {fault}.", "stackgan components check shows more; report it to its authors.")


def _words_fault(words: Tensor | None, padding: Tensor | None, captions: int) -> str | None:
    if words is None:
        return None if padding is None else "gives padding, but no words"
    if len(_shape(words)) != 3 or len(words) != captions:
        return f"gives words of the shape {_shape(words)}, not ({captions}, length, word width)"
    if padding is not None and (_shape(padding), str(padding.dtype)) != (_shape(words)[:2], "torch.bool"):
        return f"gives {padding.dtype} padding of the shape {_shape(padding)}, not bool {_shape(words)[:2]}"
    return None


def _finite(tensor: Any) -> bool:
    return bool(tensor.is_floating_point() and tensor.isfinite().all())


def _shape(tensor: Tensor | object) -> tuple[int, ...]:
    return tuple(getattr(tensor, "shape", ()))
