"""The files of seeds that were trained together with another job's: parked beside their place until their job comes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import atomic, read_json, write_json

#: what is parked and for whom: the last file to be written
LABEL = "parked.json"


def block_of(seed: int, size: int) -> list[int]:
    """Return the seeds that are trained together with a seed: 0 to `size` - 1, `size` to 2 * `size` - 1, ..."""
    first = seed - seed % size
    return list(range(first, first + size))


def parked(folder: Path) -> Path:
    """Return where the files for `folder` are parked; like a checkpoint, Snakemake does not know of it."""
    return folder.with_name(f".{folder.name}.parked")


def park(
    folder: Path, key: Mapping[str, str], label: Mapping[str, Any], write: Callable[[Path], None] | None = None
) -> None:
    """Park for `folder` what `write` writes, in the place of what is parked there. `key` says what it was made with."""
    place = parked(folder)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if write is not None:
        write(place)
    write_json(place / LABEL, {"key": dict(key), **label})


def take(folder: Path, key: Mapping[str, str]) -> dict[str, Any] | None:
    """Copy what is parked for `folder` there, and return its label; None if nothing is, or it has another key.

    What has another key is deleted. The rest stays until `leave`: Snakemake deletes the files of a killed job."""
    place = parked(folder)
    if not (place / LABEL).exists():
        shutil.rmtree(place, ignore_errors=True)
        return None
    label: dict[str, Any] = read_json(place / LABEL)
    if label["key"] != dict(key):
        differing = sorted(name for name in {*label["key"], *key} if label["key"].get(name) != key.get(name))
        print(f"{place} is not used: it was made with another {' and another '.join(differing)}", flush=True)
        shutil.rmtree(place)
        return None
    # the record comes last
    for file in sorted(place.iterdir(), key=lambda file: file.suffix == ".json"):
        if file.name != LABEL:
            with atomic(folder / file.name) as temporary:
                shutil.copyfile(file, temporary)
    return label


def leave(folder: Path) -> None:
    """Delete what is parked for `folder`, once its job has it."""
    place = parked(folder)
    if place.exists():
        # renamed first: a half deleted place would be one that is half written
        ended = place.with_name(f".{folder.name}.ended-{os.getpid()}.parked")
        place.rename(ended)
        shutil.rmtree(ended)
