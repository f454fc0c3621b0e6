"""Searching in a benchmark's table: the whole workflow without a training."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

from tiny_workflow import change, finish, jobs_to_run, snakemake

from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE
from nas_steps.spaces.protocol import members

SPACE = PRESETS["nasbench201"].replace(nodes=2)
#: it looks like an option, and begins with a byte-order mark, as a spreadsheet writes it
NAME = "-table.csv"
CONFIG: dict[str, Any] = {
    "experiment": "table",
    "space": {"preset": "nasbench201", "nodes": 2},
    "search": {
        "estimator": {"kind": "table", "path": NAME, "search": "few epochs", "report": "all epochs"},
        "seeds": 3,
        "strategies": {
            "random": {},
            "evolution": {"population": 5, "sample": 2, "children": 5, "rounds": 3},
            "predictor": {"initial": 5, "batch": 5, "rounds": 3},
        },
    },
}


def write_table(folder: Path, *, change: float = 0.0) -> None:
    dice = random.Random(0)
    folder.mkdir(exist_ok=True)
    with (folder / NAME).open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "few epochs", "all epochs"])
        for architecture in map(str, members(SPACE)):
            worth = 10 * architecture.count("conv") + dice.random()
            writer.writerow([architecture, 20 + worth, 50 + worth + dice.random() + change])


def test_a_table_is_searched_reported_and_listed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_table(folder)
    jobs = jobs_to_run(folder, CONFIG)
    assert {job.split()[0] for job in jobs} == {"replay", "rank_in_table", "lookup", "report", "manifest"}
    finish(folder, CONFIG)
    results = folder / "results/table"
    with (results / "retraining/retrained.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["entry"], row["seed"]) for row in rows] == [
        (name, str(seed)) for name in CONFIG["search"]["strategies"] for seed in range(3)
    ]
    page = (results / "report/report.html").read_text()
    for told in ("few epochs", "all epochs", "architectures of the table", "search seeds"):
        assert told in page
    for absent in ("Scaled family", "ONNX files", "Final trainings", "hand-designed"):
        assert absent not in page.partition("<details><summary>Configuration")[0]
    # random search got as many looks as the others
    with (results / "search/random-0/history.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 15
    assert jobs_to_run(folder, CONFIG) == []
    # one more round, another column, other figures: what looks into the table runs again
    fewer = change(CONFIG, search__strategies__predictor__rounds=2)
    assert [job for job in jobs_to_run(folder, fewer) if job.startswith("replay")] == [
        f"replay strategy=predictor, seed={seed}" for seed in range(3)
    ]
    write_table(folder, change=1.0)
    assert len([job for job in jobs_to_run(folder, CONFIG) if job.startswith("replay")]) == 9


def test_a_table_that_lacks_an_architecture_is_refused_before_any_job(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_table(folder)
    lines = (folder / NAME).read_text().splitlines()
    (folder / NAME).write_text("\n".join(lines[:-1]))
    result = snakemake(folder, CONFIG, "--dry-run")
    told = result.stdout + result.stderr
    assert result.returncode != 0
    assert "124 of the 125 architectures" in told
    assert lines[-1].split(",")[0] in told
    assert "Traceback" not in told


def test_a_strategy_that_looks_up_must_have_evaluations_that_random_search_matches(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_table(folder)
    alone = change(CONFIG, search__strategies={"random": {}, "darts": {}})
    result = snakemake(folder, alone, "--dry-run")
    told = "search.estimator is a table, but no strategy has evaluations that random could match"
    assert told in result.stdout + result.stderr


def test_a_table_that_lacks_most_is_completed_and_the_page_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    dice, rows = random.Random(0), {}
    space = MOBILE["mobile_small"]
    while len(rows) < 60:
        architecture = space.sample(dice)
        layers = sum(map(len, architecture.stages))
        rows[str(architecture)] = [str(architecture), 60 + layers + dice.random(), 2.0 + layers, 100.0 - 3 * layers]
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["architecture", "top1", "ms", "images per second"], *rows.values()])
    estimator = {"kind": "table", "path": "table.csv", "search": "top1", "report": "top1", "missing": "surrogate"}
    estimator["columns"] = {"ms": {"at_most": 8}, "images per second": {"goal": "maximise"}}
    config = {
        "experiment": "table",
        "space": {"preset": "mobile_small"},
        "search": {
            "estimator": {**estimator, "images": {"side": 32, "classes": 10}},
            "constraints": {"parameters": 1e5},
            "seeds": 1,
            "strategies": {
                "random": {},
                "nsga2": {"objectives": ["ms", "images per second"], "population": 4, "children": 4, "rounds": 2},
            },
        },
    }
    finish(folder, config)
    results = folder / "results/table"
    for search in ("random-0", "nsga2-0"):
        with (results / f"search/{search}/history.csv").open(newline="") as file:
            assert all(int(row["parameters"]) <= 1e5 for row in csv.DictReader(file))
    with (results / "ranking/looked_up.csv").open(newline="") as file:
        looked_up = list(csv.DictReader(file))
    evaluated = [row for row in looked_up if int(row["evaluations"])]
    assert sum(int(row["evaluations"]) for row in evaluated) == 16
    assert all(float(row["ms"]) <= 8 for row in evaluated)
    for row in looked_up:
        assert row["search_measured"] == str(int(row["architecture"] in rows))
        if row["search_measured"] == "0":
            assert float(row["search_low"]) < float(row["search"]) < float(row["search_high"])
        else:
            assert float(row["search"]) == rows[row["architecture"]][1] / 100
    predicted = sum(int(row["evaluations"]) for row in looked_up if row["search_measured"] == "0")
    page = (results / "report/report.html").read_text()
    assert f"{100 * predicted / 16:.1f} % of the 16 evaluations are predictions" in page.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    for told in (
        "Cross-validated on 60 rows of top1",
        "the most parameters of 8 random draws that fit",
        "90 % interval",
    ):
        assert told in page.replace("\N{NO-BREAK SPACE}", " ")
    assert jobs_to_run(folder, config) == []
