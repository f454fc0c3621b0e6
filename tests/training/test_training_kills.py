"""A step that is killed, again and again, ends with the bits of one that was not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nas_steps.provenance.files import read_csv, read_json

KILLS = int(os.environ.get("NAS_STEPS_TEST_KILLS", "6"))  # of each kind of step
SEED = int(os.environ.get("NAS_STEPS_TEST_SEED", str(os.getpid())))


def less_time(path: Path) -> Any:
    """What a file holds, without what a clock measured."""
    if path.suffix == ".csv":
        return [{key: value for key, value in row.items() if "seconds" not in key} for row in read_csv(path)]
    if path.suffix == ".json":
        found = read_json(path)
        return {k: v for k, v in found.items() if "seconds" not in k} if isinstance(found, dict) else found
    return path.read_bytes()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killing")
    script = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(script), str(folder), str(SEED), str(KILLS)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"seed {SEED}: {result.stderr[-6000:]}"
    return folder


def test_every_kind_of_step_that_trains_or_scores_ends_with_the_same_bits(world: Path) -> None:
    told = json.loads((world / "told.json").read_text(encoding="utf-8"))
    names = {"search candidates", "shortlist", "supernet", "retraining", "baseline", "grid", "scaled member"}
    names |= {"one-shot supernet", "one-shot search", "statistics of a supernet", "ranked paths", "controller", "data"}
    names |= {"extrapolated curves", "proxies", "screen", "design", "seeds together"}
    family = ("gdas", "sdarts_adv", "pc_darts", "darts_second_order", "rsws")
    names |= {f"supernet of {kind}" for kind in family}
    assert {kind["name"] for kind in told} == names
    compared = 0
    for kind in told:
        assert kind["kills"] == -(-KILLS // kind["share"])
        whole, broken = world / kind["name"] / "whole", world / kind["name"] / "broken"
        for name in kind["files"]:
            if name == "log.txt" or name.endswith("cost.json"):
                continue
            assert less_time(whole / name) == less_time(broken / name), f"seed {SEED}: {kind['name']}, {name}"
            compared += 1
    assert compared >= 50
    # a test that killed only before the first checkpoint would show nothing
    assert sum(kind["resumed"] for kind in told) >= KILLS
    assert sum(kind["in_write"] for kind in told) > 0
    kills, resumed = (sum(kind[what] for kind in told) for what in ("kills", "resumed"))
    print(f"seed {SEED}: {kills} kills, {resumed} times gone on in a training, {compared} files identical")
