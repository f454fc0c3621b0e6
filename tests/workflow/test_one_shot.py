"""One-shot search: the whole workflow over the weights of a supernet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from tiny_workflow import RECIPE, change, finish, jobs_to_run, run_module

SUPERNET = {"epochs": 2, "batch_size": 20, "warmup_epochs": 0, "learning_rate": 0.05}
CONFIG: dict[str, Any] = {
    "experiment": "one_shot",
    "shards": 1,
    "data": {"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 60},
    "space": {"preset": "mobile_small"},
    "search": {
        "estimator": {"kind": "shared_weights", "supernet": SUPERNET, "calibration_images": 40},
        "strategies": {
            "random": {},
            "nsga2": {"population": 3, "children": 2, "rounds": 2},
        },
    },
    "ranking": {"shortlist": 1, "recipe": RECIPE},
    "retrain": {"recipe": RECIPE, "seeds": 1, "baselines": ["resnet20_x0.25", "mobilenet_v3_small_x0.5"]},
    "scaling": {"enabled": False},
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_supernet_is_trained_searched_reported_and_listed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    finish(folder, CONFIG)
    results = folder / "results/one_shot"
    assert jobs_to_run(folder, CONFIG) == []
    # random search got as many evaluations as the others
    for strategy in ("random", "nsga2"):
        found = rows(results / f"search/{strategy}-0/candidates.csv")
        assert {row["estimator"] for row in found} == {"shared_weights"}
        assert len(rows(results / f"search/{strategy}-0/history.csv")) == 5
    looked = rows(results / "supernet/seed-0/statistics.csv")
    told = json.loads((results / "supernet/seed-0/statistics.json").read_text())
    assert told["architectures"] == len(looked) == 32
    assert told["running"]["mean"] != told["reestimated"]["mean"]
    page = (results / "report/report.html").read_text()
    assert "by the weights of a supernet, trained for 2 epochs with fair sampling" in page
    assert "32 architectures drawn at random have a mean accuracy of" in page
    assert "Random search got as many evaluations as <b>nsga2</b>" in page
    costs = rows(results / "report/tables/costs.csv")
    assert {row["stage"]: row["jobs"] for row in costs}["supernet"] == "2"
    # the same supernet says the same of architectures that are named
    settings = next((folder / "results/settings").glob("score_by_supernet-*.json"))
    (folder / "some.txt").write_text("\n".join(row["architecture"] for row in looked[:3]))
    data = next((folder / "results/data").iterdir())
    run_module(
        folder, "ranking", "score_by_supernet", "--settings", str(settings), "--data", str(data),
        "--weights", str(results / "supernet/seed-0/weights.safetensors"),
        "--architectures", "some.txt", "--output", "ranks",
    )  # fmt: skip
    ranked = rows(folder / "ranks/score-0.csv")
    assert [row["reestimated"] for row in ranked] == [row["reestimated"] for row in looked[:3]]
    assert sorted(row["rank"] for row in ranked) == ["1", "2", "3"]
    # what scores is no part of the supernet
    fewer = change(CONFIG, search__estimator__valid_images=30)
    again = {job.split()[0] for job in jobs_to_run(folder, fewer)}
    assert {"supernet_statistics", "one_shot", "budget"} <= again
    assert "supernet" not in again
    one_more = change(CONFIG, search__strategies__nsga2__children=3)
    again = [job for job in jobs_to_run(folder, one_more) if job.split()[0] in ("supernet", "one_shot")]
    # random search is matched to it
    assert again == [f"one_shot strategy={strategy}, seed=0" for strategy in ("nsga2", "random")]
