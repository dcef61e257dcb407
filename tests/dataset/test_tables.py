"""Arrow files are written in small groups of rows, whatever the rows hold, and read by others."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from stackgan_cli.dataset.tables import write_rows

COLUMNS = pa.schema({"number": pa.int64(), "picture": pa.binary()})


@pytest.mark.parametrize(
    ("count", "size", "groups"),
    [(0, 10, []), (5, 10, [5]), (600, 10, [256, 256, 88]), (5, 3 << 20, [2, 2, 1]), (2, 5 << 20, [1, 1])],
)
def test_groups_are_small_in_rows_and_in_bytes(tmp_path: Path, count: int, size: int, groups: list[int]) -> None:
    rows = ({"number": number, "picture": bytes([number % 256]) * size} for number in range(count))
    assert write_rows(tmp_path / "x.arrow", rows, COLUMNS) == count
    table = pa.ipc.open_stream(pa.memory_map(str(tmp_path / "x.arrow"))).read_all()
    assert [len(batch) for batch in table.to_batches()] == groups
    assert table.schema == COLUMNS
    assert table.column("number").to_pylist() == list(range(count))
    assert all(picture.as_py()[0] == number % 256 for number, picture in enumerate(table.column("picture")))


def test_a_row_without_a_column_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="picture"):
        write_rows(tmp_path / "x.arrow", [{"number": 1}], COLUMNS)
