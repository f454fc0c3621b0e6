"""Whole experiments whose jobs are killed end with the bits of those whose jobs are not: a small `benchmarks.chaos`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tiny_workflow import ROOT

from benchmarks.undisturbed import compare


def test_jobs_of_every_rule_are_killed_and_all_files_are_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.chaos", "--kills", "14", "--seed", str(os.getpid())]
    command += ["--experiments", "table", "zero_cost", "--folder", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = result.stdout + result.stderr
    assert result.returncode == 0, told
    last = re.search(r"(\d+) kills, (\d+) starts of Snakemake.* (\d+) files compared, (\d+) identical", told)
    assert last, told
    kills, starts, files, identical = map(int, last.groups())
    assert kills >= 14
    assert starts >= 2
    assert files == identical > 100
    for rule in ("replay", "rank_in_table", "lookup", "report", "manifest", "data", "propose", "evaluate"):
        assert re.search(rf"\b{rule} [1-9]", told), told


def test_what_differs_is_told_and_what_a_clock_says_is_not(tmp_path: Path) -> None:
    for name, seconds, score in (("one", 1.0, 0.5), ("other", 2.0, 0.5), ("third", 1.0, 0.51)):
        place = tmp_path / name / "results" / "x"
        place.mkdir(parents=True)
        (place / "a.csv").write_text(f"architecture,score,seconds\nz,{score},{seconds}\n")
        (place / "a.json").write_text(json.dumps({"score": score, "train_seconds": seconds}))
        (place / "cost.json").write_text(json.dumps({"began": seconds, "attempts": 1, "step": "x"}))
    assert compare(tmp_path / "one", tmp_path / "other") == (3, [])
    found = compare(tmp_path / "one", tmp_path / "third")[1]
    assert found == ["results/x/a.csv differs", "results/x/a.json differs"]
    (tmp_path / "other" / "results" / "x" / "more.bin").write_bytes(b"1")
    assert compare(tmp_path / "one", tmp_path / "other")[1] == ["results/x/more.bin is in one of the two alone"]
