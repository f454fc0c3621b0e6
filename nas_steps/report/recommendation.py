"""The first thing on the page: which network to take, with its figures and the next two alternatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nas_steps.config.estimators import Table
from nas_steps.facts import PROBE, REPORT, SEARCH
from nas_steps.report import numbers, surrogates
from nas_steps.report.records import Cells, Winner
from nas_steps.report.results import Results

#: what kind of network it is, in words that follow its name
ORIGINS = {
    "searched": "found by {strategy}",
    "random": "found by random search",
    "uniform": "drawn at random, without a search",
    "largest": "the largest of the space, without a search",
    "baseline": "hand-designed: the rule prefers it to every searched network",
    "pretrained": "pretrained and fine-tuned whole: the rule prefers it to every searched slice",
    "from_nothing": "the searches' winner, trained from nothing",
}
PROBED = "pretrained, with a last layer that alone has learnt: the rule prefers it to every searched slice"
INTERVAL = "with its 95 % interval over trainings and test images"


@dataclass(frozen=True)
class Fact:
    """One figure of a network: what it is, its value, and what goes with it in small letters."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Card:
    """One network to take: its name, what it is, its facts; `file`, its address from the page, or why there is none.

    `link` is empty if there is no file.
    """

    title: str
    entry: str
    kind: str
    origin: str
    facts: tuple[Fact, ...]
    file: str = ""
    link: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Recommendation:
    """The answer of the experiment.

    `card` is None if no network can be recommended: `rule` then says why. `architecture` is empty if it has none, as
    hand-designed networks.
    """

    answer: str
    rule: str
    card: Card | None = None
    alternatives: tuple[Card, ...] = ()
    behind: str = ""
    architecture: str = ""


def recommend(results: Results, links: Mapping[str, str]) -> Recommendation:
    """Say which network to take; `links` maps exported files to their addresses from the page."""
    if results.table is not None:
        return _of_table(results)
    chosen = results.recommended
    if chosen is None or not chosen.get("entry"):
        reason = str((chosen or {}).get("reason") or "no final training ended with an accuracy")
        return Recommendation("No network can be recommended", f"{reason[0].upper()}{reason[1:]}.")
    card = _card(results, chosen, "Take this network", links)
    others = [_card(results, one, title, links, chosen) for title, one in _alternatives(chosen["alternatives"])]
    architecture = "" if card.kind == "baseline" else str(chosen["architecture"])
    return Recommendation(
        f"Take {card.entry}", str(chosen["rule"]), card, tuple(others), _behind(results, chosen), architecture
    )


def _alternatives(found: Sequence[Cells]) -> list[tuple[str, Cells]]:
    """Title the alternatives; one that has both roles is there once."""
    by_entry: dict[str, list[Cells]] = {}
    for one in found:
        by_entry.setdefault(one["entry"], []).append(one)
    return [(" and ".join(one["role"] for one in ones).capitalize(), ones[0]) for ones in by_entry.values()]


def _behind(results: Results, chosen: Cells) -> str:
    best = chosen.get("behind_best")
    if best is None:
        return ""
    measure = results.measure
    size = measure.difference(best["difference"], measure.decimals(best["low"], best["high"]))
    figures = f"{size} {measure.unit} {measure.interval(best['low'], best['high'])}"
    return f"On validation images it is {figures} behind the best, {best['entry']}."


