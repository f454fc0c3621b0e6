"""A space within limits: what is drawn, mutated to, refused."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from limited_spaces import CELLS, MOBILE, SHAPE, SPACES, table

from nas_steps.config.constraints import Constraints
from nas_steps.errors import UserError
from nas_steps.spaces import constraints as limited_module
from nas_steps.spaces.constraints import Limited, blocks_of, constrained_space, spelled
from nas_steps.spaces.costs import CONSTRAINED, write_costs
from nas_steps.spaces.protocol import Space, members

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def within(space: Space, share: float, *whats: str) -> Limited:
    """The space with limits that each leave the smallest `share` of all architectures."""
    costs = table(space)
    found = [costs.costs(one) for one in members(space)]
    constraints = {what: sorted(getattr(one, what) for one in found)[int(share * (len(found) - 1))] for what in whats}
    return Limited(space, costs, constraints)


@every_space
@pytest.mark.parametrize("share", [0.0, 0.002, 0.5])
def test_what_is_drawn_and_mutated_to_is_within_the_limits(space: Space, share: float) -> None:
    constrained = within(space, share, "macs")
    random = Random(0)
    for _ in range(10):
        drawn = constrained.sample(random)
        assert constrained.costs(drawn).macs <= constrained.constraints["macs"]
        mutated = constrained.mutate(drawn, random)
        assert constrained.costs(mutated).macs <= constrained.constraints["macs"]
        limit = constrained.constraints["macs"]
        around = [one for one in space.neighbours(drawn) if constrained.costs(one).macs <= limit]
        assert constrained.neighbours(drawn) == around
    assert constrained.sample(Random(3)) == constrained.sample(Random(3))


@every_space
def test_members_are_those_within_the_limits(space: Space) -> None:
    constrained = within(space, 0.3, "parameters", "latency_ms")
    expected = [one for one in members(space) if constrained.admits(one)]
    assert 0 < len(expected) < space.size()
    assert list(members(constrained)) == expected


def test_draws_within_loose_limits_are_uniform() -> None:
    constrained = within(CELLS, 0.3, "macs")
    allowed = list(map(str, members(constrained)))
    counts = dict.fromkeys(allowed, 0)
    random = Random(0)
    draws = 40 * len(allowed)
    for _ in range(draws):
        counts[str(constrained.sample(random))] += 1
    # the chi-square of so many degrees of freedom is above this once in a million
    statistic = sum((count - 40) ** 2 / 40 for count in counts.values())
    degrees = len(allowed) - 1
    assert statistic < degrees + 5 * (2 * degrees) ** 0.5 + 20


def test_a_walk_within_tight_limits_forgets_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    constrained = within(MOBILE, 0.01, "macs")
    allowed = {str(one) for one in members(constrained)}
    monkeypatch.setattr(limited_module, "DRAWS", 0)
    random = Random(0)
    found = {str(constrained.sample(random)) for _ in range(8 * len(allowed))}
    assert found <= allowed
    assert len(found) > 0.8 * len(allowed)


@every_space
@pytest.mark.parametrize("what", CONSTRAINED)
def test_a_limit_that_none_keeps_is_refused_with_the_smallest(space: Space, what: str) -> None:
    costs = table(space)
    smallest = min(getattr(costs.costs(one), what) for one in members(space))
    with pytest.raises(UserError) as caught:
        Limited(space, costs, {what: 0.9 * smallest})
    assert f"search.constraints.{what}" in str(caught.value)
    assert spelled(smallest, what) in str(caught.value)
    assert "raise the limit, or search a space of smaller networks" in str(caught.value)
    assert getattr(costs.costs(costs.smallest(what)), what) == smallest
    # and the limit that the message names is met
    Limited(space, costs, {what: smallest * (1 + 1e-12)})


def test_limits_that_exclude_each_other_are_refused_together() -> None:
    costs = table(MOBILE)
    constraints = {
        what: 1.0001 * getattr(costs.costs(costs.smallest(what)), what) for what in ("parameters", "latency_ms")
    }
    assert not any(
        all(getattr(costs.costs(one), what) <= limit for what, limit in constraints.items()) for one in members(MOBILE)
    )
    with pytest.raises(UserError, match=r"none was found that keeps all of parameters .* latency_ms .* closest comes"):
        Limited(MOBILE, costs, constraints)


def test_milliseconds_are_spelled_as_a_limit_that_is_enough() -> None:
    assert spelled(0.0126612, "latency_ms") == "0.01267 ms"
    assert spelled(1234567, "macs") == "1,234,567 macs"
    assert spelled(3.26664, "memory_mb") == "3.267 MB of memory"


def test_without_limits_and_costs_the_space_is_itself(tmp_path: Path) -> None:
    assert constrained_space(MOBILE, None, None) is MOBILE
    assert constrained_space(MOBILE, Constraints(), None) is MOBILE
    with pytest.raises(UserError, match=r"no blocks\.csv; name it by --blocks"):
        constrained_space(MOBILE, Constraints(macs=1e9), None)
    write_costs(tmp_path / "blocks.csv", blocks_of(MOBILE), SHAPE, {})
    assert constrained_space(MOBILE, Constraints(macs=1e9), tmp_path / "blocks.csv").constraints == {"macs": 1e9}  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="the table of costs has no latencies"):
        constrained_space(MOBILE, Constraints(latency_ms=1), tmp_path / "blocks.csv")
