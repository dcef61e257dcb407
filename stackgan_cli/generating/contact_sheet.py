"""All pictures of a command on one sheet."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from stackgan_cli.errors import UsageError
from stackgan_cli.pictures.picture_files import slug
from stackgan_cli.pictures.sheets import most_on_a_sheet, sheet

if TYPE_CHECKING:
    from stackgan_cli.generating.prompts import Prompts
    from stackgan_cli.ranks import Ranks

_PLACE_BYTES = 8


class ContactSheet:
    """Gathers pictures, which may come in any order.

    Args:
        pictures: how many there will be.
        side: of each in pixels.

    Raises:
        UsageError: they are too many.
    """

    def __init__(self, pictures: int, side: int) -> None:
        most = most_on_a_sheet(side)
        if pictures > most:
            raise UsageError(
                f"A sheet takes {most:,} pictures of {side} px, and these are {pictures:,}.",
                hint="without --grid, or with fewer pictures",
            )
        self._side = side
        self._pictures: dict[int, Image.Image] = {}

    def put(self, place: int, picture: Image.Image) -> None:
        """Put a picture in its place, counted from 0."""
        self._pictures[place] = picture

    def gather(self, ranks: Ranks) -> None:
        """Give the pictures of all ranks to the main one."""
        if ranks.count == 1:
            return
        packed = b"".join(
            place.to_bytes(_PLACE_BYTES, "big") + np.asarray(picture.convert("RGB")).tobytes()
            for place, picture in self._pictures.items()
        )
        size = _PLACE_BYTES + 3 * self._side**2
        for content in ranks.to_main(packed):
            for at in range(0, len(content), size):
                pixels = np.frombuffer(content, np.uint8, 3 * self._side**2, at + _PLACE_BYTES)
                picture = Image.fromarray(pixels.reshape(self._side, self._side, 3))
                self.put(int.from_bytes(content[at : at + _PLACE_BYTES], "big"), picture)

    def laid_out(self, prompts: Prompts) -> tuple[Image.Image, dict[str, Any]]:
        """Lay everything out, and say what is on it: prompts, and all seeds in their order."""
        left = iter([self._pictures[place] for place in sorted(self._pictures)])
        rows = [(prompt.text, list(islice(left, prompt.seeds.count))) for prompt in prompts]
        seeds = [request.seed for request in prompts.requests]
        return sheet(rows, side=self._side), {"prompts": [text for text, _ in rows], "seeds": seeds}


def stem_of_sheet(prompts: Prompts) -> str:
    """The name of a sheet's file, without its end."""
    first = next(prompts.requests)
    return f"{slug(first.prompt)}-{first.seed}-grid"
