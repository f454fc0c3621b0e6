"""Numbers are spelled alike everywhere, and a missing one in words."""

from __future__ import annotations

import inspect

import pytest

from nas_steps.report import numbers


def spaced(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.share(0.9712), "97.1 %"),
        (numbers.points(0.012), "1.2"),
        (numbers.points(0.012, sign=True), "+1.2"),
        (numbers.points(-0.012, sign=True), "−1.2"),
        (numbers.points(-0.0001), "0.0"),
        (numbers.points(0.0001, sign=True), "0.0"),
        (numbers.interval(0.004, 0.02), "[0.4, 2.0]"),
        (numbers.interval(-0.001, 0.002), "[−0.10, 0.20]"),
        (numbers.interval(-0.009, -0.0004), "[−0.90, −0.04]"),  # one decimal would hide that it excludes 0
        (numbers.interval(None, 0.1), "no interval"),
        (numbers.bracket(-0.2, 0.81), "[−0.20, 0.81]"),
        (numbers.count(1234567), "1,234,567"),
        (numbers.macs(1_234_567), "1.23 M"),
        (numbers.macs(999_999), "1.00 M"),
        (numbers.macs(123_456), "123 k"),
        (numbers.macs(12.3e9), "12.3 G"),
        (numbers.macs(512), "512"),
        (numbers.seconds(0.42), "0.42 s".replace("0.42", "0.420")),
        (numbers.seconds(133.2), "2 min 13 s"),
        (numbers.seconds(59.97), "1 min 00 s"),
        (numbers.seconds(11_100), "3 h 05 min"),
        (numbers.seconds(187_200), "2 d 04 h"),
        (numbers.seconds(None), "not measured"),
        (numbers.ratio(0.4567), "0.46"),
        (numbers.ratio(3.14), "3.1"),
        (numbers.ratio(1234.5), "1,234"),
        (numbers.size(301_234), "301 kB"),
        (numbers.size(12), "12 B"),
        (numbers.megabytes(512.4), "512 MB"),
        (numbers.megabytes(12_340), "12.3 GB"),
        (numbers.small(0.0504), "0.0504"),
        (numbers.small(0.034), "0.034"),
        (numbers.small(0.0001), "< 0.001"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (numbers.plural(1, "seed"), "1 seed"),
        (numbers.plural(4, "search"), "4 searches"),
        (numbers.shortened(["a", "b", "c", "d"]), "a, b, c and d"),
        (numbers.shortened(["a", "b", "c", "d", "e"]), "a, b, c and 2 more"),
    ],
)
def test_spelling(text: str, expected: str) -> None:
    assert spaced(text) == expected


def test_no_figure_is_told_in_words() -> None:
    for name, function in inspect.getmembers(numbers, inspect.isfunction):
        first = next(iter(inspect.signature(function).parameters.values()))
        if not name.startswith("_") and first.annotation == "float | None" and name != "decimals_for":
            arguments = (None, None) if name in ("interval", "bracket") else (None,)
            assert function(*arguments)[:2] in ("no", "no"), name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, numbers.NO_FIGURE),
        (0.0, "0"),
        (32.456, "32.5"),
        (-32.456, "\N{MINUS SIGN}32.5"),
        (0.0421, "0.042"),
        (1.234e7, "1.2e+07"),
        (-1.2e-9, "\N{MINUS SIGN}1.2e\N{MINUS SIGN}09"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_of_any_size(value: float | None, text: str) -> None:
    assert numbers.digits(value) == text
