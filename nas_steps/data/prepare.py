"""From a source to the files of all later steps: three splits and meta.json."""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from nas_steps.config.data import Data
from nas_steps.data.arrays import Labelled, Source
from nas_steps.data.settings import DataSettings
from nas_steps.data.sources import read_source
from nas_steps.data.splitting import Duplicates, deal, digests, find_duplicates, subsample
from nas_steps.data.store import META, SPLITS, split_file
from nas_steps.errors import UserError
from nas_steps.provenance.files import Stream, atomic, write_json
from nas_steps.provenance.seeds import derive_seed

#: groups of duplicate files named in meta.json; all of them are counted
GROUPS_NAMED = 50
#: a channel that never varies would be divided by 0; one grey level of 255 is the smallest step there is
SMALLEST_STD = 1 / 255


def prepare(settings: DataSettings, output: Path, leave_out: Path | None = None) -> dict[str, Any]:
    """Read the source, split it and write `{train,valid,test}_{images,labels}.npy` and meta.json; return the latter.

    The source's own splits stay. Its other images are dealt out, stratified and seeded, by `data.valid` and
    `data.test`, which are shares of the images dealt out. Of their exact duplicates one class keeps the first; if
    classes differ, all are left out. Duplicates between the source's own splits are only counted. Then `max_*` thins
    each split, and mean and std are those of train, of values scaled to 0 to 1. Images keep the source's order.

    The result also counts `ignored` files; these are not watched, so no file may depend on them. Raises UserError for
    errors that the user can mend, and then leaves no file behind.
    """
    source = read_source(settings.data, leave_out)
    _check(source, settings.data)
    splits, duplicates = _split(source, settings)
    for name in SPLITS:
        key, part = f"max_{name}", splits[name]
        seed = derive_seed(settings.seed, "subsample", name)
        chosen = subsample(part.labels, source.classes, getattr(settings.data, key), seed, key)
        splits[name] = Labelled(part.images[chosen], part.labels[chosen])
    mean, std = settings.normalisation or statistics(splits["train"].images)
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
        **duplicates,
    }
    return _write(splits, meta, output) | {"ignored": source.ignored}


def statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Return mean and std by channel of uint8 (N, C, S, S), scaled to 0 to 1; exact, by counts of the 256 levels."""
    levels = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.shape[1]):
        counts = sum(np.bincount(image[channel].ravel(), minlength=256) for image in images)
        shares = counts / np.sum(counts)
        centre = float(shares @ levels)
        mean.append(centre)
        std.append(max(float(np.sqrt(shares @ (levels - centre) ** 2)), SMALLEST_STD))
    return mean, std


def _counts(part: Labelled, classes: list[str]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(part.labels, minlength=len(classes)).tolist(), strict=True))


def _check(source: Source, data: Data) -> None:
    where = f"source {data.source} ({data.path})"
    if len(source.classes) < 2:
        found = f"only one class ({source.classes[0]})" if source.classes else "no class"
        raise UserError(f"{where} has {found}; at least two classes are needed to classify")
    for name, part in source.splits.items():
        absent = [label for label, count in _counts(part, source.classes).items() if not count]
        if absent:
            problem = f"{where}: its {name} images have none of class {', '.join(absent)}"
            raise UserError(f"{problem}; every split needs each class: add some, or remove the class")


def _split(source: Source, settings: DataSettings) -> tuple[dict[str, Labelled], dict[str, Any]]:
    """Return the three splits, and the figures on duplicates in meta.json."""
    splits = dict(source.splits)
    prints = {name: digests(part.images) for name, part in splits.items()}
    pool = splits["train"]
    missing = [name for name in ("valid", "test") if name not in splits]
    duplicates = Duplicates(np.ones(len(pool), bool))
    if missing:
        duplicates = find_duplicates(prints["train"], pool.labels)
        kept = np.flatnonzero(duplicates.keep)
        shares = {"train": 1.0} | {name: getattr(settings.data, name) for name in missing}
        shares["train"] -= sum(shares[name] for name in missing)
        dealt = deal(pool.labels[kept], source.classes, shares, derive_seed(settings.seed, "split"))
        for name, chosen in dealt.items():
            splits[name] = Labelled(pool.images[kept[chosen]], pool.labels[kept[chosen]])
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
                with atomic(path) as temporary:
                    with temporary.open("wb") as file:
                        np.save(Stream(file), np.ascontiguousarray(array), allow_pickle=False)
                    with temporary.open("rb") as file:
                        checksums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
        meta = {**meta, "checksums": checksums, "content": hashlib.sha256(lines.encode()).hexdigest()}
        write_json(output / META, meta)
        undo.pop_all()
    return meta
