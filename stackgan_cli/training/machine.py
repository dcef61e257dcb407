"""Which device to compute on and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from stackgan_cli.errors import UsageError


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


def choose_machine(device: str = "auto", precision: str = "auto") -> Machine:
    """Choose a device and a precision.

    Args:
        device: ``auto`` (CUDA, else Apple's MPS, else the processor) or a name that torch knows.
        precision: ``auto`` (bfloat16 where the hardware computes in it quickly), ``float32`` or ``bfloat16``.

    Raises:
        UsageError: the device is not here, or the name means nothing.
    """
    chosen = _device(device)
    if precision not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"There is no precision {precision!r}.", hint="--precision auto, float32 or bfloat16")
    half = precision == "bfloat16" or (precision == "auto" and _has_fast_bfloat16(chosen))
    return Machine(chosen, torch.bfloat16 if half else None)


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"The device {name!r} cannot be used here.", hint="--device auto, or --device cpu") from error
    return device


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # Releases of torch without this list get float32, which is right everywhere.
        listed: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(listed.get("avx512_bf16") or listed.get("amx_bf16"))
    return False
