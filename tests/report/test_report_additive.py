"""What the page says of searches by additive block scores: the gap between predictions and scores."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import results_of

from nas_steps.config.schema import Config
from nas_steps.report.additive import gaps
from nas_steps.report.records import HistoryRow, Search
from nas_steps.report.results import Results

#: scores of two drawn architectures and of three that were proposed, the last of which failed
HISTORY = (
    HistoryRow(1, "a", 0.5, status="ok"),
    HistoryRow(2, "b", 0.6, status="ok"),
    HistoryRow(3, "c", 0.70, status="ok", predicted=0.73, prediction_rmse=0.02, optimality="optimal", mip_gap=0.0),
    HistoryRow(4, "d", 0.66, status="ok", predicted=0.67, prediction_rmse=0.02, optimality="optimal", mip_gap=0.0),
    HistoryRow(5, "e", None, status="diverged", predicted=0.6, prediction_rmse=0.02, optimality="optimal", mip_gap=0.0),
)


def results(history: tuple[HistoryRow, ...], estimator: dict[str, Any] | None = None) -> Results:
    search: dict[str, Any] = {"strategies": {"random": {"evaluations": 4}, "blocks": {"kind": "milp"}}}
    config = Config.model_validate({"search": {**search, **({"estimator": estimator} if estimator else {})}})
    return results_of(config, {}, {}, searches=(Search("blocks", "milp", 0, history), Search("random", "random", 0)))


def told(*given: Any) -> str:
    (sentence,) = gaps(results(*given))
    return sentence.text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_gap_of_the_predictions_is_told() -> None:
    """By hand: gaps of -3 and -1 points, whose mean is -2 and whose root mean square is the root of 5, 2.2."""
    assert told(HISTORY) == (
        "blocks-0 proposed 3 architectures by additive block scores; they scored 68.0 % in the mean, 2.0 points less "
        "than predicted (root mean square error 2.2); of the architectures evaluated before them, each left out of the "
        "fit, it is 2.0. The solver proved each to be the best that was left."
    )


def test_scores_of_a_proxy_have_no_points() -> None:
    found = told(HISTORY, {"kind": "zero_cost", "proxy": "synflow"})
    assert "they scored 0.680 in the mean, 0.020 less than predicted (root mean square error 0.022)" in found


def test_a_solution_that_is_not_proven_is_a_warning() -> None:
    early = HistoryRow(
        6, "f", 0.7, status="ok", predicted=0.7, prediction_rmse=0.01, optimality="not proven", mip_gap=0.04
    )
    (sentence,) = gaps(results((*HISTORY, early)))
    assert sentence.tone == "warning"
    assert "stopped before it proved 1 of them to be the best that was left, with a gap of up to 4.0" in sentence.text


@pytest.mark.parametrize("history", [(), HISTORY[:2]])
def test_nothing_is_said_without_predictions(history: tuple[HistoryRow, ...]) -> None:
    assert list(gaps(results(history))) == []


def test_failures_alone_have_no_gap() -> None:
    assert "proposed 1 architecture by additive block scores; none of them got a score." in told(HISTORY[4:])
