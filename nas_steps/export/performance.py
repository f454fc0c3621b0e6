"""Measure an ONNX file in a fresh process, `python -m nas_steps.export.performance MODEL`, without torch."""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_steps.generation import Past, is_language, open_language

MODULE = "nas_steps.export.performance"
BATCHES = (1, 32)
WARM_UP = 3
#: the timing of a batch size ends after FEWEST runs and SECONDS
FEWEST, SECONDS = 5, 3.0


def measure(path: str | Path, repeats: int, threads: int) -> dict[str, Any]:
    """Return the process's latencies in milliseconds and peak memories in megabytes. Raises CalledProcessError."""
    root = str(Path(__file__).resolve().parents[2])
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", MODULE, str(path), "--repeats", str(repeats), "--threads", str(threads)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    return json.loads(subprocess.check_output(command, env=environment, encoding="utf-8"))


def main(arguments: Sequence[str]) -> None:
    options = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    options.add_argument("model", help="an ONNX file of the export stage")
    options.add_argument("--repeats", type=int, default=20, help="timed runs of each batch size")
    options.add_argument("--threads", type=int, default=1, help="CPU threads")
    given = options.parse_args(arguments)
    print(json.dumps(run(given.model, given.repeats, given.threads)))


def run(path: str | Path, repeats: int, threads: int) -> dict[str, Any]:
    """Load and time the model in this process."""
    import onnxruntime

    figures: dict[str, Any] = {"threads": threads, "memory_idle_mb": peak_memory_mb()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    call = next_token(path, session) if is_language(properties) else images(session)
    for batch in BATCHES:  # in this order: a peak is never forgotten
        one = call(batch)
        for _ in range(WARM_UP):
            one()
        times: list[float] = []
        while len(times) < repeats and (len(times) < FEWEST or sum(times) < SECONDS):
            start = time.perf_counter()
            one()
            times.append(time.perf_counter() - start)
        low, median, high = (1e3 * np.quantile(times, [0.25, 0.5, 0.75])).round(4).tolist()
        figures |= {
            f"repeats_{batch}": len(times),
            f"latency_{batch}_ms": median,
            f"latency_{batch}_p25_ms": low,
            f"latency_{batch}_p75_ms": high,
            f"memory_{batch}_mb": peak_memory_mb(),
        }
    return figures


def images(session: Any) -> Callable[[int], Callable[[], Any]]:
    """Return what makes, for a batch size, the forward pass of random images."""
    entry, dice = session.get_inputs()[0], np.random.default_rng(0)

    def of_batch(batch: int) -> Callable[[], Any]:
        feed = {entry.name: dice.integers(0, 256, (batch, *entry.shape[1:]), dtype=np.uint8)}
        return lambda: session.run(None, feed)

    return of_batch


def next_token(path: str | Path, session: Any) -> Callable[[int], Callable[[], Any]]:
    """Return what makes, for a batch size, the reading of one token of each sequence, half of the context being read.

    All sequences of a batch are the same one.
    """
    language = open_language(path, session)
    past = language.start(1)
    dice = np.random.default_rng(0)
    for token in dice.integers(0, language.tokens.size, language.context // 2):
        _, past = language.step(np.array([token]), past)

    def of_batch(batch: int) -> Callable[[], Any]:
        repeated = {name: np.repeat(tensor, batch, axis=0) for name, tensor in past.state.items()}
        return lambda: language.step(np.zeros(batch, np.int64), Past(past.position, repeated))

    return of_batch


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, in megabytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # not getrusage's figure: on Linux a child inherits its parent's
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return round(int(line.split()[1]) * 1024 / 1e6, 1)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(usage / (1e6 if sys.platform == "darwin" else 1e3), 1)


if __name__ == "__main__":
    main(sys.argv[1:])
