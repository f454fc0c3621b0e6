"""One image file into one small square array. The files are anybody's, so nothing in them is trusted."""

import io
import math
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from PIL import Image, UnidentifiedImageError

# Formats with a firm signature. Left out are those that run another program (EPS) or would recognise any bytes (TGA).
Image.init()
_SIGNED = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
FORMATS = tuple(name for name in _SIGNED if name in Image.OPEN)
#: what Pillow and zipfile raise on damaged content
_FROM_PYTHON = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError)
_BROKEN = (*_FROM_PYTHON, RuntimeError, MemoryError, struct.error, zlib.error, BadZipFile)
#: EXIF tag 274, Orientation: what makes the picture upright again, from 2 to 8
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
_UPRIGHT = {orientation: Image.Transpose[turn] for orientation, turn in enumerate(_TURNS, 2)}
_ORIENTATION = 274
#: TIFF tag 258: how many bits a value has
_BITS_PER_SAMPLE = 258
#: a JPEG file is decoded at a half, a quarter or an eighth of its size if this many times the wanted size is left:
#: shrinking then still sees enough pixels, and no value differs by more than a level or two (docs/measurements.md)
LEFT_BY_DRAFT = 4
#: bytes of a file that are read at once; the rest of a larger one is read as it is decoded
IN_MEMORY = 2**16
#: how many bits of 16 cameras, scanners and microscopes use
DEPTHS = (8, 10, 12, 14, 16)


class UnreadableError(Exception):
    """A file that cannot be used as an image; the message says why, without the file's name."""


