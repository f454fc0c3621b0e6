"""What else a reader must know before trusting a search, in sentences. The page prints `RULES`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from nas_steps.config.strategies import Enas, Gradient
from nas_steps.ranking import given_macs
from nas_steps.ranking.pool import BASELINES
from nas_steps.report import numbers
from nas_steps.report.measures import Measure
from nas_steps.report.records import Agreement, Cells, Compared, Entry, HistoryRow, JobCost, Search
from nas_steps.report.results import Results
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.space import CellSpace

Tone = Literal["plain", "win", "loss", "warning"]

#: measured times, and budgets, agree within this factor
COST_FACTOR = 1.5
#: a normal cell with at least this percentage of its kept edges without weights is called collapsed
COLLAPSED_PERCENT = 75
#: alphas whose mean entropy is at least this percentage of the largest possible one have hardly decided
UNDECIDED_PERCENT = 95
#: a tau of fewer architectures has no interval and is left out
FEWEST_ARCHITECTURES = 7

_SUPERNETS = (
    f"A search is collapsed if at least {COLLAPSED_PERCENT} % of the kept edges of its normal cell have no weights "
    "(skip connections and pooling). Alphas have hardly decided if their mean entropy is at least "
    f"{UNDECIDED_PERCENT} % of the largest possible one. Both compare rounded percentages."
)
RULES = (
    "A search's cost is its time and that of the trainings that picked its winner, without the start of processes. "
    "Random search within its budget had the same training MACs within 10 %; in tables and with shared weights it had "
    f"the same number of evaluations. Times agree within a factor of {COST_FACTOR}.",
    _SUPERNETS,
    "A score ranks if the 95 % interval of Kendall's tau lies above 0 and a test of tau has p < 0.05. The uniform "
    f"sample speaks for the space. A tau of fewer than {FEWEST_ARCHITECTURES} architectures is left out.",
    "A score says more than MACs alone if the 95 % interval of Spearman's correlation given MACs (a partial one) lies "
    f"above 0. Of fewer than {given_macs.FEWEST_FOR_CLAIM} networks nothing is said.",
    "A network is a best trade-off if no other is as good in test accuracy and MACs and better in one of them. "
    "Networks equal in both are all named. These are point estimates.",
)
RULES_OF_TEXT = tuple(rule for rule in RULES if rule != _SUPERNETS)


@dataclass(frozen=True)
class Sentence:
    """One finding; `tone` chooses the mark beside it."""

    text: str
    tone: Tone = "plain"


def cost(results: Results, strategy: str) -> Iterator[Sentence]:
    """Tell what one search of a strategy cost, in final trainings of its winners, and beside random search."""
    if results.table is not None:
        budgets = results.budget["strategies"]
        counts = [
            f"{name} {numbers.count(budgets[name]['evaluations'])}" for name in results.strategies(searched=False)
        ]
        if budgets[strategy]["evaluations"] is None:
            seconds = results.search_seconds(strategy)
            yield Sentence(f"One search by {strategy} trained a supernet, in {numbers.seconds(seconds)}.")
            return
        text = f"One search by {strategy} evaluated {numbers.plural(budgets[strategy]['evaluations'], 'architecture')}"
        yield Sentence(f"{text}; {numbers.listed(counts)}." if counts else f"{text}.")
        return
    seconds = mean_seconds(results, strategy)
    if seconds is None:
        yield Sentence(f"What {strategy} cost was not measured.", "warning")
        return
    text = f"One search by {strategy} took {numbers.seconds(seconds)} with its ranking"
    if final := one_training(results, strategy):
        text += f", {numbers.ratio(seconds / final)} times one final training ({numbers.seconds(final)})"
    for random in results.strategies(searched=False):
        if spent := matched_seconds(results, strategy, random):
            text += f"; {random} within this budget took {numbers.seconds(spent)}"
    yield Sentence(f"{text}.")


def mean_seconds(results: Results, strategy: str) -> float | None:
    """Average the seconds of one search and its ranking over a strategy's searches; None if one was not measured."""
    spent = [row.seconds for row in results.search_costs if row.strategy == strategy]
    known = [seconds for seconds in spent if seconds is not None]
    return sum(known) / len(known) if known and len(known) == len(spent) else None


def opponents_of(results: Results, strategy: str, random: str) -> list[Cells]:
    """List what random search had within the budget of each search of a strategy."""
    return [row for row in results.opponents if (row["strategy"], row["random"]) == (strategy, random)]


