"""Whether two folders of results are the same, bit for bit, what a clock or a meter measured aside."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_csv, read_json
from nas_steps.provenance.fingerprint import file_hash

#: what is measured, by file, as parts of the names of its columns and keys: a second run measures other numbers
MEASURED: tuple[tuple[str, tuple[str, ...]], ...] = (
    # how long a training, a score or a job took, and times that are predicted from such ones
    ("*", ("seconds",)),
    # when a job began, its memory and energy; in how many attempts it was done and what it did not do again
    ("*cost.json", ("began", "memory", "energy", "attempts", "looked_up")),
    ("*/report/tables/costs.csv", ("memory", "energy")),
    # of a remembered estimate, its seconds among all else
    ("results/estimates/*", ("fingerprint",)),
    # the seconds of a search, in final trainings
    ("*/report/tables/search_costs.csv", ("final_trainings",)),
    # the latency of blocks and networks
    ("*/search/blocks.csv", ("latency_ms",)),
    ("*/search/latency.json", ("call_ms", "load", "validation")),
    ("*/report/tables/fronts.csv", ("latency",)),
    # the seconds of the rungs' trainings
    ("*/scaling/multipliers.csv", ("time",)),
    # latency and memory of exported files; slow ones are timed less often
    ("*/performance.*", ("latency", "memory", "repeats", "times")),
)
#: not compared with the other run: what a log says goes by the attempt, file_hashes.json holds times of modification,
#: the page and the model cards are full of times, and latencies.csv is in their order: see `made_again` for the page
ASIDE = ("*.log", "*/file_hashes.json", "*/report.html", "*/report/tables/latencies.csv", "*/export/*/README.md")


def files(folder: Path) -> dict[str, Path]:
    """All files of a folder's results, by their place in it."""
    found = (file for file in sorted((folder / "results").rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file for file in found}


def content(name: str, file: Path) -> Any:
    """What a file holds, less what is measured."""
    words = [word for pattern, words in MEASURED if fnmatch(name, pattern) for word in words]
    if file.suffix == ".csv":
        return [list(less(row, words).items()) for row in read_csv(file)]
    if file.suffix == ".json":
        return less(read_json(file), words)
    return file.read_bytes()


def less(value: Any, words: list[str]) -> Any:
    """Data without the keys that have one of the words in their name."""
    if isinstance(value, dict):
        return {key: less(item, words) for key, item in value.items() if not any(word in key for word in words)}
    return [less(item, words) for item in value] if isinstance(value, list) else value


def compare(one: Path, other: Path) -> tuple[int, list[str]]:
    """How many files both folders have; and what differs, in words."""
    first, second = (
        {name: file for name, file in files(folder).items() if not any(fnmatch(name, aside) for aside in ASIDE)}
        for folder in (one, other)
    )
    differences = [f"{name} is in one of the two alone" for name in sorted(first.keys() ^ second.keys())]
    both = sorted(first.keys() & second.keys())
    for name in both:
        if name.endswith("/manifest.json"):
            differences += manifests(name, first[name], second[name])
        elif content(name, first[name]) != content(name, second[name]):
            differences.append(f"{name} differs")
    return len(both), differences


def manifests(name: str, one: Path, other: Path) -> Iterator[str]:
    """What differs in two manifests. Each must list its own folder's files as they are; what files are made with must
    be the same in both."""
    first, second = read_json(one), read_json(other)
    for manifest, found in ((one, first), (other, second)):
        for file, entry in found["files"].items():
            path = manifest.parent / file
            if (entry.pop("sha256"), entry.pop("bytes")) != (file_hash(path), path.stat().st_size):
                yield f"{manifest}: {file} is not as it is listed"
    if first != second:
        yield f"{name} differs"


def made_again(folder: Path, scratch: Path) -> tuple[int, list[str]]:
    """Make the report anew from a copy of the results, undisturbed: how many files it has, and what differs, in words.

    With the results the times are the same, so that the whole page is compared bit for bit.
    """
    shutil.copytree(folder / "results", scratch / "results")
    count, differences = 0, []
    for settings in (scratch / "results" / "settings").glob("report-*.json"):
        name = read_json(settings)["config"]["experiment"]
        report = f"results/{name}/report"
        if not (scratch / report).is_dir():
            continue
        shutil.rmtree(scratch / report)
        command = [sys.executable, "-m", "nas_steps.report", "report", "--settings", str(settings), "--output", report]
        for data in (scratch / "results" / "data").glob("*"):
            command += ["--data", str(data.relative_to(scratch))]
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        first, second = (
            {place: file.read_bytes() for place, file in files(where).items() if place.startswith(f"{report}/")}
            for where in (folder, scratch)
        )
        count += len(first)
        differences += [
            f"{place} is not as an undisturbed job makes it"
            for place in sorted(first.keys() | second.keys())
            if first.get(place) != second.get(place)
        ]
    return count, differences


def left_over(folder: Path) -> list[str]:
    """What killed jobs have left beside the files that there are to be."""
    return sorted(
        path.relative_to(folder).as_posix()
        for pattern in ("*.partial", "*.checkpoints")
        for path in (folder / "results").rglob(pattern)
    )


def resumed(folder: Path) -> int:
    """How often a job has gone on from the checkpoint of one that was killed."""
    return sum(read_json(file)["attempts"] - 1 for name, file in files(folder).items() if name.endswith("cost.json"))
