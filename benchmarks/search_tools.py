"""Our sampling strategies beside Optuna, Syne Tune and NePS, on NAS-Bench-201 as a table.

    pip install -e '.[benchmarks]'
    python -m benchmarks.search_tools TABLE.csv[.gz] [--runs 500] [--slow-runs 20] [--processes 2] [--output RUNS.csv]

TABLE is that of `benchmarks.nasbench201`. A tool sees six categorical choices of five operations and, for each
architecture that it asks for, the validation accuracy after 12 epochs; what it finds best is scored after 200.
With `--regret` it sees the validation accuracy after 200 epochs; its regret is how far it stays below the table's best.

Evaluations count as asked. A tool that asks twice for an architecture, or for two strings of one network, spends two
evaluations, as it would on trainings; `different` says how many networks it saw. Our strategies ask for none twice.

Runs go seed by seed through all data sets and tools, the slow tools only up to `--slow-runs`, so that a run that is
stopped leaves a fair comparison. Every search that ended is a row of `--output`: what is there is not computed again.
Rows of `--merge` files count too, if table, versions, settings and number of evaluations are the same.
Seconds are those of one thread of the processor, a whole search's through its evaluations, the median over searches.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median, stdev

from tqdm import tqdm

from benchmarks import nasbench201
from benchmarks.nasbench201 import COLUMNS, Table, difference, read, settings_of
from benchmarks.tool_searches import MARKS, OURS, Output, Run, execute, jobs, load
from benchmarks.tools import TOOLS
from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import code_fingerprint, fingerprint


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation."""
    deviation = f"{stdev(values):.{digits}f}" if len(values) > 1 else "-"
    return f"{fmean(values):.{digits}f} ± {deviation}"


def best_of_ours(runs: dict[str, list[Run]]) -> str | None:
    """Our strategy of the highest mean validation accuracy, of those with two runs or more."""
    known = [tool for tool in OURS if len(runs.get(tool, [])) > 1]
    return max(known, key=lambda tool: fmean(one.valid for one in runs[tool]), default=None)


def differences(runs: dict[str, list[Run]], ours: str | None) -> dict[str, tuple[float, float]]:
    """Every tool's mean validation accuracy less that of `ours`, and half the 95 % interval; of two runs or more."""
    if ours is None:
        return {}
    reference = [one.valid for one in runs[ours]]
    return {
        tool: difference([one.valid for one in own], reference)
        for tool, own in runs.items()
        if tool != ours and len(own) > 1
    }


def verdict(ours: str | None, found: dict[str, tuple[float, float]]) -> str:
    """One line: which of the others are better, worse, or neither by their interval."""
    others = {tool: one for tool, one in found.items() if tool not in OURS}
    if ours is None or not others:
        return "verdict: none; it takes two runs of one of our strategies and of another tool"
    better = [tool for tool, (more, half) in others.items() if more > half]
    worse = [tool for tool, (more, half) in others.items() if -more > half]
    neither = [tool for tool in others if tool not in (*better, *worse)]
    named = [(better, "better"), (neither, "not told apart"), (worse, "worse")]
    parts = [f"{word}: {', '.join(tools)}" for tools, word in named if tools]
    return f"verdict: beside {ours}, the best of ours, {'; '.join(parts)} (95 % intervals, each for itself)"


def report(runs: dict[str, list[Run]], table: Table, goal: str) -> list[str]:
    """The lines of one data set, of the runs by tool."""
    evaluations = next(iter(runs.values()))[0].evaluations
    marks = [mark for mark in MARKS if mark <= evaluations]
    regret = goal == "accuracy200"
    if regret:
        marks = [mark for mark in marks if mark >= 50] or marks[-1:]
    optimum = max(valid for _, valid, _ in table.values())
    ours = best_of_ours(runs)
    found = differences(runs, ours)
    afters = "/".join(map(str, marks))
    seen = f"{'regret' if regret else 'best 12-epoch accuracy'} after {afters}"
    wide = max(len(seen), 15 * len(marks) if regret else 6 * len(marks))
    head = f"{'valid':14} {'- best of ours':16} {'test':14} {seen:{wide}} different  ms/proposal"
    lines = [f"{'tool':24} {'runs':>4}  {head}"]
    for tool, own in runs.items():
        if regret:
            after = "  ".join(spread([optimum - one.best(mark) for one in own], 3) for mark in marks)
        else:
            after = " ".join(f"{fmean(one.best(mark) for one in own):.2f}" for mark in marks)
        less = f"{found[tool][0]:+.3f} ± {found[tool][1]:.3f}" if tool in found else "-"
        valid, test = (spread([getattr(one, split) for one in own]) for split in ("valid", "test"))
        cells = f"{valid:14} {less:16} {test:14} {after:{wide}}"
        cost = f"{fmean(one.different for one in own):9.1f} {1000 * median(one.seconds for one in own):12.2f}"
        lines.append(f"{tool:24} {len(own):4}  {cells} {cost}")
    return [*lines, verdict(ours, found)]


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [*OURS, *TOOLS]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("table", type=Path, nargs="?", default=nasbench201.TABLE)
    options.add_argument("--tools", nargs="+", choices=names, help="default: all that are installed")
    options.add_argument("--data", nargs="+", choices=list(COLUMNS), default=list(COLUMNS))
    options.add_argument("--regret", action="store_true", help="search by accuracy after 200 epochs")
    options.add_argument("--evaluations", type=int, help="default: 100; 150 with --regret")
    options.add_argument("--runs", type=int, default=500, help="searches of each: seeds from 0")
    options.add_argument("--seeds", type=int, nargs=2, metavar=("FROM", "TO"), help="instead of --runs; TO is left out")
    options.add_argument("--slow-runs", type=int, default=20, help="slow tools have seeds below this")
    options.add_argument("--minutes", type=float, default=math.inf, help="start no search later")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--output", type=Path, help="a CSV file of the runs, which is added to")
    options.add_argument("--merge", type=Path, nargs="+", default=[], help="files of other runs, which count too")
    given = options.parse_args(arguments)
    given.evaluations = given.evaluations or (150 if given.regret else 100)
    given.seeds = range(*given.seeds) if given.seeds else range(given.runs)
    return given