def matched_seconds(results: Results, strategy: str, random: str) -> float | None:
    """Average the seconds of random search and its ranking within a strategy's budget; None if one was not measured."""
    spent = [row.get("random_seconds") for row in opponents_of(results, strategy, random)]
    known = [seconds for seconds in spent if seconds is not None]
    return sum(known) / len(known) if known and len(known) == len(spent) else None


def relative_cost(results: Results, strategy: str, random: str) -> float | None:
    """Divide the training MACs that random search had for an unmatched strategy by that strategy's; None if matched."""
    rows = [row for row in opponents_of(results, strategy, random) if row["matched"] == 0]
    pairs = [(row["random_cost"], row["cost"]) for row in rows if row["random_cost"] is not None and row["cost"]]
    return sum(had for had, _ in pairs) / sum(wanted for _, wanted in pairs) if pairs else None


def unmatched(results: Results) -> Iterator[Sentence]:
    """Warn of random searches that had another budget than a strategy, in MACs, else in seconds."""
    for strategy in results.strategies(searched=True):
        for random in results.strategies(searched=False):
            relative = relative_cost(results, strategy, random)
            if relative is not None:
                favoured = strategy if relative < 1 else random
                text = f"Budgets were not matched: {random} had {numbers.ratio(relative)} times the training MACs of"
                yield Sentence(f"{text} {strategy}, which favours {favoured}.", "warning")
                continue
            without = [row for row in opponents_of(results, strategy, random) if row["matched"] == 0]
            if without:
                why = next((f" ({row['note']})" for row in without if row["note"]), "")
                yield Sentence(f"Budgets of {strategy} and {random} were not matched{why}.", "warning")
                continue
            seconds, spent = mean_seconds(results, strategy), matched_seconds(results, strategy, random)
            if results.table is None and seconds and spent and not agree(seconds / spent):
                text = (
                    f"Budgets were matched in MACs, but not in time: {strategy} took {numbers.ratio(seconds / spent)}"
                )
                yield Sentence(f"{text} times the seconds of {random}.", "warning")


def out_of_the_table(results: Results) -> Iterator[Sentence]:
    """Tell the best figures that a search in the table could find."""
    known = results.budget.get("table")
    if known and results.table is not None:
        search, report = results.table.search, results.table.report
        yield Sentence(
            f"Of the {numbers.count(known['architectures'])} architectures of the table, the best by {search} has "
            f"{numbers.share(known['report_of_best_search'])} by {report}: no strategy that follows its score can "
            f"expect more. The best by {report} has {numbers.share(known['best_report'])}, the mean is "
            f"{numbers.share(known['mean_report'])}."
        )


def saved_epochs(results: Results) -> Iterator[Sentence]:
    """Tell what extrapolating the learning curves saved."""
    rows = [row for search in results.searches for row in search.history]
    trained, saved = sum(row.epochs or 0 for row in rows), sum(row.saved or 0 for row in rows)
    if saved:
        early = sum(row.reason.startswith("stopped") for row in rows)
        yield Sentence(
            f"Extrapolating learning curves saved {numbers.count(saved)} of {numbers.count(trained + saved)} epochs of "
            f"the searches' trainings ({numbers.share(saved / (trained + saved))}); "
            f"{numbers.plural(early, 'training')} ended early as hopeless."
        )


def one_training(results: Results, strategy: str = "") -> float | None:
    """Average the seconds of one finished final training of a strategy's winners, or else of all entries."""
    names = {entry.entry for entry in results.of_strategy(strategy)}
    ended = [one for one in results.trainings if one.status == "ok" and one.train_seconds is not None]
    own = [one for one in ended if one.entry in names] or ended
    return sum(one.train_seconds or 0.0 for one in own) / len(own) if own else None


def collapses(results: Results) -> Iterator[Sentence]:
    """Warn of searches by a supernet that ended in cells without weights."""
    space = results.space
    if not isinstance(space, CellSpace):
        return
    collapsed = [
        f"{search.name} ({numbers.share(free, 0)}, from epoch {collapsed_from(search)} on)"
        for search in results.searches
        if search.trains_supernet and (free := chosen(search, "parameter_free")) is not None and is_collapsed(free)
    ]
    if collapsed:
        cell = "normal cell" if space.inputs == 2 else "cell"
        text = f"Collapsed: most kept edges of the final {cell} have no weights in {numbers.shortened(collapsed)}."
        chance = numbers.share(free_by_chance(space), 0)
        yield Sentence(f"{text} A uniform draw would have {chance} on average.", "warning")


def is_collapsed(free: float) -> bool:
    """Compare the share of edges without weights with the bound, as it is printed: in whole per cent."""
    return round(100 * free) >= COLLAPSED_PERCENT


