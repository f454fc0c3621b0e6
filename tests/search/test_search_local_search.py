"""Local search: which architectures it asks for, when it moves and when it starts again."""

from __future__ import annotations

from random import Random

from sampled_spaces import ONE_INPUT, SMALLEST

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.samplers.local_search import LocalSearch
from nas_steps.spaces.cells.space import CellSpace

SETTINGS = strategies.LocalSearch(initial=2, batch=1, rounds=9)
#: 64 architectures; changing one of the six edges gives each one's six neighbours
CUBE = CellSpace("cube", ("skip_connect", "nor_conv_1x1"), nodes=3, inputs=1, edges_per_node=None)


def told(search: LocalSearch, *scored: tuple[str, float]) -> LocalSearch:
    search.tell([Estimate(index, text, score) for index, (text, score) in enumerate(scored)])
    return search


def names(asked: list[object]) -> list[str]:
    return [str(one) for one in asked]


def around(space: CellSpace, text: str) -> set[str]:
    return {str(one) for one in space.neighbours(space.parse(text))}


def test_the_neighbours_of_the_best_are_asked_for_until_one_is_better() -> None:
    search = LocalSearch(ONE_INPUT, SETTINGS)
    first, second = names(search.ask(2, Random(0)))
    told(search, (first, 0.3), (second, 0.6))
    for number in range(3):
        (asked,) = names(search.ask(1, Random(number)))
        assert asked in around(ONE_INPUT, second)
        told(search, (asked, 0.5))
    (better,) = names(search.ask(1, Random(9)))
    told(search, (better, 0.7))
    assert set(names(search.ask(3, Random(1)))) <= around(ONE_INPUT, better)


def test_it_starts_again_where_no_neighbour_is_better() -> None:
    # every neighbour of the best of 16 architectures is worse, so all of them are asked for, then others at random
    search = LocalSearch(SMALLEST, SETTINGS)
    best = names(search.ask(1, Random(0)))[0]
    told(search, (best, 0.9))
    near = around(SMALLEST, best)
    asked = names(search.ask(len(near) + 2, Random(1)))
    assert set(asked[: len(near)]) == near
    far = asked[len(near) :]
    assert not set(far) & {best, *near}
    told(search, *[(one, 0.1) for one in asked[: len(near)]], (far[0], 0.2), (far[1], 0.4))
    # the better of the two draws is the new centre, although the old one was better
    assert search.centre == (SMALLEST.parse(far[1]), 0.4)
    unseen = around(SMALLEST, far[1]) - {best, *asked}
    assert set(names(search.ask(len(unseen), Random(2)))) == unseen


def test_a_round_that_ends_at_a_local_optimum_is_followed_by_a_random_one() -> None:
    search = LocalSearch(SMALLEST, SETTINGS)
    best = names(search.ask(1, Random(0)))[0]
    told(search, (best, 0.9))
    near = around(SMALLEST, best)
    asked = names(search.ask(len(near), Random(1)))
    told(search, *[(one, 0.1) for one in asked])
    assert search.centre is None
    assert not set(names(search.ask(2, Random(2)))) & {best, *near}


def test_the_optimum_of_a_landscape_with_one_peak_is_found_by_climbing() -> None:
    # on CUBE, each further convolution is better: from any start, at most 6 moves lead to the peak, of up to 6
    # evaluations each; uniform draws find it within 2 + 36 of 64 with probability 0.6
    for seed in range(10):
        search = LocalSearch(CUBE, SETTINGS)
        found = []
        while not found or max(found) < 6:
            asked = names(search.ask(1 if found else 2, Random(derived(seed, len(found)))))
            scores = [float(one.count("nor_conv_1x1")) for one in asked]
            told(search, *zip(asked, scores, strict=True))
            found += scores
        assert len(found) <= 2 + 6 * 6


def derived(seed: int, number: int) -> int:
    return 1000 * seed + number