class TooLargeError(UnreadableError):
    """More pixels than may be decoded: `width` x `height`."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        self.width, self.height = width, height
        super().__init__(
            f"{width} x {height} pixels are more than data.max_image_pixels allows ({limit}); shrink it or raise that"
        )


class NotAnImageError(UnreadableError):
    """The content has no known format."""


class Photo(NamedTuple):
    """A decoded image: uint8 (channels, side, side), and its conversions in words.

    `needs` is the number of bits, of DEPTHS, that hold its brightest value, if it has 16 bits a value and does not say
    how many are used; else 0. `size` is the number of pixels before it was resized.
    """

    pixels: np.ndarray
    notes: list[str]
    needs: int = 0
    size: int = 0


def is_image(stream: IO[bytes]) -> bool:
    """Return whether the content begins like an image, without decoding it."""
    try:
        with _no_limit(), Image.open(stream, formats=FORMATS):
            return True
    except _BROKEN:
        return False


def dimensions(stream: IO[bytes]) -> tuple[int, int]:
    """Return width and height without decoding. Raises UnreadableError."""
    try:
        with _no_limit(), Image.open(stream, formats=FORMATS) as image:
            return image.size
    except _BROKEN as error:
        raise UnreadableError(_reason(error)) from error


def decode(
    stream: IO[bytes],
    side: int,
    channels: int,
    max_pixels: int,
    bits: int = 16,
    *,
    crop: float = 1.0,
    fit: str = "crop",
) -> Photo:
    """Decode the first frame, and bring it to `side` x `side` pixels as `square` does by `crop` and `fit`.

    It is turned upright by EXIF, transparency is laid over white, 16 bits are scaled to 8. Raises UnreadableError, also
    for more than `max_pixels`, which are not decoded. A file of 16 bits may use 12, but only TIFF says so: `bits` is
    what all such pictures use (see `Photo.needs`), since one picture's brightest value would stretch its contrast.
    """
    try:
        stream = _in_memory(stream)
        with _no_limit(), Image.open(stream, formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise TooLargeError(width, height, max_pixels)
            notes = ["first frame of several"] if getattr(image, "is_animated", False) else []
            used = max(width, height) if fit == "letterbox" else min(width, height) * crop
            if used < side:
                notes.append("enlarged")
            kind, deep = image.format or "", _of_16_bits(image)
            if kind == "JPEG" and (many := used / side / LEFT_BY_DRAFT) >= 2:
                image.draft(None, (math.ceil(width / many), math.ceil(height / many)))
            image.load()
            needs = 0
            if deep and image.mode in ("RGB", "RGBA"):
                needs = _needed(int(np.asarray(image)[..., :3].max()) * 256)
                notes.append(_deep("colour", needs, bits))
                if bits < 16:
                    image.paste(_scaled_colours(image, stream, bits))
            upright = _upright(image, notes)
            if upright.mode.startswith("I;16") or (upright.mode == "I" and kind in ("PNG", "PPM")):
                values = np.asarray(upright).astype(np.int64)
                if declared := _declared(image, kind):
                    notes.append(_deep("grey", 0, declared))
                else:
                    needs = _needed(int(values.max()))
                    notes.append(_deep("grey", needs, bits))
                upright = Image.fromarray(_scaled(values, declared or bits))
            return Photo(square(_eight_bit(upright, channels, notes), side, crop, fit), notes, needs, width * height)
    except UnidentifiedImageError:
        raise NotAnImageError(f"its content is of no known format (known are: {', '.join(FORMATS)})") from None
    except _BROKEN as error:
        raise UnreadableError(_reason(error)) from error


def _in_memory(stream: IO[bytes]) -> IO[bytes]:
    """Return a stream of the same content that lies in memory, if it is small: Pillow reads it in many small parts."""
    stream.seek(0)
    content = stream.read(IN_MEMORY)
    return io.BytesIO(content) if len(content) < IN_MEMORY else stream


def _needed(brightest: int) -> int:
    return next(bits for bits in DEPTHS if brightest < 1 << bits)


def _deep(what: str, needs: int, bits: int) -> str:
    """Return the note of a picture of 16 bits a value. Raises UnreadableError if it needs more than `bits`."""
    if needs > bits:
        raise UnreadableError(
            f"it has values of {needs} bits, but the pictures that this network learnt from have {bits}"
        )
    if bits < 16:
        return f"16-bit {what} that uses {bits} bits to 8 bits"
    return f"16-bit {what} to 8 bits" + (f", dark: {needs} bits would hold it" if 0 < needs < 16 else "")


def _scaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Return values of `bits` bits as uint8, rounded."""
    most = (1 << bits) - 1
    return ((values.astype(np.int64) * 255 + most // 2) // most).astype(np.uint8)


def _declared(image: Image.Image, kind: str) -> int:
    """Return how many bits a grey file of more than 8 declares; 0 if it does not."""
    if kind in ("PPM", "JPEG2000"):
        return 16  # Pillow scales by what the file says
    bits = image.tag_v2.get(_BITS_PER_SAMPLE, (16,)) if kind == "TIFF" else (16,)  # type: ignore[attr-defined]
    return int(bits[0]) if 8 < bits[0] < 16 else 0


def _of_16_bits(image: Image.Image) -> bool:
    """Return whether the file has 16 bits a value, before it is decoded."""
    tiles: list[Any] = getattr(image, "tile", [])
    return bool(tiles) and all(";16" in str(arguments) for _, _, _, arguments in tiles)


def _scaled_colours(image: Image.Image, stream: IO[bytes], bits: int) -> Image.Image:
    """Scale the colours of a decoded picture of 16 bits, of which Pillow keeps the upper 8, by `bits`."""
    stream.seek(0)
    again: Any
    with Image.open(stream, formats=FORMATS) as again:
        grey = any("LA;" in str(arguments) for _, _, _, arguments in again.tile)
        again.tile = [(*place, _lower(arguments)) for *place, arguments in again.tile]
        again.load()
        values = np.asarray(again).astype(np.int64)
    if grey:
        values = (values[..., 0::2] * 256 + values[..., 1::2])[..., [0, 0, 0, 1]]
    else:
        values = np.asarray(image).astype(np.int64) * 256 + values
    scaled, opacity = _scaled(values, bits), values[..., 3:]
    if opacity.size and opacity.max() >= 1 << bits:  # else it is as deep as the colours
        scaled[..., 3:] = _scaled(opacity, 16)
    return Image.fromarray(scaled)


def _lower(arguments: object) -> object:
    """Return tile arguments that make Pillow keep the lower bytes: the other byte order, or all four bytes of LA."""
    if isinstance(arguments, tuple):
        return (_lower(arguments[0]), *arguments[1:])
    mode = str(arguments)
    if mode.startswith("LA;"):
        return "RGBA"
    big = mode[-1] == "B" or (mode[-1] == "N" and sys.byteorder == "big")
    return f"{mode[:-1]}{'L' if big else 'B'}"


def square(image: Image.Image, side: int, crop: float = 1.0, fit: str = "crop") -> np.ndarray:
    """Resize an L or RGB image (bicubic, antialiased) to uint8 (1 or 3, side, side).

    With `fit` crop, the shorter side becomes `side` / `crop`, and the centre `side` x `side` is kept. With letterbox,
    the longer side becomes `side`, and the rest is black, half of it on either side.
    """
    width, height = image.size
    if fit == "letterbox":
        longer = max(width, height)
        size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
        pixels = np.zeros((side, side, len(image.getbands())), np.uint8)
        left, top = (side - size[0]) // 2, (side - size[1]) // 2
        shrunk = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
        pixels[top : top + size[1], left : left + size[0]] = shrunk if shrunk.ndim == 3 else shrunk[..., None]
        return pixels.transpose(2, 0, 1)
    kept = min(width, height) * crop
    box = ((width - kept) / 2, (height - kept) / 2, (width + kept) / 2, (height + kept) / 2)
    if crop == 1:  # whole pixels
        box = (box[0] // 1, box[1] // 1, box[0] // 1 + kept, box[1] // 1 + kept)
    # the filter widens when shrinking (antialiasing), and still sees the pixels around the box
    resized = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    if image.mode == "L":
        return np.asarray(resized)[None]
    # line by line a channel: from there to channel by channel is faster copied than from pixel by pixel
    return np.frombuffer(resized.tobytes("raw", "RGB;L"), np.uint8).reshape(side, 3, side).transpose(1, 0, 2)


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


def _eight_bit(image: Image.Image, channels: int, notes: list[str]) -> Image.Image:
    """Return an image of mode L (`channels` 1) or RGB (3)."""
    mode, wanted = image.mode, "L" if channels == 1 else "RGB"
    if mode in ("I", "F"):
        raise UnreadableError("pixels of 32 bits have no known range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        notes.append("transparency over white")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if mode != wanted:
        notes.append(f"{mode} to {wanted}")
    return image if image.mode == wanted else image.convert(wanted)


#: threads that read now, and Pillow's limit before the first of them
_lifting = threading.Lock()
_lifted: list[int | None] = []


@contextmanager
def _no_limit() -> Iterator[None]:
    """Lift Pillow's own limit of pixels, which all threads share; `decode` checks the user's."""
    with _lifting:
        _lifted.append(_lifted[0] if _lifted else Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _lifting:
            before = _lifted.pop()
            if not _lifted:
                Image.MAX_IMAGE_PIXELS = before


def _reason(error: BaseException) -> str:
    """Return the error in one line that is the same on every machine: no paths, no addresses."""
    text = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
    return text or type(error).__name__
