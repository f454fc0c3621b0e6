"""Random search at each strategy's own budget: how many evaluations, which network, under which name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from stepping import run, settings_of
from tiny_world import MIXED, POOLS, ROOT, prepared, settings, tiny_config

from nas_steps.config.section import LONGEST_ENTRY
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.settings import LookupSettings
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.ranking.opponents import Seconds, Spent, best_of_first, budgets, matches, seconds_of, slotted
from nas_steps.ranking.rank import WINNERS
from nas_steps.ranking.shortlist import shortlist
from nas_steps.search.slots import slot_entry, slot_of, slots
from nas_steps.search.tables import gather
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.protocol import members
from nas_steps.workflow.plan import Plan

KINDS = {"random": "random", "mine": "darts", "other": "evolution"}


def random_search(count: int, each: float = 100.0) -> Spent:
    return Spent(count * each, tuple(each * (place + 1) for place in range(count)))


def matched(cost: float, random: Spent, **more: Any) -> dict[str, Any]:
    (row,) = matches({("random", 0): random, ("mine", 0): Spent(cost, **more)}, KINDS)
    return row


@pytest.mark.parametrize(
    ("cost", "evaluations", "is_matched", "note"),
    [
        (700, 7, 1, ""),
        (730, 7, 1, ""),
        (760, 8, 1, ""),
        # two cost less than a tenth more, and in the next line more than that
        (185, 2, 1, ""),
        (175, 1, 0, "one evaluation of random search costs too much: the nearest budget is 57% of this one"),
        (1000, 10, 1, ""),
        # the whole search is within a tenth
        (920, 10, 1, ""),
        (1100, 10, 1, ""),
        (2000, 10, 0, "random search ended before: it cost 50% of this search"),
        (40, 1, 0, "one evaluation of random search costs 2.5 times this search"),
        (0, 1, 0, "this search trained nothing"),
    ],
)
def test_as_many_evaluations_as_the_search_pays_for(cost: float, evaluations: int, is_matched: int, note: str) -> None:
    found = matched(cost, random_search(10))
    assert (found["evaluations"], found["matched"], found["note"]) == (evaluations, is_matched, note)
    assert (found["of"], found["cost"], found["random_cost"]) == (10, cost, 100 * evaluations)


def test_each_search_has_an_opponent_of_its_own_seed_in_each_random_search() -> None:
    searches = {
        **{("random", seed): random_search(4) for seed in (0, 1)},
        ("more", 0): random_search(8),
        **{("mine", seed): Spent(200.0 + 100 * seed) for seed in (0, 1)},
    }
    found = matches(searches, {**KINDS, "more": "random"})
    assert [(row["search_seed"], row["random"], row["evaluations"]) for row in found] == [
        (0, "random", 2),
        (0, "more", 2),
        (1, "random", 3),
    ]
    assert budgets(found) == {("random", 0): [2], ("more", 0): [2], ("random", 1): [3]}


def test_what_scores_alike_is_matched_by_its_number() -> None:
    # a shared supernet of 1000 is paid by both; a supernet of one's own is matched by its cost
    searches = {
        ("random", 0): Spent(1040, tuple(1000 + 10.0 * place for place in range(1, 5))),
        ("other", 0): Spent(1030, (1010.0, 1020.0, 1030.0)),
        ("mine", 0): Spent(600),
    }
    by_number, by_cost = matches(searches, KINDS, by_evaluations=True)
    assert (by_number["evaluations"], by_number["matched"], by_number["of"]) == (3, 1, 4)
    assert (by_cost["evaluations"], by_cost["matched"]) == (1, 0)
    searches["random", 0] = Spent(1010, (1010.0,))
    (ended, _) = matches(searches, KINDS, by_evaluations=True)
    assert (ended["evaluations"], ended["matched"]) == (1, 0)
    assert ended["note"] == "random search ended after 1 evaluations, this one after 3"


def test_the_best_of_the_first_is_what_had_come_furthest_by_then(tmp_path: Path) -> None:
    rounds = [
        [Estimate(0, "a", 0.5), Estimate(1, "b", 0.7), Estimate(2, "s", math.nan, "screened")],
        [Estimate(0, "a", 0.4), Estimate(1, "c", 0.9), Estimate(2, "d", math.nan, "diverged")],
    ]
    gather(rounds, tmp_path / "candidates.csv", tmp_path / "history.csv", "short_training", (1, 3))
    history = read_csv(tmp_path / "history.csv")
    assert [best_of_first(history, count) for count in (1, 2, 3, 5)] == [["a"], ["b", "a"], ["a", "b"], ["a", "c", "b"]]
    # all of it is what the search ended in
    assert best_of_first(history, 5) == [row["architecture"] for row in read_csv(tmp_path / "candidates.csv")]


def test_a_smaller_budget_has_its_own_shortlist_and_shares_rows() -> None:
    names = ["a", "b", "c", "d"]
    found = [{"rank": str(place), "architecture": name, "score": "0.5", "estimator": "e"} for place, name in
             enumerate(names, start=1)]  # fmt: skip
    rows = shortlist({("random", 0): found}, KINDS, 2, {("random", 0): {3: ["b", "gone", "d"], 2: ["b", "c"]}})
    assert [(row["architecture"], row["search_rank"], row["within"]) for row in rows] == [
        ("a", 1, "all"),
        ("b", 2, "all 3 2"),
        ("c", 3, "2"),
        ("d", 4, "3"),
    ]


def match_of(strategy: str, evaluations: int, of: int = 9) -> dict[str, Any]:
    return {"strategy": strategy, "search_seed": "0", "random": "random", "evaluations": evaluations, "of": of}


def test_a_slot_is_used_where_the_network_is_another_one() -> None:
    rows = [match_of("one", 5), match_of("two", 3), match_of("three", 2), match_of("four", 9), match_of("five", 1)]
    best = {
        ("random", 0, count): {"architecture": name, "score": 0.5}
        for count, name in {9: "best", 5: "best", 3: "early", 2: "early"}.items()
    }
    found, entries = slotted(rows, best)
    assert found == [
        {"entry": "random.3-0", "kind": "random", "strategy": "random", "search_seed": 0, "architecture": "early",
         "score": 0.5}
    ]  # fmt: skip
    assert set(found[0]) == set(WINNERS)
    # by then nothing could be trained: there is none for the last one
    assert entries == ["random-0", "random.3-0", "random.3-0", "random-0", ""]


def test_seconds_are_those_of_the_work_with_the_ranking_that_picks() -> None:
    history = [{"round": "0", "status": "ok", "seconds": cell} for cell in ("3", "4", "5")]
    rows = [("random", 0, "all 2"), ("random", 1, "all"), ("random", 2, "2"), ("mine", 1, "all")]
    shortlisted = [{"strategy": name, "search_seed": "0", "index": str(index), "within": budget}
                   for name, index, budget in rows]  # fmt: skip
    trainings = [Estimate(index, "a", 0.5, seconds=10.0 + index) for index in (0, 1, 2) for _ in range(2)]
    searches = {("random", 0): history, ("mine", 0): history[:1]}
    found = seconds_of(searches, {("mine", 0): 50.0}, {}, shortlisted, trainings)
    assert found["random", 0].of() == found["random", 0].of(3) == 12 + 2 * (10 + 11)
    assert found["random", 0].of(2) == 7 + 2 * (10 + 12)
    assert found["mine", 0].of() == 50 + 2 * 11
    assert Seconds((), {}).of() == 0


# ----------------------------------------------------------------------------------------------- entries


def test_the_plan_has_a_slot_for_each_searching_strategy(tmp_path: Path) -> None:
    raw = tiny_config(search__seeds=2).model_dump(mode="json")
    found = [name for name, kind in Plan(raw, root=str(tmp_path)).entries.items() if kind == "random"]
    assert found == ["random-0", "random-1", "random.2-0", "random.2-1", "random.3-0", "random.3-1"]
    assert [slot_of(name) for name in found] == [1, 1, 2, 2, 3, 3]
    assert list(slots(2)) == [2, 3]
    # the longest name is that of a file; a slot's is far below what a file may have
    longest = slot_entry("r" * LONGEST_ENTRY, 99, 999)
    assert len(f"{longest}-s999.safetensors.{'m' * 64}.123456.tmp") <= 255
    assert slot_of(longest) == 99


def test_an_unused_slot_ends_at_once_and_says_so(tmp_path: Path) -> None:
    winners = tmp_path / "winners.csv"
    write_csv(winners, [{"entry": "random-0", "kind": "random", "architecture": MIXED}], WINNERS)
    given = {"settings": settings()["retrain"], "data": prepared(), "winners": winners, "kind": "random", "seed": 0}
    run("retrain", entry="random.2-0", output=tmp_path / "unused", **given)
    unused = read_json(tmp_path / "unused/metrics.json")
    assert (unused["status"], unused["architecture"], unused["train_seconds"]) == ("unneeded", None, 0)
    assert (tmp_path / "unused/weights.safetensors").is_file()
    assert read_csv(tmp_path / "unused/history.csv") == []
    # a whole search without a network is another thing
    run("retrain", entry="random-1", output=tmp_path / "lost", **given)
    assert read_json(tmp_path / "lost/metrics.json")["status"] == "missing"
    write_csv(tmp_path / "opponents.csv", [], ("strategy", "search_seed", "random", "entry", "matched", "note"))
    folders = [tmp_path / name for name in ("unused", "lost")]
    files = {
        "trainings": [folder / "metrics.json" for folder in folders],
        "predictions": [folder / "predictions.safetensors" for folder in folders],
        "opponents": tmp_path / "opponents.csv",
    }
    run("gather_retraining", data=prepared(), output=tmp_path, **files)
    for name in ("retrained", "summary"):
        assert [row["entry"] for row in read_csv(tmp_path / f"{name}.csv")] == ["random-1"]


def test_a_used_slot_is_trained(tmp_path: Path) -> None:
    winners = tmp_path / "winners.csv"
    write_csv(winners, [{"entry": "random.2-0", "kind": "random", "architecture": POOLS}], WINNERS)
    given = {"settings": settings()["retrain"], "data": prepared(), "winners": winners, "kind": "random", "seed": 0}
    run("retrain", entry="random.2-0", output=tmp_path / "used", **given)
    used = read_json(tmp_path / "used/metrics.json")
    assert (used["status"], used["entry"], used["architecture"]) == ("ok", "random.2-0", POOLS)


# ------------------------------------------------------------------------------------------------ in a table


def test_in_a_table_the_number_of_evaluations_counts(tmp_path: Path) -> None:
    space = PRESETS["nasbench201"].replace(nodes=2)
    names = [str(one) for one in members(space)]
    scores = {name: 10 + (7 * place) % len(names) / 10 for place, name in enumerate(names)}
    table = tmp_path / "table.csv"
    rows = [{"architecture": name, "few": scores[name], "all": scores[name] + 1, "time": 2.5} for name in names]
    write_csv(table, rows, ("architecture", "few", "all", "time"))
    config = tiny_config(
        space={"preset": "nasbench201", "nodes": 2},
        search__network={"channels": 2, "cells": 1},
        retrain__network={"channels": 2, "cells": 1},
        search__estimator={"kind": "table", "path": str(table), "search": "few", "report": "all", "cost": "time"},
        search__strategies={"random": {"evaluations": 6}, "evolution": {"population": 2, "sample": 1, "rounds": 1}},
    )
    assert settings_of(config, "rank_in_table", LookupSettings, ROOT.name)
    plan = Plan(config.model_dump(mode="json"), root=str(tmp_path / "results"))
    rising = sorted(names, key=scores.__getitem__)[:6]
    for name, asked in (("random-0", rising), ("evolution-0", names[:2])):
        folder = tmp_path / name
        found = [Estimate(place, one, scores[one], seconds=2.5) for place, one in enumerate(asked)]
        gather([found], folder / "candidates.csv", folder / "history.csv", "few")
    files = {f"{which}": [tmp_path / name / f"{file}.csv" for name in ("random-0", "evolution-0")]
             for which, file in (("candidates", "candidates"), ("histories", "history"))}  # fmt: skip
    run("rank_in_table", settings=plan.settings("rank_in_table"), path=table, output=tmp_path / "out", **files)
    row, *by_size = read_csv(tmp_path / "out/ranking/opponents.csv")
    assert (row["strategy"], row["entry"], row["evaluations"], row["of"], row["matched"]) == (
        "evolution", "random.2-0", "2", "6", "1",
    )  # fmt: skip
    assert (row["cost"], row["random_cost"], row["seconds"], row["random_seconds"]) == ("", "", "5.0", "5.0")
    winners = {row["entry"]: row["architecture"] for row in read_csv(tmp_path / "out/ranking/winners.csv")}
    assert winners["random-0"] == rising[5]
    assert winners["random.2-0"] == rising[1]
    costs = read_csv(tmp_path / "out/ranking/search_costs.csv")
    assert [(row["evaluations"], row["training_macs"], row["search_seconds"]) for row in costs] == [
        ("6", "", "15.0"),
        ("2", "", "5.0"),
    ]
    # the table of winners has a row a search, as before
    named = {name: tmp_path / f"out/ranking/{name}.csv" for name in ("winners", "opponents", "largest")}
    # of random search's first two draws, and of all 125, that with the most convolutions of 3x3, then of 1x1
    assert [(one["random"], one["entry"], one["evaluations"], one["matched"]) for one in by_size] == [
        ("most_parameters", "most_parameters.2-0", "2", "1"),
        ("most_parameters_in_table", "most_parameters_in_table-0", "125", "1"),
    ]
    drawn = max(rising[:2], key=lambda one: (one.count("conv_3x3"), one.count("conv_1x1")))
    largest = next(one for one in names if one.count("conv_3x3") == 3)
    assert [one["architecture"] for one in read_csv(named["largest"])] == [drawn, largest]
    run("lookup", settings=plan.settings("lookup"), path=table, output=tmp_path / "out", **named)
    assert [row["entry"] for row in read_csv(tmp_path / "out/retrained.csv")] == ["random", "evolution"]
    contests = read_csv(tmp_path / "out/contests.csv")
    expected = {"random": "random", "most_parameters": "most_parameters", "most_parameters_in_table": "most_parameters"}
    assert {row["against"]: row["role"] for row in contests} == expected
    mine = scores[names[1]] if scores[names[1]] > scores[names[0]] else scores[names[0]]
    differences = {row["against"]: float(row["difference"]) for row in contests}
    assert differences["most_parameters"] == pytest.approx((mine - scores[drawn]) / 100)
    assert differences["most_parameters_in_table"] == pytest.approx((mine - scores[largest]) / 100)
