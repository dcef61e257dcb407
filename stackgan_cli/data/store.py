"""Stored pictures at one size, from the memory-mapped file or held in memory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from stackgan_cli.data.pictures import decode_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Form = Literal["raw", "jpeg"]

RESIDENT_BYTES = 6 << 30
"""Pictures are held in memory, decoded, where they take no more than this."""


class PictureStore:
    """Pictures of one split at one size.

    Args:
        column: an Arrow column of raw or encoded pictures.
        side: side of the stored pictures in pixels.
        form: ``raw`` (rows of RGB bytes) or ``jpeg``.
    """

    def __init__(self, column: Any, side: int, form: Form) -> None:
        self.side = side
        self._column, self._form = column, form
        self._resident: Tensor | None = None

    def __len__(self) -> int:
        return len(self._column)

    def take(self, indices: Tensor) -> Tensor:
        """Return pictures as uint8 (batch, side, side, 3)."""
        if self._resident is not None:
            return self._resident[indices]
        return torch.from_numpy(np.stack([self._picture(index) for index in indices.tolist()]))

    def hold(self, limit: int = RESIDENT_BYTES) -> bool:
        """Hold all pictures in memory, decoded once, if they take at most ``limit`` bytes; say whether they are."""
        shape = (len(self), self.side, self.side, 3)
        if self._resident is None and int(np.prod(shape)) <= limit:
            pictures = np.empty(shape, np.uint8)

            def fill(index: int) -> None:
                pictures[index] = self._picture(index)

            # Pillow decodes outside Python's lock.
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for _ in pool.map(fill, range(len(self)), chunksize=64):
                    pass
            self._resident = torch.from_numpy(pictures)
        return self._resident is not None

    def _picture(self, index: int) -> NDArray[np.uint8]:
        data = self._column[index].as_buffer()
        if self._form == "raw":
            return np.frombuffer(data, np.uint8).reshape(self.side, self.side, 3)
        return decode_picture(data.to_pybytes())
