"""NumPy archives. Pickled (object) arrays are refused."""

import os
import zlib
from collections import Counter
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source, fit
from nas_steps.errors import UserError, exact
from nas_steps.provenance.regular import FOLDER, irregular

#: names of a split's two arrays; the first is the one that messages recommend
KEYS = {
    "train": [("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels"), ("x", "y")],
    "valid": [
        ("valid_images", "valid_labels"),
        ("val_images", "val_labels"),
        ("x_valid", "y_valid"),
        ("x_val", "y_val"),
    ],
    "test": [("test_images", "test_labels"), ("x_test", "y_test")],
}
CLASSES = "classes"
_HELP = (
    "save it with numpy.savez(file, images=..., labels=...), or with train_images, train_labels and, as far as "
    "you have them, valid_images, valid_labels, test_images, test_labels (x_train, y_train, x_test, y_test will do)"
)


def read_npz(data: Data) -> Source:
    """Read the archive at `data.path`: images and integer labels under one of the pairs of KEYS.

    Images are uint8, or floating point from 0 to 1 (scaled by 255), of shape (N, H, W), (N, H, W, C) or (N, C, H, W)
    with C 1 or 3. Label values, sorted, become classes, which `classes` may name. Raises UserError that names the key.
    """
    path = Path(os.path.expanduser(data.path or ""))
    arrays = _load(path)
    pairs = {split: pair for split in KEYS if (pair := _pair(path, arrays, split)) is not None}
    if "train" not in pairs:
        raise UserError(f"{path} has no training images (its keys: {', '.join(arrays) or 'none'}); {_HELP}")
    if pairs["train"] in (("images", "labels"), ("x", "y")) and len(pairs) > 1:
        extra = ", ".join(key for split in ("valid", "test") for key in pairs.get(split, ()))
        own = " and ".join(pairs["train"])
        raise UserError(f"{path} has {own} beside {extra}: if they train, rename them to train_images and train_labels")
    converted: Counter[str] = Counter()
    images = {split: _images(path, key, arrays[key], converted) for split, (key, _) in pairs.items()}
    if len(shapes := {array.shape[1:] for array in images.values()}) > 1:
        raise UserError(f"{path}: the splits hold images of different shapes {sorted(shapes)}; make them alike")
    labels = {
        split: _labels(path, pair, arrays[pair[1]], len(images[split]), converted) for split, pair in pairs.items()
    }
    values = np.unique(np.concatenate(list(labels.values())))
    classes = _classes(path, arrays.get(CLASSES), values)
    used = {key for pair in pairs.values() for key in pair} | {CLASSES}
    splits = {
        split: Labelled(fit(images[split], data, converted), np.searchsorted(values, labels[split])) for split in pairs
    }
    return Source(classes, splits, converted, ignored=len(set(arrays) - used))


def _load(path: Path) -> dict[str, np.ndarray]:
    if (reason := irregular(path)) is not None:
        what = f"{reason} (set data.source: folder to read it)" if reason == FOLDER else reason
        raise UserError(f"data.path: {path} {what}; source npz reads one .npz file")
    if not is_zipfile(path):
        raise UserError(f"data.path: {path} is not an .npz archive; {_HELP}")
    arrays = {}
    key = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                arrays[key] = archive[key]
    except (OSError, EOFError, ValueError, BadZipFile, zlib.error, MemoryError, RuntimeError) as error:
        if "pickle" in str(error):
            raise UserError(
                f"{path}, key {key!r}, is an object array; these are never loaded: a pickle can run any program. "
                "Save plain arrays: images as uint8, labels as int64, names as numpy.array(names, dtype=str)"
            ) from None
        where = f", key {key!r}," if key else ""
        raise UserError(f"{path}{where} cannot be read ({error}); {_HELP}") from error
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):  # a member that is no .npy comes back as bytes
            raise UserError(f"{path}, key {key!r}, is not an array; {_HELP}")
    return arrays


