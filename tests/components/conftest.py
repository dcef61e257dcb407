from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stackgan_cli.components import registry

BROKEN_SITE = Path(__file__).parents[1] / "broken_plugins" / "site"


@pytest.fixture(autouse=True)
def _fresh_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(registry.LIMIT_VARIABLE, raising=False)
    registry.clear_cache()
    before = set(sys.modules)
    yield
    registry.clear_cache()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith((str(BROKEN_SITE), str(tmp_path))):
            del sys.modules[name]


@pytest.fixture
def broken_site(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Broken plugins, installed ahead of everything else."""
    monkeypatch.syspath_prepend(BROKEN_SITE)
    return BROKEN_SITE
