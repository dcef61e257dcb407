"""All pictures of a command on one sheet."""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from stackgan_cli.errors import UsageError
from stackgan_cli.pictures.picture_files import picture_stem
from stackgan_cli.pictures.sheets import fitted, most_on_a_sheet, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stackgan_cli.generating.prompts import Prompts
    from stackgan_cli.ranks import Ranks

_PLACE_BYTES = 8
_MOST_IN_A_ROW = 8
"""Pictures of one of several prompts that stand in one row, whatever the shape of the sheet."""


class ContactSheet:
    """Gathers pictures, which may come in any order.

    Args:
        places: how many there will be.
        side: of each picture in pixels.
        sketches: whether what Stage-I drew stands before each picture, in the same place.

    Raises:
        UsageError: they are too many.
    """

    def __init__(self, places: int, side: int, *, sketches: bool) -> None:
        most = most_on_a_sheet(side) // (1 + sketches)
        if places > most:
            raise UsageError(
                f"A sheet takes {most:,} pictures of {side} px, and these are {places:,}.",
                hint="without --grid, or with fewer pictures",
            )
        self._side, self._sketches = side, sketches
        self._pictures: dict[int, list[Image.Image]] = {}

    def put(self, place: int, pictures: Sequence[Image.Image]) -> None:
        """Put a picture, or a sketch and its picture, in their place, counted from 0."""
        self._pictures[place] = [fitted(picture, self._side) for picture in pictures]

    def gather(self, ranks: Ranks) -> None:
        """Give the pictures of all ranks to the main one."""
        if ranks.count == 1:
            return
        packed = b"".join(
            place.to_bytes(_PLACE_BYTES, "big") + b"".join(picture.convert("RGB").tobytes() for picture in pictures)
            for place, pictures in self._pictures.items()
        )
        shape = (1 + self._sketches, self._side, self._side, 3)
        size = _PLACE_BYTES + math.prod(shape)
        for content in ranks.to_main(packed):
            for at in range(0, len(content), size):
                pixels = np.frombuffer(content, np.uint8, math.prod(shape), at + _PLACE_BYTES).reshape(shape)
                place = int.from_bytes(content[at : at + _PLACE_BYTES], "big")
                self.put(place, [Image.fromarray(each) for each in pixels])

    def laid_out(self, prompts: Prompts) -> tuple[Image.Image, dict[str, Any]]:
        """Lay everything out, and say what is on it: prompts, and all seeds in their order."""
        left = iter([self._pictures[place] for place in sorted(self._pictures)])
        rows, labels, seeds = [], [], list[int]()
        for prompt in prompts:
            own = list(prompt.seeds)
            rows.append((prompt.text, list(chain.from_iterable(islice(left, len(own))))))
            labels.append([words for seed in own for words in (*["Stage-I"] * self._sketches, f"seed {seed}")])
            seeds += own
        each = max(len(pictures) for _, pictures in rows) // (1 + self._sketches)
        columns = _columns(len(rows), each) * (1 + self._sketches)
        facts: dict[str, Any] = {"prompts": [text for text, _ in rows], "seeds": seeds}
        return sheet(rows, side=self._side, columns=columns, labels=labels), facts


def _columns(prompts: int, each: int) -> int:
    """How many pictures of a prompt stand beside each other, so that the sheet is a little wider than high."""
    if prompts > 1 and each <= _MOST_IN_A_ROW:
        return each
    wide = min(each, math.ceil(math.sqrt(1.5 * prompts * each)))
    return math.ceil(each / math.ceil(each / wide))


def stem_of_sheet(prompts: Prompts) -> str:
    """The name of a sheet's file, without its end."""
    first = next(prompts.requests)
    return f"{picture_stem(first.prompt, first.seed)}-grid"
