"""How much of what a table's page tells is predicted by a surrogate, and how well. The page prints `RULE`."""

from collections.abc import Callable, Iterator
from typing import Any

from nas_steps.report import numbers
from nas_steps.report.columns import Table, figure, figures, text
from nas_steps.report.records import Cells
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: an interval that covers less of the tenth that is predicted best is a caution
LOW_COVERAGE = 0.8

RULE = (
    "What the table lacks is predicted by a Gaussian process that was fitted to its rows. It was checked by ten-fold "
    "cross-validation: each row is predicted from the others. Intervals are to cover 90 % of further rows like the "
    "table's; a search prefers what is predicted too well, so that the tenth predicted best is checked by itself."
)
_KEYS = (
    "column",
    "rows",
    "kendall_tau",
    "rmse",
    "relative_rmse",
    "coverage",
    "best_rows",
    "best_bias",
    "best_coverage",
)


def surrogates(results: Results) -> Table:
    """One row for each column that is predicted."""
    columns = (
        text("column", "column"),
        figure("rows", "rows", numbers.count),
        figure("kendall_tau", "Kendall's tau", numbers.plain),
        *figures(numbers.digits, rmse="error (RMSE)"),
        *figures(numbers.share, relative_rmse="relative", coverage="covered by 90 % intervals"),
        *figures(numbers.digits, best_bias="predicted best: bias"),
        *figures(numbers.share, best_coverage="covered"),
    )
    caption = "The surrogate of the table in ten-fold cross-validation (accuracies as shares)"
    return Table("surrogates", caption, _KEYS, columns, results.surrogate)


def told(results: Results) -> Iterator[Sentence]:
    """Warn of the share of evaluations that was predicted, with the surrogate's error."""
    if results.table is None or not results.surrogate:
        return
    total = sum(row["evaluations"] or 0 for row in results.looked_up.values())
    predicted = sum(row["evaluations"] or 0 for row in results.looked_up.values() if not row["search_measured"])
    if not predicted:
        yield Sentence("No surrogate was asked: each evaluation was a measured row of the table.")
        return
    winners = [row for one in results.winners if "." not in one.entry if (row := _row(results, one.architecture))]
    measured = sum(bool(row["report_measured"]) for row in winners)
    text = (
        f"{numbers.share(predicted / total)} of the {numbers.count(total)} evaluations are predictions of a surrogate, "
        f"not measurements; so are {len(winners) - measured} of the {numbers.plural(len(winners), 'winner')}"
    )
    check = _check(results, results.table.report)
    if check is not None:
        text += f". Cross-validated on {numbers.count(check['rows'])} rows of {results.table.report}, {_error(check)}"
    yield Sentence(f"{text}. A difference between strategies that is smaller than this error may be the surrogate's.",
                   "warning")  # fmt: skip


def optimism(results: Results) -> Iterator[Sentence]:
    """Tell how the surrogate does where searches end, with a warning if its intervals are too narrow there."""
    # what an evaluation would cost decides on nothing
    used = {results.table.search, results.table.report, *results.table.columns} if results.table is not None else ()
    for row in (row for row in results.surrogate if row["column"] in used):
        if row["best_coverage"] is not None and row["best_coverage"] < LOW_COVERAGE:
            best = f"Of the tenth of the table that is predicted best by {row['column']}, intervals of 90 % cover"
            yield Sentence(f"{best} {numbers.share(row['best_coverage'])}: they are too narrow where searches end.",
                           "warning")  # fmt: skip


def source(results: Results, architecture: str, name: str) -> str:
    """Return `measured`, or `predicted, 90 % interval [66.1, 67.9]`; empty without a surrogate."""
    return _source(results, architecture, name, lambda low, high: numbers.interval(low, high, 1))


def source_of_cost(results: Results, architecture: str, name: str) -> str:
    """Return the same for a further column, in its own unit: `predicted, 90 % interval 5.4 to 6.1`."""
    return _source(results, architecture, name, lambda low, high: f"{numbers.digits(low)} to {numbers.digits(high)}")


def _source(results: Results, architecture: str, name: str, spelled: Callable[[Any, Any], str]) -> str:
    row = _row(results, architecture) if results.surrogate else None
    if row is None:
        return ""
    if row[f"{name}_measured"]:
        return "measured"
    return f"predicted, 90\N{NO-BREAK SPACE}% interval {spelled(row[f'{name}_low'], row[f'{name}_high'])}"


def _error(check: Cells) -> str:
    tau, rmse = numbers.plain(check["kendall_tau"]), numbers.points(check["rmse"], 2)
    error = f"its Kendall's tau is {tau} and its error {rmse} points (RMSE)"
    best = (
        f"on the tenth predicted best it is {numbers.points(check['best_bias'], 2, sign=True)} points off in the mean"
    )
    return f"{error}; intervals of 90 % cover {numbers.share(check['coverage'])}; {best}"


def _check(results: Results, column: str) -> Cells | None:
    return next((row for row in results.surrogate if row["column"] == column), None)


def _row(results: Results, architecture: str) -> Cells | None:
    return results.looked_up.get(architecture)
