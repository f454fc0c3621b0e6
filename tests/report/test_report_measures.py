"""Figures in the unit of their metric: bits per byte are positive, differences say who has fewer."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from nas_steps.report.measures import SHARES, Bits

BITS = Bits(context=256)


@dataclass
class Row:
    difference: float | None
    low: float | None = None
    high: float | None = None


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def test_levels_lose_the_minus_of_the_files() -> None:
    assert BITS.level(-1.8432) == "1.843 bits per byte"
    assert (BITS.named(-1.8432), BITS.number(-1.8432)) == ("1.843", "1.843")
    assert BITS.span(-1.865, -1.821, 1) == "[1.821, 1.865]"
    assert BITS.span(None, -1.821) == "no interval"
    assert BITS.level(None) == BITS.number(None) == "no figure"
    assert (plain(SHARES.level(0.9712)), SHARES.span(0.965, 0.977, 1)) == ("97.1 %", "[96.5, 97.7]")


def test_costs_are_flops_a_token() -> None:
    assert plain(BITS.cost(243_200_000)) == "1.90 M"
    assert BITS.costs(256) == 2
    assert plain(SHARES.cost(243_200_000)) == "243 M"


@pytest.mark.parametrize(
    ("row", "measured", "signed", "between"),
    [
        (
            Row(0.012, 0.004, 0.020),
            "0.012 bits per byte [0.004, 0.020]",
            "0.012 fewer bits per byte [0.004, 0.020]",
            "between 0.004 and 0.020 fewer bits per byte",
        ),
        (
            Row(-0.012, -0.020, -0.004),
            "-0.012 bits per byte [-0.020, -0.004]",
            "0.012 more bits per byte [0.004, 0.020]",
            "between 0.004 and 0.020 more bits per byte",
        ),
        (
            Row(0.001, -0.022, 0.021),
            "0.001 bits per byte [-0.022, 0.021]",
            "0.001 fewer bits per byte [-0.022, 0.021]",
            "between 0.022 more and 0.021 fewer bits per byte",
        ),
        (
            Row(-0.012),
            "-0.012 bits per byte",
            "0.012 more bits per byte",
            "0.012 more bits per byte, without an interval",
        ),
        (
            Row(None),
            "no figure bits per byte",
            "no figure",
            "no figure bits per byte, without an interval",
        ),
    ],
)
def test_differences_say_who_has_fewer_bits(row: Row, measured: str, signed: str, between: str) -> None:
    assert plain(BITS.measured(row)) == measured
    assert plain(BITS.signed(row)) == signed
    assert plain(BITS.between(row)) == between


def test_a_loss_is_a_size() -> None:
    assert plain(BITS.loss(Row(-0.012, -0.020, -0.004))) == "0.012 bits per byte [0.004, 0.020]"
    assert plain(SHARES.loss(Row(-0.012, -0.020, -0.004))) == "1.2 points [0.4, 2.0]"
    assert plain(BITS.loss(Row(-0.012))) == "0.012 bits per byte"


def test_narrow_intervals_have_a_decimal_more() -> None:
    assert plain(BITS.measured(Row(0.0132, 0.0123, 0.0142))) == "0.0132 bits per byte [0.0123, 0.0142]"
    assert plain(BITS.measured(Row(0.0132, -0.0002, 0.0282))) == "0.0132 bits per byte [-0.0002, 0.0282]"
    assert BITS.fine(0.00123) == "0.0012"


@pytest.mark.parametrize(
    ("value", "of_bits", "of_shares"),
    [
        (0.012, "0.012 bits per byte better than", "1.2 points above"),
        (-0.012, "0.012 bits per byte worse than", "1.2 points below"),
        (0.0, "0.000 bits per byte from", "0.0 points from"),
    ],
)
def test_sides_are_told(value: float, of_bits: str, of_shares: str) -> None:
    assert (BITS.apart(value), SHARES.apart(value)) == (of_bits, of_shares)


def test_signs_are_written_where_they_are_asked_for() -> None:
    assert plain(BITS.difference(0.012, sign=True)) == "+0.012"
    assert plain(BITS.difference(-0.012, sign=True)) == "-0.012"
    assert BITS.difference(0.00001, sign=True) == "0.000"


def test_ticks_are_positive_and_the_better_ones_stay_above() -> None:
    told: dict[str, Any] = {}
    axis = SimpleNamespace(set_major_formatter=lambda spell: told.update(spell=spell))
    BITS.axis(axis)
    # the place of a level on the axis is the files' figure
    assert [told["spell"](place, 0) for place in (-1.9, -1.85, 0.0)] == ["1.9", "1.85", "0"]
    SHARES.axis(axis)
    assert told["spell"](0.95, 0) == "95 %"
    assert (BITS.differences(0.012), SHARES.differences(0.012)) == (0.012, 1.2)
