"""Which network is recommended, and that validation figures alone decide it."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy import stats
from stepping import run
from tiny_world import MIXED, POOLS, prepared, retrained, settings

from nas_steps.data.store import load_split
from nas_steps.provenance.files import read_json, write_csv, write_json
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining.recommend import (
    BY_RANKING,
    BY_VALID,
    RULES,
    Candidate,
    candidates,
    choose,
    difference,
    front,
    pool_of,
    recommendation,
)
from nas_steps.retraining.summary import SUMMARY
from nas_steps.training.record import Entry, record

IMAGES = 400


def right(share: float, *, trainings: int = 2, spread: float = 0.0, start: int = 0) -> np.ndarray:
    """Booleans (trainings, IMAGES): the share of right images is `share`, more in each training by `spread`."""
    rows = np.zeros((trainings, IMAGES), bool)
    for number, row in enumerate(rows):
        row[(start + np.arange(round((share + number * spread) * IMAGES))) % IMAGES] = True
    return rows


def network(name: str, macs: int, share: float, *, kind: str = "searched", lost: int = 0, **more: Any) -> Candidate:
    """A network of which `lost` further trainings diverged."""
    correct = right(share, **more)
    valid = {seed: float(row.mean()) for seed, row in enumerate(correct)}
    return Candidate(name, kind, "", name, 10 * macs, macs, len(correct) + lost, valid, correct)


# ------------------------------------------------------------------------------------------------ differences


def of_images(name: str, correct: np.ndarray) -> Candidate:
    return Candidate(name, "searched", "", name, 1, 1, len(correct), dict(enumerate(correct.mean(axis=1))), correct)


def test_without_a_second_training_the_images_alone_count() -> None:
    first, second = right(0.9, trainings=1), right(0.8, trainings=1)
    found = difference(of_images("a", first), of_images("b", second), None)
    interval = stats.norm.interval(0.95, 0.1, stats.sem((first ^ second)[0]))
    assert (found["low"], found["high"]) == pytest.approx(interval)


@pytest.mark.parametrize("seeds", [1, 2, 6])
def test_the_interval_covers_the_true_difference_and_counts_no_error_twice(seeds: int) -> None:
    """Networks with a probability for each image, and trainings that shift all of them."""
    dice, covered, runs = np.random.default_rng(1), 0, 600
    for _ in range(runs):
        ease = np.clip(dice.normal(0.85, 0.2, (4, 300)), 0, 1)  # the images of this experiment
        shifts = dice.normal(0, 0.01, (4, seeds, 1))
        correct = dice.random((4, seeds, 300)) < np.clip(ease[:, None] + shifts, 0, 1)
        given = [of_images(str(number), rows) for number, rows in enumerate(correct)]
        found = difference(given[0], given[1], pool_of(given))
        covered += found["low"] <= 0 <= found["high"]  # both have the same expectation
    # the images alone cover less: one training each shows nothing of the shifts
    assert 0.9 <= covered / runs <= 0.975


def test_the_variance_is_pooled_over_networks_with_two_trainings_or_more() -> None:
    given = [
        network("a", 1, 0.5, spread=0.1),
        network("b", 1, 0.8, trainings=3, spread=0.05),
        network("c", 1, 0.9, trainings=1),
    ]
    squares = 2 * 0.05**2 + 2 * 0.05**2
    # another search's winner that is the same network has the same trainings
    for networks in (given, [*given, dataclasses.replace(given[0], entry="d")]):
        pool = pool_of(networks)
        assert pool is not None
        assert (pool.variance, pool.df) == (pytest.approx(squares / 3), 3)
    assert pool_of(given[2:]) is None


# ---------------------------------------------------------------------------------------------------- choices


def test_the_cheapest_network_that_may_be_the_best_is_chosen() -> None:
    given = [
        network("large", 900, 0.900, spread=0.01),
        network("middle", 500, 0.895, spread=0.01, kind="baseline"),
        network("small", 100, 0.600, spread=0.01, kind="random"),
        network("tiny", 50, 0.590, spread=0.01, kind="random"),
    ]
    choice = choose(given, BY_VALID)
    assert choice.chosen is given[1]
    assert choice.best is choice.more_accurate is given[0]
    assert choice.smaller is given[2]  # the next on the front, not the smallest
    assert choice.differences["middle"]["low"] <= 0 < choice.differences["small"]["low"]
    assert choice.exported == ("middle", "large", "small")
    written = recommendation(given, choice, {})
    assert written["behind_best"] == {"entry": "large", **choice.differences["middle"]}
    assert [(row["role"], row["entry"]) for row in written["alternatives"]] == [
        ("more accurate", "large"),
        ("smaller", "small"),
    ]
    assert [row["may_be_best"] for row in written["considered"]] == [True, True, False, False]
    assert (written["file"], written["judged_by"], written["rule"]) == (
        "export/middle/model.onnx",
        "valid",
        RULES["valid"],
    )


def test_the_recommended_network_is_no_more_than_the_tolerance_below_the_best() -> None:
    """Few images: all three may be the best."""
    sizes = {"large": (900, 0.90), "middle": (500, 0.89), "small": (100, 0.87)}
    given = [network(name, macs, share, spread=0.05) for name, (macs, share) in sizes.items()]
    for tolerance, chosen in ((1.0, 2), (0.03, 2), (0.02, 1), (0.01, 1), (0.005, 0), (0.0, 0)):
        choice = choose(given, BY_VALID, tolerance)
        assert choice.chosen is given[chosen]
        assert all(difference["low"] <= 0 for difference in choice.differences.values())
        written = recommendation(given, choice, {})
        assert all(row["may_be_best"] for row in written["considered"])
        assert written["rule"].endswith("points below.") == (tolerance < 1)
    assert " at most 0 points " in written["rule"]


def test_the_best_that_is_the_cheapest_has_nothing_more_accurate_beside_it() -> None:
    given = [network("best", 100, 0.9), network("other", 200, 0.8)]
    choice = choose(given, BY_VALID)
    assert (choice.chosen, choice.more_accurate, choice.smaller) == (given[0], None, None)
    assert recommendation(given, choice, {})["behind_best"] is None


def test_parameters_decide_between_equal_macs() -> None:
    heavy = network("heavy", 100, 0.9)
    light = dataclasses.replace(network("light", 100, 0.9), parameters=1)
    assert choose([heavy, light], BY_VALID).chosen is light


def test_a_network_with_a_diverged_training_is_not_recommended_however_cheap() -> None:
    given = [network("sound", 900, 0.9), network("lucky", 10, 0.95, lost=1, kind="random")]
    choice = choose(given, BY_VALID)
    assert choice.chosen is choice.best is given[0]
    assert choice.smaller is None
    assert choice.exported == ("sound", "lucky")  # the best of its kind
    note = recommendation(given, choice, {})["considered"][1]["note"]
    assert note == "1 of 3 trainings diverged, or are at chance level"


def test_the_front_keeps_ties() -> None:
    given = [network("a", 10, 0.8), network("b", 10, 0.8), network("c", 20, 0.8), network("d", 30, 0.9)]
    assert [one.entry for one in front(given, BY_VALID)] == ["a", "b", "d"]


def test_without_a_sound_network_nothing_is_recommended_and_the_reason_is_given() -> None:
    none = dataclasses.replace(network("none", 1, 0.9), valid={}, correct=None)
    for given in ([none], [none, network("half", 1, 0.9, lost=1)]):
        for judged_by in (BY_VALID, BY_RANKING):
            written = recommendation(given, choose(given, judged_by), {})
            assert (written["entry"], written["file"], written["alternatives"]) == (None, None, [])
            assert written["reason"]
            assert written["export"] == [one.entry for one in given if one.valid]


@pytest.mark.parametrize(
    ("valid", "seed"), [({0: 0.5, 1: 0.6}, 1), ({0: 0.6, 1: 0.6}, 0), ({1: None, 2: None}, 1), ({0: None, 1: 0.1}, 1)]
)
def test_the_training_that_is_shipped_is_the_best_by_validation_else_the_first(
    valid: dict[int, float | None], seed: int
) -> None:
    assert Candidate("a", "searched", "", "a", 1, 1, 3, valid).seed == seed


def trained(name: str, kind: str, seed: int, valid: float | None, **more: Any) -> dict[str, Any]:
    known = {"status": "ok", "valid_accuracy": valid, "test_accuracy": 0.5, "parameters": 7, "macs": 9}
    return record(Entry(name, kind, name), seed) | known | more


def test_a_training_at_chance_level_is_unsound_unless_all_of_its_network_are() -> None:
    trainings = [trained("a", "searched", seed, valid) for seed, valid in enumerate((0.11, 0.9))]
    correct = {("a", seed): right(0.5)[0] for seed in range(2)}
    (one,) = candidates(trainings, correct, {}, chance=0.12)
    assert (list(one.valid), one.all_sound) == ([1], False)
    other = trained("b", "random", 0, 0.99)
    one, _ = candidates([*trainings, other], correct, {}, chance=0.95)
    assert (list(one.valid), one.all_sound) == ([0, 1], True)


def test_entries_that_no_contest_needs_are_no_candidates() -> None:
    trainings = [trained("a", "searched", 0, 0.9), trained("random.2-0", "random", 0, None, status="unneeded")]
    assert [one.entry for one in candidates(trainings, {("a", 0): right(0.9)[0]}, {})] == ["a"]


def test_by_the_ranking_the_best_sound_winner_is_chosen_and_others_are_not_considered() -> None:
    trainings = [
        trained("darts-0", "searched", 0, None),
        trained("darts-1", "searched", 0, None, macs=5),
        trained("darts-2", "searched", 0, None, status="diverged"),
        trained("resnet20", "baseline", 0, None, macs=1),
        trained("resnet32", "baseline", 0, None, macs=1),
    ]
    given = candidates(trainings, {}, {"darts-0": 0.9, "darts-1": 0.8, "darts-2": 0.99})
    written = recommendation(given, choose(given, BY_RANKING), {})
    assert (written["entry"], written["seed"], written["ranking_score"]) == ("darts-0", 0, 0.9)
    assert [(row["role"], row["entry"]) for row in written["alternatives"]] == [("smaller", "darts-1")]
    assert [row["note"] for row in written["considered"]] == [
        "",
        "",
        "no sound training",
        "not validated",
        "not validated",
    ]
    assert written["export"] == ["darts-0", "darts-1", "resnet20"]
    assert (written["judged_by"], written["rule"]) == ("ranking", RULES["ranking"])


def test_a_candidate_holds_no_figure_of_the_test_set() -> None:
    assert not [field.name for field in dataclasses.fields(Candidate) if "test" in field.name]


# ------------------------------------------------------------------------------------------------- the step


def given(folder: Path, test: np.random.Generator | None, *, merged: bool = False) -> dict[str, Any]:
    """Files of a made-up experiment of four networks, and what the step says of them. `test` draws test figures."""
    labels = {name: load_split(prepared(), name).labels for name in ("valid", "test")}
    dice = np.random.default_rng(5)
    trainings, predictions, rows = [], [], []
    for place, (name, kind, share) in enumerate(
        [
            ("darts-0", "searched", 0.9),
            ("random-0", "random", 0.88),
            ("uniform-0", "uniform", 0.4),
            ("net", "baseline", 0.86),
        ]
    ):
        for seed in range(3):
            where = folder / f"{name}-s{seed}"
            where.mkdir(parents=True)
            tensors, metrics = {}, record(Entry(name, kind, name), seed)
            for split in labels if not merged else ("test",):
                hit = dice.random(len(labels[split])) < share
                if split == "test" and test is not None:
                    hit = test.random(len(hit)) < test.random()
                tensors[split] = np.where(hit, labels[split], (labels[split] + 1) % 10)
                metrics |= {f"{split}_accuracy": float(hit.mean()), f"{split}_loss": float(1 - hit.mean())}
            sizes = {"parameters": 100 - place, "macs": 1000 - 100 * place}
            metrics |= {"status": "ok", "train_on": "train+valid" if merged else "train", **sizes}
            write_json(where / "metrics.json", metrics)
            save_file(tensors, where / "predictions.safetensors")
            trainings.append(where / "metrics.json")
            predictions.append(where / "predictions.safetensors")
        figures = (0.5, 0.4, 0.6) if test is None else test.random(3)
        rows.append({"entry": name, **dict(zip(("test_mean", "test_low", "test_high"), figures, strict=True))})
    write_csv(folder / "summary.csv", rows, SUMMARY)
    write_csv(
        folder / "winners.csv", [{"entry": "darts-0", "score": 0.7}, {"entry": "random-0", "score": 0.8}], WINNERS
    )
    more = {"winners": folder / "winners.csv"} if merged else {}
    files = {"trainings": trainings, "predictions": predictions, "summary": folder / "summary.csv", **more}
    run("recommend", settings=settings()["recommend"], data=prepared(), **files, output=folder)
    return read_json(folder / "recommended.json")


def without_test_figures(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_test_figures(one) for key, one in value.items() if not key.startswith("test_")}
    return [without_test_figures(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("merged", [False, True])
def test_other_test_figures_change_no_choice(tmp_path: Path, merged: bool) -> None:
    before = given(tmp_path / "before", None, merged=merged)
    assert before["entry"] == ("random-0" if merged else "net")
    assert before["test_accuracy"] == 0.5
    assert before["judged_by"] == ("ranking" if merged else "valid")
    for seed in range(10):
        after = given(tmp_path / str(seed), np.random.default_rng(seed), merged=merged)
        assert after["test_accuracy"] != 0.5
        assert without_test_figures(after) == without_test_figures(before)


def test_what_is_shown_comes_from_the_trainings_and_the_summary(tmp_path: Path) -> None:
    found = given(tmp_path, None)
    accuracies = [read_json(tmp_path / f"net-s{seed}" / "metrics.json")["valid_accuracy"] for seed in range(3)]
    assert found["valid_accuracy"] == pytest.approx(np.mean(accuracies))
    assert found["seed"] == int(np.argmax(accuracies))
    assert (found["parameters"], found["macs"], found["trainings"], found["sound"]) == (97, 700, 3, 3)
    assert (found["test_accuracy"], found["test_low"], found["test_high"]) == (0.5, 0.4, 0.6)
    assert [row["entry"] for row in found["considered"]] == ["darts-0", "random-0", "uniform-0", "net"]
    assert set(found["export"]) == {"darts-0", "random-0", "uniform-0", "net"}
    assert found["considered"][2]["may_be_best"] is False


def test_the_recommended_network_is_exported_with_its_card(tmp_path: Path) -> None:
    """The whole way, from trainings of the tiny recipe to the card."""
    entries = {"darts-0": MIXED, "random-0": POOLS, "resnet20": ""}
    files = [retrained(name, architecture) for name, architecture in entries.items()]
    trainings = {name: read_json(file) for name, file in zip(entries, files, strict=True)}
    rows = [{"entry": name, "test_mean": one["test_accuracy"]} for name, one in trainings.items()]
    write_csv(tmp_path / "summary.csv", rows, SUMMARY)
    predictions = [Path(file).with_name("predictions.safetensors") for file in files]
    given = {"data": prepared(), "trainings": files}
    more = {"summary": tmp_path / "summary.csv", "settings": settings()["recommend"]}
    run("recommend", **given, predictions=predictions, **more, output=tmp_path)
    found = read_json(tmp_path / "recommended.json")
    assert found["entry"] in entries
    made = {**given, "recommended": tmp_path / "recommended.json", "output": tmp_path / "export"}
    run("export_networks", settings=settings()["export_networks"], **made)
    lines = read_json(tmp_path / "export" / "exports.json")
    assert [line["name"] for line in lines] == found["export"]
    assert (tmp_path / found["file"]).is_file()
    card = (tmp_path / found["file"]).with_name("README.md").read_text(encoding="utf-8")
    assert f"It is the recommended network of its experiment. The rule: {RULES['valid']}" in card
    nothing = copy.deepcopy(found) | {"entry": None, "reason": "none", "export": []}
    write_json(tmp_path / "recommended.json", nothing)
    run("export_networks", settings=settings()["export_networks"], **made)
    assert read_json(tmp_path / "export" / "exports.json") == []
    assert not list((tmp_path / "export").glob("*/*.onnx"))


@pytest.mark.parametrize("rule", RULES.values())
def test_the_rule_is_in_short_sentences(rule: str) -> None:
    """It is on the first screen of the report."""
    assert all(len(sentence.split()) <= 25 for sentence in rule.split(". "))
