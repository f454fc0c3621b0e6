"""How long a dry run takes and how much memory, by the number of evaluations, rounds and shards.

    python benchmarks/dry_run.py [--cases 1 3] [--repeats 3] [--beside WORKTREE] [--plain]

The first case is what any start of Snakemake here costs. Each repetition makes two dry runs in a new folder: in the
second one (`again`), modules are known and settings files are written. `--beside` runs those of another worktree in
turns with this one's, so that both meet the same load. `--plain` runs a workflow of as many jobs of one rule without
inputs or params in turns, too: what Snakemake itself takes. Printed are the medians with [least, most] of wall seconds
and of processor seconds, and the largest peak of memory.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
#: evaluations of random search; rounds and children a round of evolution; shards
CASES = [
    (8, 1, 8, 2),
    (500, 5, 100, 8),
    (5000, 50, 100, 20),
    (5000, 500, 10, 2),
    (5000, 50, 100, 100),
    (50_000, 500, 100, 20),
    (50_000, 5000, 10, 2),
]
PLAIN = """
rule all:
    input:
        [f"made/{number}.txt" for number in range(%d)],


rule make:
    output:
        "made/{number}.txt",
    shell:
        "touch {output}"
"""
COLUMNS = ("evaluations", "rounds", "shards", "jobs", "run", "seconds", "processor seconds", "MB")


class Taken(NamedTuple):
    """What one dry run took. Its memory is that of the largest of its processes, in MB."""

    jobs: int
    seconds: float
    processor: float
    memory: float


def configured(random: int, rounds: int, children: int, shards: int) -> dict[str, Any]:
    """Return the config of a case."""
    evolution = {"population": children, "sample": min(5, children), "children": children, "rounds": rounds}
    strategies: dict[str, Any] = {"random": {"evaluations": random}, "evolution": evolution}
    return {"experiment": "large", "shards": shards, "search": {"strategies": strategies}}


def measure(folder: Path, root: Path) -> Taken:
    """Make a dry run of `root`'s workflow in `folder`, where config.yaml is."""
    return taken(folder, root, "--snakefile", str(root / "Snakefile"), "--configfile", "config.yaml")


def plain(jobs: int) -> Taken:
    """Make a dry run of a workflow of as many jobs that needs nothing of this repository."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "Snakefile").write_text(PLAIN % (jobs - 1), encoding="utf-8")
        return taken(Path(place), Path(place), "--cores", "1")


def taken(folder: Path, root: Path, *flags: str) -> Taken:
    """Make a dry run in `folder` with the packages in `root`."""
    with (folder / "printed.txt").open("w", encoding="utf-8") as printed:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--dry-run", *flags],
            cwd=folder,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"PYTHONPATH": str(root)},
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    text = (folder / "printed.txt").read_text(encoding="utf-8")
    if process.returncode is None:
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(text[-3000:])
    (total,) = set(re.findall(r"^total +(\d+)$", text, flags=re.M))
    memory = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Taken(int(total), seconds, used.ru_utime + used.ru_stime, memory)


def spread(values: Sequence[float]) -> str:
    """Return the median, and the least and the most of several."""
    middle = f"{median(values):.1f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):.1f}, {max(values):.1f}]"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, nargs="+", default=range(len(CASES)), help="numbers of cases, from 0")
    options.add_argument("--repeats", type=int, default=1)
    options.add_argument("--plain", action="store_true", help="measure a plain workflow of as many jobs, too")
    options.add_argument("--beside", type=Path, help="a worktree of another commit")
    given = options.parse_args()
    roots = {"this": ROOT} if given.beside is None else {"beside": given.beside.resolve(), "this": ROOT}
    print(" | ".join(COLUMNS), flush=True)
    for random, rounds, children, shards in (CASES[number] for number in given.cases):
        found: dict[str, list[Taken]] = {}
        for _ in range(given.repeats):
            for name, root in roots.items():
                with tempfile.TemporaryDirectory() as place:
                    config = configured(random, rounds, children, shards)
                    (Path(place) / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
                    for run in (name, f"{name}, again"):
                        found.setdefault(run, []).append(measure(Path(place), root))
            if given.plain:
                found.setdefault("plain", []).append(plain(found["this"][0].jobs))
        for run, runs in found.items():
            figures = [spread([one.seconds for one in runs]), spread([one.processor for one in runs])]
            memory = max(one.memory for one in runs)
            case = (random + rounds * children, rounds, shards, runs[0].jobs, run)
            print(" | ".join([*map(str, case), *figures, f"{memory:.0f}"]), flush=True)


if __name__ == "__main__":
    main()
