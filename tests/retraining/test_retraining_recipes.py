"""Recipes compared: which verdicts flip, whether recipes agree on the order, and the plan of their jobs."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file
from scipy import stats
from stepping import run, settings_of
from tiny_world import CONVOLUTION, prepared, settings, tiny_config

from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.ranking.correlation import correlation
from nas_steps.ranking.opponents import OPPONENTS
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining.recipes import accuracies, agreement, flipped
from nas_steps.training.record import Entry, record
from nas_steps.training.settings import TrainingSettings
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

KINDS = {"darts": "searched", "random": "random", "uniform": "uniform"}


def metrics(entry: str, accuracy: float, seed: int = 0, status: str = "ok") -> dict[str, Any]:
    known = {"status": status, "test_accuracy": accuracy, "valid_accuracy": accuracy, "macs": 7, "parameters": 5}
    kind = KINDS.get(entry.rpartition("-")[0], "baseline")
    return record(Entry(entry, kind, entry), seed) | known


def contest(recipe: str, outcome: str, against: str = "random", role: str = "random", strategy: str = "darts") -> Any:
    return {"recipe": recipe, "strategy": strategy, "against": against, "role": role, "outcome": outcome}


# ---------------------------------------------------------------------------------------------------- flips


@pytest.mark.parametrize(
    ("outcomes", "flips"),
    [
        (["beat", "beat"], False),
        (["tie", "tie"], False),
        (["few", "tie"], False),  # neither claims anything
        (["beat", "lost"], True),
        (["beat", "tie"], True),
        (["tie", "lost"], True),
        (["beat", "few"], True),
        (["beat", "beat", "missing"], True),
    ],
)
def test_a_claim_that_a_recipe_does_not_share_is_found(outcomes: list[str], flips: bool) -> None:
    rows = [contest(str(number), outcome) for number, outcome in enumerate(outcomes)]
    assert flipped(rows) == ([("darts", "random", "random")] if flips else [])


def test_each_contest_is_judged_alone() -> None:
    rows = [contest("main", "beat"), contest("main", "beat", "uniform", "uniform")]
    rows += [contest("main", "tie", strategy="evolution")]
    rows += [contest("b", "beat"), contest("b", "lost", "uniform", "uniform")]
    rows += [contest("b", "tie", strategy="evolution")]
    assert flipped(rows) == [("darts", "uniform", "uniform")]


def test_the_best_baseline_may_be_another_one() -> None:
    same = [contest("main", "lost", "resnet20", "baseline"), contest("b", "lost", "mobilenet_v2", "baseline")]
    assert flipped(same) == []
    other = [contest("main", "beat", "resnet20", "baseline"), contest("b", "lost", "mobilenet_v2", "baseline")]
    assert flipped(other) == [("darts", "resnet20", "baseline")]


def test_several_baselines_are_several_contests() -> None:
    rows = [
        contest(recipe, outcome, against, "baseline")
        for recipe in ("main", "b")
        for against, outcome in (("resnet20", "beat"), ("mobilenet_v2", "lost"))
    ]
    assert flipped(rows) == []


def test_a_contest_that_a_recipe_lacks_is_not_confirmed() -> None:
    rows = [contest("main", "beat"), contest("main", "tie", "uniform", "uniform")]
    rows += [contest("b", "tie", "uniform", "uniform")]
    assert flipped(rows) == [("darts", "random", "random")]


# ------------------------------------------------------------------------------------------------ agreement


def by_recipe(entries: int, *, ties: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Made-up accuracies of three recipes, two trainings each."""
    dice = random.Random(entries)
    worth = [round(dice.uniform(0.7, 0.9), 1 if ties else 6) for _ in range(entries)]
    return {
        recipe: [
            metrics(f"uniform-{entry}", worth[entry] + (0 if ties else noise * dice.gauss(0, 1)), seed)
            for entry in range(entries)
            for seed in range(2)
        ]
        for recipe, noise in {"main": 0.0, "b": 0.05, "c": 0.2}.items()
    }


def means(trainings: list[dict[str, Any]]) -> list[float]:
    values: dict[str, list[float]] = {}
    for one in trainings:
        values.setdefault(one["entry"], []).append(one["test_accuracy"])
    return [sum(mine) / len(mine) for mine in values.values()]


