"""Room for weights: what a component may ask for while it is built, before it is given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from stackgan_cli.errors import StackganError

_BY_SIZE = frozenset((torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full, torch.empty_strided))


class Room(TorchFunctionMode):
    """Refuses, as a context manager, to make new tensors that are together larger than some room.

    Weights are made by a few functions that are told their size: those of torch's own layers are made by
    :func:`torch.empty`.

    Args:
        room: bytes.
        error: raised in place of making the tensor that does not fit.
    """

    def __init__(self, room: int, error: StackganError) -> None:
        super().__init__()
        self._room, self._error = room, error

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Make a tensor, or call whatever else of torch is called.

        Raises:
            StackganError: the one that was given.
        """
        kwargs = kwargs or {}
        if func in _BY_SIZE:
            dtype = kwargs.get("dtype") or torch.get_default_dtype()
            self._room -= _count(args, kwargs) * dtype.itemsize
            if self._room < 0:
                raise self._error
        return func(*args, **kwargs)


def _count(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Numbers of the tensor that is asked for; whatever cannot be understood, torch refuses."""
    size = kwargs.get("size", args[0] if args else ())
    sides = args if isinstance(size, int) else size
    try:
        return math.prod(side for side in sides if isinstance(side, int) and side >= 0)
    except TypeError:
        return 0