def undecided(results: Results) -> Iterator[Sentence]:
    """Warn of searches whose alphas are nearly equal. A controller's entropy is that of its draws: it has no bound."""
    if not isinstance(results.space, CellSpace):
        return
    largest = results.space.largest_entropy()
    shares = {
        search.name: entropy / largest
        for search in results.searches
        if search.has_alphas and (entropy := chosen(search, "entropy")) is not None
    }
    named = [
        f"{numbers.share(one, 0)} in {name}" for name, one in shares.items() if round(100 * one) >= UNDECIDED_PERCENT
    ]
    if named:
        text = "The alphas hardly decided: of the largest possible entropy they kept"
        yield Sentence(f"{text} {numbers.shortened(named)}.", "warning")


def free_by_chance(space: CellSpace) -> float:
    """Average the share of choices without weights over the edges of the first kind of cell, `none` left out."""
    choices = [space.choices_of(space.kinds[0], index) for index in range(len(space.edges()))]
    weightless = [[not OPERATIONS[name] for name in names if name != "none"] for names in choices]
    shares = [sum(edge) / len(edge) for edge in weightless if edge]
    return sum(shares) / len(shares) if shares else 1.0


def chosen(search: Search, figure: str) -> float | None:
    """Read a column of the history at the epoch that was handed on, or its last known value if none is marked."""
    rows = [row for row in search.history if row.chosen] or search.history
    known = [value for value in (getattr(row, figure) for row in rows) if value is not None]
    return known[-1] if known else None


def collapsed_from(search: Search) -> int | None:
    """Find the first epoch after which all cells were collapsed, up to the epoch that was handed on."""
    since: int | None = None
    last = handed_on(search)
    for row in search.history:
        if row.parameter_free is not None:
            if not is_collapsed(row.parameter_free):
                since = None
            elif since is None:
                since = row.step
            if row is last:
                break
    return since


def handed_on(search: Search) -> HistoryRow:
    """Find the epoch in whose alphas a search ended: the marked one, or else the last."""
    return next((row for row in search.history if row.chosen), search.history[-1])


def ranking(row: Agreement, truth: str = "separate training") -> Iterator[Sentence]:
    """Judge whether a search's score ranks architectures as `truth` does; yield nothing for too few of them."""
    if (row.architectures or 0) < FEWEST_ARCHITECTURES:
        return
    whose = f"The score of {row.strategy}"
    if row.strategy == "all":
        whose = (
            f"The score {row.estimator} of all strategies together" if row.estimator else "The score of all together"
        )
    if row.kendall_tau is None:
        yield Sentence(f"{whose} has no tau with {truth}: {row.note or 'no figure'}.", "warning")
        return
    many = numbers.plural(row.architectures or 0, "architecture")
    figures = f"Kendall's tau {_bracketed(row.kendall_tau, row.low, row.high)} over {many}"
    yield _ranks(row, whose, "architectures", figures, f" as {truth} does, in part at least")
    if row.claim and row.partial_n:
        yield _beyond(f"the{whose[3:]}", vars(row))


def ranking_of(row: Compared) -> Sentence:
    """Judge whether one estimator ranks the uniform sample; `row` is its Kendall's tau there."""
    what = f"the space, as a uniform sample of {numbers.plural(row.n or 0, 'architecture')} shows it"
    if row.value is None:
        return Sentence(f"Whether {row.estimator} ranks {what} is not known: {row.note or 'no figure'}.", "warning")
    figures = _tau(row) + ("" if row.p_value is None else f", p {numbers.small(row.p_value)}")
    figures += f" ({row.note})" if row.note else ""
    if row.ceiling is not None:
        figures += f"; the noise of the accuracies allows {_bracketed(row.ceiling, row.ceiling_low, row.ceiling_high)}"
    return _ranks(row, f"The score {row.estimator}", what, figures)


def _ranks(row: Agreement | Compared, whose: str, what: str, figures: str, how: str = "") -> Sentence:
    """Claim that a score ranks, ranks the wrong way round, or neither, by its tau."""
    by_chance = row.p_value is not None and row.p_value >= 0.05
    if row.low is not None and row.low > 0 and not by_chance:
        return Sentence(f"{whose} ranks {what}{how}: {figures}.", "win")
    if row.high is not None and row.high < 0 and not by_chance:
        return Sentence(f"{whose} ranks {what} the wrong way round: {figures}.", "loss")
    return Sentence(f"{whose} cannot be said to rank {what}: {figures}.", "warning")


