"""From a source to the files of all later steps: three splits and meta.json."""

import hashlib
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source, check_classes
from nas_steps.data.rows import Images, Rows, chunks, take
from nas_steps.data.settings import DataSettings
from nas_steps.data.sources import read_source
from nas_steps.data.splitting import Duplicates, deal, digests, find_duplicates, missing_shares, subsample
from nas_steps.data.store import META, SPLITS, split_file
from nas_steps.errors import UserError
from nas_steps.provenance.files import Stream, atomic, write_json
from nas_steps.provenance.seeds import derive_seed

#: groups of duplicate files named in meta.json; all of them are counted
GROUPS_NAMED = 50
#: a channel that never varies would be divided by 0; one grey level of 255 is the smallest step there is
SMALLEST_STD = 1 / 255


def prepare(settings: DataSettings, output: Path, leave_out: Path | None = None, threads: int = 1) -> dict[str, Any]:
    """Read the source, split it and write `{train,valid,test}_{images,labels}.npy` and meta.json; return the latter.

    The source's own splits stay. Its other images are dealt out, stratified and seeded, by `data.valid` and
    `data.test`, which are shares of the images dealt out. Of their exact duplicates one class keeps the first; if
    classes differ, all are left out. Duplicates between the source's own splits are only counted. Then `max_*` thins
    each split, and mean and std are those of train, of values scaled to 0 to 1. Images keep the source's order.

    Photos are read by `threads`, of which the files do not depend, and held in a file beside `output`, not in memory.
    The result also counts `ignored` files; these are not watched, so no file may depend on them. Raises UserError for
    errors that the user can mend, and then leaves no file behind.
    """
    place = next(folder for folder in (output.resolve(), *output.resolve().parents) if folder.is_dir())
    with closing(read_source(settings.data, leave_out, place, threads)) as source:
        return _from_source(source, settings, output)


def _from_source(source: Source, settings: DataSettings, output: Path) -> dict[str, Any]:
    _check(source, settings.data)
    splits, duplicates = _split(source, settings)
    for name in SPLITS:
        key, part = f"max_{name}", splits[name]
        seed = derive_seed(settings.seed, "subsample", name)
        chosen = subsample(part.labels, source.classes, getattr(settings.data, key), seed, key)
        splits[name] = Labelled(take(part.images, chosen), part.labels[chosen])
    mean, std = statistics(splits["train"].images)
    meta = {
        "source": settings.data.source,
        "seed": settings.seed,
        "classes": source.classes,
        "counts": {name: _counts(part, source.classes) for name, part in splits.items()},
        "own_splits": sorted(source.splits, key=SPLITS.index) if len(source.splits) > 1 else [],
        "resolution": splits["train"].images.shape[2],
        "shape": list(splits["train"].images.shape[1:]),
        "mean": mean,
        "std": std,
        "converted": dict(source.converted),
        "skipped": source.skipped,
        "largest_image_pixels": source.largest,
        "bits": source.bits,
        "crop": settings.data.crop,
        "fit": settings.data.fit,
        **duplicates,
    }
    return _write(splits, meta, output) | {"ignored": source.ignored}


def statistics(images: Images) -> tuple[list[float], list[float]]:
    """Return mean and std by channel of uint8 (N, C, S, S), scaled to 0 to 1; exact, by counts of the 256 levels."""
    levels = np.arange(256) / 255
    counts = np.zeros((images.shape[1], 256), np.int64)
    for chunk in chunks(images):
        for channel in range(len(counts)):
            counts[channel] += _count(np.ascontiguousarray(chunk[:, channel]).ravel())
    mean, std = [], []
    for counted in counts:
        shares = counted / np.sum(counted)
        centre = float(shares @ levels)
        mean.append(centre)
        std.append(max(float(np.sqrt(shares @ (levels - centre) ** 2)), SMALLEST_STD))
    return mean, std


