"""Does a search in a table beat 'the most parameters that fit'? The page prints `RULE`."""

from collections.abc import Iterator

from nas_steps.facts import MOST, MOST_IN_TABLE
from nas_steps.report import numbers, surrogates
from nas_steps.report.evidence import contests_of
from nas_steps.report.records import Contest
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, Tone

RULE = (
    "'The most parameters that fit' looks at no evaluation. It takes, of as many of random search's first draws as the "
    "strategy evaluated, the network with the most parameters within the limits; and, the same for all searches, that "
    "of all rows of the table. Strategies meet both over their searches, as they meet random search."
)
_DID = {"beat": "beat", "lost": "lost to", "tie": "shows no difference to"}


def by_size(results: Results) -> Iterator[Sentence]:
    """Tell for both ways to take the most parameters how each strategy compares."""
    for name in (MOST, MOST_IN_TABLE):
        rows = [
            row
            for strategy in results.strategies(searched=True)
            for row in contests_of(results, strategy, MOST)
            if row.against == name and row.difference is not None
        ]
        if rows:
            won = {row.outcome for row in rows}
            answer = "Yes" if won == {"beat"} else "Some do" if "beat" in won else "No"
            answer = "Not known (too few searches)" if won <= {"few", "missing"} else answer
            clauses = [_clause(results, row) for row in rows]
            tone: Tone = "win" if answer == "Yes" else "plain" if answer == "Some do" else "warning"
            yield Sentence(f"Better than {_whom(results, rows[0])}? {answer}: {'; '.join(clauses)}.", tone)


def _clause(results: Results, row: Contest) -> str:
    did = f"{row.strategy} {_DID[row.outcome]} it" if row.outcome in _DID else f"{row.strategy} against it"
    return f"{did} ({results.measure.signed(row)})"


def _whom(results: Results, row: Contest) -> str:
    rows = [one for one in results.opponents if (one["strategy"], one["random"]) == (row.strategy, row.against)]
    counts = sorted({one["of"] for one in rows})
    if row.against == MOST:
        draws = numbers.count(counts[0]) if len(counts) == 1 else "as many"
        return f"the network with the most parameters of {draws} random draws that fit"
    found = _largest(results, rows[0]["entry"]) if rows else ""
    return f"the network with the most parameters of all {numbers.count(counts[0])} rows of the table that fit{found}"


def _largest(results: Results, entry: str) -> str:
    """Tell the accuracy of the table's largest network, and whether it was measured."""
    architecture = next((row["architecture"] for row in results.largest if row["entry"] == entry), "")
    row = results.looked_up.get(architecture)
    if row is None:
        return ""
    of = surrogates.source(results, architecture, "report")
    return f" ({numbers.macs(row['parameters'])}, {numbers.share(row['report'])}{', ' + of if of else ''})"
