from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from stackgan_cli.pictures.pixels import to_bytes, to_pictures
from stackgan_cli.pictures.sheets import sheet


def test_the_range_maps_to_the_whole_of_256_levels_and_what_lies_beyond_is_held() -> None:
    levels = torch.arange(256).float() / 127.5 - 1
    row = levels.view(1, 1, 1, 256).expand(1, 3, 1, 256)
    assert torch.equal(to_bytes(row)[0, 0, 0], torch.arange(256).to(torch.uint8))
    assert to_bytes(torch.tensor([[-9.0, 9.0]])).tolist() == [[0, 255]]
    assert to_bytes(torch.tensor([0.0039], dtype=torch.bfloat16)).dtype == torch.uint8


def test_channels_are_red_green_blue_and_rows_stay_rows() -> None:
    image = torch.full((1, 3, 2, 2), -1.0)
    image[0, 0, 0, 1] = 1.0
    (picture,) = to_pictures(image.contiguous(memory_format=torch.channels_last))
    assert picture.mode == "RGB"
    assert picture.getpixel((1, 0)) == (255, 0, 0)
    assert picture.getpixel((0, 1)) == (0, 0, 0)


@pytest.mark.parametrize(("captions", "each"), [(1, 1), (3, 2), (8, 2), (5, 1)])
def test_a_sheet_holds_every_picture_and_ink_under_it(captions: int, each: int) -> None:
    colours = [(200, 10 * row, 20 * column) for row in range(captions) for column in range(each)]
    pictures = [Image.new("RGB", (16, 16), colour) for colour in colours]
    rows = [("a small red bird", pictures[at * each : (at + 1) * each]) for at in range(captions)]
    page = sheet(rows, side=64)
    pixels = np.asarray(page).reshape(-1, 3)
    for colour in colours:
        assert (pixels == colour).all(axis=1).sum() == 64 * 64
    ink = (pixels.max(axis=1) < 120).sum()
    assert ink > 20 * captions


@pytest.mark.parametrize("caption", ["", "word " * 200, "x" * 500, "鳥 🐦 ünïcode", "two\nlines"])
def test_any_caption_fits_its_cell(caption: str) -> None:
    page = sheet([(caption, [Image.new("RGB", (64, 64), "green")])] * 2, side=64)
    assert page.width <= 4 * 80
    assert page.height <= 2 * 180
