"""One run of an experiment at a time, and none that is dead in the way of the next.

Snakemake locks the files that it works on, and a Snakemake that was killed cannot take its locks away: the next one
refuses until somebody unlocks. Who holds a lock it does not say. So each run also holds a lock of the kernel's, which
ends with its process; where that is free, Snakemake's own locks are a dead run's.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO


def claim_run(folder: str, state: Path) -> TextIO | None:
    """Hold the experiment in `folder` for as long as the returned file is open; None where another run holds it.

    `state` is Snakemake's folder. What a dead run has locked there is unlocked.
    """
    state.mkdir(exist_ok=True)
    file = (state / f"run-{folder.replace('/', '-')}.lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()  # it lives, and Snakemake will say so if both want the same files
        return None
    for lock in sorted((state / "locks").glob("*.lock")):
        # other experiments may be at work beside this one: each lock lists its files
        if any(line.startswith(f"{folder}/") for line in lock.read_text(encoding="utf-8").splitlines()):
            lock.unlink()
            print(f"A run of this experiment was killed: its lock {lock} is removed.")
    return file
