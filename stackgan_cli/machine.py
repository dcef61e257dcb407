"""Which device to compute on, in which precision, and how networks lie there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from stackgan_cli.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

_BATCH_ON_GPU = 16
"""Always as many pictures, so that a single one costs as much; that is little beside the start of the program."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and the precision of the forward passes on it."""

    device: torch.device
    half: torch.dtype | None
    """Type for autocast, or None for float32 throughout."""

    def autocast(self) -> AbstractContextManager[object]:
        """Run the forward passes inside in the precision chosen; weights, losses and optimiser stay float32."""
        if self.half is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.half)

    @property
    def precision(self) -> str:
        """Name of the precision of the forward passes."""
        return "float32" if self.half is None else str(self.half).removeprefix("torch.")

    @property
    def pictures_at_once(self) -> int:
        """Pictures that go through the networks together where many are drawn.

        On a processor a batch saves little, and its pictures are rounded otherwise than one that is alone. Apple's MPS
        draws one by one, for want of a measurement.
        """
        return _BATCH_ON_GPU if self.device.type == "cuda" else 1

    @property
    def name(self) -> str:
        """What the device calls itself, for records that hold on one kind of device only."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        listed: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return f"{self.device.type} {listed.get('cpu_name', '')}".strip()


def choose_machine(device: str = "auto", precision: str = "auto", number: int | None = None) -> Machine:
    """Choose a device and a precision.

    Args:
        device: ``auto`` (CUDA, else Apple's MPS, else the processor) or a name that torch knows.
        precision: ``auto`` (bfloat16 where the hardware computes in it quickly), ``float32`` or ``bfloat16``.
        number: of the GPU to take where several processes share a machine.

    Raises:
        UsageError: the device is not here, or the name means nothing.
    """
    chosen = _device(device)
    if number is not None and chosen.type == "cuda":
        chosen = torch.device("cuda", number)
        torch.cuda.set_device(chosen)
    if precision not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"There is no precision {precision!r}.", hint="--precision auto, float32 or bfloat16")
    if precision == "auto":
        return Machine(chosen, fast_half_type(chosen))
    return Machine(chosen, torch.bfloat16 if precision == "bfloat16" else None)


def fast_half_type(device: torch.device) -> torch.dtype | None:
    """Return the half-precision type that a device computes faster than float32, or None.

    On a processor that is bfloat16 where it has AMX, and where it is AMD's with AVX512-BF16: there convolutions of 32
    to 512 channels were measured to take half the time of float32, forward and backward. On one of another maker with
    AVX512-BF16 alone they took 1.4 to 1.7 times as long; with neither, bfloat16 is emulated. Apple's MPS gets float32,
    for want of a measurement that says otherwise.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    if device.type == "cpu":
        # Releases of torch without this list get float32, which is right everywhere.
        listed: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        quick = listed.get("amx_bf16") or (listed.get("avx512_bf16") and "AMD" in str(listed.get("cpu_name")))
        return torch.bfloat16 if quick else None
    return None


def missing_compiler(device: str) -> str | None:
    """Name what torch.compile needs on a device and does not find, or return None where everything is there."""
    if device == "cuda":
        return None if importlib.util.find_spec("triton") else "Triton"
    # The one that torch's compiler looks for.
    named = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return None if shutil.which(named) else f"a C++ compiler ({named})"


def place(component: Any, device: torch.device) -> Any:
    """Move a component, where it is a network, to a device, kernels in the layout that convolutions are quickest in."""
    if not isinstance(component, torch.nn.Module):
        return component
    network: nn.Module = component.to(device)
    for tensor in (*network.parameters(), *network.buffers()):
        # Torch would do it to tensors of five dimensions too, for which there is no such layout.
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return network


def _as_torch_says(name: str) -> str:
    """What people call devices, as torch calls them: ``gpu`` is the one that is here, a number one of several."""
    name = name.strip().lower()
    if name.isdecimal():
        return f"cuda:{name}"
    kind, colon, number = name.partition(":")
    if kind != "gpu":
        return name
    return ("mps" if torch.backends.mps.is_available() else "cuda") + colon + number


def _why_no_cuda(name: str) -> str:
    """What to do about a device that cannot be used: where it is CUDA, why it is missing."""
    if not name.startswith("cuda"):
        return "--device auto, or --device cpu"
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            f"--device cpu; the torch {torch.__version__} that is installed computes on processors only. For one with"
            " CUDA, https://pytorch.org/get-started/locally has the command"
        )
    count = torch.cuda.device_count()
    if count:
        return f"--device cuda:0 to cuda:{count - 1}" if count > 1 else "--device cuda:0, the only one that is here"
    return "--device cpu; torch is built for CUDA and finds no GPU that it can use, which nvidia-smi may explain"


def _device(name: str) -> torch.device:
    name = _as_torch_says(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name.startswith("cpu:"):
        raise UsageError(f"The device {name!r} cannot be used here: the processor is one device.", hint="--device cpu")
    try:
        device = torch.device(name)
        # Torch knows devices that hold nothing, such as meta, and others that it was not built for.
        float(torch.ones(1, device=device))
    except Exception as error:
        raise UsageError(f"The device {name!r} cannot be used here.", hint=_why_no_cuda(name)) from error
    return device