def versions_of(given: argparse.Namespace) -> dict[str, str]:
    """What decides a tool's results, for each that can run. Raises UserError if one that was asked for is missing."""
    versions: dict[str, str] = {}
    missing = []
    for name, settings in settings_of(given.evaluations).items():
        code = code_fingerprint(f"nas_steps.search.samplers.{settings.kind}", "nas_steps.search.sampling")
        versions[name] = fingerprint([code, settings.model_dump(mode="json")])
    for name, tool in TOOLS.items():
        if (known := tool.versions()) is not None:
            versions[name] = known
        else:
            missing.append(name)
    if given.tools and (absent := [name for name in given.tools if name in missing]):
        raise UserError(f"--tools names {', '.join(absent)}, not installed: pip install -e '.[benchmarks]'")
    if missing and not given.tools:
        print(f"left out, not installed (pip install -e '.[benchmarks]'): {', '.join(missing)}")
    return {name: known for name, known in versions.items() if not given.tools or name in given.tools}


def check(given: argparse.Namespace) -> None:
    """Raise UserError if the options cannot be followed."""
    if not given.table.is_file():
        raise UserError(f"there is no table {given.table}; name the file to read")
    if given.evaluations < 20 or given.evaluations % 10:
        raise UserError(f"--evaluations is {given.evaluations}: give 20 or more, a multiple of 10")
    if given.seeds.start < 0:
        raise UserError(f"--seeds starts at {given.seeds.start}: give 0 or more")
    if not given.seeds:
        raise UserError("--runs or --seeds name no seeds: give --runs 1 or more, or --seeds FROM TO, FROM below TO")
    if given.processes < 1:
        raise UserError(f"--processes is {given.processes}: give 1 or more")
    if given.output and not given.output.parent.is_dir():
        raise UserError(f"--output names {given.output}, whose folder is not there: make it")
    for path in given.merge:
        if not path.is_file():
            raise UserError(f"--merge names {path}, which is not there")


def main(arguments: Sequence[str] | None = None) -> None:
    given = options_of(arguments)
    check(given)
    versions = versions_of(given)
    goal = "accuracy200" if given.regret else "accuracy12"
    same = {
        "table": hashlib.sha256(given.table.read_bytes()).hexdigest()[:16],
        "goal": goal,
        "evaluations": given.evaluations,
    }
    files = [*given.merge, *([given.output] if given.output and given.output.exists() else [])]
    known = {one.key(): one for path in files for one in load(path)}
    wanted = jobs(versions, given.data, given.seeds, given.slow_runs, **same)
    waiting = [job for job in wanted if job.key() not in known]
    output = Output(given.output)
    # of the processes that search, whose libraries read it when they are imported
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    until = time.monotonic() + 60 * given.minutes
    for one in tqdm(execute(waiting, given.table, given.processes, until), total=len(waiting), disable=None):
        known[one.key()] = one
        output.add(one)
    counted = [
        one
        for one in sorted(known.values(), key=lambda one: one.seed)
        if (one.table, one.goal, one.evaluations) == tuple(same.values()) and versions.get(one.tool) == one.version
    ]
    if len(counted) < len(known):
        print(f"left out, of other tools, versions, settings or tables: {len(known) - len(counted)} runs of the files")
    tables = read(given.table)
    print(f"searches of {given.evaluations} evaluations; accuracy in %, mean ± standard deviation; intervals: 95 %")
    for data in given.data:
        runs = {tool: [one for one in counted if (one.tool, one.data) == (tool, data)] for tool in versions}
        if runs := {tool: own for tool, own in runs.items() if own}:
            print(f"\n{data}", *report(runs, tables[data], goal), sep="\n")
    used = [f"{tool}: {known}" for tool, known in versions.items() if tool in TOOLS]
    if used:
        print("\n" + "; ".join(used))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
