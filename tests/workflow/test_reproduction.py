"""Supernets that learn from images, whose networks are looked up in a table and compared with published figures."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import ROOT, TINY, change, finish, jobs_to_run, snakemake

from nas_steps.config.load import load, read_yaml
from nas_steps.errors import UserError
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.protocol import members

SPACE = PRESETS["nasbench201"].replace(nodes=2)
QUICK = {"epochs": 1, "batch_size": 20}
CONFIG: dict[str, Any] = {
    "experiment": "published",
    "size": "small",
    "sizes": {"small": {"search": {"seeds": 2}}, "large": {"search": {"seeds": 9}}},
    "data": TINY["data"],
    "space": {"preset": "nasbench201", "nodes": 2},
    "search": {
        "network": {"channels": 2, "cells": 1},
        "estimator": {"kind": "table", "path": "table.csv", "search": "few", "report": "test", "valid": "valid"},
        "strategies": {
            "random": {"evaluations": 5},
            "rsws": {**QUICK, "evaluations": 3},
            "darts": QUICK,
            "gdas": {**QUICK, "learning_rate": 1e30},  # it diverges
            "enas": {
                **QUICK,
                "warmup_epochs": 0,
                "controller_steps": 1,
                "reward_images": 20,
                "evaluations": 3,
                "calibration_images": 20,
            },
        },
    },
    "report": {
        "published": {
            "rsws": {"valid": [50.0, 1.0, 3], "test": [70.0, 1.0, 3], "source": "paper A, table 1"},
            "darts": {"test": [54.3, 0.0, 3], "source": "paper B"},
            "gdas": {"test": [93.5, 0.1, 3], "source": "paper A"},
        },
        "deviations": ["scikit-learn's digits instead of photos"],
    },
}


def write_table(folder: Path) -> dict[str, dict[str, float]]:
    """A table of invented figures; those of `test` and `valid` tell architectures apart."""
    dice = random.Random(0)
    folder.mkdir(exist_ok=True)
    rows = {
        str(one): {"few": round(dice.uniform(20, 40), 3), "valid": round(dice.uniform(40, 60), 3), "test": test}
        for one, test in zip(members(SPACE), (round(60 + place / 10, 1) for place in range(125)), strict=True)
    }
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["architecture", "few", "valid", "test"])
        writer.writeheader()
        writer.writerows({"architecture": name, **row} for name, row in rows.items())
    return rows


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_supernets_are_trained_and_their_networks_looked_up_and_compared(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    table = write_table(folder)
    jobs = jobs_to_run(folder, CONFIG)
    assert {job.split()[0] for job in jobs} == {
        "data", "darts", "enas", "replay", "rank_in_table", "lookup", "reproduce", "report", "manifest",
    }  # fmt: skip
    assert sum(job.startswith("darts") for job in jobs) == 6  # three strategies, two searches each
    finish(folder, CONFIG)
    results = folder / "results/published"

    found = read(results / "retraining/found.csv")
    assert sorted((row["strategy"], row["search_seed"]) for row in found) == sorted(
        (name, seed) for name in ("rsws", "darts", "gdas") for seed in "01"
    )
    for row in found:
        candidates = read(results / f"search/{row['strategy']}-{row['search_seed']}/candidates.csv")
        if row["strategy"] == "gdas":
            assert (candidates, row["architecture"], row["test"]) == ([], "", "")
            continue
        assert row["architecture"] == candidates[0]["architecture"]
        assert float(row["test"]) == pytest.approx(table[row["architecture"]]["test"] / 100)
        assert float(row["valid"]) == pytest.approx(table[row["architecture"]]["valid"] / 100)
        assert int(row["skips"]) == row["architecture"].count("skip_connect")
        edges = 3 - row["architecture"].count("none")
        assert (int(row["edges"]), int(row["all_skip"])) == (edges, int(0 < edges == int(row["skips"])))

    rows = {row["strategy"]: row for row in read(results / "retraining/reproduction.csv")}
    assert list(rows) == ["rsws", "darts", "gdas"]
    assert (rows["gdas"]["word"], rows["gdas"]["searches"], rows["gdas"]["found"]) == ("missing", "2", "0")
    own = [float(row["test"]) for row in found if row["strategy"] == "rsws"]
    assert float(rows["rsws"]["test_mean"]) == pytest.approx(sum(own) / 2)
    assert float(rows["rsws"]["test_difference"]) == pytest.approx(sum(own) / 2 - 0.7)
    assert rows["darts"]["valid_difference"] == ""  # nothing was published of it
    assert rows["darts"]["word"] in ("disagree", "undecided")

    # random search looked up, and the supernets' winners stand in the same column for the recommendation
    winners = {row["entry"]: row for row in read(results / "ranking/winners.csv")}
    assert float(winners["darts-0"]["score"]) == pytest.approx(table[winners["darts-0"]["architecture"]]["few"] / 100)
    opponents = [row for row in read(results / "ranking/opponents.csv") if row["strategy"] == "rsws"]
    assert [(row["evaluations"], row["of"], row["matched"]) for row in opponents] == [("5", "5", "0")] * 2
    assert "no number of evaluations" in opponents[0]["note"]
    page = (results / "report/report.html").read_text(encoding="utf-8")
    for told in (
        "published figures",
        "paper A, table 1",
        "digits instead of photos",
        "missing",
        "Images of the supernets",
    ):
        assert told in page
    for absent in ("Nothing was trained", "Final trainings", "ONNX files"):
        assert absent not in page.partition("<details><summary>Configuration")[0]
    assert jobs_to_run(folder, CONFIG) == []

    # another published figure trains nothing again
    other = change(CONFIG, report__published__darts={"test": [60.0, 1.0, 3], "source": "paper C"})
    again = {job.split()[0] for job in jobs_to_run(folder, other)}
    assert again == {"reproduce", "report", "manifest"}
    # the other size has more searches
    larger = [job for job in jobs_to_run(folder, change(CONFIG, size="large")) if job.startswith("darts")]
    assert len(larger) == 3 * 7


def test_the_report_does_not_read_test_images(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_table(folder)
    output = snakemake(folder, CONFIG, "--dry-run", "--forceall").stdout
    for block in output.split("\n\n"):
        if not block.strip().startswith(("rule data", "localrule all")) and "rule data:" not in block:
            assert "test_images.npy" not in block


@pytest.mark.parametrize("size", ["cpu", "gpu"])
def test_the_shipped_config_has_every_disputed_row_in_both_sizes(size: str, tmp_path: Path) -> None:
    raw = read_yaml(ROOT / "config/nasbench201_weight_sharing.yaml")
    table = tmp_path / "table.csv"
    table.write_text("")
    raw["search"]["estimator"]["path"] = str(table)
    config = load({**raw, "size": size})
    kinds = {one.kind for one in config.search.strategies.values()}
    assert kinds == {"random", "rsws", "darts", "darts_second_order", "gdas", "enas", "setn"}
    assert set(config.report.published) == set(config.search.strategies)
    assert config.search.seeds == 3
    assert bool(config.report.deviations)
    # the published test accuracies, in the order of Dong & Yang 2020, table 5
    means = {name: row.test[0] for name, row in config.report.published.items()}
    assert means == {
        "random": 93.70, "rsws": 87.66, "darts": 54.30, "darts_second_order": 54.30, "gdas": 93.51, "setn": 87.64,
        "enas": 54.30,
    }  # fmt: skip
    if size == "gpu":
        assert (config.search.network.channels, config.search.network.cells) == (16, 5)
        assert config.data.valid == 0.5
        assert config.data.max_train is None
        epochs = {name: getattr(one, "epochs", None) for name, one in config.search.strategies.items()}
        assert epochs == {
            "random": None, "rsws": 250, "darts": 50, "darts_second_order": 50, "gdas": 250, "setn": 250, "enas": 250,
        }  # fmt: skip
        for name in ("rsws", "darts", "darts_second_order", "gdas", "setn"):
            one: Any = config.search.strategies[name]
            assert (one.batch_size, one.learning_rate, one.learning_rate_min, one.weight_decay) == (
                64,
                0.025,
                0.001,
                5e-4,
            )
            assert (one.alpha_learning_rate, one.alpha_weight_decay) == (3e-4, 1e-3)
            assert (one.augment.flip, one.augment.crop) == (True, 4)


def test_published_figures_of_a_strategy_that_is_not_run_are_refused() -> None:
    published = {"gdsa": {"test": [93.51, 0.13, 3], "source": "a paper"}}
    estimator = {"kind": "table", "path": str(ROOT / "README.md"), "search": "a", "report": "b"}
    config = {"search": {"estimator": estimator, "strategies": {"random": {"evaluations": 5}, "gdas": {}}}}
    with pytest.raises(
        UserError, match=r"report\.published\.gdsa is no strategy of search\.strategies; they are random"
    ):
        load({**config, "space": {"preset": "nasbench201"}, "report": {"published": published}})
    with pytest.raises(UserError, match="report.published is compared with accuracies of a benchmark's table"):
        load({"report": {"published": {"darts": published["gdsa"]}}})