def _card(results: Results, one: Cells, title: str, links: Mapping[str, str], base: Cells | None = None) -> Card:
    """Make the card of a network; `base` is the recommended one, to which an alternative's size is compared."""
    entry, kind = str(one["entry"]), str(one["kind"])
    name = f"{entry}/model.onnx"
    measure = results.measure
    span = measure.span(one["test_low"], one["test_high"], 1)
    trained = f"mean of {one['sound']} trainings" if one["sound"] > 1 else "of one training"
    facts = [
        Fact(
            f"Test accuracy, {trained}, {INTERVAL}",
            measure.level(one.get("test_metric", one["test_accuracy"])),
            span,
        )
    ]
    for key, head, spell in (("parameters", "Parameters", numbers.macs), ("macs", measure.cost_head, measure.cost)):
        times = one[key] / base[key] if base is not None and one[key] and base[key] else None
        facts.append(Fact(head, spell(one[key]), "" if times is None else f"×\N{NO-BREAK SPACE}{numbers.ratio(times)}"))
    facts += [fact for fact in (_latency(results, name),) if fact is not None]
    origin = PROBED if entry == PROBE else ORIGINS[kind].format(strategy=one.get("strategy") or "the search")
    origin += " within the budget of a cheaper search" if kind == "random" and "." in entry else ""
    link = links.get(name, "")
    missing = "" if link else _missing(results, entry)
    return Card(title, entry, kind, origin, tuple(facts), f"export/{name}", link, missing)


def _missing(results: Results, entry: str) -> str:
    """Say why a network has no file: the reason that its export gave, such as an operator that ONNX lacks."""
    status = next((row["status"] for row in results.exports if row["name"] == entry), "")
    return status if status.startswith("not exported") else "was not exported"


def _latency(results: Results, file: str) -> Fact | None:
    """Tell how long one image, or one token, takes on this CPU; None if it was not measured."""
    for row in results.performance:
        if row["file"] == file and row["latency_1_ms"] is not None:
            threads = numbers.plural(row["threads"] or 1, "CPU thread")
            time = f"{numbers.milliseconds(row['latency_1_ms'])}\N{NO-BREAK SPACE}ms"
            return Fact("Latency", time, f"{results.measure.timed[0]}, {threads}")
    return None


def _of_table(results: Results) -> Recommendation:
    """Recommend the winner that is best by the column that searches saw; nothing was trained, so there is no file."""
    assert results.table is not None
    # a name with a dot is of random search within a smaller budget
    whole = [winner for winner in results.winners if "." not in winner.entry]
    scored = [winner for winner in whole if winner.score is not None and winner.architecture]
    if not scored:
        return Recommendation("No architecture can be recommended", "No search found an architecture with a score.")
    best = max(scored, key=_score)
    # a lookup has its strategy's name, and its search's seed
    row = (best.strategy, best.search_seed)
    reported = next((one.test_accuracy for one in results.trainings if (one.entry, one.seed) == row), None)
    facts = (
        Fact(
            f"{results.table.report}, the column that is reported",
            numbers.share(reported),
            surrogates.source(results, best.architecture, REPORT),
        ),
        Fact(
            f"{results.table.search}, the column that searches saw",
            numbers.share(best.score),
            surrogates.source(results, best.architecture, SEARCH),
        ),
        *_columns(results, best.architecture),
    )
    origin = ORIGINS[best.kind].format(strategy=best.strategy)
    card = Card("Take this architecture", best.entry, best.kind, origin, facts)
    best_of = f"Of all searches' winners it has the best figure in the column {results.table.search}"
    rule = f"{best_of}; {_other(results.table)}."
    return Recommendation(f"Take the architecture of {best.entry}", rule, card, architecture=best.architecture)


def _other(table: Table) -> str:
    if table.report == table.search:
        return "that column is reported, too, so that a lucky figure is not found out"
    return f"the column {table.report} played no part"


def _columns(results: Results, architecture: str) -> list[Fact]:
    """Tell the further columns of the table, and the counts, of a network."""
    row = results.looked_up.get(architecture)
    if row is None or results.table is None:
        return []
    found = [Fact(head, numbers.macs(row[key])) for key, head in (("parameters", "Parameters"), ("macs", "MACs"))]
    for name in results.table.columns:
        found.append(Fact(name, numbers.digits(row[name]), surrogates.source_of_cost(results, architecture, name)))
    return found


def _score(winner: Winner) -> float:
    return winner.score or 0.0
