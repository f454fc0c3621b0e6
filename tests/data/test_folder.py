from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_steps.config.data import Data
from nas_steps.data.folder import NAMED_AT_ONCE, read_folder
from nas_steps.errors import UserError

Make = Callable[..., Path]


def data(path: Path, **keys: object) -> Data:
    return Data(source="folder", path=str(path), **{"resolution": 8, **keys})  # type: ignore[arg-type]


def zipped(root: Path) -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent))
    return path


def test_photos_are_read_in_the_order_of_their_names(photos: Make) -> None:
    root = photos({"dog": 2, "chat noir": 3, "кот": 1})
    source = read_folder(data(root))
    assert source.classes == ["chat noir", "dog", "кот"]
    train = source.splits["train"]
    assert train.names == [
        "chat noir/0.png",
        "chat noir/1.png",
        "chat noir/2.png",
        "dog/0.png",
        "dog/1.png",
        "кот/0.png",
    ]
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 2]
    assert train.images.shape == (6, 3, 8, 8)
    assert train.images.dtype == np.uint8
    whole = Image.open(root / "dog" / "1.png").resize((8, 8), Image.Resampling.BICUBIC, box=(1, 0, 11, 10))
    assert np.array_equal(train.images[4], np.asarray(whole).transpose(2, 0, 1))


def test_the_order_is_that_of_the_names_even_where_classes_sort_otherwise(photos: Make) -> None:
    source = read_folder(data(photos({"chat": 1, "chat noir": 1})))
    assert source.classes == ["chat", "chat noir"]
    assert source.splits["train"].names == ["chat noir/0.png", "chat/0.png"]
    assert source.splits["train"].labels.tolist() == [1, 0]


def test_a_zip_of_the_folder_gives_the_same(photos: Make) -> None:
    root = photos({"dog": 2, "chat noir": 2, "кот": 2})
    Image.new("RGB", (9, 9), "red").save(root / "dog" / "red.tiff", compression="tiff_lzw")
    from_folder, from_zip = read_folder(data(root)), read_folder(data(zipped(root)))
    assert from_zip.classes == from_folder.classes
    assert np.array_equal(np.asarray(from_zip.splits["train"].images), np.asarray(from_folder.splits["train"].images))
    assert from_zip.splits["train"].names == [f"photos/{name}" for name in from_folder.splits["train"].names or []]


def test_split_folders(photos: Make) -> None:
    root = photos({"train/cat": 3, "train/dog": 2, "test/cat": 1, "test/dog": 2})
    source = read_folder(data(root))
    assert {name: part.labels.tolist() for name, part in source.splits.items()} == {
        "train": [0, 0, 0, 1, 1],
        "test": [0, 1, 1],
    }


def test_grey_is_stored_where_asked_and_the_default_side_is_128(photos: Make) -> None:
    source = read_folder(data(photos({"cat": 1, "dog": 1}), channels=1, resolution=None))
    assert source.splits["train"].images.shape == (2, 1, 128, 128)
    assert source.converted == {"RGB to L": 2, "enlarged": 2}


