"""Shares of a count, with their uncertainty."""

from __future__ import annotations

import math
from typing import Any


def share(right: float, total: int) -> dict[str, Any]:
    """Describe ``right`` of ``total`` as a measurement; ties may have made ``right`` a fraction."""
    return {"value": right / total, "interval": wilson_interval(right, total), "right": right, "of": total}


def wilson_interval(right: float, total: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927)."""
    z = 1.959964
    value = right / total
    middle = (value + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(value * (1 - value) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)
