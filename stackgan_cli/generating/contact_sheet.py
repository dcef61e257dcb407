"""All pictures of a command on one sheet."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from stackgan_cli.errors import UsageError
from stackgan_cli.pictures.picture_files import slug
from stackgan_cli.pictures.sheets import most_on_a_sheet, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from stackgan_cli.drawing.pictures import Request


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
        self._cells: dict[int, tuple[Request, Image.Image]] = {}

    def put(self, place: int, request: Request, picture: Image.Image) -> None:
        """Put a picture in its place, counted from 0."""
        self._cells[place] = request, picture

    @property
    def stem(self) -> str:
        """The name of its file, without its end."""
        first = self._cells[0][0]
        return f"{slug(first.prompt)}-{first.seed}-grid"

    def laid_out(self, counts: Sequence[int]) -> tuple[Image.Image, dict[str, Any]]:
        """Lay everything out, and say what is on it.

        Args:
            counts: pictures of each prompt, in their order.
        """
        cells = [self._cells[place] for place in sorted(self._cells)]
        left = iter(cells)
        groups = [list(islice(left, count)) for count in counts]
        rows = [(group[0][0].prompt, [picture for _, picture in group]) for group in groups]
        facts = {"prompts": [prompt for prompt, _ in rows], "seeds": [request.seed for request, _ in cells]}
        return sheet(rows, side=self._side), facts
