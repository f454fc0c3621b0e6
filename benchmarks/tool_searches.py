"""Searches of NAS-Bench-201's table by our strategies and by other tools: one, many, and a file of them."""

from __future__ import annotations

import csv
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, fields
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from benchmarks import nasbench201
from benchmarks.nasbench201 import Table, read, settings_of
from benchmarks.simulation import search
from benchmarks.tools import TOOLS, Tool
from nas_steps.errors import UserError
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.cells.presets import PRESETS

SPACE = PRESETS["nasbench201"]
OURS = tuple(nasbench201.SETTINGS)
#: evaluations after which the best so far is noted
MARKS = (10, 25, 50, 100, 150)
#: what a search sees: a column of the table
GOALS = {"accuracy12": 0, "accuracy200": 1}


@dataclass(frozen=True)
class Job:
    """A search to run. `version` says what decides a tool's results, `table` which table it is."""

    tool: str
    version: str
    table: str
    data: str
    goal: str
    evaluations: int
    seed: int

    def key(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in fields(Job))


@dataclass(frozen=True)
class Run(Job):
    """A search that ended. Accuracies in %; `valid` and `test`, after 200 epochs, are those of what it found best."""

    valid: float
    test: float
    #: different networks among the evaluated
    different: int
    #: seconds of the processor per evaluation, for asking and telling
    seconds: float
    #: the best that it had seen after these many evaluations, nan beyond its own
    best_10: float
    best_25: float
    best_50: float
    best_100: float
    best_150: float

    def best(self, mark: int) -> float:
        return getattr(self, f"best_{mark}")


def ask_and_tell(tool: Tool, score: Callable[[str], float], evaluations: int, seed: int) -> list[tuple[str, float]]:
    """What a tool asked for, in this order, as strings of the space, with the scores that it was told."""
    sites = SPACE.sites()
    options: dict[str, tuple[str, ...]] = {}
    while (decision := SPACE.decision([0] * len(options))) is not None:
        options[f"edge_{len(options)}"] = tuple(decision.options[one] for one in decision.allowed)
    searcher = tool.start(options, seed % 2**32)
    asked = []
    for _ in range(evaluations):
        found = searcher.ask()
        text = str(sites.made([allowed.index(found[name]) for name, allowed in options.items()]))
        asked.append((text, float(score(text))))
        searcher.tell(asked[-1][1])
    return asked


def run(job: Job, table: Table) -> Run:
    """Search `table`, once."""
    seed = derive_seed(job.seed, job.tool, job.data)
    column = GOALS[job.goal]
    began = time.process_time()
    if job.tool in OURS:
        settings = settings_of(job.evaluations)[job.tool]
        told = search(settings, SPACE, lambda architecture: table[str(architecture)][column], seed=seed)
        asked = [(one.architecture, one.fitness) for one in told]
    else:
        asked = ask_and_tell(TOOLS[job.tool], lambda text: table[text][column], job.evaluations, seed)
    seconds = (time.process_time() - began) / job.evaluations
    if len(asked) != job.evaluations:
        raise RuntimeError(f"{job.tool} evaluated {len(asked)} architectures, not {job.evaluations}")
    _, valid, test = table[max(asked, key=lambda one: one[1])[0]]
    best = {
        f"best_{mark}": max(value for _, value in asked[:mark]) if mark <= len(asked) else math.nan for mark in MARKS
    }
    different = len({SPACE.identity(SPACE.parse(text)) for text, _ in asked})
    return Run(*job.key(), valid=valid, test=test, different=different, seconds=seconds, **best)


_tables: dict[str, Table] = {}


def start(path: Path) -> None:
    """Set a process up: the table, and no warnings of the tools' models."""
    _tables.update(read(path))
    for module in ("botorch", "gpytorch", "linear_operator", "neps", "optuna", "sklearn"):
        warnings.filterwarnings("ignore", module=rf"{module}\.")


def work(job: Job) -> Run:
    return run(job, _tables[job.data])


def jobs(
    versions: Mapping[str, str],
    data: Sequence[str],
    seeds: range,
    slow: int,
    *,
    table: str,
    goal: str,
    evaluations: int,
) -> list[Job]:
    """All searches of the tools in `versions`, seed by seed; those of slow tools have seeds below `slow`."""
    return [
        Job(tool, version, table, one, goal, evaluations, seed)
        for seed in seeds
        for one in data
        for tool, version in versions.items()
        if tool in OURS or not TOOLS[tool].slow or seed < slow
    ]


def execute(waiting: Iterable[Job], path: Path, processes: int, until: float) -> Iterator[Run]:
    """Run the searches in this order, and yield each that ends; none starts after the time `until`."""
    # a fresh interpreter reads the number of threads
    with ProcessPoolExecutor(processes, get_context("spawn"), start, (path,)) as pool:
        left = iter(waiting)
        running: dict[Future[Run], Job] = {}
        while True:
            free = 2 * processes - len(running) if time.monotonic() < until else 0
            running |= {pool.submit(work, job): job for job in islice(left, free)}
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(done)
                try:
                    yield done.result()
                except Exception as error:
                    error.add_note(f"in the search of {job.tool} on {job.data} with seed {job.seed}")
                    raise


def load(path: Path) -> list[Run]:
    """The runs of a file that `--output` wrote. Raises UserError."""
    names = [field.name for field in fields(Run)]
    kinds = {"evaluations": int, "seed": int, "different": int}
    text = {"tool", "version", "table", "data", "goal"}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != names:
            raise UserError(f"{path} is no file of runs: its columns are {reader.fieldnames}, expected {names}")
        rows = list(reader)
    for number, row in enumerate(rows, start=2):
        if None in row.values() or None in row:
            raise UserError(f"{path}, line {number}, is no whole run: delete the line, and the search runs again")
    return [
        Run(**{name: row[name] if name in text else kinds.get(name, float)(row[name]) for name in names})
        for row in rows
    ]


class Output:
    """A CSV file of runs that grows; without a path, nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None and not path.exists():
            with path.open("x", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow([field.name for field in fields(Run)])

    def add(self, one: Run) -> None:
        if self.path is not None:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(asdict(one).values())
