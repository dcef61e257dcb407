from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_registry(fresh_registry: None) -> None:
    """Every test here sees what is installed now."""


@pytest.fixture
def import_unchecked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing a module anew takes seconds with torch, and cannot find the factories of a test file."""
    if "install" not in request.fixturenames:
        monkeypatch.setattr("stackgan_cli.components.conformance.checking.import_quietly", lambda module: "")
