"""Weights that strangers saved with PyTorch: tensors by name, and nothing else is taken from such a file."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import ModelError
from stackgan_cli.formats.torch_contents import ContentsError, refuse_hostile

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_LARGEST = 8 << 30
"""Bytes of a file; the published generators have up to half a gigabyte."""
_WRAPPED = ("state_dict", "model", "netG", "model_state_dict")
"""Keys under which some training scripts keep the weights."""
_DEEPEST = 4
"""Of such keys within one another; a file may hold itself."""


def read_torch_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dictionary from a ``.pth`` or ``.pt`` file; floating-point tensors come back in float32.

    Both of PyTorch's formats are read, the archive and the one of before version 1.6. Code in the file is never run.

    Raises:
        ModelError: the file is missing, damaged, far too large, or holds something else than finite, real tensors.
    """
    import torch

    _refuse_size(path)
    try:
        refuse_hostile(path)
        with warnings.catch_warnings():
            # What it makes of unusual protocols is told by what comes of it.
            warnings.simplefilter("ignore")
            held = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read as weights that PyTorch saved: {_reason(error)}.",
            hint="a file of tensors alone (torch.save of a state_dict), such as netG_epoch_600.pth",
        ) from error
    tensors = _tensors(held, _DEEPEST)
    if not tensors:
        raise ModelError(
            f"{path} holds no tensors by name.", hint="the state_dict of a network, such as netG_epoch_600.pth"
        )
    spoilt = [name for name, each in tensors.items() if each.is_complex() or not bool(each.float().isfinite().all())]
    if spoilt:
        raise ModelError(
            f"{path} holds numbers that no network can have: {spoilt[0]} is not finite and real.",
            hint="an earlier checkpoint of the same run",
        )
    return {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}


def _refuse_size(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", hint="the path of a .pth file") from error
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{path} is no regular file.", hint="the path of a .pth file")
    if status.st_size > _LARGEST:
        raise ModelError(f"{path} holds more than {_LARGEST >> 30} GiB.", hint="the weights of one network")


def _tensors(held: Any, depth: int) -> dict[str, Tensor]:
    import torch

    if not isinstance(held, Mapping) or depth < 0:
        return {}
    found = {name: each for name, each in held.items() if isinstance(name, str) and isinstance(each, torch.Tensor)}
    if found:
        return found
    inner = next((held[key] for key in _WRAPPED if isinstance(held.get(key), Mapping)), None)
    return {} if inner is None else _tensors(inner, depth - 1)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if not isinstance(error, ContentsError) and ("weights_only" in text or "Unsupported" in text):
        return "it holds more than tensors"
    return f"{text[:200].rstrip('.')}" or type(error).__name__
