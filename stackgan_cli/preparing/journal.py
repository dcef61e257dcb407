"""What an unfinished ``prepare`` has done so far, so that a killed one can go on."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from stackgan_cli.components.protocols import Skipped
from stackgan_cli.preparing.chunks import ChunkResult
from stackgan_cli.preparing.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stackgan_cli.preparing.chunks import Chunk

JOURNAL = "progress.jsonl"


class Journal:
    """The files of a work folder that are done, each noted when it had reached the disk.

    Args:
        folder: the work folder; what another piece of work left in it is removed.
        identity: everything that decides what the files hold.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = folder
        self._identity = json.loads(json.dumps(dict(identity)))
        self._done: dict[str, ChunkResult] = {}
        self.begun_anew = False
        """Whether something unfinished was there that is of no use now."""
        lines = self._lines()
        if lines and lines[0] == self._identity:
            self._done = dict(entry for line in lines[1:] if (entry := self._entry(line)))
        else:
            self.begun_anew = self._clear()
        # Written anew, because a killed process may have left half a line at the end.
        self._file = (folder / JOURNAL).open("w", encoding="utf-8")
        self._write(self._identity)
        for file, written in self._done.items():
            self._note(file, written)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def pictures(self) -> int:
        """Pictures that an earlier run had finished, those that could not be read among them."""
        return sum(written.rows + len(written.skipped) for written in self._done.values())

    def done(self, chunk: Chunk) -> ChunkResult | None:
        """Give what became of a chunk in an earlier run, if it was written then."""
        return self._done.get(chunk.file)

    def add(self, chunk: Chunk, written: ChunkResult) -> None:
        """Note that a chunk is on the disk."""
        self._note(chunk.file, written)

    def _note(self, file: str, written: ChunkResult) -> None:
        self._write(
            {
                "file": file,
                "rows": written.rows,
                "captions": written.captions,
                "bytes": written.bytes,
                "skipped": [[each.name, each.reason] for each in written.skipped],
                "facts": written.facts.as_json(),
            }
        )

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _lines(self) -> list[Any]:
        lines: list[Any] = []
        # A torn line is the last one.
        with suppress(OSError, ValueError, RecursionError):
            lines.extend(map(json.loads, (self._folder / JOURNAL).read_text(encoding="utf-8").splitlines()))
        return lines

    def _entry(self, line: Any) -> tuple[str, ChunkResult] | None:
        try:
            written = ChunkResult(
                rows=int(line["rows"]),
                captions=int(line["captions"]),
                bytes=int(line["bytes"]),
                skipped=[Skipped(str(name), str(reason)) for name, reason in line["skipped"]],
                facts=Facts.from_json(line["facts"]),
            )
            path = self._folder / str(line["file"])
            whole = not written.bytes or path.stat().st_size == written.bytes
        except (KeyError, TypeError, ValueError, AttributeError, OSError):
            return None
        return (str(line["file"]), written) if whole else None

    def _clear(self) -> bool:
        # Hidden files are not ours to remove: the lock is one of them.
        there = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        for path in there:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return bool(there)
