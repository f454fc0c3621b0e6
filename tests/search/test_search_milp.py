"""Additive block scores: the solver equals listing everything, the fit equals least squares, gaps are recorded."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from limited_spaces import CELLS, MOBILE, ONE_INPUT, RESOLUTIONS, table
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from stepping import run, settings_files

from benchmarks import additive as measured
from nas_steps.config import strategies
from nas_steps.config.load import load
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import SCREENED, Estimate, write_estimates
from nas_steps.provenance.files import read_csv
from nas_steps.search import additive, sampling
from nas_steps.search.additive import RIDGES, AdditiveScore, AdditiveSearch
from nas_steps.search.protocol import Prediction
from nas_steps.search.sampling import sampler
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import Limited, keeps, paths_of
from nas_steps.spaces.costs import Costs, CostTable
from nas_steps.spaces.mobile import presets as mobile
from nas_steps.spaces.paths import END, START, Arc, Paths
from nas_steps.spaces.protocol import members

OFA = Path(__file__).resolve().parents[3] / "shared/data/ofa_subnets.csv.gz"
SPACES: dict[str, Any] = {"mobile": MOBILE, "resolutions": RESOLUTIONS, "cells": CELLS, "one input": ONE_INPUT}
#: by name, the share of the architectures that each limit alone leaves
LIMITS: dict[str, dict[str, float]] = {
    "none": {},
    "macs": {"macs": 0.2},
    "all sums": {"macs": 0.5, "parameters": 0.4, "latency_ms": 0.4},
    "memory and file": {"memory_mb": 0.4, "file_mb": 0.5},
}


def everything(space: Any) -> dict[str, tuple[Any, Costs]]:
    costs = table(space)
    return {str(one): (one, costs.costs(one)) for one in members(space)}


def quantile(listed: dict[str, tuple[Any, Costs]], what: str, share: float) -> float:
    return float(sorted(getattr(costs, what) for _, costs in listed.values())[int(share * len(listed))])


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_best_within_the_limits_are_those_of_the_whole_list(space: Any, limits: dict[str, float]) -> None:
    listed, paths = everything(space), paths_of(space)
    given = {what: quantile(listed, what, share) for what, share in limits.items()}
    for seed in range(2):
        gains = np.random.default_rng(seed).normal(size=len(paths.terms))
        values = {text: float(np.dot(paths.counts(one), gains)) for text, (one, _) in listed.items()}
        kept = sorted(
            (text for text, (_, costs) in listed.items() if keeps(costs, given)), key=lambda one: -values[one]
        )
        assert len(kept) >= 3
        search = AdditiveSearch(paths, gains, table(space), given)
        found = []
        while len(found) < 6 and (solution := search.best()) is not None:
            assert solution.optimal
            assert solution.gap <= 1e-9
            search.exclude(solution.path)
            found.append(str(solution.architecture))
        assert len(found) == min(6, len(kept))
        assert len(set(found)) == len(found)
        # of equal sums either may come first
        assert [values[text] for text in found] == pytest.approx([values[text] for text in kept[: len(found)]])
        assert all(keeps(listed[text][1], given) for text in found)


def test_it_ends_when_all_within_the_limits_are_excluded() -> None:
    listed, paths = everything(RESOLUTIONS), paths_of(RESOLUTIONS)
    limit = quantile(listed, "macs", 0.1)
    search = AdditiveSearch(paths, np.zeros(len(paths.terms)), table(RESOLUTIONS), {"macs": limit})
    found = set()
    while (solution := search.best()) is not None:
        search.exclude(solution.path)
        found.add(str(solution.architecture))
    assert found == {text for text, (_, costs) in listed.items() if costs.macs <= limit}


@pytest.mark.parametrize("what", ["parameters", "macs", "latency_ms", "memory_mb", "file_mb"])
def test_limits_that_nothing_keeps_are_refused(what: str) -> None:
    listed, paths = everything(MOBILE), paths_of(MOBILE)
    least = min(getattr(costs, what) for _, costs in listed.values())
    gains = np.random.default_rng(0).normal(size=len(paths.terms))
    assert AdditiveSearch(paths, gains, table(MOBILE), {what: least}).best() is not None
    with pytest.raises(UserError, match=rf"no architecture of the space keeps all of {what} .*raise the limits"):
        AdditiveSearch(paths, gains, table(MOBILE), {what: 0.99 * least}).best()


def test_limits_that_exclude_each_other_are_refused() -> None:
    """Each limit alone is kept by an architecture, and no architecture keeps both."""
    paths = paths_of(CELLS)
    names = [name for name in table(CELLS).blocks.names() if name != "base"]
    costs = {name: Costs(*((9, 1) if "conv" in name else (1, 9)), 1.0, 0.0) for name in names}
    both = CostTable(table(CELLS).blocks, {**costs, "base": Costs(0, 0, 0.0, 0.0)})
    search = AdditiveSearch(paths, np.zeros(len(paths.terms)), both, {"parameters": 19, "macs": 19})
    with pytest.raises(UserError, match="parameters 19, macs 19"):
        search.best()
    # of four edges two are convolutions
    assert AdditiveSearch(paths, np.zeros(len(paths.terms)), both, {"parameters": 20, "macs": 20}).best() is not None


def test_what_the_solver_did_not_prove_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A knapsack whose items are worth what they weigh: the bound is the limit, and one node is too few to close it."""
    monkeypatch.setattr(additive, "NODES", 1)
    layers, dice = 40, Random(0)
    nodes = [START, *range(1, layers), END]
    arcs = [
        Arc(tail, head, taken, (f"{place}",) if taken else (), ((place, taken),))
        for place, (tail, head) in enumerate(pairwise(nodes))
        for taken in (False, True)
    ]
    paths = Paths(arcs, lambda one: one, tuple)
    weights = [dice.randrange(10**6, 10**7) for _ in range(layers)]
    costs = CostTable(None, {f"{place}": Costs(0, weight) for place, weight in enumerate(weights)})  # type: ignore[arg-type]
    limit = sum(weights) // 2
    gains = [float(weights[place]) * taken for place, taken in paths.terms]  # type: ignore[misc]
    solution = AdditiveSearch(paths, gains, costs, {"macs": limit}).best()
    assert solution is not None
    assert not solution.optimal
    weight = sum(one for one, taken in zip(weights, solution.architecture, strict=True) if taken)
    # the gap is told against the bound, which is no more than the limit
    assert weight <= limit
    assert 0 < solution.gap <= limit / weight - 1 + 1e-9


