"""Features of any number of captions to one safetensors file, batch by batch, so that memory does not grow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

if TYPE_CHECKING:
    from torch import Tensor

_HEADER_BYTES = 1024
"""Room for the header, which is known only at the end; the format lets spaces fill it up."""
_TYPES = {torch.float32: "F32", torch.bool: "BOOL"}
_EMPTY = {"words": 0.0, "padding": 1.0}
"""What stands beyond a caption's last word."""


class FeatureFile:
    """Writes the feature tensors of one split; a context manager.

    The vectors of sentences go straight into the file. What describes words is kept beside it until the length of the
    longest caption is known.

    Args:
        path: file to write, in a folder where the writer may put others for a while.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb")
        self._file.write(b" " * _HEADER_BYTES)
        self._parts: dict[str, _Part] = {}
        self.width = 0

    def __enter__(self) -> FeatureFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        for part in self._parts.values():
            part.close()
        self._file.close()

    def write(self, tensors: dict[str, Tensor]) -> None:
        """Append a batch.

        Args:
            tensors: ``sentence`` (batch, width), float32, and perhaps ``words`` (batch, length, word_width), float32,
                and ``padding`` (batch, length), bool; every batch has the same ones.
        """
        if not self._parts:
            self._parts = {
                name: _Part(self._file if name == "sentence" else self._path.with_suffix(f".{name}"))
                for name in tensors
            }
            self.width = tensors["sentence"].shape[1]
        for name, tensor in tensors.items():
            self._parts[name].write(tensor)

    def _finish(self) -> None:
        header: dict[str, Any] = {}
        at = 0
        for name, part in self._parts.items():
            length = self.width
            if name in _EMPTY:
                length = max(length for _, length in part.batches)
                part.pad_into(self._file, length, _EMPTY[name])
            end = self._file.tell() - _HEADER_BYTES
            header[name] = {"dtype": part.type, "shape": part.shape(length), "data_offsets": [at, end]}
            at = end
        text = json.dumps(header).encode()
        self._file.seek(0)
        self._file.write((_HEADER_BYTES - 8).to_bytes(8, "little") + text.ljust(_HEADER_BYTES - 8))


class _Part:
    """The batches of one tensor, in the file itself or in one of their own."""

    def __init__(self, where: BinaryIO | Path) -> None:
        self._own = where if isinstance(where, Path) else None
        self._file = where.open("w+b") if isinstance(where, Path) else where
        self.batches: list[tuple[int, int]] = []
        self._like = torch.empty(0)

    @property
    def type(self) -> str:
        return _TYPES[self._like.dtype]

    def write(self, tensor: Tensor) -> None:
        self._like = tensor[:0]
        self.batches.append((tensor.shape[0], tensor.shape[1]))
        self._file.write(tensor.numpy().tobytes())

    def shape(self, length: int) -> list[int]:
        return [sum(rows for rows, _ in self.batches), length, *self._like.shape[2:]]

    def pad_into(self, file: BinaryIO, longest: int, value: float) -> None:
        self._file.seek(0)
        rest = self._like.shape[2:]
        for rows, length in self.batches:
            data = self._file.read(rows * length * rest.numel() * self._like.element_size())
            padded = self._like.new_full((rows, longest, *rest), value)
            padded[:, :length] = torch.frombuffer(bytearray(data), dtype=self._like.dtype).view(rows, length, *rest)
            file.write(padded.numpy().tobytes())

    def close(self) -> None:
        if self._own is not None:
            self._file.close()
            self._own.unlink(missing_ok=True)
