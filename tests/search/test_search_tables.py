"""candidates.csv and history.csv, and the steps propose and gather_search."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stepping import run
from tiny_world import settings, tiny_config

from nas_steps.config.space import filled
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate, write_estimates
from nas_steps.provenance.files import read_csv, write_json
from nas_steps.search.tables import CANDIDATES, HISTORY
from nas_steps.spaces.declare import declared


def gathered(folder: Path, **given: Any) -> None:
    run("gather_search", settings=settings()["gather_search"], strategy="evolution", seed=0, output=folder, **given)


def test_gather_ranks_the_sound_and_records_them_all(tmp_path: Path) -> None:
    first = [Estimate(0, "a", 0.3), Estimate(1, "b", math.nan, "diverged", "the loss is nan")]
    second = [Estimate(0, "c", 0.5), Estimate(1, "d", 0.3), Estimate(2, "e", 0.4)]
    shards = []
    for number, estimates in enumerate([first, second]):
        for shard in (0, 1):
            shards.append(str(tmp_path / f"round-{number}" / f"shard-{shard}.csv"))
            write_estimates(shards[-1], [one for one in estimates if one.index % 2 == shard])
    gathered(tmp_path / "out", evaluated=shards)

    candidates = read_csv(tmp_path / "out" / "candidates.csv")
    assert tuple(candidates[0]) == CANDIDATES
    assert [(row["rank"], row["architecture"], float(row["score"])) for row in candidates] == [
        ("1", "c", 0.5),
        ("2", "e", 0.4),
        ("3", "a", 0.3),  # of equals, the one found first
        ("4", "d", 0.3),
    ]
    assert {row["estimator"] for row in candidates} == {"short_training"}
    history = read_csv(tmp_path / "out" / "history.csv")
    assert tuple(history[0]) == HISTORY
    assert [row["architecture"] for row in history] == ["a", "b", "c", "d", "e"]
    assert [row["step"] for row in history] == ["1", "2", "3", "4", "5"]
    assert [row["round"] for row in history] == ["0", "0", "1", "1", "1"]
    assert [float(row["best"]) for row in history] == [0.3, 0.3, 0.5, 0.5, 0.5]
    assert (history[1]["status"], history[1]["score"]) == ("diverged", "")


def test_best_so_far_is_empty_until_something_is_sound(tmp_path: Path) -> None:
    shard = str(tmp_path / "round-0" / "shard-0.csv")
    write_estimates(shard, [Estimate(0, "a", math.nan, "diverged"), Estimate(1, "b", 0.2)])
    gathered(tmp_path, evaluated=[shard])
    assert [row["best"] for row in read_csv(tmp_path / "history.csv")] == ["", "0.2"]


def propose(file: str, strategy: str, folder: Path, number: int = 0, seed: int = 0, **given: Any) -> None:
    run("propose", settings=file, strategy=strategy, seed=seed, round=number, output=folder, **given)


@pytest.mark.parametrize(("strategy", "count"), [("random", 6), ("evolution", 4)])
def test_the_step_proposes_the_first_round(tmp_path: Path, strategy: str, count: int) -> None:
    write_json(tmp_path / "budget.json", {"strategies": {strategy: {"evaluations": 6}}})

    def proposed(seed: int) -> list[dict[str, str]]:
        propose(settings()[strategy], strategy, tmp_path, seed=seed, budget=tmp_path / "budget.json")
        return read_csv(tmp_path / "proposals.csv")

    rows = proposed(0)
    assert [row["index"] for row in rows] == [str(index) for index in range(count)]
    space = declared(filled(tiny_config().space))
    assert all(str(space.parse(row["architecture"])) == row["architecture"] for row in rows)
    assert proposed(0) == rows
    assert proposed(1) != rows


def test_only_random_search_that_is_matched_needs_the_budget(tmp_path: Path) -> None:
    def proposed(file: str, strategy: str) -> int:
        propose(file, strategy, tmp_path)
        return len(read_csv(tmp_path / "proposals.csv"))

    assert proposed(settings()["evolution"], "evolution") == 4
    number = settings(search__strategies={"random": {"evaluations": 5}})
    assert proposed(number["random"], "random") == 5
    with pytest.raises(UserError, match=r"--budget: strategy random has evaluations: auto; name the budget\.json"):
        proposed(settings()["random"], "random")


def test_a_round_follows_from_the_last_shards_and_the_file_with_all_rounds_before(tmp_path: Path) -> None:
    """The file stands for all the shards that it was made from, a round in which nothing succeeded among them."""
    space, random = declared(filled(tiny_config().space)), Random(0)
    names = [str(space.sample(random)) for _ in range(12)]
    shards = []
    for number in range(3):
        shards.append(str(tmp_path / f"round-{number}" / "shard-0.csv"))
        scores = [math.nan if number == 1 else 0.1 * index for index in range(4)]
        write_estimates(
            shards[-1],
            [
                Estimate(index, names[4 * number + index], score, "diverged" if number == 1 else "ok")
                for index, score in enumerate(scores)
            ],
        )
    file, before = settings()["evolution"], tmp_path / "two" / "evaluations.csv"
    propose(file, "evolution", tmp_path / "two", 2, evaluated=shards[:2])
    propose(file, "evolution", tmp_path, 3, earlier=before, evaluated=shards[2:])
    propose(file, "evolution", tmp_path / "three", 3, evaluated=shards)
    for name in ("proposals.csv", "evaluations.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "three" / name).read_bytes()
    gathered(tmp_path / "three", evaluated=shards)
    gathered(tmp_path, earlier=before, evaluated=shards[2:])
    for name in ("candidates.csv", "history.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "three" / name).read_bytes()
