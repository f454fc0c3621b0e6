"""One image file into one small square array. The files are anybody's: nothing about them is taken on trust."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from zipfile import BadZipFile

import numpy as np
from PIL import Image, UnidentifiedImageError

# Formats with a firm signature. Left out are those that run another program (EPS) or would recognise any bytes (TGA).
Image.init()
FORMATS = tuple(
    str(name)
    for name in ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
    if name in Image.OPEN
)
#: what Pillow and zipfile raise on damaged content
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    BadZipFile,
)
#: EXIF tag 274, Orientation: what makes the picture upright again
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 274


class UnreadableError(Exception):
    """A file that cannot be used as an image; the message is the reason, without the file's name."""


class TooLargeError(UnreadableError):
    """More pixels than may be decoded: `width` x `height`."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        self.width, self.height = width, height
        super().__init__(
            f"{width} x {height} pixels are more than data.max_image_pixels allows ({limit}); "
            "shrink it, or raise that limit"
        )


class NotAnImageError(UnreadableError):
    """The content is of no format that is read here."""


def is_image(stream: IO[bytes]) -> bool:
    """Whether the content begins like an image; nothing is decoded."""
    try:
        with _no_limit(), Image.open(stream, formats=FORMATS):
            return True
    except _BROKEN:
        return False


def count_pixels(stream: IO[bytes]) -> int:
    """How many pixels a picture says it has; 0 for what is none. Nothing is decoded, and the stream is rewound."""
    try:
        with _no_limit(), Image.open(stream, formats=FORMATS) as image:
            return image.width * image.height
    except _BROKEN:
        return 0
    finally:
        stream.seek(0)


def read_photo(stream: IO[bytes], side: int, channels: int, max_pixels: int) -> tuple[np.ndarray, list[str]]:
    """Decode the first frame: uint8 (channels, side, side), and in words what had to be converted.

    Turned upright by its EXIF orientation, transparency laid over white, 16-bit grey scaled to 8 bits, the
    shorter side resized to `side`, centre-cropped. Raises UnreadableError; a picture of more than `max_pixels` is
    not decoded.
    """
    try:
        with _no_limit(), Image.open(stream, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise TooLargeError(width, height, max_pixels)
            notes = ["first frame of several"] if getattr(image, "is_animated", False) else []
            if min(width, height) < side:
                notes.append("enlarged")
            image.load()
            plain = _eight_bit(_upright(image, notes), image.format or "", channels, notes)
            return square(plain, side), notes
    except UnidentifiedImageError:
        raise NotAnImageError(f"its content is of no known format (known are: {', '.join(FORMATS)})") from None
    except _BROKEN as error:
        raise UnreadableError(_reason(error)) from error


def square(image: Image.Image, side: int) -> np.ndarray:
    """Resize the shorter side of an L or RGB image to `side` and crop the centre: uint8 (1 or 3, side, side).

    Bicubic; Pillow widens the filter when shrinking, so it is antialiased.
    """
    width, height = image.size
    shorter = min(width, height)
    left, top = (width - shorter) // 2, (height - shorter) // 2
    box = (left, top, left + shorter, top + shorter)
    # the filter still sees the pixels around the box: the same as resizing all, without the large picture between
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _upright(image: Image.Image, notes: list[str]) -> Image.Image:
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _BROKEN:
        notes.append("EXIF data unreadable")  # the picture itself was decoded
        return image
    if orientation not in _UPRIGHT:
        return image
    notes.append("turned by EXIF orientation")
    return image.transpose(_UPRIGHT[orientation])


def _eight_bit(image: Image.Image, kind: str, channels: int, notes: list[str]) -> Image.Image:
    """An image of mode L (`channels` 1) or RGB (3)."""
    mode, wanted = image.mode, "L" if channels == 1 else "RGB"
    if mode.startswith("I;16") or (mode == "I" and kind in ("PNG", "PPM")):  # both hold 16 bits at most
        notes.append("16-bit grey to 8 bits")
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    elif mode in ("I", "F"):
        raise UnreadableError("pixels of 32 bits have no known range; save it with 8 or 16 bits")
    elif image.has_transparency_data:
        notes.append("transparency over white")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if mode != wanted:
        notes.append(f"{mode} to {wanted}")
    return image if image.mode == wanted else image.convert(wanted)


@contextmanager
def _no_limit() -> Iterator[None]:
    """Lift Pillow's own limit of pixels, which is not the user's: `read_photo` checks the header itself."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _reason(error: BaseException) -> str:
    """The error in one line that is the same on every machine: no paths, no addresses."""
    text = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
    return text or type(error).__name__
