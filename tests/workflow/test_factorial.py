"""Search against scaling, and a family with warm starts, in a mobile space: the whole workflow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import RECIPE, TINY, change, finish, jobs_to_run, snakemake

from nas_steps.provenance.files import read_csv, read_json

SMALL: dict[str, Any] = {
    **{key: TINY[key] for key in ("shards", "data")},
    "experiment": "apart",
    "space": {
        "preset": "mobile_small",
        "stem": {"width": 4},
        "stages": [
            {"width": 4, "depth": [1, 2], "kernel": [3, 5], "expansion": 2},
            {"width": 8, "depth": 1, "stride": 2, "kernel": [3, 5], "expansion": 2},
        ],
        "head": {"width": 16},
    },
    "search": {"estimator": RECIPE, "strategies": {"random": {"evaluations": 2}}},
    "ranking": {"shortlist": 1, "recipe": RECIPE},
    "retrain": {"recipe": RECIPE, "seeds": 1, "baselines": ["resnet20_x0.25", "resnet20_x0.1"]},
    "scaling": {
        "depth": [1.0],
        "width": [1.0],
        "resolution": [1.4],
        "recipe": RECIPE,
        "members": 2,
        "mac_budget": 4e5,
        "seeds": 1,
        "warm_start": True,
        "factorial": {
            "enabled": True,
            "bases": ["searched", "random"],
            "scalings": ["none", "width"],
            "factor": 2,
            "seeds": 2,
        },
    },
}


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apart")
    finish(folder, SMALL)
    return folder


def test_the_factorial_ends_in_its_tables_and_its_section(apart: Path) -> None:
    results = apart / "results" / "apart"
    cells = read_csv(results / "scaling" / "factorial.csv")
    assert [(row["base"], row["scaling"], row["trainings"], row["status"]) for row in cells] == [
        (base, way, "2", "ok") for base in ("searched", "random") for way in ("none", "width")
    ]
    for seed in (0, 1):
        designs = read_csv(results / "scaling" / "factorial" / f"designs-s{seed}.csv")
        for row in designs:
            record = read_json(
                results / "scaling" / "factorial" / f"{row['base']}-{row['scaling']}-s{seed}" / "metrics.json"
            )
            assert (record["architecture"], record["macs"]) == (row["architecture"], int(row["macs"]))
            assert record["test_file"]["name"] == "test_images.npy"
    effects = read_csv(results / "scaling" / "effects.csv")
    assert {row["seeds"] for row in effects} == {"2"}
    page = (results / "report" / "report.html").read_text(encoding="utf-8")
    assert "Search or scaling?" in page
    assert "too few seeds for a claim" in page
    assert (results / "report" / "tables" / "effects.csv").is_file()


def test_a_member_starts_from_the_smaller_one(apart: Path) -> None:
    family = read_csv(apart / "results" / "apart" / "scaling" / "family.csv")
    assert [(row["member"], row["status"], row["warm_start"]) for row in family] == [
        ("B0", "ok", ""),
        ("B1", "ok", "B0"),
    ]
    assert int(family[1]["activation_bytes"]) > int(family[0]["activation_bytes"]) > 0
    assert float(family[1]["predicted_seconds"]) > 0
    assert read_json(apart / "results" / "apart" / "scaling" / "chosen.json")["score"] is None  # one triple, no grid


def test_one_more_seed_computes_only_its_own_networks(apart: Path) -> None:
    assert jobs_to_run(apart, SMALL) == []
    more = jobs_to_run(apart, change(SMALL, scaling__factorial__seeds=3))
    again = [job for job in more if not job.startswith(("gather_factorial", "report", "manifest"))]
    assert again == [
        "describe_designs seed=2",
        *(
            f"train_design base={base}, scaling={way}, seed=2"
            for base in ("random", "searched")
            for way in ("none", "width")
        ),
    ]


def test_only_trainings_that_end_an_experiment_have_the_test_files(tmp_path: Path) -> None:
    output = snakemake(tmp_path, SMALL, "--dry-run", "--forceall")
    readers = set()
    for block in re.split(r"^\[.*\d{4}\]$", output.stdout + output.stderr, flags=re.M):
        rule = re.search(r"^(?:local)?rule (\w+):", block, flags=re.M)
        inputs = re.search(r"^ +input: (.*)$", block, flags=re.M)
        if rule and inputs and "test_" in inputs[1]:
            readers.add(rule[1])
    assert readers == {"retrain", "train_member", "train_design", "export_networks", "export_scaled"}
