"""The prepared images for later steps. No torch, no pickles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas_steps.data.rows import IN_MEMORY, Joined, rows_of, take
from nas_steps.data.splitting import subsample
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json

META = "meta.json"
SPLITS = ("train", "valid", "test")
#: what mends files of another version, or damaged ones
MEND = "delete that folder and run snakemake again"


@dataclass(frozen=True)
class Meta:
    """The part of meta.json that later steps need.

    `counts` is split -> class -> images; `shape` is (C, S, S); `mean` and `std` are per channel of train, scaled to 0
    to 1; `content` is a sha256 of all arrays; `checksums` is file -> sha256; `bits` is how many of 16 photos use.
    `crop` and `fit` are how pictures became square (see `photos.square`).
    """

    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    content: str
    checksums: dict[str, str]
    bits: int = 16
    crop: float = 1.0
    fit: str = "crop"

    @property
    def side(self) -> int:
        return self.shape[1]

    def size(self, name: str) -> int:
        """Return the number of images in the split `name`."""
        return sum(self.counts[name].values())


@dataclass(frozen=True)
class Split:
    """Images uint8 (N, C, S, S), memory-mapped and read-only, or rows of files; labels int64 (N,), often sorted."""

    images: Any  # an array, or Rows
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def split_file(folder: str | Path, name: str, kind: str = "images") -> Path:
    """Return the file of a split's `images` or `labels`."""
    if name not in SPLITS:
        raise ValueError(f"unknown split {name!r}; known are {', '.join(SPLITS)}")
    return Path(folder) / f"{name}_{kind}.npy"


def read_meta(folder: str | Path) -> Meta:
    """Read meta.json. Raises UserError if it is missing or invalid."""
    path = Path(folder) / META
    if not path.is_file():
        raise UserError(f"{path} is missing: the images were not prepared; run snakemake")
    found: Any = read_json(path)
    try:
        channels, height, width = found["shape"]
        files = [split_file(folder, name, kind).name for name in SPLITS for kind in ("images", "labels")]
        return Meta(
            classes=tuple(found["classes"]),
            counts={name: dict(found["counts"][name]) for name in SPLITS},
            shape=(int(channels), int(height), int(width)),
            mean=tuple(map(float, found["mean"])),
            std=tuple(map(float, found["std"])),
            content=str(found["content"]),
            checksums={file: str(found["checksums"][file]) for file in files},
            bits=int(found.get("bits", 16)),
            crop=float(found.get("crop", 1.0)),
            fit=str(found.get("fit", "crop")),
        )
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not as this version writes it ({problem}); {MEND}") from error


def load_split(folder: str | Path, name: str) -> Split:
    """Open a split. Raises UserError if a file is missing or does not agree with meta.json."""
    meta = read_meta(folder)
    images = open_array(split_file(folder, name, "images"), np.uint8)
    labels = np.array(open_array(split_file(folder, name, "labels"), np.int64))
    wanted = (meta.size(name), *meta.shape)
    if images.shape != wanted:
        raise disagrees(split_file(folder, name, "images"), f"shape {images.shape}", f"{wanted}")
    counts = [meta.counts[name].get(label, 0) for label in meta.classes]
    inside = labels.ndim == 1 and (not len(labels) or (labels.min() >= 0 and labels.max() < len(counts)))
    if not inside or np.bincount(labels, minlength=len(counts)).tolist() != counts:
        raise disagrees(split_file(folder, name, "labels"), "other labels", f"{meta.counts[name]}")
    return Split(images, labels)


def merge(*splits: Split) -> Split:
    """Concatenate splits; images of more than IN_MEMORY bytes stay in their files."""
    labels, parts = np.concatenate([split.labels for split in splits]), [split.images for split in splits]
    if sum(part.nbytes for part in parts) > IN_MEMORY:
        return Split(Joined(parts), labels)
    return Split(np.concatenate([np.asarray(part) for part in parts]), labels)


def part_of(split: Split, share: float, classes: Sequence[str], seed: int) -> Split:
    """Return `share` of a split's images, classes in proportion, at least one of each."""
    limit = max(len(classes), round(share * len(split.labels)))
    chosen = subsample(split.labels, classes, limit, seed, "max_train")
    large = split.images.nbytes / max(1, len(split)) * len(chosen) > IN_MEMORY
    return Split(take(rows_of(split.images) if large else split.images, chosen), split.labels[chosen])


def open_array(path: Path, kind: Any) -> np.ndarray:
    """Map a .npy file of this type. Raises UserError if it is missing, cannot be read or has another type."""
    if not path.is_file():
        raise UserError(f"{path} is missing; {MEND}")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}); {MEND}") from error
    if not isinstance(array, np.ndarray) or array.dtype != kind:
        raise disagrees(path, f"type {getattr(array, 'dtype', 'unknown')}", np.dtype(kind).name)
    return array


def disagrees(path: Path, found: str, wanted: str) -> UserError:
    """Return the error for a file that is not what meta.json says."""
    return UserError(f"{path} does not agree with {META}: it has {found}, not {wanted}; {MEND}")
