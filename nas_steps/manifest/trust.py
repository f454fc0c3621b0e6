"""Files that Snakemake does not know any more: to be trusted, or refused with reasons.

Snakemake keeps what files were made with in `.snakemake`. Where that is lost, as in a copy of results/, it takes every
file for current, whatever the config says by now. So the manifest is asked, which lies among the results.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.manifest.compare import differences, read_manifest
from nas_steps.manifest.write import MANIFEST
from nas_steps.plan import Plan

#: lines of a message; the rest is counted
SHOWN = 12
#: the longest name of a file, as Snakemake cuts the names of its records
LONGEST = 254
#: set in the environment of the Snakemake that is told anew what it knew
ADOPTING = "NAS_STEPS_ADOPTING"


def check_trust(plan: Plan, snakemake_folder: str | Path = ".snakemake") -> None:
    """Raise UserError where files are there that Snakemake does not know and the manifest does not vouch for.

    Reads no file but the manifest, so that it is quick enough for every start.
    """
    if os.environ.get(ADOPTING):
        return
    unknown = {
        file: made.name
        for made in plan.made()
        if made.rule != "data"  # their folder's name says what they were made from
        for file in made.files
        if os.path.exists(file) and not is_known(file, Path(snakemake_folder))
    }
    if not unknown:
        return
    folder = plan.folder
    if not Path(folder, MANIFEST).is_file():
        raise UserError(
            f"{folder} holds {len(unknown)} files of which Snakemake knows nothing ({_some(unknown)}), and no "
            f"{MANIFEST} that says what they were made with; bring the folder .snakemake that was beside results/, "
            f"or delete {folder} to start anew"
        )
    manifest = read_manifest(folder)
    differing = differences(manifest, plan)
    lines = []
    for name in dict.fromkeys(unknown.values()):
        files = [file for file, by in unknown.items() if by == name]
        if name in differing:
            lines.append(f"{name} ({len(files)} files): {'; '.join(differing[name])}")
        for file in files:
            listed = manifest["files"].get(os.path.relpath(file, folder))
            if listed is None:
                lines.append(f"{file}: not in the manifest")
            elif os.path.getsize(file) != listed["bytes"]:
                lines.append(f"{file}: {os.path.getsize(file)} bytes, the manifest says {listed['bytes']}")
    if lines:
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        raise UserError(
            f"{folder} came here without .snakemake, which says what files were made with, and by its {MANIFEST} "
            "they are not what is asked for now:\n"
            + "\n".join(f"  {line}" for line in [*lines[:SHOWN], *more])
            + f"\n`python -m nas_steps.manifest --adopt {folder}` tells Snakemake what they were made with, so that "
            f"exactly what is stale runs; or delete {folder} to start anew"
        )


def is_known(file: str, folder: Path) -> bool:
    """Whether Snakemake has a record of a file: a finished one, or one of a job that runs or was killed."""
    return any(record.exists() for record in records(file, folder))


def records(file: str, folder: Path) -> Iterator[Path]:
    """Where Snakemake keeps what it knows of a file: its metadata, and the mark of one that is not complete."""
    name = urlsafe_b64encode(file.encode()).decode()
    parts = [name[start : start + LONGEST] for start in range(0, len(name), LONGEST)]
    parts = [f"@{part}" for part in parts[:-1]] + parts[-1:]
    for kind in ("metadata", "incomplete"):
        yield folder.joinpath(kind, *parts)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
