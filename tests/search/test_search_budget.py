"""Random search is matched to the dearest other strategy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stepping import run, settings_of
from tiny_world import ROOT, settings, tiny_config
from torch import Tensor

from benchmarks.textbook import Textbook
from nas_steps.config.schema import Config
from nas_steps.config.space import Network, filled
from nas_steps.config.strategies import GRADIENT_KINDS
from nas_steps.models.build import size
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.count import count
from nas_steps.provenance.files import read_json
from nas_steps.search.budget import _supernet, budget
from nas_steps.search.settings import BudgetSettings, OneShotSettings
from nas_steps.search.spent import supernet
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellArchitecture, CellSpace
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE

SIZES = {"inputs": 1, "classes": 10, "side": 8}
SHAPE = SIZES | {"images": 60}
ROOMY = {"nodes": 2, "operations": ["skip_connect", "max_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"]}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting is what takes time, and a mean of fewer sizes is a mean too."""
    monkeypatch.setattr("nas_steps.search.budget.DRAWS", 6)


def given(config: Config) -> BudgetSettings:
    """What the budget of an experiment is told."""
    return settings_of(config, "budget", BudgetSettings, ROOT.name)


def counted(strategies: dict[str, Any], **changes: Any) -> dict[str, Any]:
    config = tiny_config(search__strategies=strategies, **{"space": ROOMY, **changes})
    return budget(given(config), **SHAPE)


@pytest.mark.parametrize("preset", [name for name, space in PRESETS.items() if space.inputs == 2])
def test_every_space_of_two_inputs_has_a_budget(preset: str) -> None:
    found = counted({"random": {}, "darts": {"epochs": 1}}, space={"preset": preset})
    assert found["supernet_macs"] > found["candidate_macs"] > 0
    assert found["strategies"]["random"]["evaluations"] >= 2


@pytest.mark.parametrize("epochs", [2, 5, 9])
def test_random_matches_darts_within_half_an_evaluation(epochs: int) -> None:
    found = counted({"random": {}, "darts": {"epochs": epochs}})
    random, darts = found["strategies"]["random"], found["strategies"]["darts"]
    evaluation = 3 * 1 * found["candidate_macs"]  # the tiny estimator trains for one epoch
    assert darts["training_macs"] == 3 * 2 * epochs * found["supernet_macs"]
    assert random["evaluations"] > 2
    assert random["training_macs"] == pytest.approx(random["evaluations"] * evaluation)
    assert abs(random["training_macs"] - darts["training_macs"]) <= evaluation / 2
    assert random["matched_to"] == found["matched_to"] == "darts"
    assert random["relative"] == 1
    assert darts["relative"] == pytest.approx(darts["training_macs"] / random["training_macs"])


def test_random_matches_evolution_evaluation_by_evaluation() -> None:
    found = counted(
        {"random": {}, "evolution": {"population": 30, "children": 10, "rounds": 3}, "darts": {"epochs": 1}}
    )
    assert found["matched_to"] == "evolution"
    assert found["strategies"]["random"]["evaluations"] == 50


def test_a_number_of_evaluations_is_taken_as_it_is() -> None:
    found = counted({"random": {"evaluations": 7}, "darts": {"epochs": 5}})
    assert found["strategies"]["random"]["evaluations"] == 7
    assert found["matched_to"] is None


def test_random_gets_at_least_two_evaluations_and_at_most_the_space() -> None:
    poor = counted({"random": {}, "darts": {"epochs": 1}}, search__estimator__epochs=500)
    assert poor["strategies"]["random"]["evaluations"] == 2
    small = {"nodes": 1, "operations": ["skip_connect", "nor_conv_1x1"]}
    rich = counted({"random": {}, "darts": {"epochs": 200}}, space=small)
    assert rich["strategies"]["random"]["evaluations"] == 16


def test_the_step_writes_what_it_counted(tmp_path: Path, data: str) -> None:
    run("budget", settings=settings()["budget"], data=data, output=tmp_path)
    found = read_json(tmp_path / "budget.json")
    assert found == budget(given(tiny_config()), **SHAPE, valid=60)
    assert set(found["strategies"]) == {"random", "evolution", "darts"}
    assert (tmp_path / "budget.cost.json").is_file()


# --------------------------------------------------------------------------------------------- the family

#: forward and backward passes for each training batch, the step of the weights included
PASSES = {
    "darts": 2,
    "darts_plus": 2,
    "early_stop_eigenvalue": 2,
    "fair_darts": 2,
    "sdarts_rs": 2,
    "pc_darts": 2,
    "gdas": 2,
    "drnas": 2,
    "rsws": 1,
    "setn": 2,  # an architecture for the weights, all operations for the alphas
    "darts_second_order": 5,  # training, validation, two sides of the difference; then the weights
    "sdarts_adv": 9 + 2 / 3,  # seven steps look for the disturbance, between two forward passes
}


