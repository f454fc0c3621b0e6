"""Predicted times of trainings that did not take place."""

from __future__ import annotations

import pytest

from nas_steps.scaling.family import fit, predicted_times


def test_a_line_through_the_trained_members_predicts_the_others_with_its_error() -> None:
    macs = [100, 200, 400, 800]
    rows = predicted_times(macs, [[1.5, 2.5], [3.0], [5.0], []])
    assert [row["train_seconds"] for row in rows] == [2.0, 3.0, 5.0, None]
    assert [row["predicted_seconds"] for row in rows] == pytest.approx([2.0, 3.0, 5.0, 9.0])
    assert rows[0]["predicted_seconds_error"] == pytest.approx(0.0, abs=1e-9)
    off = predicted_times(macs, [[2.0], [3.0], [8.0], []])[0]["predicted_seconds_error"]
    assert off > 0.1


def test_two_members_give_a_line_of_unknown_error_and_one_gives_none() -> None:
    two = predicted_times([100, 200, 400], [[2.0], [3.0], []])
    assert two[2]["predicted_seconds"] == pytest.approx(5.0)
    assert two[2]["predicted_seconds_error"] is None
    assert "not known" in two[2]["predicted_seconds_note"]
    one = predicted_times([100, 200], [[2.0], []])
    assert one[1]["predicted_seconds"] is None
    assert "1 of the 2" in one[1]["predicted_seconds_note"]


@pytest.mark.parametrize("points", [[(100, 3.0), (200, 1.0)], [(100, 1.0), (200, 4.0)]])
def test_neither_the_start_nor_the_slope_is_negative(points: list[tuple[int, float]]) -> None:
    start, slope = fit(points)
    assert start >= 0
    assert slope >= 0
    assert start + slope > 0
