"""Searches within limits: no strategy asks for what exceeds them."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sampled_spaces import SETTINGS, estimate, propose
from stepping import run, settings_files

from nas_steps.config import strategies
from nas_steps.config.load import load
from nas_steps.config.space import Network, filled
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv
from nas_steps.search import protocol
from nas_steps.search.sampling import sampler
from nas_steps.spaces.cells import presets as cells
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import Limited, blocks_of, constrained_space
from nas_steps.spaces.costs import CostTable, Shape, counted, read_costs, write_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile import presets as mobile
from nas_steps.spaces.protocol import Space, members

every_strategy = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)

SHAPE = Shape(3, 32, 10)
NETWORK = Network(channels=4, cells=3)
SPACES: dict[str, Space] = {"mobile_small": mobile.PRESETS["mobile_small"], "small": cells.PRESETS["small"]}
#: 81 architectures
LISTED = CellSpace("pairs", ("skip_connect", "max_pool_3x3", "nor_conv_1x1"), nodes=1, edges_per_node=None)


def table(space: Space) -> CostTable:
    return counted(blocks_of(space, NETWORK), SHAPE)


def quantile(space: Space, what: str, share: float) -> float:
    costs = table(space)
    found = sorted(getattr(costs.costs(space.sample(Random(seed))), what) for seed in range(100))
    return float(found[int(share * len(found))])


@every_strategy
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_strategy_keeps_the_limits_and_asks_nothing_twice(settings: Any, space: Space, share: float) -> None:
    constraints = {"macs": quantile(space, "macs", share), "parameters": quantile(space, "parameters", 0.5)}
    constrained = Limited(space, table(space), constraints)
    history: list[Any] = []
    for _ in range(3):
        asked = propose(settings, constrained, history, count=4, seed=1)
        assert len(asked) == 4
        assert all(constrained.admits(space.parse(one)) for one in asked)
        history.append([estimate(index, text) for index, text in enumerate(asked)])
    assert len({space.identity(space.parse(one.architecture)) for told in history for one in told}) == 12
    assert propose(settings, constrained, history[:2], count=4, seed=1) == [one.architecture for one in history[2]]


@every_strategy
def test_a_listed_space_is_searched_to_the_end_of_what_is_within_the_limits(settings: Any) -> None:
    constrained = Limited(LISTED, table(LISTED), {"macs": quantile(LISTED, "macs", 0.2)})
    different = {LISTED.identity(one) for one in members(constrained)}
    assert 4 < len(different) < 60
    strategy = sampler(settings, constrained)
    found: list[str] = []
    while asked := list(map(str, strategy.ask(7, Random(len(found))))):
        strategy.tell([estimate(index, text) for index, text in enumerate(asked)])
        found += asked
    assert {LISTED.identity(LISTED.parse(one)) for one in found} == different
    assert len(found) == len(different)


def test_where_too_few_are_within_the_limits_the_limits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "TRIES", 20)
    space = mobile.PRESETS["mobile_small"]
    costs = table(space)
    constrained = Limited(space, costs, {"macs": costs.costs(costs.smallest("macs")).macs})
    with pytest.raises(UserError, match=r"few of them are within the constraints.*loosen the constraints"):
        propose(strategies.Random(evaluations=50), constrained, [], count=50, seed=0)


def test_nsga2_lowers_the_latency_of_the_table(tmp_path: Path) -> None:
    space = mobile.PRESETS["mobile_small"]
    parts = blocks_of(space)
    latencies = {name: 0.1 + Random(name).random() for name in parts.names()}
    write_costs(tmp_path / "blocks.csv", parts, SHAPE, latencies)
    constrained = constrained_space(space, None, tmp_path / "blocks.csv")
    settings = strategies.Nsga2(population=4, children=4, rounds=2, objectives=["latency", "macs"])
    asked = propose(settings, constrained, [], count=4, seed=0)
    nsga2: Any = sampler(settings, constrained)
    nsga2.tell([estimate(index, text) for index, text in enumerate(asked)])
    costs = read_costs(tmp_path / "blocks.csv", parts)
    for member in nsga2.population:
        assert member.objectives[1] == costs.costs(member.architecture).latency_ms
        assert math.isfinite(member.objectives[1])


def test_latency_is_no_objective_where_it_is_not_measured(tmp_path: Path) -> None:
    space = mobile.PRESETS["mobile_small"]
    settings = strategies.Nsga2(objectives=["latency"])
    write_costs(tmp_path / "blocks.csv", blocks_of(space), SHAPE, {})
    for given in (space, constrained_space(space, None, tmp_path / "blocks.csv")):
        with pytest.raises(UserError, match="objective latency"):
            sampler(settings, given)


def test_the_step_proposes_within_the_limits_and_loads_no_torch(tmp_path: Path) -> None:
    raw = {
        "space": {"preset": "mobile_small"},
        "search": {"constraints": {"macs": 5e6}, "strategies": {"random": {"evaluations": 12}}},
    }
    config = load(raw)
    files = settings_files(config, tmp_path / "results")
    space = declared(filled(config.space))
    write_costs(tmp_path / "blocks.csv", blocks_of(space), SHAPE, {})
    given = {"settings": files["random"], "strategy": "random", "seed": 0, "round": 0, "output": str(tmp_path)}
    with pytest.raises(UserError, match=r"no blocks\.csv"):
        run("propose", **given)
    given["blocks"] = str(tmp_path / "blocks.csv")
    code = f"import sys; from stepping import run; run('propose', **{given!r}); sys.exit('torch' in sys.modules)"
    found = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=found, check=False).returncode == 0
    costs = read_costs(tmp_path / "blocks.csv", blocks_of(space))
    proposed = [row["architecture"] for row in read_csv(tmp_path / "proposals.csv")]
    assert len(proposed) == 12
    assert all(costs.costs(space.parse(one)).macs <= 5e6 for one in proposed)


def test_the_limits_are_no_part_of_what_is_measured(tmp_path: Path) -> None:
    def costs(**constraints: Any) -> str | None:
        raw = {
            "space": {"preset": "mobile_small"},
            "search": {"constraints": constraints, "strategies": {"random": {"evaluations": 2}}},
        }
        return settings_files(load(raw), tmp_path).get("measure_blocks")

    assert costs(latency_ms=1) == costs(latency_ms=2, macs=1e9)
    assert costs(latency_ms=1) != costs(macs=1e9)
    assert costs(latency_ms=1) != costs(latency_ms=1, latency={"batch": 4})
    assert costs() is None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a supernet": (
        {"search": {"constraints": {"parameters": 1e6}}},
        r"search\.strategies\.darts \(kind darts\) trains a supernet of its own and cannot keep constraints, but "
        r"search\.constraints has parameters",
    ),
    "a latency limit in a table": (
        {
            "search": {
                "constraints": {"latency_ms": 5},
                "estimator": {"kind": "table", "path": __file__, "search": "valid", "report": "test"},
                "strategies": {"random": {"evaluations": 2}},
            }
        },
        r"search\.estimator is a table, in which no latency is measured here.* name a column of latencies",
    ),
    "latency in a table": (
        {
            "search": {
                "estimator": {"kind": "table", "path": __file__, "search": "valid", "report": "test"},
                "strategies": {"random": {}, "nsga2": {"objectives": ["latency"]}},
            }
        },
        r"search\.estimator is a table, in which no latency is measured here.* name a column of latencies",
    ),
    "an objective that no table has": (
        {"search": {"strategies": {"random": {}, "nsga2": {"objectives": ["watts"]}}}},
        r"search\.strategies\.nsga2\.objectives has 'watts', but known are macs, parameters, latency; a column of a",
    ),
    "a limit of a table that its images do not keep": (
        {
            "space": {"preset": "accel_nasbench"},
            "search": {
                "constraints": {"parameters": 1e6},
                "estimator": {"kind": "table", "path": __file__, "search": "valid", "report": "test"},
                "strategies": {"random": {"evaluations": 2}},
            },
        },
        r"search\.constraints\.parameters is 1000000, but the smallest network of space accel_nasbench has 1,",
    ),
    "too few parameters": (
        {
            "space": {"preset": "mobile_small"},
            "search": {"constraints": {"parameters": 1000}, "strategies": {"random": {"evaluations": 2}}},
        },
        r"search\.constraints\.parameters is 1000, but the smallest network of space mobile_small has 19,098 par",
    ),
    "a negative limit": (
        {"search": {"constraints": {"macs": -1}, "strategies": {"random": {"evaluations": 2}}}},
        r"search\.constraints\.macs: given -1; must be more than 0",
    ),
    "a limit by another name": (
        {"search": {"constraints": {"latency_msec": 1}, "strategies": {"random": {"evaluations": 2}}}},
        r"search\.constraints\.latency_msec: unknown key .* did you mean 'latency_ms'",
    ),
}


@pytest.mark.parametrize(("raw", "words"), REFUSED.values(), ids=REFUSED)
def test_limits_that_cannot_be_kept_are_refused(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(raw)


def test_what_the_data_will_tell_is_taken_to_be_as_small_as_can_be() -> None:
    def smallest(**data: Any) -> int:
        raw = {
            "data": data,
            "space": {"preset": "mobile_small"},
            "search": {"constraints": {"macs": 1}, "strategies": {"random": {"evaluations": 2}}},
        }
        with pytest.raises(UserError) as caught:
            load(raw)
        return int(str(caught.value).split(" has ")[1].split(" macs")[0].replace(",", ""))

    assert smallest(source="cifar100") > smallest(source="cifar10") > smallest(source="digits")
    assert smallest(source="npz", path=__file__) < smallest(source="digits", resolution=4)
    assert smallest(source="cifar10", resolution=16) < smallest(source="cifar10")
