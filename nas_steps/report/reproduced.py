"""Looked up accuracies beside published ones: what the page says of each row, and of collapsed cells."""

from collections.abc import Callable

from nas_steps.report import numbers
from nas_steps.report.columns import Column, Table, figure, text
from nas_steps.report.records import Cells
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, Tone
from nas_steps.retraining.reproduction import FOUND, REPRODUCTION

#: what `benchmarks/reproduction_errors.py` measured; docs/reproduction.md has the table
RULES = (
    "Agree: Welch's 95 % interval of the difference of two means, ours and the published one, holds 0 and lies within "
    "the margin on both sides. Disagree: it does not hold 0. Undecided: it holds 0, but differences beyond the margin, "
    "too, so that more searches are needed.",
    "If all published searches and all of ours have one figure each, they agree if it is the same to the published "
    "digits, and disagree if not. If only some of ours have the published one, Fisher's exact test of these counts "
    "decides between disagree and undecided.",
    "If nothing differs, a row disagrees in about 3 to 8 of 100 reproductions (simulated, by "
    "benchmarks/reproduction_errors.py); of several rows one may well do so by chance. If one search in two collapses, "
    "three published searches may all happen to end alike, and with 10 of ours that rises to 1 in 8.",
)
_TONES: dict[str, Tone] = {"agree": "win", "disagree": "loss"}


def _mean(which: str) -> Callable[[Cells], str]:
    def spell(row: Cells) -> str:
        mean, deviation = row[f"{which}_mean"], row[f"{which}_std"]
        if mean is None:
            return numbers.NO_FIGURE
        return numbers.points(mean, 2) + ("" if deviation is None else f" ± {numbers.points(deviation, 2)}")

    return spell


def _published(which: str) -> Callable[[Cells], str]:
    def spell(row: Cells) -> str:
        if row[f"published_{which}_mean"] is None:
            return numbers.NO_FIGURE
        return f"{_mean(f'published_{which}')(row)} ({numbers.count(row[f'published_{which}_searches'])})"

    return spell


def _difference(which: str) -> Callable[[Cells], str]:
    def spell(row: Cells) -> str:
        difference, (low, high) = (
            row[f"{which}_difference"],
            (row[f"{which}_difference_{end}"] for end in ("low", "high")),
        )
        if difference is None:
            return numbers.NO_FIGURE
        text = numbers.points(difference, 2, sign=True)
        return text if low is None else f"{text} {numbers.interval(low, high, 2)}"

    return spell


def _skips(row: Cells) -> str:
    return f"{row['skips_each']}; all skip: {row['all_skip']} of {row['found']}" if row["found"] else numbers.NO_FIGURE


def reproduction(results: Results) -> Table:
    """One row a strategy with published figures."""
    ours = "mean ± sd of our searches"
    columns = (
        text("strategy", "strategy"),
        Column("word", "test", lambda row: str(row["word"]), numeric=False),
        Column("test_mean", f"test, {ours}", _mean("test")),
        Column("test_low", "95 % interval", lambda row: numbers.interval(row["test_low"], row["test_high"], 2)),
        Column("published_test_mean", "published (searches)", _published("test")),
        Column("test_difference", "difference, points", _difference("test")),
        Column("valid_mean", f"valid, {ours}", _mean("valid")),
        Column("published_valid_mean", "published (searches)", _published("valid")),
        Column("valid_difference", "difference, points", _difference("valid")),
        Column("skips_each", "skip connections of each found cell", _skips, numeric=False),
        text("why", "why"),
        text("source", "source"),
    )
    caption = "Looked up accuracies of what was found, beside published ones, in per cent"
    return Table("reproduction", caption, REPRODUCTION, columns, results.reproduction)


def found(results: Results) -> Table:
    """One row a search of a strategy with published figures."""
    columns = (
        Column("strategy", "search", lambda row: f"{row['strategy']}-{row['search_seed']}", numeric=False),
        figure("valid", "valid", lambda value: numbers.points(value, 2)),
        figure("test", "test", lambda value: numbers.points(value, 2)),
        figure("skips", "skip connections", numbers.count),
        figure("edges", "edges that are not none", numbers.count),
        Column("all_skip", "all are skips", lambda row: {1: "yes", 0: "no"}.get(row["all_skip"], ""), numeric=False),
        text("architecture", "architecture", "no network was found"),
    )
    return Table("found", "What each of these searches found", FOUND, columns, results.found)


def sentences(results: Results) -> list[Sentence]:
    """Tell of each strategy whether it agrees with what was published."""
    told = []
    for row in results.reproduction:
        text = f"{row['strategy']}: {row['word']}; {row['why']}."
        if row["found"]:
            test = f"{numbers.plural(row['found'], 'search')} {_mean('test')(row)} %"
            published = f"published {_mean('published_test')(row)} % ({numbers.count(row['published_test_searches'])})"
            text = f"{row['strategy']}: {row['word']}. Test {test}, {published}: {row['why']}."
        if row["all_skip"]:
            text += f" {row['all_skip']} of {row['found']} found cells are skip connections alone."
        told.append(Sentence(text, _TONES.get(row["word"], "warning")))
    return told
