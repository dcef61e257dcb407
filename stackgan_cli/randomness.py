"""Counter-based randomness: every draw is named by the run's seed, the step and its purpose, so no state is ever saved.

A run that was stopped and resumed draws what the uninterrupted one would have drawn, and a picture does not depend on
the batch that it was made in.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LARGEST_SEED = 2**63 - 1
"""What people may give for one: as large as those that are mixed here."""


def seed_of(*names: int | str) -> int:
    """Mix numbers and words into a seed of 63 bits; the same on every machine, different for any other names."""
    words = "/".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") >> 1


def generator_for(*names: int | str) -> torch.Generator:
    """Return a CPU random generator that belongs to these names alone.

    Draws are made on the CPU and moved, so that they are the same on every device.
    """
    import torch

    return torch.Generator().manual_seed(seed_of(*names))
