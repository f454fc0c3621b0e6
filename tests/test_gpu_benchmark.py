"""The script that measures a GPU runs whole on a CPU, on tiny networks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WAYS = {"textbook", "eager", "graphed", "bf16", "graphed_bf16", "graphed_not_deterministic"}
STEP = {"seconds", "least", "most", "peak_mb"}


def run(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--dry", "--output", str(output), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_dry_run_measures_every_part(tmp_path: Path) -> None:
    done = run(tmp_path / "gpu.json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((tmp_path / "gpu.json").read_text())
    parts = {name: {key: value for key, value in part.items() if key != "part_seconds"} for name, part in told.items()}
    assert parts["machine"]["dry"] is True
    assert set(parts["first_order"]) == WAYS
    for one in parts["first_order"].values():
        assert set(one) == STEP | {"times_faster", "minutes_of_50_epochs"}
        assert 0 < one["least"] <= one["seconds"] <= one["most"]
    assert set(parts["kernels"]) == {"usual", "as on a CPU", "phases", "folds", "channels_first"}
    assert all(set(one) == STEP for one in parts["kernels"].values())
    both, alone = {"eager", "graphed"}, {"eager"}
    ways = {kind: set(found) for kind, found in parts["other_kinds"].items()}
    assert ways == {"darts_second_order": both, "sdarts_adv": both, "gdas": alone, "drnas": both, "pc_darts": both}
    for what in ("graph_is_eager", "repeated"):
        found = parts["equality"][what]
        assert set(found) == {"darts", "darts_second_order", "sdarts_adv", "drnas", "pc_darts"}
        assert all((one["equal"], one["apart"]) == (True, 0.0) for one in found.values())
    assert not any(one["recorded"] for one in parts["equality"]["graph_is_eager"].values())  # by no CPU
    assert parts["equality"]["cpu"] == {"float64": 0.0, "float32": 0.0}
    assert 0 < parts["equality"]["textbook"] < 1e-9
    killed = parts["kill_and_resume"]
    assert killed["killed_by"] == 9
    assert killed["goes_on_from"][0] == 2  # in the second epoch
    assert killed["equal"] is True
    assert len(parts["photos"]) == 6
    assert all(one["images"] == 8 and one["images_a_second"] > 0 for one in list(parts["photos"].values())[1:])
    assert set(parts["side_by_side"]) == {"1", "2"}


def test_a_part_that_would_begin_too_late_is_skipped(tmp_path: Path) -> None:
    """No time is left for any part: each is told as skipped."""
    done = run(tmp_path / "gpu.json", "--minutes", "-1", "--only", "photos", "equality")
    assert done.returncode == 0
    told = json.loads((tmp_path / "gpu.json").read_text())
    assert set(told) == {"machine", "photos", "equality"}
    assert all("skipped" in told[name] for name in ("photos", "equality"))
