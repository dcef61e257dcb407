from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_registry(fresh_registry: None) -> None:
    """Every test here sees what is installed now."""
