"""A surrogate that completes a benchmark's table: what it recovers, how sure it is, and what is told of it."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.linalg import cho_solve, cholesky

from nas_steps.config.estimators import Table, TableColumn
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.estimation import surrogate
from nas_steps.estimation.completed import Completed
from nas_steps.estimation.surrogate import noisy
from nas_steps.estimation.surrogate_fit import FEWEST, conformal, fit, left_out
from nas_steps.estimation.table import read_table
from nas_steps.estimation.table_space import TableSpace
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.spaces.protocol import members

SPACE = PRESETS["mobile_small"]
COSTS = counted(blocks_of(SPACE), Shape(3, 32, 10))
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def worth(features: np.ndarray) -> np.ndarray:
    """A smooth function of the features, bent by their squares: about 0.5 to 0.9."""
    first, second = features[:, :5].sum(axis=1), features[:, 5:9].sum(axis=1)
    return 0.7 + 0.05 * np.tanh(first - 2) + 0.03 * np.sin(2 * second)


def drawn(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(count, 9))


def test_intervals_cover_what_they_say_and_predictions_come_near() -> None:
    noise = 0.01
    x, new = drawn(300, 0), drawn(1000, 1)
    dice = np.random.default_rng(2)
    fitted, (check,) = fit(x, {"accuracy": worth(x) + dice.normal(0, noise, 300)}, logs=(), falling=())
    predicted = fitted.predict("accuracy", new)
    # the noise is the least error that can be had of a measured figure
    assert np.sqrt(np.mean((predicted - worth(new)) ** 2)) < noise
    low, high = fitted.intervals("accuracy", new)
    measured = worth(new) + dice.normal(0, noise, 1000)
    assert 0.85 <= np.mean((low <= measured) & (measured <= high)) <= 0.95
    assert 0.85 <= check["coverage"] <= 0.95
    assert check["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - measured) ** 2)), rel=0.25)
    assert check["kendall_tau"] > 0.6


def test_intervals_widen_away_from_the_table() -> None:
    x = drawn(100, 0)
    fitted, _ = fit(x, {"accuracy": worth(x)}, logs=(), falling=())
    (near, far) = (np.diff(np.array(fitted.intervals("accuracy", one)), axis=0).mean() for one in (x[:20], x[:20] + 3))
    assert far > 3 * near


def test_positive_costs_are_predicted_by_their_logarithm() -> None:
    x = drawn(200, 0)
    cost = np.exp(4 * x[:, 0] + x[:, 1])
    cost[7] = math.nan  # an empty cell
    fitted, (check,) = fit(x, {"ms": cost}, logs={"ms"}, falling={"ms"})
    new = drawn(50, 3)
    assert fitted.predict("ms", new) == pytest.approx(np.exp(4 * new[:, 0] + new[:, 1]), rel=0.1)
    low, high = fitted.intervals("ms", new)
    assert (low > 0).all()
    assert (low < high).all()
    assert check["rows"] == 199


def test_left_out_predictions_are_those_of_a_process_without_the_fold() -> None:
    x, kernel = drawn(43, 0), np.array([-1.0, 0.5, 0.2, -3.0])
    y = np.random.default_rng(4).normal(size=43)
    inverse = np.linalg.inv(noisy(kernel, x))
    errors, deviations = left_out(inverse, inverse @ y)
    whole = noisy(kernel, x)
    for fold in (np.arange(0, 43, 10), np.arange(9, 43, 10)):
        kept = np.delete(np.arange(43), fold)
        factor = (cholesky(whole[np.ix_(kept, kept)], lower=True), True)
        cross = whole[np.ix_(fold, kept)]
        assert errors[fold] == pytest.approx(y[fold] - cross @ cho_solve(factor, y[kept]))
        variance = np.diag(whole[np.ix_(fold, fold)] - cross @ cho_solve(factor, cross.T))
        assert deviations[fold] == pytest.approx(np.sqrt(variance))


def test_the_factor_is_the_rank_that_covers_one_more() -> None:
    # of 9 scores the ceil(10 * 0.9) = 9th smallest, of 19 the ceil(20 * 0.9) = 18th
    assert conformal(np.arange(9.0)) == 8
    assert conformal(np.arange(19.0)) == 17


def test_a_surrogate_is_written_and_read(tmp_path: Path) -> None:
    x = drawn(60, 0)
    fitted, _ = fit(x, {"a": worth(x), "b": np.exp(x[:, 0])}, logs={"b"}, falling=())
    surrogate.write(tmp_path / "one.safetensors", fitted)
    read = surrogate.read(tmp_path / "one.safetensors")
    for column in ("a", "b"):
        assert (read.predict(column, x) == fitted.predict(column, x)).all()
        assert np.array_equal(read.intervals(column, x), fitted.intervals(column, x))


def test_too_few_rows_are_refused() -> None:
    x = drawn(FEWEST - 1, 0)
    with pytest.raises(UserError, match=f"the column a of the table has {FEWEST - 1} figures, too few"):
        fit(x, {"a": worth(x)}, logs=(), falling=())


# ---------------------------------------------------------------------------------------------- a table

COLUMNS = ("architecture", "top1", "ms")
SETTINGS = Table(
    path="t.csv", search="top1", report="top1", missing="surrogate", columns={"ms": TableColumn(at_most=5)}
)


def rows_of(count: int) -> list[list[Any]]:
    dice = Random(5)
    found: dict[str, list[Any]] = {}
    while len(found) < count:
        architecture = SPACE.sample(dice)
        costs = COSTS.costs(architecture)
        found[str(architecture)] = [str(architecture), 5 * math.log(costs.parameters), costs.macs / 2e6]
    return list(found.values())


def completed(tmp_path: Path, rows: list[list[Any]], settings: Table = SETTINGS) -> Completed:
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    bare = Completed(read_table(tmp_path / "t.csv", settings, SPACE), settings, COSTS, None)
    known = bare.architectures()
    columns = {"top1": np.array([bare.search(one) for one in known])}
    columns |= {"ms": np.array([bare.value("ms", one) for one in known])}
    fitted, _ = fit(np.array([bare.features(one) for one in known]), columns, logs={"ms"}, falling={"ms"})
    return Completed(read_table(tmp_path / "t.csv", settings, SPACE), settings, COSTS, fitted)


def test_measured_figures_stay_and_others_are_predicted(tmp_path: Path) -> None:
    rows = rows_of(120)
    rows[3][2] = ""  # a cell that was not measured
    table = completed(tmp_path, rows[:100])
    assert [table.search(one[0]) for one in rows[:100]] == [one[1] / 100 for one in rows[:100]]
    for one in rows[100:]:
        assert not table.is_measured("search", one[0])
        assert table.search(one[0]) == pytest.approx(one[1] / 100, abs=0.002)
        ((low, high),) = table.intervals("search", [one[0]])
        assert low < table.search(one[0]) < high
    assert not table.is_measured("ms", rows[3][0])
    assert table.is_measured("search", rows[3][0])
    assert table.value("ms", rows[3][0]) == pytest.approx(COSTS.costs(SPACE.parse(rows[3][0])).macs / 2e6, rel=0.05)
    assert np.isnan(table.intervals("search", [rows[0][0]])).all()


def test_another_spelling_of_a_measured_network_is_measured(tmp_path: Path) -> None:
    space = CELLS["nasbench201"].replace(nodes=2)
    costs = counted(blocks_of(space, Network(channels=4, cells=1)), Shape(3, 32, 10))
    first: dict[str, str] = {}
    pairs = []
    for one in members(space):
        before = first.setdefault(space.identity(one), str(one))
        pairs += [(before, str(one))] if before != str(one) else []
    held, other = pairs[0]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("architecture", "a"), (held, 61.5)])
    settings = Table(path="t.csv", search="a", report="a", missing="surrogate")
    unfitted = surrogate.Surrogate(np.zeros(1), 1.0, {})
    table = Completed(read_table(tmp_path / "t.csv", settings, space), settings, costs, unfitted)
    assert table.is_measured("search", other)
    assert table.search(other) == 0.615


def test_searches_keep_the_limits_of_columns_and_of_counts(tmp_path: Path) -> None:
    table = completed(tmp_path, rows_of(100))
    sizes = [COSTS.costs(SPACE.parse(one)).parameters for one in table.architectures() if table.value("ms", one) <= 5]
    limit = float(np.median(sizes))
    space = TableSpace(table, SETTINGS, {"parameters": limit})
    random = Random(0)
    architecture = space.sample(random)
    for _ in range(30):
        assert table.value("ms", str(architecture)) <= 5
        assert COSTS.costs(architecture).parameters <= limit
        architecture = space.mutate(architecture, random)
    assert space.cost("ms", architecture) == table.value("ms", str(architecture))
    faster = SETTINGS.model_copy(update={"columns": {"ms": TableColumn(goal="maximise")}})
    assert TableSpace(table, faster, {}).cost("ms", architecture) == -table.value("ms", str(architecture))


def test_limits_that_no_row_keeps_are_refused(tmp_path: Path) -> None:
    strict = SETTINGS.model_copy(update={"columns": {"ms": TableColumn(at_least=1e6)}})
    with pytest.raises(UserError, match=r"columns\.ms is at_least 1000000, which no row .* keeps: its values go from"):
        completed(tmp_path, rows_of(40), strict)


def test_without_a_surrogate_an_incomplete_table_is_refused_and_the_message_names_it(tmp_path: Path) -> None:
    settings = Table(path="t.csv", search="top1", report="top1")
    with pytest.raises(
        UserError, match="holds 40 of the .* architectures .* or set search.estimator.missing: surrogate"
    ):
        completed(tmp_path, rows_of(40), settings)
