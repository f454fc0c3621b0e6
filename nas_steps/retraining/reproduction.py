"""Do looked up accuracies agree with published ones? Imports no torch.

A published figure is a mean over a few searches with their standard deviation. The difference of the means has Welch's
interval over searches on both sides. `benchmarks/reproduction_errors.py` says how often the words are wrong.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from scipy import stats

from nas_steps.config.report import Published
from nas_steps.intervals import CONFIDENCE, mean_interval, welch_interval
from nas_steps.spaces.cells.space import parse_architecture

#: a published mean has two decimals in per cent: half of the last one, and a little for the sums of floats
ROUNDED = 0.00005 + 1e-9
ALPHA = 1 - CONFIDENCE
SKIP, NONE = "skip_connect", "none"

#: (mean, sample standard deviation, searches), accuracies as shares
Side = tuple[float, float, int]

FOUND = ("strategy", "search_seed", "architecture", "valid", "test", "skips", "edges", "all_skip")
_COLUMNS = ("mean", "std", "low", "high")
REPRODUCTION = (
    "strategy", "kind", "searches", "found",
    *(f"{which}_{column}" for which in ("valid", "test") for column in _COLUMNS),
    *(f"published_{which}_{column}" for which in ("valid", "test") for column in ("mean", "std", "searches")),
    *(f"{which}_difference{end}" for which in ("valid", "test") for end in ("", "_low", "_high")),
    "word", "why", "all_skip", "skips_each", "source",
)  # fmt: skip


class Judged(NamedTuple):
    """A word (agree, disagree, undecided or missing) with its reason, and the difference of the means (a share)."""

    word: str
    why: str
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan


def judge(mine: Sequence[float], published: Side, margin: float) -> Judged:
    """Compare accuracies of searches with a published mean.

    - disagree: Welch's 95 % interval of the difference does not hold 0
    - agree: it holds 0 and lies within `margin` (a share) on both sides
    - undecided: it holds 0, but also differences beyond the margin
    - without spread on either side: agree if the figures are the same to the published digits, else disagree
    - without spread on the published side, and its figure is that of some of our searches: disagree if Fisher's exact
      test of these counts says so (5 %), else undecided. A t interval knows nothing of a collapse now and then.
    - missing: no search found a network

    A side of one search has no spread, so that nothing is claimed.
    """
    if not mine:
        return Judged("missing", "no search found a network")
    mean, deviation, searches = published
    difference = fmean(mine) - mean
    if len(mine) < 2 or searches < 2:
        return Judged("undecided", "one search has no spread", difference)
    if max(mine) - min(mine) < 1e-12 and deviation == 0:
        same = abs(difference) <= ROUNDED
        why = "here and there all searches have one figure, "
        why += "the same one" if same else "another one"
        return Judged("agree" if same else "disagree", why, difference, difference, difference)
    found = mean_interval(mine)
    difference, low, high = welch_interval((found["mean"], found["std"], len(mine)), published)
    alike = sum(abs(one - mean) <= ROUNDED for one in mine) if deviation == 0 else 0
    if alike:
        p_value = float(stats.fisher_exact([[alike, len(mine) - alike], [searches, 0]]).pvalue)
        why = f"{alike} of {len(mine)} searches have the published figure (Fisher's exact test: p = {p_value:.2g})"
        return Judged("disagree" if p_value < ALPHA else "undecided", why, difference, low, high)
    if low > 0 or high < 0:
        return Judged("disagree", "the interval does not hold 0", difference, low, high)
    if max(-low, high) <= margin:
        return Judged("agree", "the interval lies within the margin", difference, low, high)
    return Judged("undecided", "the interval holds 0, but differences beyond the margin, too", difference, low, high)


def found(retrained: Sequence[Mapping[str, str]], strategies: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row a search of these strategies: its architecture, looked up accuracies and skip connections.

    `edges` are those that carry something: all but `none`. `all_skip` is 1 if every one of them is a skip connection.
    """
    return [
        {"strategy": row["entry"], "search_seed": int(row["seed"]), "architecture": row["architecture"]}
        | {"valid": _share(row["valid_accuracy"]), "test": _share(row["test_accuracy"])}
        | skips_of(row["architecture"])
        for row in retrained
        if row["entry"] in strategies
    ]


def skips_of(text: str) -> dict[str, int | None]:
    """Count the skip connections of an architecture's cells (`skips`), its edges that are not `none` (`edges`), and say
    whether they are all skips (`all_skip`)."""
    if not text:
        return dict.fromkeys(("skips", "edges", "all_skip"))
    cells = parse_architecture(text).cells.values()
    names = [name for cell in cells for node in cell for name, _ in node if name != NONE]
    skips = names.count(SKIP)
    return {"skips": skips, "edges": len(names), "all_skip": int(bool(names) and skips == len(names))}


def reproduction(
    rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], published: Mapping[str, Published], margin: float
) -> list[dict[str, Any]]:
    """Return a row for each strategy of the rows of `found`, in their order; the word is that of the test column.

    `margin` is in points.
    """
    made = []
    for name in dict.fromkeys(row["strategy"] for row in rows):
        figures = published[name]
        own = [row for row in rows if row["strategy"] == name]
        sound = [row for row in own if row["architecture"]]
        row: dict[str, Any] = {"strategy": name, "kind": kinds[name], "searches": len(own), "found": len(sound)}
        for which, given in (("valid", figures.valid), ("test", figures.test)):
            mine = [one[which] for one in sound]
            row |= {f"{which}_{key}": value for key, value in mean_interval(mine).items()}
            side = None if given is None else (given[0] / 100, given[1] / 100, int(given[2]))
            row |= zip(
                (f"published_{which}_{key}" for key in ("mean", "std", "searches")), side or (None,) * 3, strict=True
            )
            judged = Judged("", "") if side is None else judge(mine, side, margin / 100)
            row |= {f"{which}_difference": judged.difference}
            row |= {f"{which}_difference_low": judged.low, f"{which}_difference_high": judged.high}
            if which == "test":
                row |= {"word": judged.word, "why": judged.why}
        row |= {"all_skip": sum(one["all_skip"] for one in sound)}
        row |= {"skips_each": " ".join(str(one["skips"]) for one in sound), "source": figures.source}
        made.append({column: row[column] for column in REPRODUCTION})
    return made


def _share(cell: str) -> float | None:
    return float(cell) if cell else None