def test_the_agreement_is_scipys_tau_between_every_two_recipes() -> None:
    trainings = by_recipe(12)
    rows = agreement(trainings)
    assert [(row["recipe"], row["other"]) for row in rows] == [("main", "b"), ("main", "c"), ("b", "c")]
    for row in rows:
        first, second = means(trainings[row["recipe"]]), means(trainings[row["other"]])
        expected, figure = stats.kendalltau(first, second), correlation(first, second, "kendall")
        assert row["kendall_tau"] == pytest.approx(expected.statistic)
        assert row["p_value"] == pytest.approx(expected.pvalue)
        assert (row["low"], row["high"], row["entries"]) == (figure.low, figure.high, 12)
        assert row["low"] < row["kendall_tau"] < row["high"]


def test_few_entries_have_no_interval() -> None:
    six, seven = agreement(by_recipe(6))[1], agreement(by_recipe(7))[1]
    assert math.isnan(six["low"])
    assert math.isnan(six["high"])
    assert six["note"] == "an interval needs 7 entries"
    assert -1 <= six["kendall_tau"] <= 1
    assert seven["low"] < seven["high"]
    two = agreement(by_recipe(2))[0]
    assert math.isnan(two["kendall_tau"])
    assert two["note"] == "2 architectures are too few for a correlation"


def test_entries_without_a_sound_training_do_not_count() -> None:
    trainings = by_recipe(8)
    for one in trainings["b"][:2]:
        one |= {"status": "diverged", "test_accuracy": math.nan}
    assert [row["entries"] for row in agreement(trainings)] == [7, 8, 7]
    rows = {(row["recipe"], row["entry"]): row for row in accuracies(trainings)}
    assert (rows["b", "uniform-0"]["trainings"], rows["b", "uniform-0"]["diverged"]) == (0, 2)
    assert rows["main", "uniform-0"]["test_mean"] == pytest.approx(trainings["main"][0]["test_accuracy"])


def test_equal_accuracies_have_no_order() -> None:
    trainings = {recipe: [metrics(f"uniform-{number}", 0.5) for number in range(8)] for recipe in ("main", "b")}
    (row,) = agreement(trainings)
    assert math.isnan(row["kendall_tau"])
    assert "no order to compare" in row["note"]


# ------------------------------------------------------------------------------------------------ the steps


def test_the_tables_of_two_recipes(tmp_path: Path, data: str) -> None:
    """DARTS beats random search by the main recipe and loses by the other one, seed by seed."""
    files: dict[str, list[str]] = {"main": [], "b": []}
    predictions: list[str] = []
    for recipe, gain in {"main": 0.1, "b": -0.1}.items():
        for entry, base in {"darts": 0.8, "random": 0.7, "uniform": 0.6}.items():
            for search in range(4):
                for seed in range(3):
                    noise = random.Random(f"{entry} {search} {seed}").gauss(0, 0.002)
                    accuracy = 0.75 + gain * (base - 0.7) * 5 + noise
                    name = f"{entry}-{search}"
                    folder = tmp_path / ("retraining" if recipe == "main" else f"retraining/recipes/{recipe}")
                    write_json(folder / f"{name}-s{seed}/metrics.json", metrics(name, accuracy, seed))
                    files[recipe].append(str(folder / f"{name}-s{seed}/metrics.json"))
                    predictions.append(str(folder / f"{name}-s{seed}/predictions.safetensors"))
                    save_file({}, predictions[-1])
    spare = metrics("uniform-4", math.nan, status="unneeded")
    write_json(tmp_path / "retraining/uniform-4-s0/metrics.json", spare)
    files["main"].append(str(tmp_path / "retraining/uniform-4-s0/metrics.json"))
    rivals = [
        {"strategy": "darts", "search_seed": seed, "random": "random", "entry": f"random-{seed}", "matched": 1}
        for seed in range(4)
    ]
    write_csv(tmp_path / "opponents.csv", rivals, OPPONENTS)
    named = {"trainings": files["main"], "others": files["b"], "predictions": predictions}
    run("gather_recipes", data=data, **named, opponents=tmp_path / "opponents.csv", output=tmp_path / "out")
    rows = read_csv(tmp_path / "out/recipes.csv")
    assert len(rows) == 2 * 12
    assert {(row["recipe"], row["trainings"]) for row in rows} == {("main", "3"), ("b", "3")}
    contests = {(row["recipe"], row["role"]): row for row in read_csv(tmp_path / "out/recipe_contests.csv")}
    assert contests["main", "random"]["outcome"] == "beat"
    assert contests["b", "random"]["outcome"] == "lost"
    assert {row["across"] for row in contests.values()} == {"reversed"}
    (row,) = read_csv(tmp_path / "out/recipe_agreement.csv")
    assert (row["recipe"], row["other"], row["entries"]) == ("main", "b", "12")
    assert float(row["kendall_tau"]) < 0