@pytest.mark.parametrize("terms", [12, 60])
def test_the_gains_and_their_left_out_errors_are_those_of_a_ridge_regression(terms: int) -> None:
    """Of fewer terms than scores, and of more, so that each score could be met."""
    random = np.random.default_rng(0)
    counts = (random.random((30, terms)) < 0.4).astype(float)
    scores = counts @ random.normal(size=terms) + random.normal(size=30)
    size = ((counts - counts.mean(axis=0)) ** 2).sum(axis=1).mean()
    errors = [
        scores - cross_val_predict(Ridge(alpha=ridge * size), counts, scores, cv=LeaveOneOut()) for ridge in RIDGES
    ]
    least = int(np.argmin([(one**2).mean() for one in errors]))
    model = Ridge(alpha=RIDGES[least] * size).fit(counts, scores)
    fitted = AdditiveScore(counts, scores)
    np.testing.assert_allclose(fitted.gains, model.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.predict(counts), model.predict(counts), rtol=1e-6)
    np.testing.assert_allclose(fitted.errors, errors[least], rtol=1e-6)
    assert fitted.rmse == pytest.approx(math.sqrt((errors[least] ** 2).mean()))


def searched(
    space: Any, score: Any, settings: strategies.Milp
) -> tuple[list[list[Estimate]], list[dict[str, Prediction]]]:
    def evaluate(asked: Any) -> list[Estimate]:
        return [Estimate(index, str(one), score(one)) for index, one in enumerate(asked)]

    predictions: list[dict[str, Prediction]] = []
    return sampling.run(settings, space, 0, 3, evaluate, predictions=predictions), predictions


