"""Random search and evolution: what they ask next."""

from __future__ import annotations

import math
from random import Random

import pytest
from sampled_spaces import propose

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import share
from nas_steps.search.samplers.evolution import RegularisedEvolution
from nas_steps.search.samplers.random import RandomSearch
from nas_steps.search.sampling import evaluations, round_size
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace

SMALLEST = CellSpace("smallest", ("skip_connect", "nor_conv_1x1"), nodes=1)  # 16 architectures
ROOMY = CellSpace("roomy", ("skip_connect", "max_pool_3x3", "nor_conv_1x1"), nodes=2)
EVOLUTION = strategies.Evolution(population=4, sample=4, children=2, rounds=3)


def estimated(architectures: list[str], scores: list[float], status: str = "ok") -> list[Estimate]:
    pairs = zip(architectures, scores, strict=True)
    return [Estimate(index, text, score, status=status) for index, (text, score) in enumerate(pairs)]


def drawn(count: int, seed: int = 5) -> list[str]:
    return list(map(str, RandomSearch(ROOMY).ask(count, Random(seed))))


def differences(first: str, second: str) -> int:
    """How many edges of two architectures differ in source or operation."""
    one, two = ROOMY.parse(first), ROOMY.parse(second)
    return sum(
        len(set(left) - set(right))
        for kind in ("normal", "reduce")
        for left, right in zip(one.cells[kind], two.cells[kind], strict=True)
    )


def test_random_search_visits_all_of_a_small_space_once_and_then_asks_nothing() -> None:
    search = RandomSearch(SMALLEST)
    asked = [str(one) for _ in range(4) for one in search.ask(4, Random(3))]
    assert len(set(asked)) == SMALLEST.size() == 16
    assert search.ask(1, Random(4)) == []


def test_random_search_does_not_ask_what_it_was_told() -> None:
    everything = list(map(str, RandomSearch(SMALLEST).ask(16, Random(1))))
    search = RandomSearch(SMALLEST)
    search.tell(estimated(everything[:15], [0.5] * 15))
    assert [str(one) for one in search.ask(1, Random(0))] == everything[15:]


def test_the_oldest_die_however_good_they_are() -> None:
    members = drawn(6)
    search = RegularisedEvolution(ROOMY, EVOLUTION)
    search.tell(estimated(members[:4], [0.9, 0.8, 0.1, 0.2]))
    assert [str(one) for one, _ in search.population] == members[:4]
    search.tell(estimated(members[4:], [0.3, 0.4]))
    assert [(str(one), fitness) for one, fitness in search.population] == list(
        zip(members[2:], [0.1, 0.2, 0.3, 0.4], strict=True)
    )


@pytest.mark.parametrize("best", range(4))
def test_all_children_come_from_the_best_where_the_tournament_is_the_population(best: int) -> None:
    members = drawn(4)
    search = RegularisedEvolution(ROOMY, EVOLUTION)
    search.tell(estimated(members, [0.9 if index == best else 0.1 for index in range(4)]))
    children = list(map(str, search.ask(8, Random(2))))
    assert len(set(children)) == 8
    assert not set(children) & set(members)
    assert all(differences(child, members[best]) == 1 for child in children)


@pytest.mark.parametrize(("score", "status"), [(math.nan, "diverged"), (0.99, "diverged"), (math.nan, "ok")])
def test_a_diverged_architecture_is_no_parent(score: float, status: str) -> None:
    members = drawn(4)
    search = RegularisedEvolution(ROOMY, EVOLUTION)
    # the diverged one stands first: max() of NaNs would keep it
    search.tell([Estimate(0, members[0], score, status=status), *estimated(members[1:], [0.1, 0.2, 0.15])])
    assert search.population[0][1] == -math.inf
    assert all(differences(str(child), members[2]) == 1 for child in search.ask(5, Random(0)))


def test_a_population_that_all_diverged_still_breeds() -> None:
    members = drawn(4)
    search = RegularisedEvolution(ROOMY, EVOLUTION)
    search.tell(estimated(members, [math.nan] * 4, status="diverged"))
    assert len({str(child) for child in search.ask(4, Random(0))} - set(members)) == 4


def test_proposals_follow_from_the_seed_and_the_history_alone() -> None:
    first = propose(EVOLUTION, ROOMY, [], count=4, seed=7)
    told = [estimated(first, [0.1, 0.5, 0.3, 0.2])]
    second = propose(EVOLUTION, ROOMY, told, count=2, seed=7)
    # the same whether or not the first round was asked for in between
    assert propose(EVOLUTION, ROOMY, told, count=2, seed=7) == second
    assert propose(EVOLUTION, ROOMY, [], count=4, seed=7) == first
    assert propose(EVOLUTION, ROOMY, [], count=4, seed=8) != first
    other = [estimated(first, [0.5, 0.1, 0.3, 0.2])]
    assert propose(EVOLUTION, ROOMY, other, count=2, seed=7) != second
    assert not set(first) & set(second)


def test_proposals_end_where_the_space_ends() -> None:
    asked = propose(strategies.Random(), SMALLEST, [], count=50, seed=0)
    assert len(set(asked)) == len(asked) == 16
    assert propose(strategies.Random(), SMALLEST, [estimated(asked, [0.0] * 16)], count=5, seed=0) == []


def test_rounds_and_their_sizes() -> None:
    assert round_size(strategies.Random(), 0, 23) == 23
    shared = strategies.Random(evaluations=10, rounds=4)
    assert [round_size(shared, number, 10) for number in range(4)] == [3, 2, 3, 2]
    for total, rounds in ((9, 2), (10, 4), (7, 7), (23, 3)):
        sizes = [share(total, rounds, number) for number in range(rounds)]
        assert sum(sizes) == total
        assert max(sizes) - min(sizes) <= 1
        # twice as many begin with the same
        assert [share(2 * total, 2 * rounds, number) for number in range(rounds)] == sizes
    assert (strategies.Random().rounds, evaluations(strategies.Random()), evaluations(shared)) == (1, "auto", 10)
    assert [round_size(EVOLUTION, number, 23) for number in range(3)] == [4, 2, 2]
    assert sum(round_size(EVOLUTION, number, 23) for number in range(3)) == evaluations(EVOLUTION)


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_strategies_work_in_every_space(space: CellSpace) -> None:
    first = propose(EVOLUTION, space, [], count=4, seed=1)
    second = propose(EVOLUTION, space, [estimated(first, [0.1, 0.4, 0.2, 0.3])], count=2, seed=1)
    assert len(set(first + second)) == 6
    for text in first + second:
        assert str(space.parse(text)) == text
    around = {str(one) for one in space.neighbours(space.parse(first[1]))}
    assert set(second) <= around