RECIPES = {"long": {"epochs": 3}, "b": {"learning_rate": 0.01}}


def test_an_entry_is_trained_by_the_recipe_that_is_named(tmp_path: Path) -> None:
    winners = tmp_path / "winners.csv"
    row = {"entry": "mine-0", "kind": "searched", "strategy": "mine", "search_seed": 0, "architecture": CONVOLUTION}
    write_csv(winners, [{**row, "score": 0.5}], WINNERS)
    files = settings(retrain__recipes=RECIPES)
    for recipe, epochs in {"long": 3, "b": 1}.items():
        given = {"settings": files[f"retrain_by_recipe {recipe}"], "data": prepared(), "winners": winners, "seed": 1}
        run("retrain_by_recipe", recipe=recipe, entry="mine-0", kind="searched", output=tmp_path / recipe, **given)
        assert len(read_csv(tmp_path / recipe / "history.csv")) == epochs
        found = read_json(tmp_path / recipe / "metrics.json")
        assert (found["entry"], found["status"], found["architecture"]) == ("mine-0", "ok", CONVOLUTION)


def test_the_settings_of_a_recipe_hold_that_recipe_alone(tmp_path: Path) -> None:
    one = tiny_config(retrain__recipes=RECIPES)
    found = settings_of(one, "retrain_by_recipe long", TrainingSettings, tmp_path)
    assert found.recipe == one.retrain.recipes["long"]
    assert found.model_copy(update={"recipe": one.retrain.recipe}) == settings_of(
        one, "retrain", TrainingSettings, tmp_path
    )

    def files(**recipes: Any) -> dict[str, str]:
        plan = Plan(tiny_config(retrain__recipes=recipes).model_dump(mode="json"), root=str(tmp_path))
        found = {name: plan.settings("retrain_by_recipe", name) for name in recipes}
        return {**found, "main": plan.settings("retrain")}

    before = files(**RECIPES)
    after = files(long=RECIPES["long"], b={"learning_rate": 0.02}, c={"epochs": 4})
    assert before.items() - after.items() == {("b", before["b"])}


def test_what_changed_is_named_by_the_recipes_key(tmp_path: Path) -> None:
    plan = Plan(tiny_config(retrain__recipes=RECIPES).model_dump(mode="json"), root=str(tmp_path))
    key = plan.config_key("retrain_by_recipe-b", ("recipe", "augment", "flip"))
    assert key == "retrain.recipes.b.augment.flip"
    assert plan.config_key("retrain_by_recipe-b", ("train_on",)) == "retrain.train_on"


def test_the_plan_trains_every_entry_by_every_recipe(tmp_path: Path) -> None:
    plan = Plan(tiny_config(retrain__recipes=RECIPES).model_dump(mode="json"), root=str(tmp_path))
    jobs = plan.jobs("retrain_by_recipe")
    assert [{key: job[key] for key in ("entry", "seed")} for job in jobs] == 2 * plan.jobs("retrain")
    files = plan.every("retrain_by_recipe", "metrics")
    assert f"{plan.folder}/retraining/recipes/long/resnet20-s1/metrics.json" in files
    assert set(files) <= plan.lasting().keys()
    assert f"{plan.folder}/retraining/recipe_contests.csv" in plan.reported()
    # the manifest tells recipes and families apart
    made = {one.name: one for one in plan.made() if one.rule == "retrain_by_recipe"}
    assert {"retrain_by_recipe long", "retrain_by_recipe b", "retrain_by_recipe b resnet"} <= made.keys()
    assert made["retrain_by_recipe b"].settings == made["retrain_by_recipe b resnet"].settings
    assert made["retrain_by_recipe b"].settings != made["retrain_by_recipe long"].settings
    listed = json.loads(Path(plan.manifest_settings()).read_text())["files"]
    assert listed["retraining/recipes/b/resnet20-s0/metrics.json"] == "retrain_by_recipe b resnet"
    command = plan.command(
        "retrain_by_recipe", jobs[0], {"data": plan.data()}, STEPS["retrain_by_recipe"].files(**jobs[0])
    )
    assert f"--settings {plan.settings('retrain_by_recipe', 'long')} --recipe long --entry" in command


def test_without_further_recipes_there_are_no_such_steps(tmp_path: Path) -> None:
    plan = Plan(tiny_config().model_dump(mode="json"), root=str(tmp_path))
    assert not plan.has("retrain_by_recipe")
    assert plan.jobs("gather_recipes") == plan.every("retrain_by_recipe", "metrics") == []
    assert not any("recipe" in Path(file).name for file in plan.reported())