@pytest.mark.parametrize("limits", [{}, {"macs": 0.3}], ids=["unlimited", "limited"])
@pytest.mark.parametrize("name", ["mobile", "cells"])
def test_the_best_architecture_of_an_additive_score_is_found_and_foretold(name: str, limits: dict[str, float]) -> None:
    space = SPACES[name]
    listed, paths = everything(space), paths_of(space)
    given = {what: quantile(listed, what, share) for what, share in limits.items()}
    gains = np.random.default_rng(1).normal(size=len(paths.terms))

    def score(one: Any) -> float:
        return 3 + float(np.dot(paths.counts(one), gains))

    limited = Limited(space, table(space), given)
    rounds, predictions = searched(limited, score, strategies.Milp(initial=60, batch=3))
    kept = [score(one) for one, costs in listed.values() if keeps(costs, given)]
    assert max(one.score for estimates in rounds for one in estimates) == pytest.approx(max(kept))
    assert all(keeps(listed[one.architecture][1], given) for estimates in rounds for one in estimates)
    assert predictions[0] == {}
    assert set(predictions[1]) == {one.architecture for one in rounds[1]}
    for one in rounds[1]:
        foretold = predictions[1][one.architecture]
        assert foretold.predicted == pytest.approx(one.score, abs=1e-3)
        assert (foretold.optimality, foretold.prediction_rmse) == ("optimal", pytest.approx(0, abs=1e-3))


def test_every_round_has_the_next_best_however_many_came_before() -> None:
    listed, paths = everything(CELLS), paths_of(CELLS)
    gains = np.random.default_rng(1).normal(size=len(paths.terms))

    def score(one: Any) -> float:
        return 3 + float(np.dot(paths.counts(one), gains))

    rounds, predictions = searched(CELLS, score, strategies.Milp(initial=20, batch=4, rounds=11))
    assert [len(found) for found in predictions] == [0, *[4] * 10]
    # the first 20, drawn at random, left 61 of 81; the next 40 are the best of them
    drawn = {one.architecture for one in rounds[0]}
    left = sorted((score(one) for text, (one, _) in listed.items() if text not in drawn), reverse=True)
    proposed = [one.score for estimates in rounds[1:] for one in estimates]
    assert sorted(proposed, reverse=True) == pytest.approx(left[:40], abs=1e-3)


def test_what_a_screen_rejected_is_not_proposed_again() -> None:
    strategy = sampler(strategies.Milp(initial=20, batch=4), CELLS)
    first = list(map(str, strategy.ask(20, Random(0))))
    strategy.tell([Estimate(index, text, float(text.count("conv"))) for index, text in enumerate(first)])
    for number in range(12):
        asked = list(map(str, strategy.ask(4, Random(number))))
        assert set(strategy.predictions) == set(asked)
        again = sampler(strategies.Milp(initial=20, batch=4), CELLS)
        strategy.tell([Estimate(index, text, 0.1, status=SCREENED) for index, text in enumerate(asked)])
        again.restore(strategy.state())
        assert again.state() == strategy.state()


def test_a_score_with_interactions_has_a_regret_and_a_gap_that_are_told() -> None:
    """The best additive guess is no longer the best: the predictions are off, and say by how much."""
    listed, paths = everything(MOBILE), paths_of(MOBILE)
    dice = np.random.default_rng(2)
    gains, pairs = dice.normal(size=len(paths.terms)), dice.normal(size=(len(paths.terms),) * 2)

    def score(one: Any) -> float:
        row = np.array(paths.counts(one))
        return float(row @ gains + row @ pairs @ row / 3)

    rounds, predictions = searched(MOBILE, score, strategies.Milp(initial=60, batch=5))
    scores = np.array([score(one) for one, _ in listed.values()])
    proposed = [one.score for one in rounds[1]]
    errors = [one.score - predictions[1][one.architecture].predicted for one in rounds[1]]
    assert max(map(abs, errors)) > 0.1
    (rmse,) = {one.prediction_rmse for one in predictions[1].values()}
    assert 0.1 < rmse < scores.std()
    # what is proposed is better than nearly all, and short of the best
    assert np.mean(scores > np.mean(proposed)) < 0.05
    assert max(proposed) < scores.max()


