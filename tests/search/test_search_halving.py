"""Successive halving as rounds: who is promoted, and what the strategy hears of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.files import read_csv
from nas_steps.search.halving import Promotions
from nas_steps.search.tables import gather


class Counting:
    """Names what it is asked for 0, 1, 2, ... and keeps what it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[str] = []

    def ask(self, count: int, random: Random) -> list[str]:  # noqa: ARG002
        first, self.asked = self.asked, self.asked + count
        return [str(number) for number in range(first, first + count)]

    def tell(self, estimates: Sequence[Estimate]) -> None:
        self.told += [estimate.architecture for estimate in estimates]

    def state(self) -> dict[str, Any]:
        return {"asked": self.asked, "told": list(self.told)}

    def restore(self, state: dict[str, Any]) -> None:
        self.asked, self.told = state["asked"], list(state["told"])


def promotions() -> Promotions:
    return Promotions(Counting(), (2, 6, 18), 3)  # type: ignore[arg-type]


def tell(search: Promotions, asked: list[tuple[str, int]], fitness: Any) -> list[Estimate]:
    estimates = [Estimate(index, name, fitness(name), epochs=epochs) for index, (name, epochs) in enumerate(asked)]
    search.tell(estimates)
    return estimates


def test_one_in_three_of_a_rung_goes_on_the_best_first() -> None:
    search, dice = promotions(), Random(0)
    asked = search.ask(9, dice)
    assert asked == [(str(number), 2) for number in range(9)]
    tell(search, asked, lambda name: int(name) / 10)
    asked = search.ask(4, dice)
    assert asked == [("8", 6), ("7", 6), ("6", 6), ("9", 2)]
    tell(search, asked, lambda name: int(name) / 10)
    # the three of the second rung have a best one; of ten in the first, the best three are 9, 8 and 7
    assert search.ask(3, dice) == [("8", 18), ("9", 6), ("10", 2)]


def test_nobody_is_promoted_twice_nor_after_a_failure() -> None:
    search, dice = promotions(), Random(0)
    tell(search, search.ask(9, dice), lambda name: math.nan if name in "876" else int(name) / 10)
    asked = search.ask(4, dice)
    assert asked == [("5", 6), ("4", 6), ("3", 6), ("9", 2)]
    tell(search, asked, lambda name: math.nan if name == "5" else 0.01 * int(name))
    assert [one for one in search.ask(5, dice) if one[1] > 2] == [("4", 18)]


def test_the_strategy_hears_of_the_first_rung_alone() -> None:
    search, dice = promotions(), Random(0)
    tell(search, search.ask(9, dice), lambda name: int(name) / 10)
    tell(search, search.ask(4, dice), lambda name: int(name) / 10)
    assert search.strategy.told == [str(number) for number in range(10)]  # type: ignore[attr-defined]


def test_its_state_is_all_that_the_next_round_needs() -> None:
    straight, dice = promotions(), Random(0)
    resumed = promotions()
    for number in range(6):
        restored = promotions()
        restored.restore(resumed.state())
        resumed = restored
        asked = straight.ask(5, dice)
        assert resumed.ask(5, dice) == asked
        for search in (straight, resumed):
            tell(search, asked, lambda name, number=number: (7 * int(name) % 11) / 10 + number / 100)
        assert resumed.state() == straight.state()


def test_candidates_of_a_higher_rung_come_first_and_say_which_it_is(tmp_path: Path) -> None:
    search, dice, rounds = promotions(), Random(0), []
    for _ in range(3):
        rounds.append(tell(search, search.ask(9, dice), lambda name: (5 * int(name) % 9) / 10))
    gather(rounds, tmp_path / "candidates.csv", tmp_path / "history.csv", "short_training", (2, 6, 18))
    candidates = read_csv(tmp_path / "candidates.csv")
    names = [row["architecture"] for row in candidates]
    assert len(set(names)) == len(names) == len({one.architecture for told in rounds for one in told})
    rungs = [int(row["estimator"].split()[2]) for row in candidates]
    assert rungs == sorted(rungs, reverse=True)
    assert set(rungs) == {2, 6, 18}
    assert len(read_csv(tmp_path / "history.csv")) == 27
