"""What an unfinished ``prepare`` has done so far, so that a killed one can go on."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from stackgan_cli.parsing import parse_json
from stackgan_cli.preparing.chunks import ChunkResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from stackgan_cli.preparing.chunks import Chunk

JOURNAL = "progress.jsonl"
_RESULT = TypeAdapter(ChunkResult)


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
            self._done = {file: written for line in lines[1:] for file, written in self._whole(line)}
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
        self._write({"file": file, "result": _RESULT.dump_python(written, mode="json")})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _lines(self) -> list[Any]:
        lines: list[Any] = []
        # A torn line is the last one.
        with suppress(OSError, ValueError):
            lines.extend(map(parse_json, (self._folder / JOURNAL).read_text(encoding="utf-8").splitlines()))
        return lines

    def _whole(self, line: Any) -> Iterator[tuple[str, ChunkResult]]:
        """Give the file that a line notes and what became of it, if it is still as long as it was then."""
        with suppress(LookupError, TypeError, OSError, ValidationError):
            file, written = str(line["file"]), _RESULT.validate_python(line["result"])
            if not written.bytes or (self._folder / file).stat().st_size == written.bytes:
                yield file, written

    def _clear(self) -> bool:
        # Hidden files are not ours to remove: the lock is one of them.
        there = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        for path in there:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return bool(there)