def test_proposals_beyond_the_solvers_are_drawn_and_have_no_prediction() -> None:
    space = CellSpace("few", ("skip_connect", "nor_conv_1x1"), nodes=1)
    strategy = sampler(strategies.Milp(initial=4, batch=30), space)
    first = list(map(str, strategy.ask(4, Random(0))))
    strategy.tell([Estimate(index, text, Random(text).random()) for index, text in enumerate(first)])
    rest = list(map(str, strategy.ask(30, Random(1))))
    assert len(first) + len(rest) == 16
    assert set(strategy.predictions) == set(rest)
    assert strategy.ask(1, Random(2)) == []
    assert strategy.predictions == {}


def test_the_steps_record_predictions_in_the_history(tmp_path: Path) -> None:
    given = {"initial": 12, "batch": 2, "rounds": 2}
    raw = {"space": {"preset": "mobile_small"}, "search": {"strategies": {"random": {}, "milp": given}}}
    config = load(raw)
    files = settings_files(config, tmp_path / "results")
    evaluated: list[Path] = []
    for number in range(2):
        folder = tmp_path / f"round-{number}"
        before = tmp_path / f"round-{number - 1}"
        more = {"earlier": before / "evaluations.csv", "state": before / "state.safetensors"} if number else {}
        more |= {"evaluated": before / "shard-0.csv"} if number else {}
        run("propose", settings=files["milp"], strategy="milp", seed=0, round=number, output=folder, **more)
        asked = [row["architecture"] for row in read_csv(folder / "proposals.csv")]
        write_estimates(
            folder / "shard-0.csv",
            [
                Estimate(index, text, text.count("k5") / 20 + Random(text).random() / 50)
                for index, text in enumerate(asked)
            ],
        )
        evaluated.append(folder / "shard-0.csv")
    run(
        "gather_search",
        settings=files["gather_search"],
        strategy="milp",
        seed=0,
        output=tmp_path / "ends",
        earlier=tmp_path / "round-1/evaluations.csv",
        evaluated=tmp_path / "round-1/shard-0.csv",
        predictions=[tmp_path / "round-0/predicted.csv", tmp_path / "round-1/predicted.csv"],
    )
    rows = read_csv(tmp_path / "ends/history.csv")
    assert [row["predicted"] != "" for row in rows] == [False] * 12 + [True] * 2
    told = {row["architecture"]: row for row in read_csv(tmp_path / "round-1/predicted.csv")}
    for row in rows[12:]:
        columns = ("predicted", "prediction_rmse", "optimality", "mip_gap")
        assert [row[name] for name in columns] == [told[row["architecture"]][name] for name in columns]
        assert row["optimality"] == "optimal"
        assert float(row["mip_gap"]) == 0
        # the more kernels of 5 the better
        assert row["architecture"].count("k5") >= max(one["architecture"].count("k5") for one in rows[:12])


@pytest.mark.skipif(not OFA.is_file(), reason="the table of once-for-all subnets is not here")
def test_additive_scores_predict_measured_accuracies_of_mobile_networks() -> None:
    """Once-for-all subnets with their ImageNet accuracy: 200 are fitted, and all others are predicted."""
    table_of_subnets = list(measured.rows_of(OFA))
    paths = paths_of(mobile.PRESETS["ofa_mbv3"])
    counts = np.array([paths.counts(measured.ofa(row)) for row in table_of_subnets])
    scores = np.array([float(row["imagenet_top1"]) for row in table_of_subnets])
    order = np.random.default_rng(0).permutation(len(scores))
    sample, rest = order[:200], order[200:]
    model = AdditiveScore(counts[sample], scores[sample])
    errors = scores[rest] - model.predict(counts[rest])
    assert 1 - (errors**2).mean() / scores[rest].var() > 0.9
    # the error that was left out is the true one, about
    assert 0.8 < model.rmse / math.sqrt((errors**2).mean()) < 1.25
