from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas_steps.data.photos as module
from nas_steps.data.layout import named_as_image
from nas_steps.data.photos import (
    FORMATS,
    NotAnImageError,
    UnreadableError,
    decode,
    is_image,
    square,
)

LIMIT = 10**6


def stored(image: Image.Image, kind: str = "PNG", **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def read(*arguments: Any) -> tuple[np.ndarray, list[str]]:
    """The pixels, and what had to be converted."""
    photo = decode(*arguments)
    return photo.pixels, photo.notes


def noise(height: int, width: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), np.uint8)


@pytest.mark.parametrize("kind", [kind for kind in ("PNG", "BMP", "TIFF", "PPM") if kind in FORMATS])
def test_an_rgb_image_of_the_right_size_is_stored_as_it_is(kind: str) -> None:
    pixels = noise(8, 8, 3)
    found, notes = read(stored(Image.fromarray(pixels), kind), 8, 3, LIMIT)
    assert found.dtype == np.uint8
    assert np.array_equal(found, pixels.transpose(2, 0, 1))
    assert notes == []


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_are_read(kind: str) -> None:
    found, _ = read(stored(Image.new("RGB", (20, 10), (200, 100, 50)), kind), 8, 3, LIMIT)
    assert found.shape == (3, 8, 8)
    assert np.abs(found.astype(int) - np.array([200, 100, 50])[:, None, None]).max() <= 4


def test_grey_and_rgb_are_turned_into_each_other() -> None:
    grey = noise(8, 8)
    found, notes = read(stored(Image.fromarray(grey)), 8, 3, LIMIT)
    assert all(np.array_equal(channel, grey) for channel in found)
    assert notes == ["L to RGB"]
    green = Image.new("RGB", (8, 8), (0, 255, 0))
    found, notes = read(stored(green), 8, 1, LIMIT)
    assert found.shape == (1, 8, 8)
    assert np.all(found == 150)  # 0.587 * 255, the luma of ITU-R 601
    assert notes == ["RGB to L"]


def test_transparency_is_laid_over_white() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255  # black above, nothing below
    found, notes = read(stored(Image.fromarray(pixels)), 8, 3, LIMIT)
    assert np.all(found[:, :4] == 0)
    assert np.all(found[:, 4:] == 255)
    assert notes == ["transparency over white", "RGBA to RGB"]


def test_a_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    image.paste(0, (0, 0, 8, 4))
    found, _ = read(stored(image), 8, 3, LIMIT)
    assert found[:, 0, 0].tolist() == [255, 0, 0]
    assert found[:, 7, 0].tolist() == [0, 0, 255]
    found, notes = read(stored(image, transparency=0), 8, 3, LIMIT)
    assert found[:, 0, 0].tolist() == [255, 255, 255]
    assert found[:, 7, 0].tolist() == [0, 0, 255]
    assert notes == ["transparency over white", "P to RGB"]


def test_cmyk() -> None:
    found, notes = read(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), 8, 3, LIMIT)
    assert found[:, 0, 0].tolist() == [255, 0, 0]
    assert notes == ["CMYK to RGB"]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled_not_clipped(kind: str) -> None:
    deep = np.repeat(np.linspace(0, 65535, 8).astype(np.uint16)[None], 8, axis=0)
    found, notes = read(stored(Image.fromarray(deep), kind), 8, 1, LIMIT)
    assert np.array_equal(found[0, 0], np.rint(deep[0] / 257))
    assert notes[0] == "16-bit grey to 8 bits"


