"""Spell an experiment's figures in the unit of its metric: levels, differences, costs of networks, and axes.

All files hold figures of which the larger is the better: shares, or bits per byte with a minus. A measure is the one
place that knows the unit, the decimals and the direction.
"""

from __future__ import annotations

from typing import Any, Protocol

from nas_steps.report import numbers
from nas_steps.report.svg import percent

_MINUS = "\N{MINUS SIGN}"


class Difference(Protocol):
    """A row with a difference and the ends of its interval, such as a contest."""

    @property
    def difference(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


class Measure:
    """Spell shares, such as accuracies: levels in per cent, differences in percentage points, costs as MACs."""

    #: the unit of a difference, and how it is told in the head of a column
    unit = "points"
    difference_head = "difference, points"
    interval_head = "95 % interval, points"
    failures_head = "with failures, points"
    #: what the levels of a column are in, in its head and in a caption
    level_head, caption = ", %", " in per cent"
    #: decimals of small differences
    fine_decimals = 2
    #: whether a difference is divided by the level that it starts from
    relative = True
    #: between the two sides of a signed difference
    versus = "minus"
    #: the words for a better and a worse figure than another
    better, worse = "above", "below"
    #: what a better and a worse figure has of the unit
    more, less = "more", "less"
    #: what is one of 1 and of 32 that an exported network is timed with
    timed = "one image", "32 images"
    #: what a network costs in a pass, as the head of a column and along an axis
    cost_head, cost_axis = "MACs", "multiply-accumulates an image"
    cost_column = "multiply-accumulates"
    training_head = "training MACs per image"

    def level(self, value: float | None, decimals: int = 1) -> str:
        """Spell a figure with its unit: `97.1 %`."""
        return numbers.share(value, decimals)

    def named(self, value: float | None) -> str:
        """Spell a figure in a list whose head names the metric: `97.1 %`."""
        return numbers.share(value)

    def number(self, value: float | None) -> str:
        """Spell a figure without its unit, for a table: `97.1`."""
        return numbers.points(value)

    def span(self, low: float | None, high: float | None, decimals: int | None = None) -> str:
        """Spell the interval of a figure without its unit: `[96.5, 97.7]`."""
        return numbers.interval(low, high, decimals)

    def difference(self, value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
        """Spell a difference without its unit, positive if the first is better: `1.2`."""
        return numbers.points(value, 1 if decimals is None else decimals, sign=sign)

    def fine(self, value: float | None) -> str:
        """Spell a small difference, such as a standard deviation, with one decimal more: `0.12`."""
        return numbers.points(value, self.fine_decimals)

    def decimals(self, low: float | None, high: float | None) -> int:
        """Choose the decimals of a difference by its interval."""
        return numbers.decimals_for(low, high)

    def interval(self, low: float | None, high: float | None, decimals: int | None = None) -> str:
        """Spell the interval of a difference without its unit: `[0.4, 2.0]`."""
        return numbers.interval(low, high, decimals)

    def axis(self, axis: Any) -> None:
        """Write the levels along an axis; the better ones are above, or at the right."""
        percent(axis)

    def differences(self, value: float) -> float:
        """Return the place of a difference along an axis in `unit`."""
        return 100 * value

    def difference_axis(self, intervals: str) -> str:
        """Name an axis of differences; `intervals` ends the name."""
        return f"points of test accuracy{intervals}"

    def costs(self, macs: float) -> float:
        """Return what a pass costs, from the MACs of the files."""
        return macs

    def cost(self, macs: float | None) -> str:
        """Spell what a pass costs, from the MACs of the files: `1.23 M`."""
        return numbers.macs(None if macs is None else self.costs(macs))

    def training(self, macs: float | None) -> str:
        """Spell what a training costs, from the figure in the files: `31.0 M`."""
        return numbers.macs(macs)

    def amount(self, value: float | None) -> str:
        """Spell the size of a difference with its unit: `1.2 points`."""
        return f"{self.difference(None if value is None else abs(value))} {self.unit}"

    def apart(self, value: float) -> str:
        """Tell how far a figure is from another one's: `1.2 points above`; `0.0 points from`."""
        size = self.difference(abs(value))
        side = "from" if not float(size) else self.worse if value < 0 else self.better
        return f"{size} {self.unit} {side}"

    def measured(self, row: Difference) -> str:
        """`1.2 points [0.4, 2.0]`, or `1.2 points` without an interval."""
        decimals = self.decimals(row.low, row.high)
        text = f"{self.difference(row.difference, decimals)} {self.unit}"
        return text if row.low is None else f"{text} {self.interval(row.low, row.high, decimals)}"

    def signed(self, row: Difference, decimals: int | None = None) -> str:
        """`+1.2 points [0.4, 2.0]`; `no figure` if there is none. `decimals` are those before the interval."""
        if row.difference is None:
            return numbers.NO_FIGURE
        decimals = self.decimals(row.low, row.high) if decimals is None else decimals
        text = f"{self.difference(row.difference, decimals, sign=True)} {self.unit}"
        return text if row.low is None else f"{text} {self.interval(row.low, row.high)}"

    def loss(self, row: Difference) -> str:
        """Spell a loss as a size: `1.2 points [0.4, 2.0]` for a difference of -1.2."""
        decimals = self.decimals(row.low, row.high)
        if row.difference is None or row.low is None or row.high is None:
            return f"{self.difference(None if row.difference is None else -row.difference)} {self.unit}"
        interval = self.interval(-row.high, -row.low, decimals)
        return f"{self.difference(-row.difference, decimals)} {self.unit} {interval}"

    def between(self, row: Difference) -> str:
        """`between −2.2 and +2.1 points`; the difference alone if it has no interval, or one without a width."""
        if row.low is None or row.high is None:
            return f"{self._alone(row.difference)}, without an interval"
        if row.low == row.high:
            return self._alone(row.difference)
        return self._ends(row.low, row.high, self.decimals(row.low, row.high))

    def _alone(self, value: float | None) -> str:
        return f"{self.difference(value, sign=True)} {self.unit}"

    def _ends(self, low: float, high: float, decimals: int) -> str:
        first, last = (self.difference(end, decimals, sign=True) for end in (low, high))
        return f"between {first} and {last} {self.unit}"


class Bits(Measure):
    """Spell bits per byte, which files hold with a minus; costs are FLOPs a token.

    A pass over `context` tokens has the MACs of the files; each is two FLOPs.
    """

    unit = "bits per byte"
    difference_head = "bits per byte saved"
    interval_head = "95 % interval"
    failures_head = "with failures"
    level_head, caption = ", bits per byte", ""
    fine_decimals = 4
    relative = False
    versus = "against"
    better, worse = "better than", "worse than"
    more, less = "less", "more"
    cost_head = cost_axis = cost_column = "FLOPs a token"
    timed = "one token", "a token of 32 texts"
    training_head = "training FLOPs"

    def __init__(self, context: int) -> None:
        self.context = context

    def level(self, value: float | None, decimals: int = 3) -> str:
        """Spell a figure with its unit: `1.843 bits per byte`."""
        return numbers.NO_FIGURE if value is None else f"{numbers.plain(-value, max(3, decimals))} {self.unit}"

    def named(self, value: float | None) -> str:
        return self.number(value)

    def number(self, value: float | None) -> str:
        """Spell a figure without its unit: `1.843`."""
        return numbers.plain(None if value is None else -value, 3)

    def span(self, low: float | None, high: float | None, decimals: int | None = None) -> str:
        """Spell the interval of a figure without its unit, with three decimals or more: `[1.821, 1.865]`."""
        if low is None or high is None:
            return "no interval"
        return self.interval(-high, -low, max(3, decimals or 0))

    def difference(self, value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
        """Spell how many bits fewer the first has: `0.012`."""
        text = numbers.plain(value, 3 if decimals is None else decimals)
        return f"+{text}" if sign and value is not None and value > 0 and float(text.replace(",", "")) else text

    def fine(self, value: float | None) -> str:
        return numbers.plain(value, self.fine_decimals)

    def decimals(self, low: float | None, high: float | None) -> int:
        """Choose 4 decimals if the interval is narrower than 0.004, or an end would be rounded to 0; else 3."""
        if low is None or high is None:
            return 3
        return 4 if high - low < 0.004 or any(0 < abs(end) < 0.0005 for end in (low, high)) else 3

    def interval(self, low: float | None, high: float | None, decimals: int | None = None) -> str:
        """Spell the interval of a difference without its unit: `[0.004, 0.020]`."""
        if low is None or high is None:
            return "no interval"
        decimals = self.decimals(low, high) if decimals is None else decimals
        return f"[{numbers.plain(low, decimals)}, {numbers.plain(high, decimals)}]"

    def axis(self, axis: Any) -> None:
        axis.set_major_formatter(lambda value, _: f"{0.0 - value:.6g}".replace("-", _MINUS))

    def differences(self, value: float) -> float:
        return value

    def training(self, macs: float | None) -> str:
        """Spell the FLOPs of a training, of which files hold the multiply-accumulates."""
        return numbers.macs(None if macs is None else 2 * macs)

    def difference_axis(self, intervals: str) -> str:
        return f"bits per byte saved on test text{intervals}"

    def costs(self, macs: float) -> float:
        """Return the FLOPs a token, from the MACs of a pass over the context."""
        return 2 * macs / self.context

    def signed(self, row: Difference, decimals: int | None = None) -> str:
        """`0.012 fewer bits per byte [0.004, 0.020]`; of a loss `0.012 more bits per byte [0.004, 0.020]`."""
        if row.difference is None:
            return numbers.NO_FIGURE
        decimals = self.decimals(row.low, row.high) if decimals is None else decimals
        more = row.difference < 0
        text = f"{self.difference(abs(row.difference), decimals)} {'more' if more else 'fewer'} {self.unit}"
        if row.low is None or row.high is None:
            return text
        ends = (-row.high, -row.low) if more else (row.low, row.high)
        return f"{text} {self.interval(*ends)}"

    def _alone(self, value: float | None) -> str:
        if value is None:
            return f"{numbers.NO_FIGURE} {self.unit}"
        return f"{self.difference(abs(value))} {'more' if value < 0 else 'fewer'} {self.unit}"

    def _ends(self, low: float, high: float, decimals: int) -> str:
        """`between 0.022 more and 0.021 fewer bits per byte`."""
        first, last = (self.difference(abs(end), decimals) for end in (low, high))
        words = ["more" if end < 0 else "fewer" for end in (low, high)]
        middle = f" {words[0]}" if words[0] != words[1] else ""
        if words == ["more", "more"]:
            first, last = last, first
        return f"between {first}{middle} and {last} {words[1]} {self.unit}"


SHARES = Measure()
