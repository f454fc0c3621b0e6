"""Latency and memory of a file, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from exported_world import Prototypes, deployed
from tiny_world import prepared

from nas_steps.data.store import read_meta
from nas_steps.export import performance
from nas_steps.export.convert import write_onnx
from nas_steps.export.performance import FEWEST, main, measure, peak_memory_mb, run
from nas_steps.export.tables import PERFORMANCE


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("performance") / "model.onnx"
    write_onnx(path, deployed(Prototypes()), read_meta(prepared()), 18, {})
    return path


def test_all_figures_of_a_file(model: Path) -> None:
    found = measure(model, 7, 2)
    assert set(found) == set(PERFORMANCE) - {"name", "file", "precision", "bytes"}
    assert (found["threads"], found["repeats_1"], found["repeats_32"]) == (2, 7, 7)
    for batch in (1, 32):
        low, median, high = (found[f"latency_{batch}_{name}"] for name in ("p25_ms", "ms", "p75_ms"))
        assert 0 < low <= median <= high
    assert 0 < found["memory_idle_mb"] <= found["memory_1_mb"] <= found["memory_32_mb"]


def test_the_memory_is_not_this_process_s(model: Path) -> None:
    """A child that is told its parent's peak, as getrusage does on Linux, would have at least this."""
    ballast = np.ones(25_000_000)
    mine = peak_memory_mb()
    assert mine > ballast.nbytes / 1e6
    assert measure(model, 1, 1)["memory_32_mb"] < mine - 100


def test_slow_files_are_run_less_often(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0, 1e4, 2.0))  # each reading is 2 s after the one before
    monkeypatch.setattr(performance.time, "perf_counter", lambda: next(clock))
    found = run(model, 50, 1)
    assert (found["repeats_1"], found["repeats_32"], found["latency_1_ms"]) == (FEWEST, FEWEST, 2000.0)


def test_the_process_prints_its_figures_alone(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    main([str(model), "--repeats", "2"])
    assert json.loads(capsys.readouterr().out)["repeats_32"] == 2


def test_a_process_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure(tmp_path / "none.onnx", 1, 1)
