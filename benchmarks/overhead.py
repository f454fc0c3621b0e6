"""What Snakemake and imports take of a run: its wall time against the seconds that its steps worked.

    python benchmarks/overhead.py [--cores 2] [--config config/config.yaml]

Runs the default experiment from nothing in a temporary folder, beside nothing else, and adds up the ledger: each job's
`cost.json` says when it began, how long it imported and how long it took. Jobs that only gather or rank leave no such
file, so their whole time counts as overhead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]


def run(folder: Path, config: Path, cores: int) -> tuple[float, float]:
    """Run the experiment; when snakemake was started and when it had ended."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", str(cores), "--configfile", str(config), "--quiet", "all"]
    began = time.time()
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return began, time.time()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cores", type=int, default=os.cpu_count())
    options.add_argument("--config", type=Path, default=ROOT / "config" / "config.yaml")
    given = options.parse_args()
    with TemporaryDirectory() as folder:
        began, ended = run(Path(folder), given.config, given.cores)
        costs = [json.loads(file.read_text(encoding="utf-8")) for file in Path(folder).rglob("*cost.json")]
    wall = ended - began
    offered = wall * given.cores
    taken = sum(cost["seconds"] for cost in costs)
    imports = sum(cost["import_seconds"] for cost in costs)
    # how many steps are at work, from one change to the next
    changes = sorted(
        change
        for cost in costs
        for change in (
            (cost["began"] + cost["import_seconds"], 1),
            (cost["began"] + cost["seconds"], -1),
        )
    )
    at_work, since, nobody, fewer = 0, began, 0.0, 0.0
    for moment, step in [*changes, (ended, 0)]:
        nobody += (moment - since) * (at_work == 0)
        fewer += (moment - since) * (0 < at_work < given.cores)
        at_work, since = at_work + step, moment
    print(f"{len(costs)} jobs with a ledger, {given.cores} cores")
    print(f"  wall time                      {wall:7.1f} s")
    print(f"  steps, from start to end       {taken:7.1f} s   {taken / offered:6.1%} of the cores' time")
    print(f"  of that, imports               {imports:7.1f} s   {imports / offered:6.1%} of the cores' time")
    print(f"  steps at work                  {taken - imports:7.1f} s   {(taken - imports) / offered:6.1%}")
    print(f"  no step at work                {nobody:7.1f} s   {nobody / wall:6.1%} of the wall time")
    print(f"  fewer steps at work than cores {fewer:7.1f} s   {fewer / wall:6.1%} of the wall time")
    print(
        f"  Snakemake, imports, waiting    {offered - taken + imports:7.1f} s   {1 - (taken - imports) / offered:6.1%}"
    )


if __name__ == "__main__":
    main()
