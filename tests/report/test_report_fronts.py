"""Fronts of searches for several objectives: which networks are on them, and how the page shows them."""

from __future__ import annotations

import random
import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, report, results_of, write

from nas_steps.config.schema import Config
from nas_steps.config.space import filled
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.report.figures import sampling_curves
from nas_steps.report.fronts import evaluated, front, fronts, fronts_figure
from nas_steps.report.records import HistoryRow, Search
from nas_steps.report.results import Results
from nas_steps.search.tables import HISTORY
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Costs, CostTable
from nas_steps.spaces.declare import declared


def results(steps: list[HistoryRow], *objectives: str, blocks: CostTable | None = None, **search: Any) -> Results:
    strategies = {"random": {"evaluations": 4, "rounds": 2}, "small": {"kind": "nsga2", "objectives": list(objectives)}}
    config = Config.model_validate({"search": {"strategies": strategies, **search}})
    return results_of(config, {}, {}, searches=(Search("small", "nsga2", 0, tuple(steps)),), blocks=blocks)


def step(score: float | None, macs: int | None = None, parameters: int | None = None, **more: Any) -> HistoryRow:
    return HistoryRow(1, f"{score}-{macs}-{parameters}", score, macs=macs, parameters=parameters, **more)


@pytest.mark.parametrize("objectives", [("macs",), ("macs", "parameters")])
def test_a_front_holds_all_that_nothing_dominates_and_nothing_else(objectives: tuple[str, ...]) -> None:
    dice = random.Random(3)
    steps = [step(dice.randrange(9) / 10, dice.randrange(1, 9), dice.randrange(1, 9)) for _ in range(60)]
    told = results(steps, *objectives)
    points = evaluated(told, told.searches[0], list(objectives))
    assert len(points) == len({one.architecture for one in steps})
    values = {one.architecture: (-one.score, *(one.costs[name] for name in objectives)) for one in points}

    def beaten(mine: tuple[float, ...]) -> bool:
        return any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in values.values())

    best = front(points, list(objectives))
    assert {one.architecture for one in best} == {name for name, mine in values.items() if not beaten(mine)}
    assert [one.costs["macs"] for one in best] == sorted(one.costs["macs"] for one in best)
    rows = fronts(told).rows
    assert [row["architecture"] for row in rows] == [one.architecture for one in best]
    assert all((row["parameters"] is None) is (len(objectives) == 1) for row in rows)
    assert all(row["latency"] is None for row in rows)


def test_every_search_stands_in_the_legend_whatever_its_aims() -> None:
    strategies = {
        "random": {"evaluations": 4},
        "light": {"kind": "nsga2", "objectives": ["macs"]},
        "small": {"kind": "nsga2", "objectives": ["parameters"]},
    }
    config = Config.model_validate({"search": {"strategies": strategies}})
    steps = (step(0.5, 3, 8), step(0.7, 5, 2))
    searches = tuple(Search(name, "nsga2", 0, steps) for name in ("light", "small"))
    drawn = fronts_figure(results_of(config, {}, {}, searches=searches))
    assert drawn is not None
    legend = re.findall(r"<text[^>]*>((?:light|small)-0)</text>", drawn)
    assert sorted(legend) == ["light-0", "small-0"]


def test_what_failed_or_has_no_costs_is_on_no_front() -> None:
    told = results([step(None, 1, status="diverged"), step(0.9), step(0.5, 7)], "macs")
    assert [row["score"] for row in fronts(told).rows] == [0.5]
    nothing = results([step(None, 1), step(0.9)], "macs")
    assert not fronts(nothing).rows
    assert fronts_figure(nothing) is None


def test_a_proxys_scores_are_no_accuracies() -> None:
    told = results([step(32.5, 3), step(-7.0, 1)], "macs", estimator={"kind": "zero_cost", "proxy": "synflow"})
    found = fronts(told)
    assert [cells[1] for cells in found.spelled()] == ["\N{MINUS SIGN}7.00", "32.5"]
    assert found.columns[1].head == "synflow"
    drawn = fronts_figure(told)
    assert drawn is not None
    assert "synflow" in drawn
    assert "%" not in drawn.replace("100%", "")
    best = tuple(HistoryRow(place, "a", score, score) for place, score in enumerate((-7.0, 32.5), start=1))
    told = results_of(told.config, {}, {}, searches=(Search("random", "random", 0, best),))
    curve = sampling_curves(told)
    assert curve is not None
    assert "Best synflow so far by evaluation: random reaches 32.5" in curve
    assert "accuracy" not in curve


def test_with_successive_halving_the_last_rung_counts() -> None:
    steps = [
        HistoryRow(1, "a", 0.8, epochs=2, macs=5),
        HistoryRow(2, "b", 0.7, epochs=2, macs=3),
        HistoryRow(3, "a", 0.6, epochs=4, macs=5),
    ]
    told = results(steps, "macs")
    assert [one.score for one in evaluated(told, told.searches[0], ["macs"])] == [0.6, 0.7]
    told = results(steps, "macs", estimator={"epochs": 4, "halving": {"epochs": 2}})
    assert [one.score for one in evaluated(told, told.searches[0], ["macs"])] == [0.6]


def test_latencies_are_those_of_the_table_of_blocks() -> None:
    space = declared(filled(Config().space))
    parts = blocks_of(space)
    numbers = count(1)
    table = CostTable(parts, {name: Costs(1, 1, float(next(numbers))) for name in parts.names()})
    dice = random.Random(0)
    drawn = [space.sample(dice) for _ in range(5)]
    steps = [HistoryRow(1, str(one), 0.5 + place / 10) for place, one in enumerate(drawn)]
    told = results(steps, "latency", blocks=table)
    points = evaluated(told, told.searches[0], ["latency"])
    assert [one.costs["latency"] for one in points] == [table.costs(one).latency_ms for one in drawn]
    assert fronts_figure(told) is not None
    assert not fronts(results(steps, "latency")).rows


def test_the_page_shows_the_fronts(tmp_path: Path) -> None:
    strategies = {"random": {}, "small": {"kind": "evolution"}}
    folder, _ = write(tmp_path, MadeUp(config={"search": {"strategies": strategies}}))
    file = folder / "search/small-0/history.csv"
    rows = [{**row, "macs": 1000 * (9 - int(row["step"]) % 7), "parameters": 5} for row in read_csv(file)]
    write_csv(file, rows, HISTORY)
    # the same files, told that the strategy had several aims
    strategies["small"] = {"kind": "nsga2", "objectives": ["macs", "latency"]}
    folder, settings = write(tmp_path, MadeUp(config={"search": {"strategies": strategies}}))
    write_csv(file, rows, HISTORY)
    report(folder, settings)
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    assert "Fronts of the searches for several aims" in page
    assert "Score against costs; fronts: small-0 has" in page
    found = read_csv(folder / "report/tables/fronts.csv")
    assert found
    assert {row["search"] for row in found} == {"small-0"}
    assert all(row["macs"] and row["latency"] for row in found)
