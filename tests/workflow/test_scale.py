"""Thousands of candidates: how many jobs there are, and what reading the workflow takes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS
from nas_steps.workflow.wiring import wired

ROOT = Path(__file__).resolve().parents[2]
# Runs snakemake's own main and prints which modules it has loaded afterwards. The SLURM plugin loads pandas by itself;
# it is hidden, so that what is found was loaded by this workflow.
LISTED = """
import json, pkgutil, sys
found = pkgutil.iter_modules
pkgutil.iter_modules = lambda *given, **named: (one for one in found(*given, **named) if "slurm" not in one.name)
from snakemake.cli import main
try:
    main()
except SystemExit as end:
    status = end.code
print("MODULES", json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
sys.exit(status)
"""
# Runs snakemake's own main and prints how often each function was called.
COUNTED = """
import json, sys
from collections import Counter
from snakemake.cli import main
calls = Counter()
def count(frame, event, _):
    if event == "call":
        calls[frame.f_code] += 1
sys.setprofile(count)
try:
    main()
except SystemExit as end:
    status = end.code
sys.setprofile(None)
named = Counter()
for code, number in calls.items():
    named[f"{code.co_filename}:{code.co_qualname}"] += number
print("CALLS", json.dumps({name: n for name, n in named.items() if "nas_steps" in name or "snakemake" in name}))
sys.exit(status)
"""


def dry_run(folder: Path, strategies: dict[str, Any], shards: int, program: str = LISTED) -> tuple[dict[str, int], str]:
    """How many jobs a dry run has of each rule, and all that it printed."""
    folder.mkdir(exist_ok=True)
    config = {"experiment": "large", "shards": shards, "search": {"strategies": strategies}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    flags = ["--snakefile", str(ROOT / "Snakefile"), "--dry-run", "--configfile", "config.yaml"]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", program, *flags]
    result = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    table = output.rpartition("Job stats:")[2].partition("Reasons:")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M)}, output


@pytest.mark.parametrize("shards", [1, 8])
def test_a_thousand_candidates_make_as_many_jobs_as_the_config_says(tmp_path: Path, shards: int) -> None:
    """One job a shard of each round, whatever the number of candidates."""
    strategies = {
        "random": {"evaluations": 500},
        "evolution": {"population": 100, "sample": 10, "children": 100, "rounds": 5},
    }
    jobs, _ = dry_run(tmp_path, strategies, shards)
    assert jobs["evaluate"] == (1 + 5) * shards
    assert jobs["propose"] == 1 + 5
    assert jobs["train_shortlist"] == jobs["train_sample"] == jobs["score_sample"] == shards


def test_many_rounds_are_no_deep_recursion_and_their_jobs_have_few_inputs(tmp_path: Path) -> None:
    """10,000 evaluations, half of them in 491 rounds. Naming all shards before, they would grow as its square."""
    strategies = {
        "random": {"evaluations": 5090},
        "evolution": {"population": 10, "sample": 5, "children": 10, "rounds": 491},
    }
    jobs, output = dry_run(tmp_path, strategies, 2)
    assert jobs["evaluate"] == 2 * (1 + 491)
    inputs = re.findall(r"^(?:local)?rule propose:\n +input: (.*)$", output, flags=re.M)
    assert len(inputs) == 490  # the first round has none
    # the rounds before in one file, the state, two shards
    assert max(len(line.split(", ")) for line in inputs) == 2 + 2


def test_reading_the_workflow_loads_neither_torch_nor_pandas(tmp_path: Path) -> None:
    """Each job of a cluster reads it anew."""
    _, output = dry_run(tmp_path, {"random": {"evaluations": 4}, "darts": {}}, 2)
    loaded = set(json.loads(output.rpartition("MODULES ")[2].splitlines()[0]))
    assert {"nas_steps", "snakemake"} <= loaded
    assert loaded & {"torch", "torchvision", "pandas", "sklearn", "scipy", "onnx", "onnxruntime", "matplotlib"} == set()


def test_no_function_is_called_more_than_in_proportion_to_the_rounds(tmp_path: Path) -> None:
    """Of the plan, the forecast, the rules and Snakemake: from 16 to 32 rounds twice as many more as from 8 to 16."""
    calls: list[dict[str, int]] = []
    for rounds in (1, 8, 16, 32):
        strategies = {
            "random": {"evaluations": 4},
            "evolution": {"population": 2, "sample": 1, "children": 2, "rounds": rounds},
        }
        # the first one only parses the modules, which takes long when it is counted
        _, output = dry_run(tmp_path, strategies, 2, COUNTED if rounds > 1 else LISTED)
        if rounds > 1:
            calls.append(json.loads(output.rpartition("CALLS ")[2].splitlines()[0]))
    names = {name for one in calls for name in one}
    growth = {name: [one.get(name, 0) for one in calls] for name in names}
    assert sum(last - first > 24 for first, _, last in growth.values()) > 100  # it is seen at all
    assert {name: of for name, of in growth.items() if of[2] - of[1] > 2.5 * max(of[1] - of[0], 0) + 40} == {}


def test_what_all_jobs_of_a_step_share_is_no_function_that_snakemake_calls_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    step = wired(Plan({"experiment": "large", "shards": 3}))
    functions = {name: {key for key, value in step(name).items() if callable(value)} for name in STEPS}
    assert functions["evaluate"] == functions["train_sample"] == {"command"}
    assert step("evaluate")["options"] == "--shards 3"
    assert step("evaluate")["code"] == step("evaluate").plan.code(
        "evaluate", strategy="random", seed=0, round=0, shard=0
    )
    assert functions["propose"] == {"settings", "code", "versions", "command"}
    assert functions["retrain"] == {"code", "options", "command"}


def test_a_process_that_only_reads_the_workflow_does_not_list_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of a job on a cluster does; only the manifest, and the process that starts the jobs, need the list."""
    monkeypatch.chdir(tmp_path)
    plan = Plan({"experiment": "large"})
    step = wired(plan)
    for name in STEPS:
        assert step(name).outputs
        assert step(name).log
        if name != "manifest":
            assert step(name)["command"]
    listing = {"_made", "_lasting"}
    assert not listing & vars(plan).keys()
    assert step("manifest")["settings"].startswith("results/settings/manifest-")
    assert "_made" in vars(plan)
    rule = (ROOT / "rules" / "manifest.smk").read_text()
    assert re.findall(r"lambda w: plan\.(listed\(\)|settings\(\"manifest\"\))", rule) == [
        "listed()",
        'settings("manifest")',
    ]
    assert rule.count("plan.listed()") == rule.count("plan.settings(") == 1
