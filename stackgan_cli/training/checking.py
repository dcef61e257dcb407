"""Whether components give what they promise, so that an error names the one that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stackgan_cli.components.protocols import Generated, Judgement
from stackgan_cli.errors import ComponentError

if TYPE_CHECKING:
    from typing import NoReturn

_HINT = "stackgan components check shows more; report it to its authors."
_ROUNDING = 1e-2
"""How far pixels may lie beyond [-1, 1]: half precision rounds."""


def check_generated(generated: Any, shape: tuple[int, int, int], described: str) -> None:
    """Check the shapes of what a generator gives; no number is read, so no device is waited for.

    Args:
        generated: what it gave.
        shape: batch, channels, side.
        described: the generator for the beginning of a sentence.

    Raises:
        ComponentError: it is something else.
    """
    if not isinstance(generated, Generated):
        _wrong(described, f"gives {type(generated).__name__} in place of Generated")
    wanted = (*shape, shape[2])
    if tuple(generated.images.shape) != wanted:
        _wrong(described, f"draws pictures of the shape {tuple(generated.images.shape)} in place of {wanted}")
    if (generated.kl is None) != (generated.condition is None):
        _wrong(described, "gives one of kl and condition without the other")
    if generated.kl is not None and tuple(generated.kl.shape) != shape[:1]:
        _wrong(described, f"gives a kl of the shape {tuple(generated.kl.shape)} in place of {shape[:1]}")


def check_pixels(images: Tensor, described: str) -> None:
    """Check that pictures are finite and in [-1, 1]; this reads them.

    Raises:
        ComponentError: they are not.
    """
    low, high = (float(value) for value in torch.aminmax(images.detach().float()))
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):
        # A comparison with NaN is false, too.
        _wrong(described, f"draws pixels from {low:.3g} to {high:.3g}, outside of [-1, 1]")


def check_judgements(judged: Any, texts: int, pictures: int, described: str) -> None:
    """Check the shapes of what a discriminator gives.

    Raises:
        ComponentError: it is something else.
    """
    if not isinstance(judged, Sequence) or not all(isinstance(each, Judgement) for each in judged):
        _wrong(described, f"gives {type(judged).__name__} in place of a list of Judgement")
    if len(judged) != texts:
        _wrong(described, f"gives {len(judged)} judgements for {texts} texts")
    for each in judged:
        for name, logits in (("matching", each.matching), ("realism", each.realism)):
            if logits is not None and tuple(logits.shape) != (pictures,):
                _wrong(described, f"gives {name} of the shape {tuple(logits.shape)} in place of ({pictures},)")


def check_terms(terms: Any, described: str) -> None:
    """Check that an objective gives scalar losses by name.

    Raises:
        ComponentError: it gives something else.
    """
    if not isinstance(terms, Mapping):
        _wrong(described, f"gives {type(terms).__name__} in place of losses by name")
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.dim():
            shape = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
            _wrong(described, f"gives the loss {name!r} as {shape} in place of a scalar tensor")


def _wrong(described: str, what: str) -> NoReturn:
    raise ComponentError(f"{described} {what}.", _HINT)
