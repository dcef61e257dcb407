"""Between the networks' pictures in [-1, 1] and the 8-bit pictures that people see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


def to_bytes(images: Tensor) -> Tensor:
    """Turn pictures (batch, 3, side, side) in [-1, 1] into uint8, rounding to the nearest of 256 levels."""
    return images.float().add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Turn pictures (batch, 3, side, side), in [-1, 1] or uint8, into RGB pictures."""
    pixels = images if images.dtype is torch.uint8 else to_bytes(images)
    return [Image.fromarray(array) for array in pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()]
