"""Sheets of pictures with their captions printed under them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_GAP = 8
_MOST_PIXELS = 1 << 26
_PAPER = "white"
_INK, _PALE_INK = "#222222", "#777777"


def most_on_a_sheet(side: int) -> int:
    """How many pictures of a side in pixels a sheet takes, so that other programs still open it."""
    return max(1, _MOST_PIXELS // side**2)


def sheet(
    rows: Sequence[tuple[str, Sequence[Image.Image]]],
    *,
    side: int,
    across: int | None = None,
    columns: int | None = None,
    labels: Sequence[Sequence[str]] | None = None,
) -> Image.Image:
    """Lay pictures out in a grid, the pictures of one caption beside each other and the caption under them.

    Args:
        rows: captions, each with its pictures.
        side: side in pixels that pictures are shown at; smaller ones are enlarged without smoothing.
        across: captions beside each other; by default as many as make the sheet about as wide as high.
        columns: pictures of one caption beside each other, the others below them; by default all.
        labels: a few words under each picture, as many as there are pictures.

    Returns:
        An RGB picture.
    """
    each = max(len(pictures) for _, pictures in rows)
    columns = columns or each
    below = -(-each // columns)
    across = across or max(1, min(len(rows), round((len(rows) * below / columns) ** 0.5) or 1))
    font, small = (ImageFont.load_default(size=max(least, side // part)) for least, part in ((11, 14), (9, 18)))
    step = (side + _GAP // 2, side + _GAP // 2 + (_line_height(small) if labels else 0))
    width, height = columns * step[0] - _GAP // 2, below * step[1] - _GAP // 2
    wrapped = [_wrapped(caption, font, width) for caption, _ in rows]
    cell = (width + _GAP, height + max(map(len, wrapped)) * _line_height(font) + 2 * _GAP)
    down = -(-len(rows) // across)
    page = Image.new("RGB", (across * cell[0] + _GAP, down * cell[1] + _GAP), _PAPER)
    draw = ImageDraw.Draw(page)
    for index, (_, pictures) in enumerate(rows):
        left, top = _GAP + index % across * cell[0], _GAP + index // across * cell[1]
        for place, picture in enumerate(pictures):
            corner = (left + place % columns * step[0], top + place // columns * step[1])
            page.paste(fitted(picture, side), corner)
            if labels:
                words = _cut(labels[index][place], small, side)
                draw.text((corner[0], corner[1] + side), words, fill=_PALE_INK, font=small)
        draw.multiline_text((left, top + height + 2), "\n".join(wrapped[index]), fill=_INK, font=font, spacing=0)
    return page


def strip(pictures: Sequence[Image.Image], *, across: int) -> Image.Image:
    """Lay pictures of one size side by side, at most ``across`` of them in a row, and as many in each as can be."""
    rows = -(-len(pictures) // across)
    columns = -(-len(pictures) // rows)
    width, height = pictures[0].size
    step = (width + _GAP // 2, height + _GAP // 2)
    page = Image.new("RGB", (columns * step[0] - _GAP // 2, rows * step[1] - _GAP // 2), _PAPER)
    for place, picture in enumerate(pictures):
        page.paste(picture, (place % columns * step[0], place // columns * step[1]))
    return page


def systems_sheet(
    captions: Sequence[str], systems: Sequence[tuple[str, Sequence[Image.Image]]], *, side: int
) -> Image.Image:
    """Lay pictures out as papers compare systems: one row a system, one column a caption.

    Args:
        captions: the heads of the columns.
        systems: names, each with its picture of each caption.
        side: side in pixels that pictures are shown at.

    Returns:
        An RGB picture.
    """
    font = ImageFont.load_default(size=max(11, side // 11))
    line_height = _line_height(font)
    heads = [_wrapped(caption, font, side) for caption in captions]
    top = max(map(len, heads)) * line_height + 2 * _GAP
    margin = round(max(font.getlength(name) for name, _ in systems)) + 2 * _GAP
    page = Image.new("RGB", (margin + len(captions) * (side + _GAP), top + len(systems) * (side + _GAP)), _PAPER)
    draw = ImageDraw.Draw(page)
    for column, head in enumerate(heads):
        place = (margin + column * (side + _GAP), _GAP)
        draw.multiline_text(place, "\n".join(head), fill=_INK, font=font, spacing=0)
    for row, (name, pictures) in enumerate(systems):
        down = top + row * (side + _GAP)
        draw.text((_GAP, down + (side - line_height) // 2), name, fill=_INK, font=font)
        for column, picture in enumerate(pictures):
            page.paste(fitted(picture, side), (margin + column * (side + _GAP), down))
    return page


def _line_height(font: _Font) -> int:
    return sum(font.getmetrics()) if isinstance(font, ImageFont.FreeTypeFont) else 12


def _cut(words: str, font: _Font, width: int) -> str:
    """Leave away the beginning of words that are too long."""
    shown, left = words, words
    while font.getlength(shown) > width and left:
        left = left[1:]
        shown = f"...{left}"
    return shown if left else ""


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """Give a square picture another side; a smaller one is enlarged without smoothing."""
    if picture.width == side:
        return picture
    how = Image.Resampling.NEAREST if picture.width < side else Image.Resampling.LANCZOS
    return picture.resize((side, side), how)


def _wrapped(caption: str, font: _Font, width: int) -> list[str]:
    per_line = max(8, int(width / max(font.getlength("n"), 1.0)))
    return textwrap.wrap(caption, per_line, max_lines=3, placeholder=" ...") or [""]
