"""From a source to the files of all later steps: three splits and meta.json."""

import hashlib
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from nas_steps.data.arrays import Labelled, Source, check_classes
from nas_steps.data.duplicates import Duplicates, find_duplicates, fingerprints
from nas_steps.data.rows import take
from nas_steps.data.settings import DataSettings
from nas_steps.data.sources import read_source
from nas_steps.data.splitting import deal, missing_shares, subsample
from nas_steps.data.store import META, SPLITS, split_file
from nas_steps.data.writing import mean_and_std, save_images, save_labels
from nas_steps.errors import UserError
from nas_steps.provenance.files import atomic, write_json
from nas_steps.provenance.seeds import derive_seed

#: groups of duplicate files named in meta.json; all of them are counted
GROUPS_NAMED = 50


def prepare(settings: DataSettings, output: Path, leave_out: Path | None = None, threads: int = 1) -> dict[str, Any]:
    """Read the source, split it and write `{train,valid,test}_{images,labels}.npy` and meta.json; return the latter.

    The source's own splits stay. Its other images are dealt out, stratified and seeded, by `data.valid` and
    `data.test`, which are shares of the images dealt out. Of their exact duplicates one class keeps the first; if
    classes differ, all are left out. Duplicates between the source's own splits are only counted. Then `max_*` thins
    each split, and mean and std are those of train (`save_images`), of values scaled to 0 to 1. Images keep the order
    of the source.

    Photos are read by `threads`, of which the files do not depend, and held in a file beside `output`, not in memory.
    The result also counts `ignored` files; these are not watched, so no file may depend on them. Raises UserError for
    errors that the user can mend, and then leaves no file behind.
    """
    place = next(folder for folder in (output.resolve(), *output.resolve().parents) if folder.is_dir())
    with closing(read_source(settings.data, leave_out, place, threads)) as source:
        return _from_source(source, settings, output)


def _from_source(source: Source, settings: DataSettings, output: Path) -> dict[str, Any]:
    _check(source, settings)
    splits, duplicates = _split(source, settings)
    for name in SPLITS:
        key, part = f"max_{name}", splits[name]
        seed = derive_seed(settings.seed, "subsample", name)
        chosen = subsample(part.labels, source.classes, getattr(settings.data, key), seed, key)
        splits[name] = Labelled(take(part.images, chosen), part.labels[chosen])
    meta = {
        "source": settings.data.source,
        "seed": settings.seed,
        "classes": source.classes,
        "counts": {name: _counts(part, source.classes) for name, part in splits.items()},
        "own_splits": sorted(source.splits, key=SPLITS.index) if len(source.splits) > 1 else [],
        "resolution": splits["train"].images.shape[2],
        "shape": list(splits["train"].images.shape[1:]),
        "converted": dict(source.converted),
        "skipped": source.skipped,
        "largest_image_pixels": source.largest,
        "bits": source.bits,
        "crop": settings.data.crop,
        "fit": settings.data.fit,
        **duplicates,
    }
    if settings.normalisation is not None:
        meta["mean"], meta["std"] = settings.normalisation
    return _write(splits, meta, output) | {"ignored": source.ignored}


def _counts(part: Labelled, classes: list[str]) -> dict[str, int]:
    return dict(zip(classes, np.bincount(part.labels, minlength=len(classes)).tolist(), strict=True))


def _check(source: Source, settings: DataSettings) -> None:
    data = settings.data
    check_classes(source.classes, data)
    if settings.normalisation is not None and source.splits["train"].images.shape[1] != len(settings.normalisation[0]):
        raise UserError(
            f"the images of source {data.source} ({data.path}) are grey, but weights read 3 channels; set "
            "data.channels: 3, which repeats the grey values, or weights: none"
        )
    where = f"source {data.source} ({data.path})"
    for name, part in source.splits.items():
        absent = [label for label, count in _counts(part, source.classes).items() if not count]
        if absent:
            problem = f"{where}: its {name} images have none of class {', '.join(absent)}"
            raise UserError(f"{problem}; every split needs each class: add some, or remove the class")


def _split(source: Source, settings: DataSettings) -> tuple[dict[str, Labelled], dict[str, Any]]:
    """Return the three splits, and the figures on duplicates in meta.json."""
    splits = dict(source.splits)
    prints = fingerprints(splits)
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


def _write(splits: dict[str, Labelled], meta: dict[str, Any], output: Path) -> dict[str, Any]:
    """Write all files, then meta.json, with mean and std of train if it has none; if one fails, remove the others."""
    checksums = {}
    output.mkdir(parents=True, exist_ok=True)
    (output / META).unlink(missing_ok=True)  # it describes files that are about to change
    with ExitStack() as undo:

        def file(name: str, kind: str) -> AbstractContextManager[Path]:
            path = split_file(output, name, kind)
            undo.callback(path.unlink, missing_ok=True)
            return atomic(path)

        for name, part in splits.items():
            count = name == "train" and "mean" not in meta
            with file(name, "images") as temporary, temporary.open("wb") as stream:
                checksums[f"{name}_images.npy"], counts = save_images(
                    stream, part.images, f"{name} images", count=count
                )
            with file(name, "labels") as temporary, temporary.open("wb") as stream:
                checksums[f"{name}_labels.npy"] = save_labels(stream, part.labels)
            if count:
                meta["mean"], meta["std"] = mean_and_std(counts)
        lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
        meta = {**meta, "checksums": checksums, "content": hashlib.sha256(lines.encode()).hexdigest()}
        write_json(output / META, meta)
        undo.pop_all()
    return meta