def textbook_macs(space: CellSpace, network: Network, *, k: int = 1, side: int = 8) -> int:
    return count(lambda: Textbook(space, network, inputs=1, classes=10, k=k), inputs=1, side=side).macs


@pytest.mark.parametrize("preset", PRESETS)
def test_the_supernet_has_as_many_multiply_accumulates_as_the_textbook(preset: str) -> None:
    space = PRESETS[preset]
    network = Network(channels=4, cells=1 if space.inputs == 1 else 3, stem_multiplier=1)
    for parts, side in ((1, 8), (2, 7)):
        mine = _supernet(space, network, inputs=1, classes=10, side=side, parts=parts)
        assert mine == textbook_macs(space, network, side=side, k=parts) > 0


def test_every_kind_is_counted_by_its_passes() -> None:
    assert set(PASSES) == GRADIENT_KINDS
    more = {"pc_darts": {"parts": 2}, "early_stop_eigenvalue": {"window": 1}}
    given = {kind: {"epochs": 3, **more.get(kind, {})} for kind in PASSES}
    found = counted({"random": {}, **given})
    config = tiny_config(space=ROOMY)
    space, network = declared(filled(config.space)), config.search.network
    whole, part = found["supernet_macs"], textbook_macs(space, network, k=2)
    assert whole == textbook_macs(space, network)
    around = _supernet(space, network, **SIZES, parts=1, operations=False)
    one_pass = {"pc_darts": part, "rsws": found["candidate_macs"], "gdas": around + (whole - around) / 4}
    one_pass["setn"] = (found["candidate_macs"] + whole) / 2
    # after each of three epochs: a step's gradient of one batch, and two bases of products with its Hessian
    more_macs = {"early_stop_eigenvalue": 3 * (1 + 2 * 20) * 3 * 32 / 60 * whole}
    for kind, passes in PASSES.items():
        expected = 3 * passes * 3 * one_pass.get(kind, whole) + more_macs.get(kind, 0)
        assert found["strategies"][kind]["training_macs"] == pytest.approx(expected)
        assert found["strategies"][kind]["kind"] == kind
    assert found["matched_to"] == "early_stop_eigenvalue"


def test_the_steps_that_look_for_a_disturbance_are_counted() -> None:
    found = counted({"random": {}, "darts": {"epochs": 2}, "sdarts_adv": {"epochs": 2, "steps": 3}})
    darts, adversarial = (found["strategies"][name]["training_macs"] for name in ("darts", "sdarts_adv"))
    # a pass is three forward passes: three steps, alphas and weights, and two forward passes alone
    assert adversarial / darts == pytest.approx((5 * 3 + 2) / (2 * 3))


def test_the_stages_of_drnas_cost_what_they_widen_and_leave() -> None:
    stages = [{"epochs": 3, "parts": 4}, {"epochs": 2, "operations": 2, "parts": 2}]
    found = counted({"random": {}, "drnas": {"warmup_epochs": 1, "stages": stages}})["strategies"]["drnas"]
    config = tiny_config(space=ROOMY)
    space, network = declared(filled(config.space)), config.search.network
    first, second = (textbook_macs(space, network, k=k) for k in (4, 2))
    # of the four operations of an edge two are kept, so half of what those with weights take
    around = _supernet(space, network, **SIZES, parts=2, operations=False)
    left = around + (second - around) / 2
    # weights alone in the first epoch of a stage, then alphas, too
    by_epoch = [3 * first, 6 * first, 6 * first, 3 * left, 6 * left]
    assert found["training_macs"] == pytest.approx(sum(by_epoch))
    lines = [{"status": "ok", "products": "", "drawn": ""}] * 5
    for epochs in range(6):
        assert supernet(lines[:epochs], found["prices"]) == pytest.approx(sum(by_epoch[:epochs]))


def test_the_mean_of_what_is_pruned_alike_is_what_a_stage_costs() -> None:
    space, network = declared(filled(tiny_config(space=ROOMY).space)), tiny_config(space=ROOMY).search.network
    macs = []
    for seed in range(40):
        random = Random(seed)
        kept = {kind: [set(random.sample(range(4), 2)) for _ in space.edges()] for kind in space.kinds}

        class Pruned(Supernet):
            def forward(self, x: Tensor, *_: Any, kept: Any = kept, **__: Any) -> Tensor:
                weighted = self.weighted()
                active = {
                    kind: [[has and place in some for place, has in enumerate(row)] for some, row in zip(kept[kind],
                                                                                                  rows, strict=True)]
                    for kind, rows in weighted.items()
                }  # fmt: skip
                return super().forward(x, Mix(self.probabilities(), active))

        macs.append(count(partial(Pruned, space, network, inputs=1, classes=10, k=2), inputs=1, side=8).macs)
    around = _supernet(space, network, **SIZES, parts=2, operations=False)
    left = around + (textbook_macs(space, network, k=2) - around) / 2
    assert left == pytest.approx(sum(macs) / len(macs), rel=0.05)