def _pair(path: Path, arrays: dict[str, np.ndarray], split: str) -> tuple[str, str] | None:
    present = [pair for pair in KEYS[split] if pair[0] in arrays or pair[1] in arrays]
    if not present:
        return None
    if len(present) > 1:
        both = " and both ".join(" and ".join(pair) for pair in present[:2])
        raise UserError(f"{path} has both {both}: two sets of {split} images; leave one of them out")
    for key, other in (present[0], present[0][::-1]):
        if key not in arrays:
            raise UserError(f"{path} has {other!r} but no {key!r}; {_HELP}")
    return present[0]


def _images(path: Path, key: str, array: np.ndarray, converted: Counter[str]) -> np.ndarray:
    """Return them as uint8 (N, H, W, C)."""
    where = f"{path}, key {key!r}:"
    if array.ndim == 3:
        array = array[..., None]
    shape = array.shape
    last, first = (array.ndim == 4 and shape[axis] in (1, 3) for axis in (3, 1))
    if last == first or min(shape) == 0:  # neither is a channel axis, or either could be
        raise UserError(
            f"{where} images of shape {shape}; allowed are (N, H, W), (N, H, W, C) and (N, C, H, W), C 1 or 3, none 0"
        )
    if first:
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(
            f"{where} images of type {array.dtype}; allowed are uint8 (0 to 255) and floating point from 0 to 1"
        )
    if not np.isfinite(array).all():
        raise UserError(f"{where} images hold NaN or infinite values; replace them by numbers from 0 to 1")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        problem = f"{where} floating-point images from {exact(low)} to {exact(high)}; allowed is 0 to 1"
        raise UserError(f"{problem}: divide by 255, undo any normalisation, or save them as uint8")
    converted["floating point scaled by 255"] += len(array)
    return np.rint(array * 255).astype(np.uint8)


def _labels(path: Path, pair: tuple[str, str], array: np.ndarray, images: int, converted: Counter[str]) -> np.ndarray:
    """Return them as int64 (N,), values as they are."""
    where = f"{path}, key {pair[1]!r}:"
    if array.ndim == 2 and array.shape[1] == 1:
        converted["labels of one column flattened"] += len(array)
        array = array[:, 0]
    if array.ndim != 1:
        raise UserError(
            f"{where} labels of shape {array.shape}; allowed is (N,), to which array.argmax(axis=1) brings one-hot"
        )
    if not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"{where} labels of type {array.dtype}; allowed are integers: array.astype('int64')")
    if len(array) != images:
        raise UserError(f"{where} {len(array)} labels for {images} images of {pair[0]!r}; make them as many")
    if array.min() < 0:
        raise UserError(f"{where} negative label {array.min()}; allowed are 0 and above: leave unlabelled images out")
    if array.max() > np.iinfo(np.int64).max:
        raise UserError(f"{where} label {array.max()} is too large; number the classes from 0")
    return array.astype(np.int64)


def _classes(path: Path, names: np.ndarray | None, values: np.ndarray) -> list[str]:
    """Return a name for each of the distinct label `values`."""
    if names is None:
        return [str(value) for value in values]
    where = f"{path}, key {CLASSES!r}:"
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise UserError(f"{where} {names.dtype} of shape {names.shape}; allowed is one text a class")
    try:
        texts = [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names.tolist()]
    except UnicodeDecodeError as error:
        raise UserError(f"{where} bytes that are not UTF-8 ({error}); save it with dtype=str") from None
    if len(set(texts)) < len(texts):
        raise UserError(f"{where} a name stands twice in {texts}; give each class its own")
    if len(texts) == len(values):
        return texts
    if values[-1] < len(texts):  # some named classes have no image
        return [texts[value] for value in values]
    given = f"{len(texts)} names for {len(values)} classes with labels {values[0]} to {values[-1]}"
    raise UserError(f"{where} {given}; give one name a class, in the order of the labels")
