"""What the factorial says of search and of scaling, in sentences made by rules (`RULES`).

Pure functions: they read records and return text. Differences are shares of test accuracy, 0.01 is one point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nas_steps.report import numbers
from nas_steps.report.records import Effect, FactorialCell
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, Tone

#: below so many seeds nothing is claimed
MIN_SEEDS = 3
#: largest Holm-adjusted p value of a claim
ALPHA = 0.05
#: a cell further than this from the MACs that it was to have is told
LARGEST_MISMATCH = 0.05

Reading = Literal["more", "less", "not told from 0", "too few seeds", "not measured"]

RULES = (
    "Every effect is a mean of differences of test accuracy, paired over training seeds, with the 95 % interval of a "
    f"paired t test. It is claimed with at least {MIN_SEEDS} seeds, a Holm-adjusted p value below {ALPHA} (over all "
    "rows of the table) and an interval that excludes 0.",
    "The family's gain is the accuracy of the searched, scaled network less that of the other base unscaled. Its two "
    "parts are averaged over both orders, search first or scaling first, and add up to it. Percentages are told "
    "where the gain is claimed and neither part is below 0.",
    "The random base is drawn anew for each seed, so that its intervals hold other draws, too; the searched one is the "
    "winner of these searches, whose intervals hold training seeds alone. The triple of compound scaling was chosen "
    "on the searched network, which may favour it.",
)

NAMES = {
    "searched": "the searched network",
    "random": "a random architecture",
    "hand_designed": "the hand-designed one",
}


def reading(row: Effect) -> Reading:
    """What one effect allows to say."""
    if row.difference is None:
        return "not measured"
    if row.seeds is None or row.seeds < MIN_SEEDS or row.low is None or row.high is None:
        return "too few seeds" if row.seeds is None or row.seeds < MIN_SEEDS else "not measured"
    if row.p_holm is not None and row.p_holm < ALPHA and (row.low > 0 or row.high < 0):
        return "more" if row.low > 0 else "less"
    return "not told from 0"


def sentences(results: Results) -> tuple[Sentence, ...]:
    """What the factorial shows; empty where there was none."""
    rows = results.effects or ()
    if not rows:
        return ()
    told = [gain(rows, whole) for whole in rows if (whole.kind, whole.effect) == ("gain", "both")]
    told += [search(row) for row in rows if row.kind == "search"]
    told += [scaling(row) for row in rows if row.kind == "scaling" and row.way == "compound"]
    told += [interaction(row) for row in rows if row.kind == "interaction"]
    return (*told, *matched(results.factorial or ()), *one_dimensional(results))


def gain(rows: Sequence[Effect], whole: Effect) -> Sentence:
    """How much of the family's gain over a base came from search, and how much from scaling."""
    parts = {row.effect: row for row in rows if row.kind == "gain" and row.base == whole.base}
    search, scaling = parts["search"], parts["scaling"]
    what = f"The family's gain over {NAMES[whole.base]} without scaling"
    result = reading(whole)
    if result == "not measured":
        return Sentence(f"{what}: no figure, {whole.note or 'a training is missing'}.", "warning")
    figures = f"{_figure(search)} from search and {_figure(scaling)} from scaling"
    if result == "too few seeds":
        return Sentence(
            f"{what}: too few seeds for a claim ({numbers.plural(whole.seeds or 0, 'seed')} of {MIN_SEEDS}). Measured "
            f"are {_figure(whole)}, of it {figures}.",
            "warning",
        )
    if result == "not told from 0":
        return Sentence(f"{what} cannot be told from 0: {_figure(whole)}, of it {figures}; so no shares are told.")
    if result == "less":
        return Sentence(f"{what} is a loss: {_figure(whole)}, of it {figures}.", "loss")
    text = f"{what} is {_figure(whole)}: {figures}"
    if search.difference is None or scaling.difference is None:
        return Sentence(f"{text}.", "warning")
    if search.difference < 0 or scaling.difference < 0:
        against = "search" if search.difference < 0 else "scaling"
        return Sentence(f"{text}. {against.capitalize()} took from what the other brought, so no shares are told.")
    share = {name: numbers.share(parts[name].share, 0) for name in ("search", "scaling")}
    unsure = [name for name in ("search", "scaling") if reading(parts[name]) != "more"]
    text += f", that is {share['search']} from search and {share['scaling']} from scaling"
    text += f". Alone, the part of {unsure[0]} cannot be told from 0." if len(unsure) == 1 else "."
    return Sentence(text, "win")


def search(row: Effect) -> Sentence:
    """Whether the searched base is better than another, over all ways of scaling."""
    who = f"Over all ways of scaling at matched MACs, the searched network against {NAMES[row.base]}"
    return _sentence(who, row, "better", "worse")


def scaling(row: Effect) -> Sentence:
    """Whether compound scaling brings something, and more than one dimension alone."""
    if row.effect.endswith("minus none"):
        return _sentence("Over all bases, compound scaling against none", row, "better", "worse")
    who = "Over all bases at matched MACs, compound scaling against the mean of scaling one dimension alone"
    return _sentence(who, row, "better", "worse")


def interaction(row: Effect) -> Sentence:
    """Whether scaling brings the searched base more than another."""
    who = f"What {row.way} scaling brings the searched network, against what it brings {NAMES[row.base]}"
    return _sentence(who, row, "more", "less")


def matched(cells: Sequence[FactorialCell]) -> list[Sentence]:
    """The cells whose MACs are not those that they were to have."""
    off = [cell for cell in cells if cell.mismatch is not None and abs(cell.mismatch) > LARGEST_MISMATCH]
    if not off:
        return []
    named = [f"{cell.base} {cell.scaling} ({numbers.points(cell.mismatch, 0, sign=True)} %)" for cell in off]
    return [
        Sentence(
            f"MACs are not matched within {numbers.share(LARGEST_MISMATCH, 0)} everywhere, since layers, channels and "
            f"pixels are whole: {numbers.listed(named)}. Differences with these cells are differences of size, too.",
            "warning",
        )
    ]


def one_dimensional(results: Results) -> list[Sentence]:
    """A chosen triple that leaves a dimension alone is not compound scaling."""
    told = results.chosen or {}
    if not any(row.way == "compound" for row in results.effects or ()):
        return []
    still = [name for name in ("depth", "width", "resolution") if told.get(name) == 1]
    if not still:
        return []
    return [
        Sentence(
            f"The chosen triple leaves {numbers.listed(still)} as it is: compound scaling here is less.", "warning"
        )
    ]


def _sentence(who: str, row: Effect, up: str, down: str) -> Sentence:
    result = reading(row)
    if result == "not measured":
        figure = "" if row.difference is None else f" (measured {numbers.points(row.difference, sign=True)} points)"
        return Sentence(f"{who}: no claim, {row.note or 'a figure is missing'}{figure}.", "warning")
    if result == "too few seeds":
        return Sentence(
            f"{who}: too few seeds for a claim ({numbers.plural(row.seeds or 0, 'seed')} of {MIN_SEEDS}). Measured are "
            f"{_figure(row)}.",
            "warning",
        )
    tones: dict[str, Tone] = {"more": "win", "less": "loss"}
    word = {"more": up, "less": down}.get(result, "not told apart")
    return Sentence(f"{who}: {word}, {_figure(row)}.", tones.get(result, "plain"))


def _figure(row: Effect) -> str:
    """`1.2 points [0.4, 2.0]`."""
    decimals = numbers.decimals_for(row.low, row.high)
    text = f"{numbers.points(row.difference, decimals)} points"
    return text if row.low is None else f"{text} {numbers.interval(row.low, row.high, decimals)}"