def _count(values: np.ndarray) -> np.ndarray:
    """Count the 256 levels of uint8 (N,); two values at a time, which takes half as long."""
    even = len(values) // 2 * 2
    pairs = np.bincount(values[:even].view(np.uint16), minlength=1 << 16).reshape(256, 256)
    return pairs.sum(0) + pairs.sum(1) + np.bincount(values[even:], minlength=256)


def _counts(part: Labelled, classes: list[str]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(part.labels, minlength=len(classes)).tolist(), strict=True))


def _check(source: Source, data: Data) -> None:
    check_classes(source.classes, data)
    where = f"source {data.source} ({data.path})"
    for name, part in source.splits.items():
        absent = [label for label, count in _counts(part, source.classes).items() if not count]
        if absent:
            problem = f"{where}: its {name} images have none of class {', '.join(absent)}"
            raise UserError(f"{problem}; every split needs each class: add some, or remove the class")


def _split(source: Source, settings: DataSettings) -> tuple[dict[str, Labelled], dict[str, Any]]:
    """Return the three splits, and the figures on duplicates in meta.json."""
    splits = dict(source.splits)
    prints = {name: part.digests or digests(part.images) for name, part in splits.items()}
    pool = splits["train"]
    shares = missing_shares(splits, settings.data.valid, settings.data.test)
    duplicates = Duplicates(np.ones(len(pool), bool))
    if len(shares) > 1:
        duplicates = find_duplicates(prints["train"], pool.labels)
        kept = np.flatnonzero(duplicates.keep)
        dealt = deal(pool.labels[kept], source.classes, shares, derive_seed(settings.seed, "split"))
        for name, chosen in dealt.items():
            splits[name] = Labelled(take(pool.images, kept[chosen]), pool.labels[kept[chosen]])
    across, seen = 0, set(prints["train"])
    for name in ("valid", "test"):
        across += sum(fingerprint in seen for fingerprint in prints.get(name, ()))
        seen |= set(prints.get(name, ()))
    names = pool.names
    return {name: splits[name] for name in SPLITS}, {
        "duplicates": {
            "groups": len(duplicates.groups),
            "same_class_left_out": duplicates.same_class,
            "other_class_left_out": duplicates.other_class,
            "files": [[names[i] for i in group] for group in duplicates.groups[:GROUPS_NAMED]] if names else [],
        },
        "duplicates_across_splits": across,
    }


def _save(file: BinaryIO, array: Images) -> str:
    """Write a .npy file as `np.save` does, images of a file some at a time; return its sha256."""
    stream = _Hashed(file)
    if isinstance(array, Rows):
        described = {"descr": "|u1", "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(stream, described)
        with tqdm(total=len(array), desc="writing images", unit="image", mininterval=2, file=sys.stderr) as progress:
            for chunk in chunks(array):
                stream.write(chunk.data)
                progress.update(len(chunk))
    else:
        np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.hash.hexdigest()


class _Hashed(Stream):
    """A stream that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.hash, self.pass_on = hashlib.sha256(), file.write
        self.write = self._write

    def _write(self, content: Any) -> int:
        self.hash.update(content)
        return self.pass_on(content)


def _write(splits: dict[str, Labelled], meta: dict[str, Any], output: Path) -> dict[str, Any]:
    """Write all files, meta.json last; if one fails, remove those already written."""
    checksums = {}
    output.mkdir(parents=True, exist_ok=True)
    (output / META).unlink(missing_ok=True)  # it describes files that are about to change
    with ExitStack() as undo:
        for name, part in splits.items():
            for kind, array in (("images", part.images), ("labels", part.labels)):
                path = split_file(output, name, kind)
                undo.callback(path.unlink, missing_ok=True)
                with atomic(path) as temporary, temporary.open("wb") as file:
                    checksums[path.name] = _save(file, array)
        lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
        meta = {**meta, "checksums": checksums, "content": hashlib.sha256(lines.encode()).hexdigest()}
        write_json(output / META, meta)
        undo.pop_all()
    return meta
