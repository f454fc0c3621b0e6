"""Spell numbers for the page. Every function takes None and answers it in words, such as `no figure`."""

import math

NO_FIGURE = "no figure"
#: between a number and its unit, which must not be parted at the end of a line
_SPACE = "\N{NO-BREAK SPACE}"


def share(value: float | None, decimals: int = 1) -> str:
    """Spell an accuracy of 0.9712 as `97.1 %`."""
    return NO_FIGURE if value is None else f"{_rounded(100 * value, decimals)}{_SPACE}%"


def points(value: float | None, decimals: int = 1, *, sign: bool = False) -> str:
    """Spell a difference of 0.012 as `1.2`, in percentage points; `sign` also writes a plus."""
    if value is None:
        return NO_FIGURE
    text = _rounded(100 * value, decimals)
    return "+" + text if sign and value > 0 and float(text.replace(",", "")) else text


def decimals_for(low: float | None, high: float | None) -> int:
    """Choose 2 decimals if the interval is narrower than 0.4 points, or an end would be rounded to 0; else 1."""
    if low is None or high is None:
        return 1
    return 2 if high - low < 0.004 or any(0 < abs(end) < 0.0005 for end in (low, high)) else 1


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """Spell shares 0.004 and 0.02 as `[0.4, 2.0]`, in points."""
    if low is None or high is None:
        return "no interval"
    decimals = decimals_for(low, high) if decimals is None else decimals
    return f"[{points(low, decimals)}, {points(high, decimals)}]"


def bracket(low: float | None, high: float | None) -> str:
    """Spell numbers without a unit, such as the ends of a tau's interval, as `[0.41, 0.83]`."""
    return "no interval" if low is None or high is None else f"[{plain(low)}, {plain(high)}]"


def count(value: float | None) -> str:
    """`1,234,567`."""
    return NO_FIGURE if value is None else _minus(f"{round(value):,}")


def macs(value: float | None) -> str:
    """Spell multiply-accumulates as `1.23 M`; three digits, the prefix chosen so that 1 <= number < 1000."""
    if value is None:
        return NO_FIGURE
    for prefix, scale in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 0.9995 * scale:
            return f"{_digits(value / scale)}{_SPACE}{prefix}"
    return _digits(value)


def seconds(value: float | None) -> str:
    """`0.42 s`, `13.4 s`, `2 min 13 s`, `3 h 05 min`, `2 d 04 h`."""
    if value is None:
        return "not measured"
    if value < 59.95:
        return f"{_digits(value)}{_SPACE}s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    text = f"{minutes} min {rest:02d} s" if not hours else f"{hours} h {minutes:02d} min"
    return (text if hours < 48 else f"{days} d {left:02d} h").replace(" ", _SPACE)


def milliseconds(value: float | None) -> str:
    """`0.042`, `3.27`, `120`: three digits at most, without the unit."""
    return "not measured" if value is None else _digits(value)


def digits(value: float | None) -> str:
    """Spell a number of any size and sign, such as a proxy's: `0.042`, `32.5`, `1.2e+07`."""
    if value is None:
        return NO_FIGURE
    size = abs(value)
    text = _digits(size) if size == 0 or 0.0095 <= size < 999_999.5 else _minus(f"{size:.2g}")
    return _minus("-") + text if value < 0 else text


def ratio(value: float | None) -> str:
    """`0.42`, `3.1`, `1,200`, for `times`."""
    if value is None:
        return NO_FIGURE
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 2 else f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"


def megabytes(value: float | None) -> str:
    """Spell MB as `512 MB` or `1.21 GB`."""
    if value is None:
        return NO_FIGURE
    return f"{value:.0f}{_SPACE}MB" if value < 1000 else f"{_digits(value / 1000)}{_SPACE}GB"


def size(value: float | None) -> str:
    """Spell bytes as `12.3 kB`."""
    return NO_FIGURE if value is None else f"{macs(value)}B" if value >= 1000 else f"{value:.0f}{_SPACE}B"


def plain(value: float | None, decimals: int = 2) -> str:
    """Spell a number without a unit, such as tau."""
    return NO_FIGURE if value is None else _rounded(value, decimals)


def small(value: float | None) -> str:
    """Spell a p value: `0.034`, `< 0.001`, with one digit more near 0.05 to show its side."""
    if value is None:
        return NO_FIGURE
    if value < 0.001:
        return f"<{_SPACE}0.001"
    return f"{value:.4f}" if f"{value:.3f}" == "0.050" else f"{value:.3f}"


def scientific(value: float | None) -> str:
    """`2.4e-07`."""
    return NO_FIGURE if value is None else "0" if value == 0 else f"{value:.1e}"


def plural(number: int, one: str) -> str:
    """`1 seed`, `3 seeds`, `4 searches`."""
    return f"{number:,} {one if number == 1 else one + ('es' if one.endswith('ch') else 's')}"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def shortened(names: list[str], most: int = 3) -> str:
    """`a, b, c and 5 more`: at most `most` names, or one more if it is the last."""
    return listed(names if len(names) <= most + 1 else [*names[:most], f"{len(names) - most} more"])


def _digits(value: float) -> str:
    """Three significant digits without an exponent."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-4))
    return _minus(f"{value:,.{min(decimals, 3)}f}")


def _rounded(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return _minus(text.lstrip("-") if not float(text.replace(",", "")) else text)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
