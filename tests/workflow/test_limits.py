"""Limits through snakemake: what is measured once, and what of a changed limit reruns."""

from __future__ import annotations

import csv
from pathlib import Path

from tiny_workflow import TINY, change, finish, jobs_to_run

from nas_steps.config.load import load
from nas_steps.config.space import filled
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import read_costs
from nas_steps.spaces.declare import declared

CONSTRAINED = change(
    {name: value for name, value in TINY.items() if name not in ("scaling", "retrain")},
    retrain={name: value for name, value in TINY["retrain"].items() if name != "network"},
    scaling__enabled=False,
    space={"preset": "mobile_small", "stages": [{"width": [8, 16], "depth": [1, 2], "kernel": [3, 5]}]},
    search={
        "estimator": {"kind": "zero_cost", "proxy": "synflow", "batch_size": 20},
        "constraints": {"macs": 5e5, "latency": {"repeats": 2, "warmup": 0}},
        "strategies": {
            "random": {"evaluations": 2},
            "nsga2": {"population": 4, "children": 2, "rounds": 1, "objectives": ["latency"]},
        },
    },
)
CANDIDATES = "results/tiny/search/nsga2-0/candidates.csv"


def test_a_search_keeps_its_limits_and_another_limit_measures_nothing_anew(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finish(folder, CONSTRAINED, "--until", "gather_search", "--omit-from", "budget")
    space = declared(filled(load(CONSTRAINED | {"data": {"source": "digits"}}).space))
    costs = read_costs(folder / "results/tiny/search/blocks.csv", blocks_of(space))
    assert costs.has_latency
    with (folder / CANDIDATES).open(newline="", encoding="utf-8") as stream:
        found = [space.parse(row["architecture"]) for row in csv.DictReader(stream)]
    assert len(found) == 4
    assert all(costs.costs(one).macs <= 5e5 for one in found)
    jobs = {job.split()[0] for job in jobs_to_run(folder, change(CONSTRAINED, search__constraints__macs=6e5))}
    assert "propose" in jobs
    assert "measure_blocks" not in jobs
    other = change(CONSTRAINED, search__constraints__latency__batch=2)
    assert "measure_blocks" in {job.split()[0] for job in jobs_to_run(folder, other)}
