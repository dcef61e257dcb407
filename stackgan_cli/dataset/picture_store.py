"""Stored pictures at one size, from the memory-mapped file or held in memory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stackgan_cli.errors import DataError
from stackgan_cli.pictures.decoding import UnreadablePicture, decode_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from stackgan_cli.dataset.manifest import Form


class PictureStore:
    """Pictures of one split at one size.

    Args:
        column: an Arrow column of raw or encoded pictures.
        side: side of the stored pictures in pixels.
        form: ``raw`` (rows of RGB bytes) or ``jpeg``.
        name: what to call them in messages.
    """

    def __init__(self, column: Any, side: int, form: Form, name: str = "the data") -> None:
        self.side, self._name = side, name
        self._column, self._form = column, form
        self._resident: Tensor | None = None

    def __len__(self) -> int:
        return len(self._column)

    @property
    def bytes_decoded(self) -> int:
        """Memory that all pictures take when they are held."""
        return len(self) * 3 * self.side**2

    @property
    def resident(self) -> bool:
        """Whether all pictures are held in memory."""
        return self._resident is not None

    def take(self, indices: Tensor) -> Tensor:
        """Return pictures as uint8 (batch, side, side, 3), where they are held or else on the processor.

        Raises:
            DataError: a picture is damaged.
        """
        if self._resident is not None:
            return self._resident[indices.to(self._resident.device, non_blocking=True)]
        return torch.from_numpy(np.stack([self._picture(index) for index in indices.tolist()]))

    def crops(self, indices: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return parts of pictures, all gathered at once.

        Args:
            indices: (batch,) of the pictures.
            rows: (batch, height) places in the stored pictures.
            columns: (batch, width).

        Returns:
            uint8 (batch, height, width, 3), on the device where the pictures are held, else on the processor.
        """
        whole, chosen = self._resident, indices
        if whole is None:
            whole, chosen = self.take(indices), torch.arange(len(indices))
        chosen, rows, columns = (each.to(whole.device, non_blocking=True) for each in (chosen, rows, columns))
        return parts_of(whole, chosen, rows, columns)

    def hold(self, device: torch.device | str = "cpu") -> None:
        """Hold all pictures in a device's memory, decoded once.

        Raises:
            DataError: a picture is damaged.
        """
        if self._resident is None:
            pictures = np.empty((len(self), self.side, self.side, 3), np.uint8)

            def fill(index: int) -> None:
                pictures[index] = self._picture(index)

            # Pillow decodes outside Python's lock.
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for _ in pool.map(fill, range(len(self)), chunksize=64):
                    pass
            self._resident = torch.from_numpy(pictures).to(device)

    def _picture(self, index: int) -> NDArray[np.uint8]:
        data, shape = self._column[index].as_buffer(), (self.side, self.side, 3)
        if self._form == "raw":
            if data.size != 3 * self.side**2:
                raise self._damaged(index, f"it has {data.size} bytes")
            return np.frombuffer(data, np.uint8).reshape(shape)
        try:
            picture = decode_picture(data.to_pybytes())
        except UnreadablePicture as error:
            raise self._damaged(index, error.reason) from error
        if picture.shape != shape:
            raise self._damaged(index, f"it has {picture.shape[1]} x {picture.shape[0]} pixels")
        return picture

    def _damaged(self, index: int, reason: str) -> DataError:
        return DataError(
            f"Picture {index} of {self._name} at {self.side} x {self.side} pixels is damaged: {reason}.",
            hint="Prepare the data again with --force.",
        )


def parts_of(pictures: Tensor, indices: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Gather parts of pictures (count, side, side, 3) at once; the other arguments as in `PictureStore.crops`."""
    return pictures[indices[:, None, None], rows[:, :, None], columns[:, None, :]]
