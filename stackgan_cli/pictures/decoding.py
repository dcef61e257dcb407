"""Pictures of any kind, decoded as upright RGB."""

from __future__ import annotations

import io
import logging
import math
import stat
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from stackgan_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

PictureSource: TypeAlias = "Path | bytes | Image.Image | Callable[[], Image.Image | bytes]"

WHITE = "white"
"""What lies under transparency unless another colour is asked for."""
MAX_PIXELS = 1 << 27
"""Largest picture that is decoded, in pixels: room for a 108-megapixel photo, half a gigabyte in memory."""

# Formats that Pillow decodes itself: others (EPS, WMF) hand the file to an outside program.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "ICO")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow logs about odd files; without a handler of its own those lines would reach the terminal.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class UnreadablePicture(DataError):  # noqa: N818
    """A file is no picture, or not a whole one.

    Args:
        reason: a few words without a full stop, such as ``truncated JPEG``.
        file: the file, where there is one.
    """

    def __init__(self, reason: str, file: Path | None = None) -> None:
        super().__init__(
            f"{'A picture' if file is None else file} cannot be read: {reason}.", "Replace the picture, or remove it."
        )
        self.reason = reason


def load_picture(image: PictureSource, *, at_least: int | None = None, background: str = WHITE) -> Image.Image:
    """Load a picture as upright RGB.

    The EXIF orientation is applied; transparency is laid on the background; of an animation the first frame is taken;
    values of more than 8 bits are scaled down.

    Args:
        image: a file, an encoded picture, a picture, or a function that draws one or fetches an encoded one.
        at_least: where given, a large JPEG may be decoded at a half, a quarter or an eighth of its size, as long as its
            shorter side keeps twice this many pixels. Leave it out where pixel coordinates matter.
        background: a colour that Pillow knows, such as ``white`` or ``#ff8800``.

    Returns:
        The picture; ``info["original_size"]`` is its upright width and height in pixels before it was made smaller.

    Raises:
        UnreadablePicture: the file is missing, empty, damaged, too large, or no picture.
    """
    if isinstance(image, Path):
        try:
            if not stat.S_ISREG(image.stat().st_mode):
                raise UnreadablePicture("not a file", image)
            with image.open("rb") as file:
                return _decode(file, image, at_least, background)
        except OSError as error:
            raise UnreadablePicture(error.strerror or "cannot be opened", image) from error
    if isinstance(image, bytes):
        return _decode(io.BytesIO(image), None, at_least, background)
    with _quiet():
        made = image if isinstance(image, Image.Image) else fetch(image)
        if not isinstance(made, Image.Image):
            return _decode(io.BytesIO(made), None, at_least, background)
        return _with_original_size(_as_rgb(made, background), made.size)


def fetch(image: Callable[[], Image.Image | bytes]) -> Image.Image | bytes:
    """Call the function of an example.

    Raises:
        UnreadablePicture: what it reads from cannot be read.
    """
    try:
        return image()
    except OSError as error:
        raise UnreadablePicture(error.strerror or str(error) or "cannot be fetched") from error
    except UnreadablePicture:
        raise
    except Exception as error:  # a reader's own code
        raise UnreadablePicture(f"cannot be fetched ({type(error).__name__}: {error})") from error


def _with_original_size(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    picture.info["original_size"] = size
    return picture


class _Quiet:
    """Ignores warnings while any thread is inside; `warnings.catch_warnings` alone may leave its filter behind then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._filters.__exit__(None, None, None)


_quiet = _Quiet()


def _decode(file: BinaryIO, path: Path | None, at_least: int | None, background: str) -> Image.Image:
    with _quiet():
        try:
            picture = Image.open(file, formats=_readable_formats())
        except UnidentifiedImageError:
            raise UnreadablePicture(_what_it_is(file), path) from None
        except Image.DecompressionBombError:
            raise UnreadablePicture(f"more than {MAX_PIXELS:,} pixels", path) from None
        except Exception as error:  # format plugins raise whatever a damaged header makes them raise
            raise UnreadablePicture(f"damaged picture ({type(error).__name__})", path) from error
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise UnreadablePicture(f"{width} x {height} is more than {MAX_PIXELS:,} pixels", path)
        try:
            if at_least is not None:
                _decode_smaller(picture, at_least)
            picture.load()
            upright = _upright(picture)
            turned = (upright.width > upright.height) != (picture.width > picture.height)
            return _with_original_size(_as_rgb(upright, background), (height, width) if turned else (width, height))
        except MemoryError:
            raise UnreadablePicture("too large for the memory", path) from None
        except Exception as error:
            how = "truncated" if "truncated" in str(error).lower() else "damaged"
            raise UnreadablePicture(f"{how} {picture.format or 'picture'}", path) from error


def _readable_formats() -> list[str]:
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _what_it_is(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(512)
    if not start:
        return "empty file"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer in place of the picture"
    if start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "a web page in place of the picture"
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"hevc"):
        return "a HEIC picture, which has to be saved as JPEG or PNG first"
    return "not a picture"


def _decode_smaller(picture: Image.Image, at_least: int) -> None:
    width, height = picture.size
    scale = 2 * at_least / min(width, height)
    if scale < 1 and picture.mode in ("RGB", "L"):
        picture.draft(None, (math.ceil(width * scale), math.ceil(height * scale)))


def _upright(picture: Image.Image) -> Image.Image:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # a picture whose pixels are whole is worth more than its damaged EXIF block
        return picture
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


def _as_rgb(picture: Image.Image, background: str) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _eight_bits(picture).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        under = Image.new("RGBA", layer.size, background)
        return Image.alpha_composite(under, layer).convert("RGB")
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(picture).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    if picture.mode.startswith("I;16"):
        white = 65535.0
    elif picture.mode == "F" and highest <= 1:
        white = 1.0
    else:
        # The file does not say how many bits are used: the narrowest usual range that holds every value.
        white = next((top for top in (255.0, 65535.0) if highest <= top), highest)
    return Image.fromarray(np.clip(values * (255 / white) + 0.5, 0, 255).astype(np.uint8))


def encode_picture(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (height, width, 3) as JPEG, quality 95, colour at full resolution."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def decode_picture(data: bytes) -> NDArray[np.uint8]:
    """Decode an encoded picture to uint8 (height, width, 3).

    Raises:
        UnreadablePicture: the bytes are damaged.
    """
    return np.array(load_picture(data))
