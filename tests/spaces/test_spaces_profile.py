"""The profile of a space: what its architectures cost, and how many keep the constraints."""

from __future__ import annotations

import subprocess
import sys
from random import Random
from statistics import median

import pytest
from limited_spaces import MOBILE, SHAPE, SKELETON, SPACES, table

from nas_steps.spaces.constraints import keeps
from nas_steps.spaces.costs import CONSTRAINED
from nas_steps.spaces.profile import SAMPLE, profile, profile_lines, rows
from nas_steps.spaces.protocol import Space, members


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_least_and_largest_are_of_the_whole_space_and_the_median_of_a_sample(space: Space) -> None:
    costs = table(space)
    every = [costs.costs(one) for one in members(space)]
    found = profile(space, costs, {}, seed=3)
    random = Random(3)
    sample = [costs.costs(space.sample(random)) for _ in range(SAMPLE)]
    assert list(found["costs"]) == list(CONSTRAINED)
    for what, one in found["costs"].items():
        values = [getattr(cost, what) for cost in every]
        assert one["least"] == pytest.approx(min(values))
        assert one["largest"] == pytest.approx(max(values))
        assert one["median"] == median(getattr(cost, what) for cost in sample)
    assert found["within"] is None
    assert [row["cost"] for row in rows(found)] == list(CONSTRAINED)


def test_the_share_that_keeps_the_constraints_has_an_interval_that_holds_the_true_one() -> None:
    costs = table(MOBILE)
    every = [costs.costs(one) for one in members(MOBILE)]
    limits = {what: sorted(getattr(one, what) for one in every)[len(every) // 2] for what in ("macs", "memory_mb")}
    found = profile(MOBILE, costs, limits, seed=0)
    truth = sum(keeps(one, limits) for one in every) / len(every)
    within = found["within"]
    assert within["low"] < truth < within["high"]
    assert within["share"] == within["within"] / SAMPLE
    assert within["share"] <= min(one["share"] for one in found["limits"].values())
    assert rows(found)[-1]["cost"] == "all"


def test_none_or_all_within_still_have_an_interval() -> None:
    costs = table(MOBILE)
    none, every = (profile(MOBILE, costs, {"macs": limit}, seed=0)["within"] for limit in (1.0, 1e12))
    assert (none["share"], none["low"]) == (0.0, 0.0)
    assert 0.01 < none["high"] < 0.03
    assert every["share"] == every["high"] == 1.0
    assert 0.97 < every["low"] < 0.99


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_lines_name_figures_constraints_and_what_is_measured_later(space: Space) -> None:
    found = profile_lines(space, SHAPE, {"parameters": 1e9, "latency_ms": 2.0}, 0, SKELETON)
    text = "\n".join(found)
    assert f"space {space.name}: {space.size():,} architectures for images of 3 x 33 x 33 and 7 classes" in text
    assert "; at most 1 G: 100 % of the draws" in text
    assert "within all of these constraints: 100 % [98.1, 100]" in text
    assert "latency_ms: known when the blocks have been measured" in text
    assert not any(" ms: " in line for line in found)


def test_a_batch_multiplies_the_activations_alone() -> None:
    def memory(batch: int) -> str:
        lines = profile_lines(MOBILE, SHAPE, {}, 0, batch=batch)
        return next(line for line in lines if "MB of memory" in line)

    assert memory(1) != memory(8)


def test_the_profile_needs_neither_torch_nor_numpy() -> None:
    code = "import sys, nas_steps.spaces.profile; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
