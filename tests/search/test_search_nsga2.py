"""NSGA-II: fronts and crowding against brute force, and what survives."""

from __future__ import annotations

import math
from random import Random

import pytest
from sampled_spaces import ROOMY

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.pareto import crowding_distances, dominates, non_dominated_fronts
from nas_steps.search.samplers.nsga2 import Member, Nsga2, crossed, survivors
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace


def points(seed: int, count: int = 30, objectives: int = 3) -> list[tuple[float, ...]]:
    """Few values each, so that many are equal."""
    random = Random(seed)
    return [tuple(float(random.randrange(6)) for _ in range(objectives)) for _ in range(count)]


def peeled(objectives: list[tuple[float, ...]]) -> list[list[int]]:
    """Fronts by their definition: again and again, take away what nothing left dominates."""
    left = set(range(len(objectives)))
    fronts = []
    while left:
        front = {
            one
            for one in left
            if not any(
                all(a <= b for a, b in zip(objectives[other], objectives[one], strict=True))
                and objectives[other] != objectives[one]
                for other in left
            )
        }
        fronts.append(sorted(front))
        left -= front
    return fronts


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("objectives", [2, 3])
def test_fronts_are_those_of_the_definition(seed: int, objectives: int) -> None:
    drawn = points(seed, objectives=objectives)
    assert non_dominated_fronts(drawn) == peeled(drawn)


@pytest.mark.parametrize("objectives", [2, 3])
def test_crowding_is_that_of_the_definition(objectives: int) -> None:
    random = Random(objectives)
    front = [tuple(random.random() for _ in range(objectives)) for _ in range(20)]
    expected = []
    for own in front:
        total = 0.0
        for values, value in zip(zip(*front, strict=True), own, strict=True):
            below, above = [one for one in values if one < value], [one for one in values if one > value]
            inside = bool(below and above)
            total += (min(above) - max(below)) / (max(values) - min(values)) if inside else math.inf
        expected.append(total)
    assert crowding_distances(front) == pytest.approx(expected)


def test_crowding_by_hand() -> None:
    distances = crowding_distances([(0.0, 10.0), (1.0, 6.0), (4.0, 2.0), (10.0, 0.0)])
    assert distances[0] == distances[3] == math.inf
    assert distances[1:3] == pytest.approx([4 / 10 + 8 / 10, 9 / 10 + 6 / 10])


def test_a_front_of_equals_is_not_crowded() -> None:
    assert crowding_distances([(1.0, 2.0)] * 3)[1] == 0


def test_what_failed_is_dominated_by_all_that_did_not() -> None:
    failed, dear = (math.inf, 1.0), (-0.1, 99.0)
    assert dominates(dear, failed)
    assert not dominates(failed, dear)
    assert not dominates(failed, (math.inf, 2.0))
    assert non_dominated_fronts([failed, dear, (math.inf, 2.0)]) == [[1], [0, 2]]


def test_survivors_are_the_best_fronts_and_the_loneliest_of_the_last() -> None:
    front = [(0.0, 10.0), (4.0, 5.0), (4.5, 4.5), (10.0, 0.0)]
    worse = [(11.0, 11.0)]
    members = [Member(str(index), values) for index, values in enumerate([*worse, *front])]
    assert [member.architecture for member in survivors(members, 4)] == ["1", "2", "3", "4"]
    # of the two in the middle that with more room is left: 2 has (4.5 + 5.5) / 10, 3 has (6 + 5) / 10
    assert [member.architecture for member in survivors(members, 3)] == ["1", "3", "4"]


@pytest.mark.parametrize("space", [ROOMY, *PRESETS.values()], ids=["roomy", *PRESETS])
def test_a_crossed_child_is_a_member_and_decides_as_a_parent_where_it_can(space: CellSpace) -> None:
    random = Random(5)
    for _ in range(30):
        mother, father = space.sample(random), space.sample(random)
        child = space.check(crossed(space, mother, father, random))
        pairs = zip(space.decided(child), space.decided(mother), space.decided(father), strict=True)
        for place, (own, one, other) in enumerate(pairs):
            decision = space.decision(space.decided(child)[:place])
            assert decision is not None
            assert own in (one, other) or not {one, other} & set(decision.allowed)
    one = space.sample(random)
    assert crossed(space, one, one, random) == one


def test_the_front_moves_towards_high_scores_and_low_costs() -> None:
    """Convolutions cost and pay, pooling costs and pays nothing: it dies out on the front."""

    def told(texts: list[str]) -> list[Estimate]:
        return [
            Estimate(index, text, text.count("conv") / 8, macs=2 * text.count("conv") + text.count("pool"))
            for index, text in enumerate(texts)
        ]

    settings = strategies.Nsga2(population=12, children=12, rounds=12)
    search = Nsga2(ROOMY, settings)
    first: float | None = None
    for number in range(settings.rounds):
        search.tell(told(list(map(str, search.ask(12, Random(number))))))
        pooling = sum(str(member.architecture).count("pool") for member in search.population) / 12
        first = pooling if first is None else first
    assert first is not None
    assert pooling < first / 3
    scores = {-member.objectives[0] for member in search.population}
    assert len(scores) >= 5  # and it is spread out
