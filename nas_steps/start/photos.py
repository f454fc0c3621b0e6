"""A look at a folder or .zip of photos: how many, how large, how alike, and what stands in the way."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from statistics import median
from zipfile import BadZipFile

from PIL import Image, UnidentifiedImageError

from nas_steps.data.layout import WANTED, Layout, Tree, arrange, named_as_image, opened, printable
from nas_steps.data.photos import FORMATS, UnreadableError, decode
from nas_steps.errors import UserError
from nas_steps.provenance.regular import MISSING, irregular

#: seconds for reading files, and of these for decoding some; what is left is not looked into
SECONDS, DECODING = 30.0, 10.0
#: side in pixels below which photos are too small to be photos
SMALLEST = 32
#: a larger picture is not decoded: the default of data.max_image_pixels
MAX_PIXELS = 50_000_000
#: side in pixels of what is decoded
SIDE = 128
#: photos a class below which figures mean little
FEW = 20
#: the largest class over the smallest one from which accuracy misleads
UNBALANCED = 3.0
NAMED = 3
_CANNOT_OPEN = (OSError, RuntimeError, BadZipFile, UnidentifiedImageError)


@dataclass
class Look:
    """What was seen. `sides` are shorter sides in pixels; `seconds` those of decoding one photo."""

    path: str
    splits: dict[str, dict[str, int]]
    looked: int = 0
    decoded: int = 0
    seconds: float = 0.0
    sides: list[int] = field(default_factory=list)
    grey: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    #: copies of a file beside the first, in the same class
    copies: int = 0
    #: files whose copies lie in other classes
    contradictions: list[str] = field(default_factory=list)
    others: int = 0

    @property
    def classes(self) -> dict[str, int]:
        """The photos of each class, of all splits."""
        found: Counter[str] = Counter()
        for counts in self.splits.values():
            found.update(counts)
        return dict(sorted(found.items()))

    @property
    def images(self) -> int:
        return sum(self.classes.values())

    @property
    def side(self) -> int:
        """The median of the shorter sides in pixels."""
        return int(median(self.sides))

    @property
    def imbalance(self) -> float:
        """The photos of the largest class over those of the smallest."""
        return max(self.classes.values()) / max(1, min(self.classes.values()))

    @property
    def unbalanced(self) -> bool:
        return self.imbalance > UNBALANCED


def look(path: str | Path, seconds: float = SECONDS) -> Look:
    """Look at the photos below `path`, for `seconds` at most. Raises UserError for what no experiment can use."""
    path = Path(path).expanduser()
    reason = irregular(path, folder=True)
    if reason is not None:
        what = "there is no folder or .zip" if reason == MISSING else "no photos can be read from"
        raise UserError(
            f"{what} {path}{'' if reason == MISSING else f', which {reason}'}; name a folder with one "
            "subfolder a class, or a .zip of one"
        )
    with opened(path) as tree:
        names = [name for name in tree.names if named_as_image(name)]
        layout = arrange(names, tree.label)
        _check(tree, layout, len(names))
        found = Look(
            str(path),
            {split: {name: len(files) for name, files in classes.items()} for split, classes in layout.splits.items()},
            others=len(tree.names) - len(names),
        )
        _read(tree, layout, found, seconds)
    if not found.sides:
        name, why = found.unreadable[0]
        raise UserError(f"no photo in {path} can be read; the first, {name}: {why}")
    if max(found.sides) < SMALLEST:
        raise UserError(
            f"the photos in {path} have {found.side} x {found.side} pixels or so, none has {SMALLEST} a side: too few "
            "for photographs; take the originals, or for small images start from config/config.yaml"
        )
    return found


def _check(tree: Tree, layout: Layout, images: int) -> None:
    """Refuse folders that no experiment can learn from."""
    if not images:
        raise UserError(f"{tree.label} holds no images ({len(tree.names)} other files); {WANTED}")
    if layout.loose:
        loose = f"{len(layout.loose)} images outside of any class folder, such as {printable(layout.loose[0])}"
        raise UserError(f"{tree.label} holds {loose}; {WANTED}")
    train = layout.splits.get("train", {})
    if len(train) < 2:
        found = f"only one class ({next(iter(train))})" if train else "no class"
        raise UserError(f"{tree.label} has {found}; at least two are needed, one subfolder each")
    for split, classes in layout.splits.items():
        if set(classes) != set(train):
            odd = ", ".join(sorted(set(classes) ^ set(train)))
            raise UserError(f"{tree.label}: train/ and {split}/ have not the same classes; they differ in {odd}")
    missing = [split for split in ("train", "valid", "test") if split == "train" or split not in layout.splits]
    short = {name: len(files) for name, files in sorted(train.items()) if len(files) < len(missing)}
    if short:
        told = ", ".join(f"{name} has {count}" for name, count in list(short.items())[:NAMED])
        more = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        raise UserError(
            f"{tree.label}: a class needs {len(missing)} photos or more, one each to {_purposes(missing)}, but {told}"
            f"{more}; add photos ({FEW} or more make sense), or remove the class"
        )


def _purposes(splits: Iterable[str]) -> str:
    words = {"train": "train", "valid": "validate", "test": "test"}
    *first, last = [words[split] for split in splits]
    return f"{', '.join(first)} and {last}" if first else last


def _read(tree: Tree, layout: Layout, found: Look, seconds: float) -> None:
    """Read files in an order that visits all classes alike: size, copies, and of some whether they can be decoded."""
    began, decoding = time.perf_counter(), 0.0
    seen: dict[bytes, tuple[str, str]] = {}
    for label, name in _spread(layout):
        if time.perf_counter() - began > seconds:
            break
        found.looked += 1
        try:
            with tree.open(name) as stream:
                content = stream.read()
            started = time.perf_counter()
            if decoding < DECODING * seconds / SECONDS:
                decode(BytesIO(content), SIDE, 3, MAX_PIXELS)
                found.decoded += 1
                decoding += time.perf_counter() - started
            side, grey = _header(content)
        except (UnreadableError, *_CANNOT_OPEN) as error:
            found.unreadable.append((printable(name), str(error)))
            continue
        found.sides.append(side)
        found.grey += grey
        _compare(found, seen, content, label, name)
    found.seconds = decoding / max(1, found.decoded)


def _header(content: bytes) -> tuple[int, bool]:
    """Return the shorter side of a picture, and whether it is grey."""
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        return min(image.size), image.mode in ("1", "L", "LA")


def _compare(found: Look, seen: dict[bytes, tuple[str, str]], content: bytes, label: str, name: str) -> None:
    """Count a file whose content was seen before, in the same class or in another one."""
    mark = hashlib.blake2b(content, digest_size=16).digest()
    first_label, first_name = seen.setdefault(mark, (label, name))
    if first_name == name:
        return
    if first_label == label:
        found.copies += 1
    else:
        found.contradictions.append(f"{printable(name)} is {printable(first_name)}")


def _spread(layout: Layout) -> list[tuple[str, str]]:
    """Return (class, file) of all files, one of each class after the other, so that any beginning is a fair sample."""
    columns = [(label, files) for classes in layout.splits.values() for label, files in sorted(classes.items())]
    found = [(place / len(files), label, name) for label, files in columns for place, name in enumerate(sorted(files))]
    return [(label, name) for _, label, name in sorted(found)]
