"""Folders and .zip files of photos, one subfolder a class, read into a file that has no name, never into memory."""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source, check_classes
from nas_steps.data.estimate import foretell
from nas_steps.data.layout import WANTED, Layout, Tree, arrange, named_as_image, opened, printable
from nas_steps.data.photos import TooLargeError, is_image
from nas_steps.data.reading import CANNOT_OPEN, Found, Reader
from nas_steps.data.rows import OpenFile, Rows
from nas_steps.data.splitting import check_enough, missing_shares
from nas_steps.errors import UserError
from nas_steps.facts import FOLDER_RESOLUTION

#: unreadable files after which the reading stops; all of them are named at once
NAMED_AT_ONCE = 10


def read_folder(data: Data, leave_out: Path | None = None, place: str | Path | None = None, threads: int = 1) -> Source:
    """Decode every image below `data.path`, sorted by relative name; `leave_out` as in `opened`.

    The result is the same for any number of `threads`. Pixels go to a file without a name, which is gone as soon as it
    is closed, whatever ends this process. It is in `place`, the folder of the arrays to come; None is that of temporary
    files, and leaves out what is said and refused of an experiment's photos. Raises UserError for a wrong layout, too
    few photos or too small a disk before decoding, and then for unreadable files, NAMED_AT_ONCE at most.
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
                raise UserError(f"{tree.label} holds {loose}; {WANTED}")
        source = Source([], {}, ignored=len(tree.names) - len(images))
        source.classes = _agreed_classes(tree, layout)
        check_classes(source.classes, data)
        side, channels = data.resolution or FOLDER_RESOLUTION, 1 if data.channels == 1 else 3
        if place is not None:
            _check_enough(layout, source.classes, data)
            foretell(tree, layout, data, (channels, side), place, threads)
        source.scratch = OpenFile(tempfile.TemporaryFile(buffering=0, dir=place))  # noqa: SIM115 (it owns the file)
        count = sum(len(files) for classes in layout.splits.values() for files in classes.values())
        _decode(tree, layout, data, source, Rows(source.scratch, (count, channels, side, side)), threads)
    return source


def _check_enough(layout: Layout, classes: list[str], data: Data) -> None:
    """Raise UserError if a class has too few files to be dealt out, before any is decoded."""
    shares = missing_shares(layout.splits, data.valid, data.test)
    if len(shares) > 1:
        check_enough([len(layout.splits["train"][name]) for name in classes], classes, shares)


def _decode(tree: Tree, layout: Layout, data: Data, source: Source, rows: Rows, threads: int) -> None:
    """Decode all photos into `rows`, one row each in the order of the splits and names, and note what they were."""
    deep: list[_Deep] = []
    reader = Reader(tree, data, rows)
    first = 0
    with tqdm(total=len(rows), desc="reading images", unit="image", mininterval=2, file=sys.stderr) as progress:
        for split, classes in layout.splits.items():
            files = sorted((name, label) for label, key in enumerate(source.classes) for name in classes[key])
            kept: list[int] = []
            names, sketches = [], []
            for index, found in enumerate(reader.read([name for name, _ in files], first, threads)):
                progress.update()
                if isinstance(found, Exception):
                    _add_unreadable(tree, data, source, files[index][0], found)
                    continue
                source.largest = max(source.largest, found.size)
                if found.needs:
                    deep.append(_Deep(files[index][0], first + index, split, len(kept), found))
                else:
                    source.converted.update(found.notes)
                kept.append(index)
                names.append(printable(files[index][0]))
                sketches.append(found.sketch)
            labels = np.array([files[index][1] for index in kept], np.int64)
            images = rows.take(first + np.array(kept, np.int64))
            source.splits[split] = Labelled(images, labels, names, sketches)
            first += len(files)
    if source.skipped and data.unreadable == "refuse":
        raise _unreadable(tree, source)
    _scale(tree, deep, reader, source)


@dataclass
class _Deep:
    """An image of 16 bits a value: its file, its row, its split and its number there, and how it was read."""

    name: str
    row: int
    split: str
    index: int
    found: Found


def _scale(tree: Tree, deep: list[_Deep], reader: Reader, source: Source) -> None:
    """Read images of 16 bits again if none of them uses all 16, so that all are scaled alike."""
    source.bits = max((one.found.needs for one in deep), default=16)
    for one in deep:
        notes = one.found.notes
        if source.bits < 16:
            again = reader.one(one.name, one.row, source.bits)
            if isinstance(again, Exception):
                name = f"{printable(one.name)} in {tree.label}"
                raise UserError(f"{name} changed while it was read ({again}); run again") from again
            notes = again.notes
            (source.splits[one.split].sketches or [])[one.index] = again.sketch
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
    except CANNOT_OPEN:
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