def deep_png(values: np.ndarray) -> io.BytesIO:
    """A PNG of 16 bits a value, (H, W, 1 to 4), which Pillow writes for grey alone."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, bands = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def deep_tiff(values: np.ndarray, order: str = "<", *, bits: int = 16, packed: bool = False) -> io.BytesIO:
    """A TIFF of 16 bits a value, or of 12 where `bits` says so."""
    height, width, bands = values.shape
    if bits == 12:
        flat = values.reshape(-1, 2).astype(int)
        first, second = flat[:, 0], flat[:, 1]
        parts = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
        pixels = np.stack(parts, 1).astype(np.uint8).tobytes()
    else:
        pixels = values.astype(f"{order}u2").tobytes()
    pixels = zlib.compress(pixels) if packed else pixels
    after = 8 + len(pixels)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, bands, bits if bands == 1 else after)]
    tags += [(259, 3, 1, 8 if packed else 1), (262, 3, 1, 1 if bands == 1 else 2), (273, 4, 1, 8)]
    tags += [(277, 3, 1, bands), (278, 3, 1, height), (279, 4, 1, len(pixels))]
    found = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, after + 2 * bands) + pixels
    found += struct.pack(f"{order}{bands}H", *[bits] * bands) + struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        body = struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
        found += struct.pack(f"{order}HHI", tag, kind, count) + body
    return io.BytesIO(found + struct.pack(f"{order}I", 0))


def shallow(*shape: int, bits: int = 12) -> np.ndarray:
    """Values of `bits` bits, the largest among them."""
    values = np.random.default_rng(bits).integers(0, 1 << bits, shape)
    values.flat[0] = (1 << bits) - 1
    return values


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_file_of_16_bits_tells_how_many_it_needs_and_is_scaled_by_what_all_use(kind: str) -> None:
    values = shallow(16, 16)
    stream = stored(Image.fromarray(values.astype(np.uint16)), kind)
    plain = decode(stream, 16, 1, LIMIT)
    assert len(np.unique(plain.pixels)) <= 17
    assert plain.notes == ["16-bit grey to 8 bits, dark: 12 bits would hold it"]
    assert plain.needs == 12
    found = decode(stream, 16, 1, LIMIT, 12)
    assert np.array_equal(found.pixels[0], np.rint(values * (255 / 4095)))
    assert found.notes == ["16-bit grey that uses 12 bits to 8 bits"]


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize(
    "write",
    [
        deep_png,
        deep_tiff,
        lambda values: deep_tiff(values, ">"),
        lambda values: deep_tiff(values, packed=True),
        lambda values: deep_tiff(values, ">", packed=True),
    ],
)
def test_colours_of_16_bits_are_scaled_by_all_their_bits(write: Callable[[np.ndarray], io.BytesIO], bits: int) -> None:
    values = shallow(9, 9, 3, bits=bits)
    stream = write(values)
    plain = decode(stream, 9, 3, LIMIT)
    assert np.array_equal(plain.pixels.transpose(1, 2, 0), values >> 8)
    assert plain.needs == bits
    found = decode(stream, 9, 3, LIMIT, bits)
    assert np.array_equal(found.pixels.transpose(1, 2, 0), np.rint(values * (255 / ((1 << bits) - 1))))
    assert found.notes == [f"16-bit colour that uses {bits} bits to 8 bits"]
    bright = values.copy()
    bright[0, 0] = 65535
    assert decode(write(bright), 9, 3, LIMIT).notes == ["16-bit colour to 8 bits"]
    with pytest.raises(UnreadableError, match=f"values of 16 bits, but .* have {bits}"):
        decode(write(bright), 9, 3, LIMIT, bits)


@pytest.mark.parametrize(("bands", "opaque"), [(2, 65535), (2, 4095), (4, 65535), (4, 4095)])
def test_transparency_of_16_bits_is_scaled_by_its_own(bands: int, opaque: int) -> None:
    values = shallow(8, 8, bands)
    values[..., -1] = opaque
    found, notes = read(deep_png(values), 8, 3, LIMIT, 12)
    wanted = np.rint(values[..., :-1] * (255 / 4095)).astype(int)
    assert np.array_equal(found.transpose(1, 2, 0), np.broadcast_to(wanted, (8, 8, 3)))
    assert notes[:2] == ["16-bit colour that uses 12 bits to 8 bits", "transparency over white"]


@pytest.mark.parametrize("bits", [12, 16])
def test_a_file_that_says_how_many_bits_it_has_is_taken_at_its_word(bits: int) -> None:
    values = shallow(8, 8, 1)
    found = decode(deep_tiff(values, bits=12), 8, 1, LIMIT, bits)
    assert np.array_equal(found.pixels[0], np.rint(values[..., 0] * (255 / 4095)))
    assert (found.needs, found.notes) == (0, ["16-bit grey that uses 12 bits to 8 bits"])
    grey = io.BytesIO(b"P5 8 8 4095\n" + values.astype(">u2").tobytes())
    found = decode(grey, 8, 1, LIMIT, bits)
    assert np.abs(found.pixels[0] - values[..., 0] * (255 / 4095)).max() <= 0.51
    assert (found.needs, found.notes) == (0, ["16-bit grey to 8 bits"])
    dark = io.BytesIO(b"P5 8 8 65535\n" + values.astype(">u2").tobytes())
    assert decode(dark, 8, 1, LIMIT, bits).pixels.max() == 16


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_of_32_bits_are_refused(kind: type) -> None:
    with pytest.raises(UnreadableError, match="32 bits"):
        read(stored(Image.fromarray(np.full((8, 8), 1000, kind)), "TIFF"), 8, 3, LIMIT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = noise(8, 8)
    # what a camera held so would have stored: the inverse of the turn that shows it upright
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    found, notes = read(stored(Image.fromarray(np.ascontiguousarray(turned)), exif=exif), 8, 1, LIMIT)
    assert np.array_equal(found[0], upright)
    assert notes == (["turned by EXIF orientation"] if orientation > 1 else [])


def test_broken_exif_data_does_not_cost_the_picture() -> None:
    stream = stored(Image.new("RGB", (8, 8)), exif=b"Exif\x00\x00nonsense")
    found, notes = read(stream, 8, 3, LIMIT)
    assert found.shape == (3, 8, 8)
    assert notes == ["EXIF data unreadable"]


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("L", (8, 8), level) for level in (30, 200)]
    found, notes = read(stored(frames[0], "GIF", save_all=True, append_images=frames[1:]), 8, 1, LIMIT)
    assert np.all(found == 30)
    assert notes[0] == "first frame of several"


def test_the_shorter_side_is_resized_and_the_centre_cropped() -> None:
    # left third black, middle grey, right third white: the middle square is all grey
    pixels = np.repeat(np.repeat(np.array([[0, 128, 255]], np.uint8), 40, axis=1), 40, axis=0)
    for image in (pixels, pixels.T):
        found, _ = read(stored(Image.fromarray(np.ascontiguousarray(image))), 10, 1, LIMIT)
        assert np.all(found[0, 2:-2, 2:-2] == 128)


def test_resizing_only_the_box_is_resizing_all_and_cropping() -> None:
    image = Image.fromarray(noise(60, 90, 3))
    whole = image.resize((30, 20), Image.Resampling.BICUBIC).crop((5, 0, 25, 20))
    assert np.array_equal(square(image, 20), np.asarray(whole).transpose(2, 0, 1))


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 96), (64, 64)])
def test_the_evaluation_crop_is_resizing_to_more_and_cropping_the_centre(width: int, height: int) -> None:
    pixels = noise(height, width, 3)
    image = Image.fromarray(pixels)
    # 28 / 0.875 = 32, half of the shorter side
    whole = image.resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    left, top = (width // 2 - 28) // 2, (height // 2 - 28) // 2
    wanted = np.asarray(whole.crop((left, top, left + 28, top + 28))).transpose(2, 0, 1)
    photo = decode(stored(image), 28, 3, LIMIT, crop=0.875)
    assert np.array_equal(photo.pixels, wanted)
    assert photo.notes == []
    assert decode(stored(image), 60, 3, LIMIT, crop=0.875).notes == ["enlarged"]  # of 56 that are kept


@pytest.mark.parametrize(("width", "height", "channels"), [(90, 60, 3), (40, 90, 1), (33, 33, 3), (1000, 1, 1)])
def test_a_letterbox_keeps_all_of_a_picture(width: int, height: int, channels: int) -> None:
    image = Image.fromarray(noise(height, width, *[3] * (channels == 3)))
    scale = 30 / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    wanted = Image.new(image.mode, (30, 30))
    wanted.paste(image.resize(size, Image.Resampling.BICUBIC), ((30 - size[0]) // 2, (30 - size[1]) // 2))
    found = decode(stored(image), 30, channels, LIMIT, fit="letterbox").pixels
    assert np.array_equal(
        found if channels == 1 else found.transpose(1, 2, 0),
        np.asarray(wanted).reshape((1, 30, 30) if channels == 1 else (30, 30, 3)),
    )


@pytest.mark.parametrize(("fit", "crop"), [("crop", 1.0), ("crop", 0.875), ("letterbox", 1.0)])
def test_a_large_jpeg_is_decoded_at_a_part_of_its_size_with_the_same_pixels(fit: str, crop: float) -> None:
    low = Image.fromarray(noise(12, 16, 3))
    image = low.resize((1600, 1200), Image.Resampling.BICUBIC)
    stream = stored(image, "JPEG", quality=92)
    plain = Image.open(stream).convert("RGB")
    stream.seek(0)
    photo = decode(stream, 64, 3, 10**7, crop=crop, fit=fit)
    assert photo.size == 1600 * 1200
    assert np.abs(photo.pixels.astype(int) - square(plain, 64, crop, fit)).max() <= 3
    # as long as less than eight times the pixels are there, all of them are decoded
    assert np.array_equal(read(stream, 160, 3, 10**7)[0], square(plain, 160))


def test_a_file_is_read_whole_or_in_parts_with_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stored(Image.fromarray(noise(64, 64, 3)), "JPEG")
    whole = decode(stream, 32, 3, LIMIT).pixels
    monkeypatch.setattr(module, "IN_MEMORY", 100)
    assert np.array_equal(decode(stream, 32, 3, LIMIT).pixels, whole)


def test_pillows_limit_is_as_before_when_threads_read_at_once() -> None:
    before = Image.MAX_IMAGE_PIXELS
    content = stored(Image.fromarray(noise(64, 64, 3)), "JPEG").getvalue()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: decode(io.BytesIO(content), 8, 3, LIMIT).pixels.tobytes(), range(200)))
    assert len(set(found)) == 1
    assert before == Image.MAX_IMAGE_PIXELS


def test_shrinking_is_antialiased_and_enlarging_is_told() -> None:
    board = ((np.add.outer(np.arange(64), np.arange(64)) % 2) * 255).astype(np.uint8)
    found, notes = read(stored(Image.fromarray(board)), 8, 1, LIMIT)
    assert np.abs(found[0, 1:-1, 1:-1].astype(int) - 127).max() <= 2  # nearest or plain bicubic would keep 0 or 255
    assert notes == []
    _, notes = read(stored(Image.fromarray(board)), 65, 1, LIMIT)
    assert notes == ["enlarged"]


def png_claiming(width: int, height: int) -> io.BytesIO:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(1001, 1000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_claims_too_many_pixels_is_not_decoded(size: tuple[int, int]) -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(UnreadableError, match=rf"{size[0]} x {size[1]} pixels.*max_image_pixels.*1000000"):
        read(png_claiming(*size), 8, 3, LIMIT)
    assert before == Image.MAX_IMAGE_PIXELS


def test_truncated_and_damaged_images_are_unreadable() -> None:
    whole = stored(Image.fromarray(noise(64, 64, 3)), "JPEG").getvalue()
    with pytest.raises(UnreadableError, match="truncated"):
        read(io.BytesIO(whole[: len(whole) // 2]), 8, 3, LIMIT)
    whole = stored(Image.fromarray(noise(64, 64, 3))).getvalue()
    damaged = bytearray(whole)
    damaged[200:260] = b"\xff" * 60
    for content in (whole[: len(whole) // 2], bytes(damaged)):
        with pytest.raises(UnreadableError) as caught:
            read(io.BytesIO(content), 8, 3, LIMIT)
        assert "0x" not in str(caught.value)  # the reason goes to meta.json, which has to be the same every time


@pytest.mark.parametrize("content", [b"", b"just notes\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_image_is_told_by_content(content: bytes) -> None:
    assert not is_image(io.BytesIO(content))
    with pytest.raises(NotAnImageError, match="no known format"):
        read(io.BytesIO(content), 8, 3, LIMIT)


def test_names_and_contents() -> None:
    assert is_image(stored(Image.new("L", (2, 2))))
    assert named_as_image("a/b.JPeG")
    assert not named_as_image("a.jpg/notes.txt")
