"""How long a dry run takes, by the number of evaluations, rounds and shards.

    python benchmarks/dry_run.py

Prints seconds of wall time and of the processor; the first row is what any start of Snakemake here costs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
#: evaluations of random search; rounds and children a round of evolution; shards
CASES = [(8, 1, 8, 2), (500, 5, 100, 8), (5000, 50, 100, 20), (5000, 50, 100, 100), (5000, 500, 10, 2)]


def measure(random: int, rounds: int, children: int, shards: int) -> tuple[int, int, float, float]:
    """Evaluations, jobs, seconds and processor seconds of one dry run."""
    evolution = {"population": children, "sample": min(5, children), "children": children, "rounds": rounds}
    strategies: dict[str, Any] = {"random": {"evaluations": random}, "evolution": evolution}
    config = {"experiment": "large", "shards": shards, "search": {"strategies": strategies}}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        flags = ["--snakefile", str(ROOT / "Snakefile"), "--dry-run", "--configfile", "config.yaml"]
        before, began = os.times(), time.perf_counter()
        command = [sys.executable, "-m", "snakemake", *flags]
        result = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=True)
        seconds, after = time.perf_counter() - began, os.times()
    (total,) = set(re.findall(r"^total +(\d+)$", result.stdout + result.stderr, flags=re.M))
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return random + rounds * children, int(total), seconds, spent


def main() -> None:
    print(f"{'evaluations':>11} {'rounds':>6} {'shards':>6} {'jobs':>6} {'seconds':>8} {'processor':>9}")
    for random, rounds, children, shards in CASES:
        evaluations, jobs, seconds, spent = measure(random, rounds, children, shards)
        print(f"{evaluations:>11} {rounds:>6} {shards:>6} {jobs:>6} {seconds:>8.1f} {spent:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