def test_files_that_are_no_images_are_ignored_and_counted(photos: Make) -> None:
    root = photos({"cat": 2, "dog": 2})
    (root / "read me.txt").write_text("top")
    (root / "cat" / "notes.txt").write_text("below")
    (root / "cat" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    (root / "cat" / ".DS_Store").write_bytes(b"hidden, so not counted")
    (root / "docs").mkdir()
    (root / "docs" / "page.html").write_text("<html>")
    shutil.copy(root / "cat" / "0.png", root / "dog" / "no extension")
    source = read_folder(data(root))
    assert source.classes == ["cat", "dog"]
    assert source.ignored == 4
    assert len(source.splits["train"]) == 5


def test_unreadable_files_are_named_together(photos: Make) -> None:
    root = photos({"cat": 3, "dog": 3})
    (root / "cat" / "0.png").write_bytes(b"not an image")
    half = (root / "dog" / "1.png").read_bytes()
    (root / "dog" / "1.png").write_bytes(half[: len(half) // 2])
    (root / "dog" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    with pytest.raises(UserError, match=r"3 files in .* cannot be read") as caught:
        read_folder(data(root))
    message = str(caught.value)
    assert "cat/0.png: its content is of no known format" in message
    assert "dog/1.png: " in message
    assert "dog/gone.jpg: No such file or directory" in message
    assert "data.unreadable: skip" in message


def test_unreadable_files_can_be_skipped(photos: Make) -> None:
    root = photos({"cat": 3, "dog": 3})
    (root / "cat" / "0.png").write_bytes(b"")
    Image.new("L", (40, 40)).save(root / "dog" / "large.png")
    source = read_folder(data(root, unreadable="skip", max_image_pixels=1000))
    assert [entry["file"] for entry in source.skipped] == ["cat/0.png", "dog/large.png"]
    assert "40 x 40 pixels are more than data.max_image_pixels allows (1000)" in source.skipped[1]["reason"]
    assert source.splits["train"].names == ["cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"]
    assert source.splits["train"].labels.tolist() == [0, 0, 1, 1, 1]


def test_reading_stops_after_some_unreadable_files(photos: Make) -> None:
    root = photos({"cat": 1, "dog": 1})
    for index in range(NAMED_AT_ONCE + 5):
        (root / "cat" / f"bad{index:02}.jpg").write_bytes(b"bad")
    with pytest.raises(UserError, match="there may be more") as caught:
        read_folder(data(root))
    assert str(caught.value).count("bad") == NAMED_AT_ONCE


def test_members_of_a_zip_that_are_damaged_or_encrypted(photos: Make, photo: Make) -> None:
    root = photos({"cat": 2, "dog": 2})
    photo(root / "cat" / "0.png", (100, 100))  # larger than one read
    path = zipped(root)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 100] ^= 255  # only the checksum of the .zip tells
    central = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4) + 4)
    content[central + 8] |= 1  # marked as encrypted
    path.write_bytes(content)
    source = read_folder(data(path, unreadable="skip"))
    assert len(source.skipped) == 2
    assert "CRC" in source.skipped[0]["reason"]
    assert "encrypted" in source.skipped[1]["reason"]
    assert len(source.splits["train"]) == 2


def test_folders_that_hold_no_classes(tmp_path: Path, photos: Make) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="is empty; give each class a subfolder of its images"):
        read_folder(data(empty))
    (empty / "sub").mkdir()
    (empty / "sub" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"no class folder with images \(1 other files\)"):
        read_folder(data(empty))
    layouts: list[dict[str, int]] = [{"": 2}, {"cat": 1, "dog": 1, "": 1}, {"train/cat": 1, "train/dog": 1, "train": 1}]
    for index, layout in enumerate(layouts):
        with pytest.raises(UserError, match=r"holds the image .*0\.png outside of any class folder"):
            read_folder(data(photos(layout, name=f"loose{index}")))


def test_class_folders_have_to_agree(photos: Make) -> None:
    root = photos({"train/cat": 1, "train/dog": 1, "test/cat": 1, "test/cow": 1})
    with pytest.raises(UserError, match="test/ lacks dog and train/ lacks cow, found in test/"):
        read_folder(data(root))


def test_a_class_folder_without_images_is_no_class(photos: Make) -> None:
    root = photos({"train/cat": 1, "train/dog": 1, "test/cat": 1})
    (root / "test" / "dog").mkdir()
    (root / "test" / "dog" / "notes.txt").write_text("to do")
    with pytest.raises(UserError, match="test/ lacks dog"):
        read_folder(data(root))


def test_no_path() -> None:
    with pytest.raises(UserError, match=r"data\.path names none"):
        read_folder(Data(source="folder"))


def write_deep(folder: Path, values: list[np.ndarray], kind: str = "png") -> None:
    """Grey pictures of 16 bits a value, one a class."""
    for index, pixels in enumerate(values):
        (folder / f"c{index}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint16)).save(folder / f"c{index}" / f"{index}.{kind}")


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("archive", [False, True])
def test_pictures_of_12_bits_of_16_are_all_scaled_alike(tmp_path: Path, kind: str, archive: bool) -> None:
    random = np.random.default_rng(0)
    bright, dark = random.integers(0, 4096, (8, 8)), random.integers(0, 900, (8, 8))
    bright[0, 0] = 4095
    root = tmp_path / "deep"
    write_deep(root, [bright, dark], kind)
    Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(root / "c1" / "plain.png")
    source = read_folder(data(zipped(root) if archive else root, channels=1))
    images = source.splits["train"].images[:][:, 0]
    assert source.bits == 12
    # a dark one stays dark: its contrast is not its own
    for image, values in zip(images[:2], (bright, dark), strict=True):
        assert np.array_equal(image, np.rint(values * (255 / 4095)))
    assert len(np.unique(images[1])) > 30
    assert source.converted == {"16-bit grey that uses 12 bits to 8 bits": 2}


def test_dark_pictures_among_those_of_16_bits_are_told(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    bright, dark = random.integers(0, 65536, (8, 8)), random.integers(0, 900, (8, 8))
    bright[0, 0] = 65535
    write_deep(tmp_path / "deep", [bright, dark])
    source = read_folder(data(tmp_path / "deep", channels=1))
    assert source.bits == 16
    assert np.array_equal(source.splits["train"].images[0][0], np.rint(bright / 257))
    assert source.converted == {
        "16-bit grey to 8 bits": 1,
        "16-bit grey to 8 bits, dark: 10 bits would hold it": 1,
    }
