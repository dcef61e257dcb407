"""Differentiable augmentation: small data seen from more sides, by the discriminators alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from stackgan_cli.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor


class Augmentation:
    """Shift and cut out, real and generated pictures alike, so that few pictures are not learnt by heart.

    Zhao et al. 2020, *Differentiable Augmentation for Data-Efficient GAN Training*, with their sizes. Their third
    change, of colours, is left out: captions speak of colours.

    Args:
        translation: largest shift, as a share of the picture's side; what comes in is mid-gray.
        cutout: side of the square that is covered, likewise; 0 covers nothing.

    Raises:
        SettingsError: a share is not between 0 and 1.
    """

    def __init__(self, *, translation: float = 0.125, cutout: float = 0.5) -> None:
        for name, share in (("translation", translation), ("cutout", cutout)):
            if not 0 <= share < 1:
                raise SettingsError(f"augmentation cannot have {name} = {share}.", hint=f"{name} from 0 to below 1")
        self.translation, self.cutout = translation, cutout

    def augment(self, images: Tensor, given: Tensor | None, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Change each picture by a lot of its own, and the Stage-I picture beside it by the same."""
        shifts = (torch.rand(len(images), 2, generator=draw) * 2 - 1) * self.translation
        corners = torch.rand(len(images), 2, generator=draw)
        changed = self._changed(images, shifts, corners)
        return changed, None if given is None else self._changed(given, shifts, corners)

    def _changed(self, images: Tensor, shifts: Tensor, corners: Tensor) -> Tensor:
        """Shift by shares of the side and cover a square, both (batch, 2) as rows and columns."""
        side = images.shape[-1]
        shifts, corners = shifts.to(images.device), corners.to(images.device)
        places = torch.arange(side, device=images.device)
        # One pixel of gray around the picture stands for everything outside.
        rows, columns = (
            (places + (shifts[:, axis, None] * side).round().long() + 1).clamp(0, side + 1) for axis in (0, 1)
        )
        padded = F.pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1)
        picture = torch.arange(len(images), device=images.device)[:, None, None]
        moved = padded[picture, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        covered = round(self.cutout * side)
        if not covered:
            return moved
        first = (corners * (side + 1 - covered % 2)).long() - covered // 2
        inside = (places >= first[..., None]) & (places < first[..., None] + covered)
        return moved * ~(inside[:, None, 0, :, None] & inside[:, None, 1, None, :])
