"""Measure the latency of the networks in this folder on this device; needs Python 3.8 and onnxruntime alone.

python run.py                     measures all of the kit and writes latency.csv
python run.py --model model.onnx  measures one ONNX file, such as the exported winner, and prints its milliseconds

Close other programs, and let the device run as it will in use (mains or battery, fan). All files are called in turns,
so that a device which slows down slows down all alike.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import onnxruntime

#: untimed calls of a file before the timed one, in each turn
LEAD = 2
TYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", nargs="+", default=[], help="measure these ONNX files instead of the kit")
    options.add_argument("--output", default="latency.csv", help="file to write")
    options.add_argument("--threads", type=int, help="threads of a forward pass; else those of the experiment")
    options.add_argument("--repeats", type=int, help="timed turns; else those of the experiment")
    options.add_argument("--warmup", type=int, help="turns before them; else those of the experiment")
    options.add_argument("--provider", default="CPUExecutionProvider", help="execution provider of onnxruntime")
    options.add_argument("--megabytes", type=float, default=512, help="of files that are open at once")
    given = options.parse_args(arguments)
    if given.provider not in onnxruntime.get_available_providers():
        known = ", ".join(onnxruntime.get_available_providers())
        sys.exit(f"error: onnxruntime has no provider {given.provider} here; it has {known}")
    folder = Path(__file__).resolve().parent
    plan = folder / "kit.json"
    if not plan.is_file():
        sys.exit(f"error: {plan} is missing; unzip the whole kit, and run the run.py in it")
    kit = json.loads(plan.read_text(encoding="utf-8"))
    for name in ("threads", "repeats", "warmup"):
        value = getattr(given, name)
        kit[name] = kit[name] if value is None else value
        if kit[name] < (name != "warmup"):
            sys.exit(f"error: --{name} is {kit[name]}; it must be {int(name != 'warmup')} or more")
    if given.model:
        models = [Path(one) for one in given.model]
        for model in models:
            if not model.is_file():
                sys.exit(f"error: there is no file {model}")
        for model, milliseconds in zip(models, measure(models, kit, given)):  # noqa: B905
            print(f"{model}: {milliseconds:.4g} ms, batch {kit['batch']}, {kit['threads']} thread(s)")
        return
    missing = [one["file"] for one in kit["measured"] if not (folder / one["file"]).is_file()]
    if missing:
        sys.exit(f"error: {len(missing)} files of the kit are missing, such as {missing[0]}; unzip it again")
    start, before = time.time(), load()
    times = measure([folder / one["file"] for one in kit["measured"]], kit, given)
    facts = dict(kit["facts"])
    facts.update(
        {
            "rows": len(times),
            "threads": kit["threads"],
            "repeats": kit["repeats"],
            "warmup": kit["warmup"],
            "provider": given.provider,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "machine": platform.machine(),
            "processor": processor(),
            "processors": os.cpu_count() or "",
            "load_before": before,
            "load_after": load(),
            "seconds": round(time.time() - start, 1),
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
    )
    # written elsewhere first: a table is whole or not there
    part = Path(given.output + ".part")
    with part.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["kind", "name", "value"])
        rows.writerows(["fact", name, value] for name, value in facts.items())
        for one, milliseconds in zip(kit["measured"], times):  # noqa: B905
            rows.writerow([one["kind"], one["name"], repr(milliseconds)])
    part.replace(given.output)
    print(f"{given.output}: {len(times)} measurements in {time.time() - start:.0f} s")
    print("copy it back and set search.constraints.latency.table to its path")


def measure(files: list[Path], kit: dict[str, Any], given: argparse.Namespace) -> list[float]:
    """Return the median milliseconds of each file; files that are open together are called in turns."""
    groups = together(files, given.megabytes * 1e6)
    text = f"{len(files)} files in {len(groups)} group(s), {kit['repeats']} turns each after {kit['warmup']}"
    print(text, flush=True)
    found = [0.0] * len(files)
    for number, group in enumerate(groups, start=1):
        calls = []
        for index in group:
            calls.append(prepared(files[index], kit["batch"], kit["threads"], given.provider))
            if len(calls) % 50 == 0 or len(calls) == len(group):
                print(f"group {number}: {len(calls)} of {len(group)} files are ready", flush=True)
        taken: list[list[float]] = [[] for _ in calls]
        start, turns = time.time(), kit["warmup"] + kit["repeats"]
        for turn in range(turns):
            for call, times in zip(calls, taken):  # noqa: B905
                for _ in range(LEAD):
                    call()
                milliseconds = call()
                if turn >= kit["warmup"]:
                    times.append(milliseconds)
            if turn in (0, 1, 4) or turn % 10 == 9 or turn == turns - 1:
                left = (time.time() - start) / (turn + 1) * (turns - turn - 1)
                print(f"group {number}: turn {turn + 1} of {turns}, about {left:.0f} s left", flush=True)
        for index, times in zip(group, taken):  # noqa: B905
            found[index] = statistics.median(times)
    return found


def together(files: list[Path], most: float) -> list[list[int]]:
    """Deal the files out into as few groups as keep each below `most` bytes; large and small ones in every group."""
    sizes = [file.stat().st_size for file in files]
    count = max(1, int(-(-sum(sizes) // most)))
    return [group for group in (list(range(first, len(files), count)) for first in range(count)) if group]


def prepared(file: Path, batch: int, threads: int, provider: str) -> Callable[[], float]:
    """Return a function that makes one forward pass of an ONNX file and returns its milliseconds."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=[provider])
    dice = numpy.random.RandomState(0)
    images = {}
    for entry in session.get_inputs():
        shape = [size if isinstance(size, int) else batch for size in entry.shape]
        values = dice.randint(0, 256, shape) if entry.type == "tensor(uint8)" else dice.standard_normal(shape)
        images[entry.name] = values.astype(TYPES[entry.type])

    def call() -> float:
        start = time.perf_counter()
        session.run(None, images)
        return 1e3 * (time.perf_counter() - start)

    return call


def processor() -> str:
    """Return the name of the processor, or of its architecture."""
    facts: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip().lower(), value.strip())
    except OSError:
        pass  # not Linux
    # on ARM, `model` is the board
    names = [facts.get("model name"), facts.get("hardware"), facts.get("model"), platform.processor()]
    return next((name for name in names if name and not name.isdigit()), platform.machine())


def load() -> float | str:
    """Return the mean number of running processes of the last minute; empty where the system has no such figure."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else ""


if __name__ == "__main__":
    main()
