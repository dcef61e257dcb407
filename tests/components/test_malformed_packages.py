"""Packages whose entry points cannot be read, which end the import of torch, pydantic's models and fsspec."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _malformed(broken_site: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(broken_site))
    for name in ("TORCH_DEVICE_BACKEND_AUTOLOAD", "PYDANTIC_DISABLE_PLUGINS"):
        monkeypatch.delenv(name, raising=False)


def python(*arguments: object) -> None:
    done = subprocess.run([sys.executable, *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_they_do_not_harm_whoever_imports_the_package() -> None:
    python("-c", "import stackgan_cli.pipeline, stackgan_cli.components.entries")


def test_they_do_not_harm_commands(tmp_path: Path) -> None:
    python("-m", "stackgan_cli", "generate", "a small red bird", "--stage", 1, "-o", tmp_path / "bird.png")
    assert (tmp_path / "bird.png").is_file()
    what = ["--reader", "drawn-birds", "--reader-option", "count=20", "--resolution", 16, "--encoder", "hashed-words"]
    python("-m", "stackgan_cli", "prepare", "--data", "birds", *what)
