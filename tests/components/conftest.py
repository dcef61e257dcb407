from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a package of one module for a test: ``install(package, entry_points, code, version=...)``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def write(package: str, entry_points: str, code: str = "", version: str = "1.0") -> Path:
        module = package.replace("-", "_")
        for old in site.glob(f"{module}-*.dist-info"):
            old.rename(site / f"{old.name}.old")
        information = site / f"{module}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (information / "entry_points.txt").write_text(entry_points)
        (site / f"{module}.py").write_text(code)
        registry.clear_cache()
        return site

    return write
