"""How many images an experiment trains on, before they are prepared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile, is_zipfile

from nas_steps.config.data import Data
from nas_steps.config.text import TextData
from nas_steps.data.layout import arrange, named_as_image, opened
from nas_steps.errors import UserError
from nas_steps.facts import FOLDER_RESOLUTION, NATIVE_CLASSES, NATIVE_SHAPE
from nas_steps.provenance.files import read_json

if TYPE_CHECKING:
    from nas_steps.workflow.plan import Plan

#: images of each split that a source comes with
NATIVE_COUNTS: dict[str, dict[str, int]] = {
    "digits": {"train": 1797},
    "cifar10": {"train": 50_000, "test": 10_000},
    "cifar100": {"train": 50_000, "test": 10_000},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "svhn": {"train": 73_257, "test": 26_032},
}
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Images:
    """The images of each split, their channels and side in pixels, the classes, and the pictures that are read."""

    train: int
    valid: int
    test: int
    channels: int
    side: int
    classes: int
    read: int = 0


def images_of(plan: Plan) -> Images | None:
    """Return the images of a plan: as they are prepared, else as the source and the config say.

    None if neither says it, such as of an archive that is still to be read.
    """
    meta = Path(plan.placed(plan.data_folder), "meta.json")
    if meta.is_file():
        try:
            return _prepared(read_json(meta))
        except (KeyError, TypeError, ValueError, UserError):
            return None  # of another version, or damaged: the run itself says so
    data = plan.config.data
    if isinstance(data, TextData):
        return None
    if data.source in NATIVE_COUNTS:
        side, channels = NATIVE_SHAPE[data.source]
        return counted(data, NATIVE_COUNTS[data.source], NATIVE_CLASSES[data.source], channels, side)
    if data.path is None:
        return None
    path = Path(data.path).expanduser()
    try:
        return _of_folder(data, path, Path(plan.root)) if data.source == "folder" else _of_archive(data, path)
    except (UserError, OSError, ValueError):
        return None  # the job that reads them says what is wrong


def counted(data: Data, counts: Mapping[str, int], classes: int, channels: int, side: int) -> Images:
    """Deal images out as `data.valid` and `data.test` say, and thin them by `data.max_*`."""
    found = dict(counts)
    pool = found["train"]
    for split in ("valid", "test"):
        if split not in found:
            found[split] = round(pool * getattr(data, split))
            found["train"] -= found[split]
    for split in SPLITS:
        found[split] = min(found[split], getattr(data, f"max_{split}") or found[split])
    return Images(
        **found,
        channels=channels if data.channels == "auto" else data.channels,
        side=data.resolution or side,
        classes=classes,
        read=sum(counts.values()),
    )


def _prepared(meta: Mapping[str, Any]) -> Images:
    counts = {split: sum(meta["counts"][split].values()) for split in SPLITS}
    channels, side, _ = meta["shape"]
    return Images(**counts, channels=channels, side=side, classes=len(meta["classes"]), read=sum(counts.values()))


def _of_folder(data: Data, path: Path, leave_out: Path) -> Images:
    with opened(path, leave_out) as tree:
        layout = arrange(filter(named_as_image, tree.names), tree.label)
    counts = {split: sum(map(len, classes.values())) for split, classes in layout.splits.items()}
    return counted(data, counts, len(layout.classes), 3, FOLDER_RESOLUTION)


def _of_archive(data: Data, path: Path) -> Images | None:
    """Read the shapes of the arrays in an .npz, not the arrays."""
    from nas_steps.data.npz import KEYS  # NumPy, for archives alone

    if not is_zipfile(path):
        return None
    shapes = {}
    with ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as stream:
                shapes[name.removesuffix(".npy")] = _shape(stream)
    counts, classes, channels, side = {}, 2, 1, 0
    for split, pairs in KEYS.items():
        for images, labels in pairs:
            if images in shapes and labels in shapes:
                shape = shapes[images]
                counts[split], side = shape[0], sorted(shape[1:])[-1]
                channels = min(shape[1:]) if len(shape) == 4 else 1
                break
    if "classes" in shapes:
        classes = math.prod(shapes["classes"])
    return counted(data, counts, classes, channels, side) if "train" in counts else None


def _shape(stream: Any) -> tuple[int, ...]:
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return header(stream)[0]
