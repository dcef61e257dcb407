"""Between the networks' pictures in [-1, 1] and the 8-bit pictures that people see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from PIL import Image

from stackgan_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

OutputType = Literal["pil", "pt", "np"]


def to_bytes(images: Tensor) -> Tensor:
    """Turn pictures (batch, 3, side, side) in [-1, 1] into uint8, rounding to the nearest of 256 levels."""
    import torch

    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Turn pictures (batch, 3, side, side), in [-1, 1] or uint8, into RGB pictures."""
    pixels = to_bytes(images) if images.is_floating_point() else images
    return [Image.fromarray(array) for array in pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()]


def check_output_type(output_type: str) -> None:
    """Refuse what pictures cannot be given as.

    Raises:
        UsageError: there is no such type.
    """
    if output_type not in get_args(OutputType):
        raise UsageError(f"There is no output type {output_type!r}.", hint='output_type="pil", "pt" or "np"')


def as_output(pictures: Sequence[Image.Image], output_type: OutputType) -> Any:
    """Give pictures of one size as a list (``pil``), a tensor (``pt``) or an array (``np``).

    Returns:
        The list; float32 (pictures, 3, side, side) in [0, 1]; or float32 (pictures, side, side, 3) in [0, 1].
    """
    if output_type == "pil":
        return list(pictures)
    array = np.stack([np.asarray(picture) for picture in pictures]).astype(np.float32) / np.float32(255)
    if output_type == "np":
        return array
    import torch

    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()
