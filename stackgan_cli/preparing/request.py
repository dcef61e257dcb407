"""What ``stackgan prepare`` is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import UsageError
from stackgan_cli.pictures.decoding import WHITE
from stackgan_cli.readers.encodings import known_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SMALLEST, _LARGEST = 8, 2048
"""Resolutions that pictures can be prepared for, in pixels."""
_LEAST_LIMIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """What to prepare, and how.

    Raises:
        UsageError: a resolution, the limit or the seed cannot be meant.
    """

    data: str
    """Name of the data, or the path of its folder."""
    source: Path | str | None = None
    """Where the pictures and captions lie; or an address that a reader knows, such as ``hf:owner/name``."""
    reader: str | None = None
    """Name of the reader; by default the one that recognises the source."""
    reader_options: Mapping[str, Any] = field(default_factory=dict)
    encoders: Sequence[str] | None = None
    """Text encoders to fit and cache; by default the one that suits the data, where it has none yet."""
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    """Options that each of them takes."""
    encoder_from: str | None = None
    """Name or path of a model whose text encoder is taken as it is, in place of one that is fitted."""
    resolutions: Sequence[int] | None = None
    """Resolutions to train at, in pixels, beside those that the data has already; by default these, else 64 and 256."""
    crop: str | None = None
    """``bbox``, ``center``, ``squash`` or ``pad``; by default as published for the data."""
    background: str = WHITE
    """Colour under transparency and around padded pictures."""
    limit: int | None = None
    """At most this many pictures, chosen at random under the seed."""
    seed: int = 0
    """Of everything random."""
    download: bool = False
    """Fetch the data first, where it has a public address."""
    verify: bool = False
    """Compare every byte of the source's pictures with what was prepared."""
    encoding: str | None = None
    """Encoding of captions and tables, such as ``cp1252``; by default told by looking."""
    shards: Path | str | None = None
    """A folder that gains the training split as shards to stream; by default none are written."""
    force: bool = False
    """Replace data prepared earlier under this name."""

    def __post_init__(self) -> None:
        """Refuse what no command line would let through."""
        for size in self.resolutions or ():
            if not _SMALLEST <= size <= _LARGEST:
                raise UsageError(
                    f"Pictures cannot be prepared for {size} pixels.",
                    hint=f"a resolution from {_SMALLEST} to {_LARGEST}",
                )
        if self.resolutions is not None and not self.resolutions:
            raise UsageError("Pictures cannot be prepared for no resolution.", hint="one or more, such as 64 and 256")
        if self.limit is not None and self.limit < _LEAST_LIMIT:
            raise UsageError(f"A limit cannot be {self.limit}.", hint=f"a limit of {_LEAST_LIMIT} or more")
        if self.encoder_from is not None and (self.encoders is not None or self.encoder_options):
            raise UsageError(
                "A model's text encoder is taken as it is, and no other beside it.", hint="--encoder-from alone"
            )
        if self.encoding is not None:
            known_encoding(self.encoding)
        if self.seed < 0:
            raise UsageError(f"A seed cannot be {self.seed}.", hint="a seed of 0 or more")

    @property
    def only_adds(self) -> bool:
        """Whether everything asked for can be had from data prepared earlier, where there is any."""
        more = bool(self.encoders is not None or self.encoder_from or self.shards is not None or self.verify)
        return more and self.names_no_source and self.resolutions is None and not self.force

    @property
    def names_no_source(self) -> bool:
        """Whether it is left to data prepared earlier, where there is any, what is read and how."""
        return self.source is None and self.reader is None and not self.reader_options and not self.download
