"""Folders and .zip files of photos, one subfolder a class, read into arrays one photo at a time."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source
from nas_steps.data.layout import WANTED, Layout, Tree, arrange, named_as_image, opened, printable
from nas_steps.data.photos import TooLargeError, UnreadableError, decode, is_image
from nas_steps.errors import UserError
from nas_steps.facts import FOLDER_RESOLUTION

#: unreadable files after which the reading stops; all of them are named at once
NAMED_AT_ONCE = 10
#: a dangling link, no right to read it, a member that is encrypted or damaged
_CANNOT_OPEN = (OSError, RuntimeError, BadZipFile)


def read_folder(data: Data, leave_out: Path | None = None) -> Source:
    """Decode every image below `data.path`, sorted by relative name; `leave_out` as in `opened`.

    Raises UserError for a wrong layout before decoding, and then for unreadable files, NAMED_AT_ONCE at most.
    """
    if data.path is None:
        raise UserError("data.source is folder, but data.path names none; set it to a folder or a .zip of one")
    path = Path(os.path.expanduser(data.path))
    with opened(path, leave_out) as tree:
        images = [name for name in tree.names if named_as_image(name) or _readable(tree, name)]
        layout = arrange(images, tree.label)
        for name in layout.loose:
            if _readable(tree, name):
                loose = f"the image {printable(name)} outside of any class folder"
                raise UserError(f"{tree.label} holds {loose}; {WANTED}: put it into the subfolder of its class")
        source = Source([], {}, ignored=len(tree.names) - len(images))
        source.classes = _agreed_classes(tree, layout)
        _decode(tree, layout, data, source)
    return source


def _decode(tree: Tree, layout: Layout, data: Data, source: Source) -> None:
    side = data.resolution or FOLDER_RESOLUTION
    channels = 1 if data.channels == 1 else 3
    deep: list[_Deep] = []
    total = sum(len(files) for classes in layout.splits.values() for files in classes.values())
    with tqdm(total=total, desc="reading images", unit="image", mininterval=2, file=sys.stderr) as progress:
        for split, classes in layout.splits.items():
            files = sorted((name, label) for label, key in enumerate(source.classes) for name in classes[key])
            images = _empty((len(files), channels, side, side))
            labels = np.empty(len(files), np.int64)
            names: list[str] = []
            for name, label in files:
                progress.update()
                try:
                    with tree.open(name) as stream:
                        photo = decode(stream, side, channels, data.max_image_pixels)
                except (UnreadableError, *_CANNOT_OPEN) as error:
                    _add_unreadable(tree, data, source, name, error)
                    continue
                source.largest = max(source.largest, photo.size)
                images[len(names)], labels[len(names)] = photo.pixels, label
                if photo.needs:
                    deep.append(_Deep(name, images[len(names)], photo.notes, photo.needs))
                else:
                    source.converted.update(photo.notes)
                names.append(printable(name))
            source.splits[split] = Labelled(images[: len(names)], labels[: len(names)], names)
    if source.skipped and data.unreadable == "refuse":
        raise _unreadable(tree, source)
    _scale(tree, deep, data, source)


@dataclass
class _Deep:
    """An image of 16 bits a value: its file, its place among all pixels, its conversions, and the bits it needs."""

    name: str
    place: np.ndarray
    notes: list[str]
    needs: int


def _scale(tree: Tree, deep: list[_Deep], data: Data, source: Source) -> None:
    """Read images of 16 bits again if none of them uses all 16, so that all are scaled alike."""
    source.bits = max((one.needs for one in deep), default=16)
    channels, side, _ = deep[0].place.shape if deep else (0, 0, 0)
    for one in deep:
        notes = one.notes
        if source.bits < 16:
            try:
                with tree.open(one.name) as stream:
                    one.place[:], notes, *_ = decode(stream, side, channels, data.max_image_pixels, source.bits)
            except (UnreadableError, *_CANNOT_OPEN) as error:
                name = f"{printable(one.name)} in {tree.label}"
                raise UserError(f"{name} changed while it was read ({error}); run again") from error
        source.converted.update(notes)


def _add_unreadable(tree: Tree, data: Data, source: Source, name: str, error: Exception) -> None:
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    too_large = error.width * error.height if isinstance(error, TooLargeError) else 0
    source.skipped.append({"file": printable(name), "reason": printable(reason), "too_large_pixels": too_large})
    if data.unreadable == "refuse" and len(source.skipped) >= NAMED_AT_ONCE:
        raise _unreadable(tree, source)


def _unreadable(tree: Tree, source: Source) -> UserError:
    count = len(source.skipped)
    more = " (reading stopped there; there may be more)" if count >= NAMED_AT_ONCE else ""
    listed = "\n".join(f"  {entry['file']}: {entry['reason']}" for entry in source.skipped)
    return UserError(
        f"{count} file{'s' * (count > 1)} in {tree.label} cannot be read as images{more}:\n{listed}\n"
        "repair or remove them, or set data.unreadable: skip to leave such files out (meta.json lists them then)"
    )


def _readable(tree: Tree, name: str) -> bool:
    try:
        with tree.open(name) as stream:
            return is_image(stream)
    except _CANNOT_OPEN:
        return False


def _agreed_classes(tree: Tree, layout: Layout) -> list[str]:
    """Return the class names, sorted. Raises UserError if they differ between splits."""
    classes = sorted(layout.splits.get("train", {}))
    if not any(layout.splits.values()):
        what = f"has no class folder with images ({len(tree.names)} other files)" if tree.names else "is empty"
        raise UserError(f"data.path: {tree.label} {what}; {WANTED}")
    for split, members in layout.splits.items():
        missing, extra = sorted(set(classes) - set(members)), sorted(set(members) - set(classes))
        if missing or extra:
            parts = [f"{split}/ lacks {', '.join(missing)}"] * bool(missing)
            parts += [f"train/ lacks {', '.join(extra)}, found in {split}/"] * bool(extra)
            problem = f"the class folders in {tree.label} disagree: {' and '.join(parts)}"
            raise UserError(f"{problem}; every split needs images of the same classes under the same names")
    return classes


def _empty(shape: tuple[int, int, int, int]) -> np.ndarray:
    try:
        return np.empty(shape, np.uint8)
    except MemoryError:
        needed = f"{np.prod(shape, dtype=float) / 2**30:.1f} GiB of memory, more than there is; lower data.resolution"
        raise UserError(f"{shape[0]} images of {shape[2]} x {shape[3]} pixels need {needed}") from None
