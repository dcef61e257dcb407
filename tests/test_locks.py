from __future__ import annotations

from pathlib import Path

import pytest

from stackgan_cli.errors import StackganError
from stackgan_cli.locks import only_one


def test_whoever_comes_second_learns_who_is_at_it(tmp_path: Path) -> None:
    target = tmp_path / "models" / "birds"
    with only_one(target, "training"):
        # The folder may be renamed and made anew meanwhile.
        target.mkdir()
        target.rename(tmp_path / "models" / "birds-old-1")
        with pytest.raises(StackganError, match=r"training \S*birds: process \d+ on"), only_one(target, "training"):
            pass
        with only_one(tmp_path / "models" / "flowers", "training"):
            pass
    with only_one(target, "training"):
        pass
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["birds-old-1"]