@pytest.mark.parametrize("preset", ["small", "nasbench201", "s1"])
def test_a_batch_of_gdas_costs_the_mean_of_what_it_can_draw(preset: str) -> None:
    space = PRESETS[preset]
    network = Network(channels=4, cells=1 if space.inputs == 1 else 3, stem_multiplier=1)
    config = tiny_config(
        space={"preset": preset},
        search__network=network.model_dump(),
        search__strategies={"random": {}, "gdas": {"epochs": 1}},
    )
    found = budget(given(config), **SHAPE)["strategies"]["gdas"]["training_macs"] / (3 * 2)
    macs = []
    for seed in range(15):
        random = Random(seed)
        active = {}
        for kind in space.kinds:
            rows = [[place for place, may in enumerate(row) if may] for row in space.allowed(kind)]
            active[kind] = [
                [place == drawn for place in range(len(space.operations))] for drawn in map(random.choice, rows)
            ]

        class Drawn(Supernet):
            def forward(self, x: Tensor, *_: Any, active: Any = active, **__: Any) -> Tensor:
                weighted = self.weighted()
                both = {
                    kind: [[a and b for a, b in zip(*rows, strict=True)] for rows in zip(active[kind], weighted[kind],
                                                                                       strict=True)]
                    for kind in active
                }  # fmt: skip
                return super().forward(x, Mix(self.probabilities(), both))

        net = partial(Drawn, space, network, inputs=1, classes=10)
        macs.append(count(net, inputs=1, side=8).macs)
    assert found == pytest.approx(sum(macs) / len(macs), rel=0.15)


@pytest.mark.parametrize(
    ("kind", "space", "weightless", "whole", "single", "none"),
    [
        # five edges a cell, all decided before the one node that reads three states: after each the supernet learns,
        # with 4, 3, 2, 1, 0 fifths of its edges open and the others decided
        ("darts", ROOMY, "max_pool_3x3", 2, 3, 0),
        # nine edges, then two nodes that remove one and two edges, in any order: 1.5 on average
        ("darts", {"preset": "small"}, "max_pool_3x3", 4, 5 + 7.5 / 9, 1.5 / 9),
        # an open edge, too, learns a single operation a batch
        ("gdas", {"preset": "small"}, "max_pool_3x3", 0, 9 + 7.5 / 9, 1.5 / 9),
        # all six edges are kept; nothing follows the last decision
        ("darts", {"preset": "nasbench201"}, "none", 2.5, 2.5, 0),
    ],
)
def test_the_epochs_of_a_selection_are_counted(
    kind: str, space: dict[str, Any], weightless: str, whole: float, single: float, none: float
) -> None:
    network = {"channels": 4, "cells": 3, "stem_multiplier": 1}
    plain, selecting = (
        counted({"random": {}, "mine": {"kind": kind, "epochs": 2, **more}}, space=space, search__network=network)
        for more in ({}, {"selection": "perturbation", "selection_epochs": 3})
    )
    more = selecting["strategies"]["mine"]["training_macs"] - plain["strategies"]["mine"]["training_macs"]
    cells = declared(filled(tiny_config(space=space).space))
    assert isinstance(cells, CellSpace)
    nodes = tuple(tuple((weightless, source) for source in cells.kept_sources(node)[0]) for node in range(cells.nodes))
    empty = CellArchitecture(dict.fromkeys(cells.kinds, nodes), dict.fromkeys(cells.kinds, cells.concat))
    rest = size(str(empty), Network(**network), **SIZES).macs
    every = plain["supernet_macs"]
    one = rest + (every - rest) / len(cells.choices_of(cells.kinds[0], 0))
    # three epochs of steps of alphas and of weights, each a pass forward and one back that costs twice as much
    assert more == pytest.approx(3 * 2 * 3 * (whole * every + single * one + none * rest))


def evaluation_macs(**estimator: Any) -> float:
    """Training multiply-accumulates of one evaluation, in units of a candidate's forward pass."""
    found = counted({"random": {"evaluations": 10, "rounds": 5}}, search__estimator=estimator)
    return found["strategies"]["random"]["training_macs"] / 10 / found["candidate_macs"] / 3


