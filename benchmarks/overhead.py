"""What Snakemake and imports take of a run: its wall time against the seconds that its steps worked.

    python -m benchmarks.overhead [--cores 2] [--config config/config.yaml] [--runs 3] [--against CHECKOUT]
        [--keep FOLDER]

Runs the default experiment from nothing in a temporary folder, beside nothing else, and adds up the ledger: each job's
`cost.json` says when it began, how long it imported and how long it took. Jobs that only gather or rank leave no such
file, so their whole time counts as overhead. With `--against`, the checkout of another commit runs in turn with this
one, and the ratio of their wall times is printed. Medians and [smallest, largest] over `--runs`. With `--keep`, the
results of each run stay there, to be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Run:
    """The seconds of one run: by the clock, of steps, of their imports, without any step at work."""

    jobs: int
    wall: float
    steps: float
    imports: float
    idle: float
    fewer: float

    def overhead(self, cores: int) -> float:
        """Return the share of the cores' time in which they did no step's work."""
        return 1 - (self.steps - self.imports) / (self.wall * cores)


def run(root: Path, config: Path, cores: int, keep: Path | None = None) -> Run:
    """Run the experiment by the checkout in `root` from nothing, in the folder `keep`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--cores", str(cores)]
    if keep is not None:
        keep.mkdir(parents=True)
    with TemporaryDirectory() if keep is None else nullcontext(str(keep)) as folder:
        command += ["--directory", folder, "--configfile", str(config), "--quiet", "all"]
        began = time.time()
        subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=True)
        ended = time.time()
        costs = [json.loads(file.read_text(encoding="utf-8")) for file in Path(folder).rglob("*cost.json")]
    # how many steps are at work, from one change to the next
    changes = sorted(
        change
        for cost in costs
        for change in ((cost["began"] + cost["import_seconds"], 1), (cost["began"] + cost["seconds"], -1))
    )
    at_work, since, idle, fewer = 0, began, 0.0, 0.0
    for moment, step in [*changes, (ended, 0)]:
        idle += (moment - since) * (at_work == 0)
        fewer += (moment - since) * (0 < at_work < cores)
        at_work, since = at_work + step, moment
    steps, imports = (sum(cost[key] for cost in costs) for key in ("seconds", "import_seconds"))
    return Run(len(costs), ended - began, steps, imports, idle, fewer)


def spread(values: list[float], unit: str = "s") -> str:
    """Return `123.4 s [120.0, 130.1]`."""
    return f"{median(values):7.1f} {unit} [{min(values):.1f}, {max(values):.1f}]"


def tell(runs: list[Run], cores: int) -> None:
    """Print the medians of some runs."""
    print(f"  {runs[0].jobs} jobs with a ledger, {cores} cores, {len(runs)} runs")
    print(f"  wall time                      {spread([one.wall for one in runs])}")
    print(f"  steps, from start to end       {spread([one.steps for one in runs])}")
    print(f"  of that, imports               {spread([one.imports for one in runs])}")
    print(f"  no step at work                {spread([one.idle for one in runs])}")
    print(f"  fewer steps at work than cores {spread([one.fewer for one in runs])}")
    print(f"  of the cores' time no step's   {spread([100 * one.overhead(cores) for one in runs], '%')}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cores", type=int, default=os.cpu_count())
    options.add_argument("--config", type=Path, default=Path("config/config.yaml"), help="below each checkout")
    options.add_argument("--runs", type=int, default=1)
    options.add_argument("--against", type=Path, metavar="CHECKOUT", help="the folder of another commit")
    options.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the results of run N in NAME-N")
    given = options.parse_args()
    roots = [ROOT] if given.against is None else [given.against.resolve(), ROOT]
    runs: dict[Path, list[Run]] = {root: [] for root in roots}
    for number in range(given.runs):
        for root in roots if number % 2 == 0 else reversed(roots):
            keep = None if given.keep is None else given.keep.resolve() / f"{root.name}-{number}"
            runs[root].append(run(root, root / given.config, given.cores, keep))
    for root, found in runs.items():
        print(root)
        tell(found, given.cores)
    if given.against is not None:
        other, own = runs.values()
        ratios = [mine.wall / theirs.wall for theirs, mine in zip(other, own, strict=True)]
        print(f"wall time, this / the other: {median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")


if __name__ == "__main__":
    main()
