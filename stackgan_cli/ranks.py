"""The processes of a data-parallel run: which one this is, its part of a batch, and what they tell each other.

A run of one process is a run of one rank, so the code that trains needs no second form. Everything random is drawn for
the whole batch and then divided, which is why two ranks compute what one does.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from stackgan_cli.errors import StackganError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

Result = TypeVar("Result")

_MESSAGE_BYTES = 16384
_PATIENCE = timedelta(days=1)
"""How long ranks wait for one that works alone, as in fitting. One that is gone is noticed by its closed connection."""


class LostRankError(StackganError):
    """Another process of the run is gone."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of this run has ended, so this one cannot go on.",
            hint="the same command goes on from the last checkpoint (generate: with --resume), on any number of"
            " processes",
        )


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which process of how many this is."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Which process of this machine this is, and so which of its devices is ours."""

    @property
    def main(self) -> bool:
        """Whether this process talks and writes."""
        return self.rank == 0

    def own(self, rows: Tensor) -> Tensor:
        """Return this rank's part of what was drawn for the whole batch, whose rows the ranks divide evenly."""
        each = len(rows) // self.count
        return rows[self.rank * each : (self.rank + 1) * each]

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Do something that takes all ranks at once.

        Raises:
            LostRankError: it failed, which it does where another rank is gone. The libraries below have one kind of
                error for this and for everything else; but what is done here alone fails for no other reason, a full
                memory aside.
        """
        import torch

        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or isinstance(error, torch.OutOfMemoryError):
                raise
            raise LostRankError from error

    def all_rows(self, rows: Tensor) -> Tensor:
        """Return the rows of all ranks, in their order; no gradient flows back."""
        if self.count == 1:
            return rows
        import torch
        from torch import distributed

        parts = [torch.empty_like(rows) for _ in range(self.count)]
        with self.sharing():
            distributed.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; all ranks get the same answer."""
        if self.count == 1:
            return flag
        import torch
        from torch import distributed

        # On the processor, so that no device has to be waited for.
        votes = torch.tensor([int(flag)])
        with self.sharing():
            distributed.all_reduce(votes)
        return bool(votes.item())

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """Do something on the main rank and, when that went well, on the others; what fails on one fails on all.

        Raises:
            StackganError: of this rank, or of another one.
        """
        if self.count == 1:
            return work()
        result, error = None, None
        for turn in (self.main, not self.main):
            if turn and error is None:
                result, error = _tried(work)
            self._agree(error)
        return result  # type: ignore[return-value]  # it was this rank's turn once, and there was no error

    def at_once(self, work: Callable[[], Result]) -> Result:
        """Do something on all ranks; what fails on one fails on all.

        Raises:
            StackganError: of this rank, or of another one.
        """
        if self.count == 1:
            return work()
        result, error = _tried(work)
        self._agree(error)
        return result  # type: ignore[return-value]  # there was no error

    def from_main(self, content: bytes) -> bytes:
        """Give what the main rank has, of any length, to all of them."""
        if self.count == 1:
            return content
        import torch
        from torch import distributed

        length = torch.tensor([len(content)])
        with self.sharing():
            distributed.broadcast(length, 0)
            if not length:
                return b""
            data = _as_tensor(content) if self.main else torch.empty(int(length), dtype=torch.uint8)
            distributed.broadcast(data, 0)
        return data.numpy().tobytes()

    def to_main(self, content: bytes) -> list[bytes]:
        """Give what all ranks have, of any length, to the main one; the others get nothing."""
        if self.count == 1:
            return [content]
        import torch
        from torch import distributed

        lengths = self.all_rows(torch.tensor([len(content)])).tolist()
        mine = torch.zeros(max(1, *lengths), dtype=torch.uint8)
        mine[: len(content)] = _as_tensor(content)
        parts = [torch.empty_like(mine) for _ in lengths] if self.main else None
        with self.sharing():
            distributed.gather(mine, parts)
        return [part.numpy().tobytes()[:length] for part, length in zip(parts or (), lengths, strict=False)]

    def _agree(self, error: StackganError | None) -> None:
        """Raise the first error that any rank has, on every rank."""
        # Short enough for what is exchanged, however its characters are written.
        words = json.dumps([error.exit_code, error.message[:1000], (error.hint or "")[:300]]) if error else ""
        told = self._words_of_all(words)
        if error is not None:
            raise error
        for rank, words in enumerate(told):
            if words:
                number, message, hint = json.loads(words)
                raised = StackganError(f"Rank {rank} failed: {message}", hint or None)
                raised.exit_code = int(number)
                raise raised

    def _words_of_all(self, words: str) -> list[str]:
        """Exchange short texts."""
        if self.count == 1:
            return [words]
        import torch

        # As bytes in a tensor: the library's way for objects would pickle them.
        data = words.encode()[: _MESSAGE_BYTES - 1]
        mine = torch.zeros(_MESSAGE_BYTES, dtype=torch.uint8)
        mine[: len(data)] = _as_tensor(data)
        rows = self.all_rows(mine[None])
        return [bytes(row.tolist()).rstrip(b"\0").decode(errors="ignore") for row in rows]


def _tried(work: Callable[[], Result]) -> tuple[Result | None, StackganError | None]:
    """Do something; give what comes of it, or what went wrong."""
    try:
        return work(), None
    except StackganError as error:
        return None, error


def _as_tensor(data: bytes) -> Tensor:
    import torch

    return torch.frombuffer(bytearray(data or b"\0"), dtype=torch.uint8)[: len(data)]


ALONE = Ranks()
"""The one rank of a run that is not distributed."""


def join_ranks() -> Ranks:
    """Join the processes that ``torchrun`` started, or return the only rank where it started none.

    Raises:
        StackganError: the other processes cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    import torch
    from torch import distributed

    # What is exchanged on the processor goes through gloo even where gradients go through NCCL.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and distributed.is_nccl_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise StackganError(
            f"The processes of this run cannot reach each other: {error}.", hint="start them with torchrun"
        ) from error
    return Ranks(distributed.get_rank(), distributed.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))


def leave_ranks() -> None:
    """Leave the group of processes, where there is one."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started, and leave them at the end.

    Raises:
        StackganError: the other processes cannot be reached.
    """
    ranks = join_ranks()
    try:
        yield ranks
    except LostRankError:
        # The group is broken, and leaving it would wait for whoever is gone.
        raise
    except StackganError:
        # A process that ends while its group is still there may be aborted by the group's threads.
        _leave(ranks)
        raise
    _leave(ranks)


def _leave(ranks: Ranks) -> None:
    if ranks.count > 1:
        leave_ranks()
