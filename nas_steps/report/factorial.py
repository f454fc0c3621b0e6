"""What the factorial says of search and of scaling, in sentences. The page prints `RULES`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from nas_steps.report import numbers
from nas_steps.report.evidence import Outcome, outcome
from nas_steps.report.measures import Measure
from nas_steps.report.records import Cells, Effect
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, Tone
from nas_steps.retraining.comparison import ALPHA
from nas_steps.scaling.effects import FEWEST

#: a cell is reported if it misses its MACs by a larger share
LARGEST_MISMATCH = 0.05

_READING: dict[Outcome, str] = {
    "beat": "more",
    "lost": "less",
    "tie": "no effect found",
    "few": "too few seeds",
    "missing": "not measured",
}

RULES = (
    "Every effect is a mean of paired differences of test accuracy with the 95 % interval of a paired t test. A claim "
    f"needs a Holm-adjusted p below {ALPHA} over all rows and an interval without 0. It needs "
    f"{FEWEST['network']} seeds. One that speaks of searches needs {FEWEST['search']} searches.",
    "The family's gain is the accuracy of the searched, scaled network less that of the other base unscaled. Its two "
    "parts are averaged over both orders, search first or scaling first, and add up to it. Percentages are given if "
    "the gain is claimed and neither part is below 0.",
    "The random base is drawn anew for each seed. If the unit is the network, the searched base is one network, whose "
    "intervals hold training seeds alone. The triple of compound scaling was chosen on the searched network, which may "
    "favour it.",
)

_NETWORK = {
    "searched": "the searched network",
    "random": "a random architecture",
    "hand_designed": "the hand-designed one",
}
_SEARCH = {
    "searched": "the searches' networks",
    "random": "random architectures",
    "hand_designed": "the hand-designed one",
}


def _name(row: Effect, base: str = "") -> str:
    """Name a base (or that of the row) as the unit of the effect asks: a network, or the networks of searches."""
    return (_SEARCH if row.unit == "search" else _NETWORK)[base or row.base]


def reading(row: Effect) -> str:
    """Judge one effect in the words of its table."""
    return _READING[outcome(row)]


def sentences(results: Results) -> list[Sentence]:
    """Tell what the factorial shows; empty if there was none."""
    rows, measure = results.effects, results.measure
    if not rows:
        return []
    return [
        *(gain(measure, rows, row) for row in rows if (row.kind, row.effect) == ("gain", "both")),
        *(compared(measure, row) for row in rows if row.kind == "search"),
        *(compared(measure, row) for row in rows if row.kind == "scaling" and row.way == "compound"),
        *(compared(measure, row) for row in rows if row.kind == "interaction"),
        *matched(results.factorial),
        *one_dimensional(results),
    ]


def gain(measure: Measure, rows: Sequence[Effect], whole: Effect) -> Sentence:
    """Tell how much of the family's gain over a base came from search, and how much from scaling."""
    parts = {row.effect: row for row in rows if row.kind == "gain" and row.base == whole.base}
    search, scaling = parts["search"], parts["scaling"]
    what = f"The family's gain over {_name(whole)} without scaling"
    result = reading(whole)
    if result == "not measured":
        return Sentence(f"{what}: no figure, {whole.note or 'a training is missing'}.", "warning")
    figures = f"{measure.measured(search)} from search and {measure.measured(scaling)} from scaling"
    if result == "too few seeds":
        return _too_few(measure, what, whole, f", of it {figures}")
    if result == "no effect found":
        return Sentence(f"{what}: no gain found, {measure.measured(whole)}, of it {figures}.")
    if result == "less":
        return Sentence(f"{what} is a loss: {measure.measured(whole)}, of it {figures}.", "loss")
    text = f"{what} is {measure.measured(whole)}: {figures}"
    if search.difference is None or scaling.difference is None:
        return Sentence(f"{text}.", "warning")
    if search.difference < 0 or scaling.difference < 0:
        against = "Search" if search.difference < 0 else "Scaling"
        return Sentence(f"{text}. {against} took from what the other brought, so there are no shares.")
    text += f", that is {numbers.share(search.share, 0)} from search and {numbers.share(scaling.share, 0)} from scaling"
    unsure = [row.effect for row in (search, scaling) if reading(row) != "more"]
    text += f". Of {unsure[0]} alone no effect was found." if len(unsure) == 1 else "."
    return Sentence(text, "win")


def matched(cells: Sequence[Cells]) -> Iterator[Sentence]:
    """Warn of cells that miss their MACs."""
    off = [cell for cell in cells if cell["mismatch"] is not None and abs(cell["mismatch"]) > LARGEST_MISMATCH]
    named = [f"{one['base']} {one['scaling']} ({numbers.points(one['mismatch'], 0, sign=True)} %)" for one in off]
    if named:
        text = (
            f"MACs are not matched within {numbers.share(LARGEST_MISMATCH, 0)} everywhere, since layers, channels and "
            f"pixels are whole: {numbers.listed(named)}. Differences with these cells are differences of size, too."
        )
        yield Sentence(text, "warning")


def one_dimensional(results: Results) -> Iterator[Sentence]:
    """Warn if the chosen triple leaves a dimension alone: it is not compound scaling."""
    still = [name for name in ("depth", "width", "resolution") if (results.chosen or {}).get(name) == 1]
    if still and any(row.way == "compound" for row in results.effects):
        text = f"The chosen triple leaves {numbers.listed(still)} as it is: compound scaling here is less."
        yield Sentence(text, "warning")


def compared(measure: Measure, row: Effect) -> Sentence:
    """Judge an effect of search, of compound scaling, or of both on each other."""
    if row.kind == "search":
        who = f"Over all ways of scaling at matched MACs, {_name(row, 'searched')} against {_name(row)}"
    elif row.kind == "interaction":
        who = f"What {row.way} scaling brings {_name(row, 'searched')}, against what it brings {_name(row)}"
    elif row.effect.endswith("minus none"):
        who = "Over all bases, compound scaling against none"
    else:
        who = "Over all bases at matched MACs, compound scaling against the mean of scaling one dimension alone"
    result = reading(row)
    if result == "not measured":
        figure = "" if row.difference is None else f" (measured {measure.signed(replace(row, low=None, high=None))})"
        return Sentence(f"{who}: no claim, {row.note or 'a figure is missing'}{figure}.", "warning")
    if result == "too few seeds":
        return _too_few(measure, who, row)
    tones: dict[str, Tone] = {"more": "win", "less": "loss"}
    words = {} if row.kind == "interaction" else {"more": "better", "less": "worse"}
    word = words.get(result, result) if result in tones else "no difference found"
    return Sentence(f"{who}: {word}, {measure.measured(row)}.", tones.get(result, "plain"))


def _too_few(measure: Measure, who: str, row: Effect, more: str = "") -> Sentence:
    unit = "search" if row.unit == "search" else "seed"
    had = f"{numbers.plural(row.seeds or 0, unit)} of {FEWEST[row.unit or 'network']}"
    return Sentence(f"{who}: too few for a claim ({had}). Measured are {measure.measured(row)}{more}.", "warning")