def beyond_macs(results: Results, estimator: str) -> Iterator[Sentence]:
    """Say whether a score says more than MACs alone on the uniform sample, and on its better half."""
    found = {part: _cells_given_macs(results, estimator, part) for part in ("all", "better half")}
    whole, half = found.values()
    if whole is None:
        return
    yield _beyond(f"the score {estimator}", whole)
    if whole["claim"] in ("more", "nothing") and half is not None and half["partial_n"]:
        yield _beyond(f"the score {estimator}, in the better half,", half)


def _cells_given_macs(results: Results, estimator: str, part: str) -> dict[str, Any] | None:
    """Gather what `given_macs.sentence` reads; None if it was not measured."""
    rows = {
        (one.estimator, one.measure): one
        for one in results.compared
        if (one.pool, one.part) == ("uniform sample", part)
    }
    given = rows.get((estimator, "given_macs"))
    if given is None:
        return None
    plain, alone = (rows[name, "spearman"].value for name in (estimator, "MACs"))
    figures = {"partial": given.value, "partial_low": given.low, "partial_high": given.high, "partial_n": given.n}
    return {"spearman": plain, "spearman_macs": alone, **figures, "claim": given.claim, "partial_note": given.note}


def _beyond(whose: str, cells: Cells) -> Sentence:
    tones: dict[str, Tone] = {"more": "win", "nothing": "warning", "same order": "warning"}
    return Sentence(given_macs.sentence(whose, cells, numbers.plain), tones.get(cells["claim"], "plain"))


def calibrated(results: Results) -> list[Sentence]:
    """Tell how every estimator ranks the uniform sample, and whether the shortlist is long enough."""
    if results.table is not None:
        return []
    ranking = results.config.ranking
    if results.calibration is None:
        why = "ranking.uniform is 0" if ranking.uniform == 0 else "its files are missing"
        return [Sentence(f"No uniform sample was trained ({why}): how scores rank the space is not known.", "warning")]
    sentences = []
    drawn = results.calibration.get("sampled")
    if drawn is not None and drawn < ranking.uniform:
        text = f"The space has no more than {drawn} different architectures, so all of them are the sample."
        sentences.append(Sentence(text))
    taus = _taus(results)
    for row in taus:
        if row.estimator not in BASELINES:
            sentences += [ranking_of(row), *beyond_macs(results, row.estimator)]
    counts = [f"{row.estimator} {_tau(row)}" for row in taus if row.estimator in BASELINES]
    if counts:
        sentences.append(Sentence(f"What a score must beat, on the same architectures: {numbers.listed(counts)}."))
    more = " Set ranking.seeds to 2 or more." if ranking.seeds < 2 else ""
    for why in sorted({row.ceiling_note for row in taus if row.ceiling is None and row.ceiling_note}):
        sentences.append(Sentence(f"There is no noise ceiling ({why}).{more}", "warning"))
    own = [name for name, one in results.config.search.strategies.items() if isinstance(one, Gradient | Enas)]
    if own:
        text = "a supernet of its own" if len(own) == 1 else "supernets of their own"
        text = f"The scores of {numbers.listed(own)} come from {text}: the sample says nothing of them."
        sentences.append(Sentence(text))
    return [*sentences, _enough(results.measure, results.calibration)]


def _taus(results: Results) -> list[Compared]:
    wanted = ("uniform sample", "all", "kendall")
    return [row for row in results.compared if (row.pool, row.part, row.measure) == wanted]


def of_the_sample(results: Results) -> list[Compared]:
    """List the taus of the search's scores, without those of sizes, in a uniform sample of enough architectures."""
    taus = [] if results.table is not None else _taus(results)
    return [row for row in taus if row.estimator not in BASELINES and (row.n or 0) >= FEWEST_ARCHITECTURES]


def _tau(row: Compared) -> str:
    return f"Kendall's tau {_bracketed(row.value, row.low, row.high)}"


def _bracketed(value: float | None, low: float | None, high: float | None, decimals: int = 2) -> str:
    text = numbers.plain(value, decimals)
    if value is None or low is None or high is None:
        return text
    return f"{text} [{numbers.plain(low, decimals)}, {numbers.plain(high, decimals)}]"


