"""Pictures of every kind, whole and broken, become RGB or a short reason."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackgan_cli.errors import DataError
from stackgan_cli.pictures.cropping import crop_and_resize, load_for
from stackgan_cli.pictures.decoding import WHITE, UnreadablePicture, decode_picture, encode_picture, load_picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    idat = b"IDAT" + zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", len(idat) - 4)
        + idat
        + struct.pack(">I", zlib.crc32(idat))
    )


def test_transparency_is_laid_on_white() -> None:
    clear_red = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half_black = Image.new("LA", (4, 4), (0, 128))
    assert load_picture(encoded(clear_red, "PNG")).getpixel((0, 0)) == (255, 255, 255)
    assert load_picture(encoded(half_black, "PNG")).getpixel((0, 0)) == pytest.approx((127, 127, 127), abs=1)


def test_transparent_palette_entry_is_white_and_others_keep_their_colour() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata([0, 1])
    loaded = load_picture(encoded(picture, "PNG", transparency=0))
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (200, 100, 50)]


def test_transparent_colour_of_an_opaque_mode_is_white() -> None:
    picture = Image.new("RGB", (2, 1), (1, 2, 3))
    picture.putpixel((1, 0), (9, 9, 9))
    loaded = load_picture(encoded(picture, "PNG", transparency=(1, 2, 3)))
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (9, 9, 9)]


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "expected"),
    [
        ("L", 90, "JPEG", (90, 90, 90)),
        ("1", 1, "PNG", (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), "JPEG", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "TIFF", (255, 0, 0)),
        ("I;16", 32896, "PNG", (128, 128, 128)),
        ("I;16", 65535, "TIFF", (255, 255, 255)),
        ("I", 65535, "TIFF", (255, 255, 255)),
        ("I", 200, "TIFF", (200, 200, 200)),
        ("F", 0.5, "TIFF", (128, 128, 128)),
    ],
)
def test_every_mode_becomes_rgb(mode: str, colour: object, kind: str, expected: tuple[int, int, int]) -> None:
    loaded = load_picture(encoded(Image.new(mode, (16, 16), colour), kind))
    assert loaded.mode == "RGB"
    assert loaded.getpixel((8, 8)) == pytest.approx(expected, abs=2)


def test_photo_lying_on_its_side_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (40, 20), "black")
    lying.paste("white", (0, 0, 20, 20))
    upright = load_picture(encoded(lying, "JPEG", exif=exif, quality=95))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5))[0] > 240
    assert upright.getpixel((10, 35))[0] < 15


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_agree_with_pillow(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(noise(9, 5), "PNG", exif=exif)
    assert np.array_equal(load_picture(data), ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_picture(data).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am a text file", "not a picture"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
        (encoded(noise(64, 64), "JPEG")[:-1500], "truncated JPEG"),
        (encoded(noise(64, 64), "PNG")[:-1500], "truncated PNG"),
        (encoded(noise(64, 64), "JPEG")[:20], "not a picture|damaged|truncated"),
        (png_header(60000, 60000), "pixels"),
        (png_header(12000, 12000), "12000 x 12000"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a picture"),
    ],
)
def test_broken_pictures_give_a_short_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for image in (data, path):
            with pytest.raises(UnreadablePicture, match=reason) as caught:
                load_picture(image)
            assert len(caught.value.reason) < 80
    assert "broken.jpg" in str(caught.value)


def test_missing_files_and_folders_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePicture, match="No such file"):
        load_picture(tmp_path / "missing.png")
    with pytest.raises(UnreadablePicture, match="not a file"):
        load_picture(tmp_path)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(UnreadablePicture, match="pixels"):
        load_picture(png_header(13000, 13000))


def test_nothing_is_printed_about_odd_pictures(capfd: pytest.CaptureFixture[str]) -> None:
    picture = Image.new("P", (4, 4))
    odd = encoded(picture, "PNG", transparency=b"\0" * 16)
    load_picture(odd)
    load_picture(encoded(noise(8, 8), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0garbage"))
    assert capfd.readouterr() == ("", "")


def test_warning_filters_survive_loading_in_threads() -> None:
    before = list(warnings.filters)
    data = encoded(noise(64, 64), "JPEG")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load_picture, [data] * 200))
    assert warnings.filters == before


def test_drawn_pictures_are_converted_too() -> None:
    assert load_picture(lambda: Image.new("L", (2, 2), 7)).getpixel((0, 0)) == (7, 7, 7)


def test_published_birds_crop() -> None:
    """The rule worked by hand for one bird: box 60 27 325 304 in a 500 x 335 picture."""
    columns = np.broadcast_to(np.arange(500) // 2, (335, 500))
    rows = np.broadcast_to((np.arange(335) // 2)[:, None], (335, 500))
    picture = Image.fromarray(np.stack([columns, rows, rows], -1).astype(np.uint8))
    # Centre 222, 179; half side int(0.75 * 325) = 243; so x from 0 to 465 and y from 0 to 335.
    (pixels,) = crop_and_resize(picture, "bbox", (60.0, 27.0, 325.0, 304.0), [64])
    assert pixels[32, 0, 0] == pytest.approx(465 / 64 / 4, abs=2)
    assert pixels[32, -1, 0] == pytest.approx((465 - 465 / 128) / 2, abs=2)
    assert pixels[-1, 32, 1] == pytest.approx((335 - 335 / 128) / 2, abs=2)


def test_a_box_outside_the_picture_or_none_at_all() -> None:
    picture = noise(20, 20)
    for box in ((100.0, 100.0, 10.0, 10.0), (5.0, 5.0, 0.0, 0.0), (float("nan"), 0.0, 5.0, 5.0)):
        with pytest.raises(UnreadablePicture, match="bounding box"):
            crop_and_resize(picture, "bbox", box, [8])
    with pytest.raises(DataError, match="needs a bounding box"):
        crop_and_resize(picture, "bbox", None, [8])
    with pytest.raises(DataError, match="no crop rule"):
        crop_and_resize(picture, "middle", None, [8])  # type: ignore[arg-type]


def test_center_squash_and_pad_show_what_they_should() -> None:
    picture = Image.new("RGB", (60, 20), "black")
    picture.paste("red", (0, 0, 20, 20))
    (center,) = crop_and_resize(picture, "center", None, [20])
    assert center.max() == 0
    (squashed,) = crop_and_resize(picture, "squash", None, [60])
    assert squashed[30, 5].tolist() == [255, 0, 0]
    assert squashed[30, 50].tolist() == [0, 0, 0]
    (padded,) = crop_and_resize(picture, "pad", None, [60])
    assert padded[5, 30].tolist() == [255, 255, 255]
    assert padded[30, 5].tolist() == [255, 0, 0]
    assert padded[30, 50].tolist() == [0, 0, 0]


def test_sizes_come_in_their_order_and_fine_detail_is_averaged() -> None:
    board = np.indices((256, 256)).sum(0) % 2 * 255
    picture = Image.fromarray(np.stack([board] * 3, -1).astype(np.uint8))
    small, large = crop_and_resize(picture, "squash", None, [16, 64])
    assert small.shape == (16, 16, 3)
    assert large.shape == (64, 64, 3)
    assert small.dtype == np.uint8
    assert abs(small.astype(int) - 127).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 2), (30_000, 10)])
@pytest.mark.parametrize("rule", ["center", "squash", "pad"])
def test_tiny_and_thin_pictures_are_enlarged(size: tuple[int, int], rule: str) -> None:
    (pixels,) = crop_and_resize(Image.new("RGB", size, (9, 9, 9)), rule, None, [32])  # type: ignore[arg-type]
    assert pixels.shape == (32, 32, 3)


def test_large_photos_are_decoded_smaller_without_being_seen(tmp_path: Path) -> None:
    smooth = noise(40, 30).resize((2400, 1800), Image.Resampling.BICUBIC)
    path = tmp_path / "large.jpg"
    smooth.save(path, quality=95)
    assert load_picture(path, at_least=76).size < (700, 500)
    assert load_picture(path, at_least=76).height >= 152
    assert load_picture(path, at_least=1000).size == (2400, 1800)
    (quick,) = crop_and_resize(load_for(path, "squash", [76], WHITE), "squash", None, [76])
    (exact,) = crop_and_resize(load_picture(path), "squash", None, [76])
    assert abs(quick.astype(int) - exact).mean() < 2


def test_encoding_keeps_colour_edges() -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, ::2] = (255, 0, 0)
    pixels[:, 1::2] = (0, 0, 255)
    again = decode_picture(encode_picture(pixels))
    assert again.shape == pixels.shape
    assert abs(again.astype(int) - pixels).mean() < 8
