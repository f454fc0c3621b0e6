"""Tell what the architectures of a space cost, and how many of them keep the constraints. Imports no torch or NumPy."""

import math
import statistics
from collections.abc import Mapping
from random import Random
from typing import Any

from nas_steps.spaces.constraints import blocks_of, keeps
from nas_steps.spaces.costs import CONSTRAINED, CostTable, Shape, counted
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.protocol import Space

#: uniform draws for medians and shares
SAMPLE = 200
#: of a normal distribution, for a 95 % interval
QUANTILE = statistics.NormalDist().inv_cdf(0.975)
NAMES = {
    "parameters": "parameters",
    "macs": "MACs",
    "latency_ms": "ms",
    "memory_mb": "MB of memory",
    "file_mb": "MB in a file",
}
PREFIXES = ("", "k", "M", "G", "T")


def profile(space: Space, table: CostTable, constraints: Mapping[str, float], seed: int) -> dict[str, Any]:
    """Return the costs of a space, and the share of its architectures that keep `constraints`.

    `costs` has the least, the median and the largest by name of the cost; latencies only if the table has them. The
    medians and shares are of `SAMPLE` uniform draws; `within` has the share that keeps all constraints, with its
    interval, and `limits` that of each one. A constraint without figures, as an unmeasured latency, is left out.
    """
    random = Random(seed)
    drawn = [table.costs(space.sample(random)) for _ in range(SAMPLE)]
    costs = {}
    for what in CONSTRAINED:
        found = sorted(getattr(one, what) for one in drawn)
        if any(map(math.isnan, found)):
            continue
        least, most = (getattr(table.costs(one), what) for one in (table.smallest(what), table.largest(what)))
        costs[what] = {"least": least, "median": statistics.median(found), "largest": most}
    kept = {what: limit for what, limit in constraints.items() if what in costs}
    limits = {
        what: {"limit": limit, **_share(sum(getattr(one, what) <= limit for one in drawn))}
        for what, limit in kept.items()
    }
    within = _share(sum(keeps(one, kept) for one in drawn))
    return {
        "size": space.size(),
        "sample": SAMPLE,
        "costs": costs,
        "limits": limits,
        "within": within if kept else None,
        "left_out": sorted(set(constraints) - set(kept)),
    }


def profile_lines(
    space: Space, shape: Shape, constraints: Mapping[str, float], seed: int, network: Any = None, batch: int = 1
) -> list[str]:
    """Return the profile as lines of text, from what can be counted without measuring.

    Parameters, MACs, memory and file are counted; a constraint of `latency_ms` is told to be measured by the run.
    `network` is the skeleton of final networks, which cells need; `batch` is the images of one forward pass.
    """
    table = counted(blocks_of(space, network), shape, batch)
    return lines(profile(space, table, constraints, seed), space, shape)


def lines(found: Mapping[str, Any], space: Space, shape: Shape) -> list[str]:
    """Spell a `profile`: a line for the space, one for each cost, one for the constraints."""
    name, of = space.name, f"images of {shape.inputs} x {shape.side} x {shape.side} and {shape.classes} classes"
    if isinstance(space, LanguageSpace):
        of = f"contexts of {shape.side} tokens, of which there are {shape.classes}"
    text = [
        f"space {name}: {_count(found['size'])} architectures for {of} (least, median of {found['sample']} uniform "
        "draws, largest)"
    ]
    for what, one in found["costs"].items():
        limit = found["limits"].get(what)
        line = f"  {NAMES[what]}: " + ", ".join(_figure(one[key], what) for key in ("least", "median", "largest"))
        if limit is not None:
            line += f"; at most {_figure(limit['limit'], what)}: {_percent(limit)} of the draws"
        text.append(line)
    if found["within"] is not None:
        text.append(f"  within all of these constraints: {_percent(found['within'], interval=True)} of the space")
    if found["left_out"]:
        text.append(f"  {', '.join(found['left_out'])}: known when the blocks have been measured, and not counted here")
    return text


def rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each cost, and one named `all` for all constraints together."""
    made = [
        {"cost": what, **one, **found["limits"].get(what, {}), "sample": found["sample"]}
        for what, one in found["costs"].items()
    ]
    if found["within"] is not None:
        made.append({"cost": "all", **found["within"], "sample": found["sample"]})
    return made


#: columns of `rows`
COLUMNS = ("cost", "least", "median", "largest", "limit", "within", "share", "low", "high", "sample")


def _share(count: int) -> dict[str, float]:
    """Return a count of `SAMPLE` with its share and Wilson's (1927) 95 % interval."""
    share, square = count / SAMPLE, QUANTILE**2
    middle = (share + square / (2 * SAMPLE)) / (1 + square / SAMPLE)
    half = QUANTILE * math.sqrt(share * (1 - share) / SAMPLE + square / (4 * SAMPLE**2)) / (1 + square / SAMPLE)
    return {"within": count, "share": share, "low": max(0.0, middle - half), "high": min(1.0, middle + half)}


def _percent(found: Mapping[str, float], *, interval: bool = False) -> str:
    text = f"{100 * found['share']:.3g} %"
    return f"{text} [{100 * found['low']:.3g}, {100 * found['high']:.3g}]" if interval else text


def _figure(value: float, what: str) -> str:
    """Spell a count as `1.23 M`; ms and MB with three digits."""
    if what not in ("parameters", "macs"):
        return f"{value:.3g}"
    power = 0
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {PREFIXES[power]}".rstrip()


def _count(size: int) -> str:
    return f"{size:,}" if size < 10**7 else f"about 10^{len(str(size)) - 1}"