def _enough(measure: Measure, calibration: Mapping[str, Any]) -> Sentence:
    """Tell how likely the shortlist, with its number of seeds, holds a network within the tolerance of the best."""
    size, auto, why = calibration["shortlist"], calibration["given"] == "auto", calibration["why"]
    taken = f"The shortlist has {numbers.plural(size, 'candidate')} of each search"
    if auto:
        return Sentence(f"{taken}, chosen by the sample: {why}.", "plain" if _keeps(calibration) else "warning")
    if calibration["within"] is None:
        unknown = why.partition("; ")[2]
        return Sentence(f"{taken}.{f' Whether that is enough is not known: {unknown}.' if unknown else ''}", "warning")
    ends = (100 * calibration["within_low"], 100 * calibration["within_high"])
    chance = f"{numbers.share(calibration['within'], 0)} [{numbers.plain(ends[0], 0)}, {numbers.plain(ends[1], 0)}]"
    seeds = numbers.plural(calibration["seeds"], "seed")
    within = f"{measure.fine(calibration['tolerance'])} {measure.unit}"
    text = (
        f"{taken}. With {seeds} each, its pick is within {within} of the best of {calibration['candidates']} "
        f"candidates with a probability of {chance}."
    )
    best = calibration["best"]
    if _keeps(calibration) or best is None:
        return Sentence(text)
    words = "Enough would be" if best["keeps"] else "No split is enough; the best is"
    split = f"{numbers.plural(best['k'], 'candidate')} × {numbers.plural(best['seeds'], 'seed')}"
    return Sentence(f"{text} {words} {split} ({numbers.share(best['within'], 0)}).", "warning")


def _keeps(calibration: Mapping[str, Any]) -> bool:
    within = calibration["within"]
    return within is not None and within >= calibration["assurance"] - 1e-12


def failed_trainings(results: Results) -> str:
    """Count the final trainings that gave no figure; empty if all did."""
    bad = Counter((one.entry, one.status or "without status") for one in results.trainings if one.status != "ok")
    if not bad:
        return ""
    named = numbers.shortened([f"{number} of {entry} ({status})" for (entry, status), number in bad.items()])
    trainings = numbers.plural(len(results.trainings), "final training")
    return f"{sum(bad.values())} of {trainings} failed: {named}."


def failed_evaluations(results: Results) -> Iterator[Sentence]:
    """Count the evaluations of the searches that gave no score."""
    lost: Counter[str] = Counter()
    for search in results.searches:
        lost.update(search.failures())
    if lost:
        counts = numbers.listed([f"{number} {status}" for status, number in lost.items()])
        yield Sentence(f"Evaluations of the searches that gave no score: {counts}.")


def trade_off(results: Results) -> Iterator[Sentence]:
    """List the networks that no other beats in both accuracy and MACs."""
    best = pareto(results.entries)
    spell, cost = results.measure.named, results.measure.cost
    named = [f"{one.entry} ({spell(one.test_mean)} at {cost(one.macs)})" for one in best]
    if named:
        what = "Best trade-offs of mean test accuracy and multiply-accumulates among all entries"
        yield Sentence(f"{what}: {numbers.listed(named)}.")


def pareto(entries: Sequence[Entry]) -> list[Entry]:
    """Find the entries that none dominates by MACs and mean test accuracy, by rising MACs; exact ties stay together."""
    known = [entry for entry in entries if entry.macs is not None and entry.test_mean is not None]
    best: list[Entry] = []
    for entry in sorted(known, key=lambda entry: (entry.macs or 0, -(entry.test_mean or 0.0))):
        last = best[-1] if best else None
        same = last is not None and (entry.macs, entry.test_mean) == (last.macs, last.test_mean)
        if last is None or same or (entry.test_mean or 0.0) > (last.test_mean or 0.0):
            best.append(entry)
    return best


def agree(times: float) -> bool:
    """Say if two costs agree, by their ratio."""
    return 1 / COST_FACTOR <= times <= COST_FACTOR


def energy(costs: Sequence[JobCost]) -> tuple[float | None, bool]:
    """Sum the joules of jobs, None if no device tells them; say as well if the sum is an upper bound.

    Where energy is not shared out, a job counts its whole card. If two such jobs of one kind of device overlapped in
    time, they may have shared a card.
    """
    known = [cost for cost in costs if cost.energy_joules is not None]
    whole = [cost for cost in known if not cost.energy_is_shared]
    spans = sorted((cost.device, cost.began or 0.0, (cost.began or 0.0) + cost.seconds) for cost in whole)
    untimed = len(whole) > 1 and any(cost.began is None for cost in whole)
    overlap = any(
        before[0] == after[0] and after[1] < max(end for device, _, end in spans[: place + 1] if device == before[0])
        for place, (before, after) in enumerate(pairwise(spans))
    )
    return (sum(cost.energy_joules or 0.0 for cost in known) if known else None), untimed or overlap