@pytest.mark.parametrize(
    ("estimator", "epochs"),
    [
        ({"epochs": 6}, 6),
        ({"epochs": 6, "seeds": 3}, 18),
        ({"epochs": 6, "images": 0.5}, 3),
        # in five rounds of two, eight at 2 epochs; one of them goes on in the third round, one in the last
        ({"epochs": 18, "halving": {"epochs": 2, "eta": 3}}, (8 * 2 + 2 * 6) / 10),
        ({"kind": "extrapolation", "epochs": 20, "observe": 5}, 5),
        ({"kind": "zero_cost", "batch_size": 30}, 0.5),
    ],
)
def test_an_evaluation_costs_what_its_estimator_trains(estimator: dict[str, Any], epochs: float) -> None:
    assert evaluation_macs(**estimator) == pytest.approx(epochs)


def test_a_screen_costs_a_batch_for_each_that_it_looks_at() -> None:
    found = counted(
        {"random": {"evaluations": 10}},
        search__estimator={"epochs": 1, "warmup_epochs": 0},
        search__screen={"proposals_per_evaluation": 4, "batch_size": 15},
    )
    assert found["strategies"]["random"]["training_macs"] / 30 / found["candidate_macs"] == pytest.approx(2)


def test_a_lower_resolution_costs_less() -> None:
    assert evaluation_macs(epochs=4, resolution=4) < 0.5 * evaluation_macs(epochs=4)


def one_shot(sampling: str, strategies: dict[str, Any], **estimator: Any) -> dict[str, Any]:
    config = tiny_config(
        data__resolution=8,
        space={"preset": "mobile_small"},
        search__network=Network(channels=8, cells=3, stem_multiplier=3).model_dump(),
        retrain__network=Network(channels=8, cells=5, stem_multiplier=3).model_dump(),
        search__estimator={"kind": "shared_weights", "supernet": {"epochs": 4, "sampling": sampling}, **estimator},
        search__strategies=strategies,
    )
    return budget(given(config), **SHAPE, valid=30)


@pytest.mark.parametrize(("sampling", "paths"), [("uniform", 1), ("fair", 8)])
def test_a_supernet_counts_for_each_strategy_that_scores_by_it(sampling: str, paths: int) -> None:
    evolution = {"population": 6, "sample": 2, "children": 2, "rounds": 3}
    found = one_shot(sampling, {"random": {"evaluations": 9}, "evolution": evolution})
    candidate = found["candidate_macs"]
    # an evaluation is a forward pass of all 60 images that calibrate (there are no more) and the 30 that score
    for name, evaluations in (("random", 9), ("evolution", 10)):
        expected = 3 * 4 * paths * candidate + evaluations * (60 + 30) / 60 * candidate
        assert found["strategies"][name]["training_macs"] == pytest.approx(expected)
    cheap = one_shot(sampling, {"random": {"evaluations": 9}}, calibration_images=0, valid_images=6)
    expected = 3 * 4 * paths * candidate + 9 * 6 / 60 * candidate
    assert cheap["strategies"]["random"]["training_macs"] == pytest.approx(expected)


def test_the_sandwich_costs_its_bread_too() -> None:
    found = one_shot("sandwich", {"random": {"evaluations": 1}}, calibration_images=0, valid_images=1)
    space = MOBILE["mobile_small"]
    sides = [size(str(one), Network(), **SIZES).macs for one in (space.largest(), space.smallest())]
    expected = 3 * 4 * (sum(sides) + 2 * found["candidate_macs"]) + found["candidate_macs"] / 60
    assert found["strategies"]["random"]["training_macs"] == pytest.approx(expected)


def test_random_gets_as_many_looks_at_a_supernet_as_the_strategy_with_the_most() -> None:
    strategies = {
        "random": {},
        "evolution": {"population": 6, "sample": 2, "children": 2, "rounds": 3},
        "nsga2": {"population": 6, "children": 3, "rounds": 3},
    }
    found = one_shot("uniform", strategies)
    assert found["strategies"]["random"]["evaluations"] == 12
    assert (found["matched_to"], found["matched_by"]) == ("nsga2", "evaluations")
    assert found["strategies"]["nsga2"]["relative"] == 1


def test_architectures_that_another_supernet_draws_are_no_evaluations() -> None:
    strategies = {"random": {}, "evolution": {"population": 4, "sample": 2, "children": 2, "rounds": 2}, "rsws": {}}
    config = tiny_config(
        space={"preset": "nasbench201", "nodes": 2},
        search__network={"channels": 2, "cells": 1},
        retrain__network={"channels": 2, "cells": 1},
        search__estimator={"kind": "shared_weights", "supernet": {"epochs": 2}},
        search__strategies=strategies,
    )
    assert settings_of(config, "one_shot random", OneShotSettings, ROOT.name).evaluations == 6
    told = budget(given(config), **SHAPE, valid=30)["strategies"]
    assert (told["random"]["evaluations"], told["rsws"]["evaluations"]) == (6, None)
