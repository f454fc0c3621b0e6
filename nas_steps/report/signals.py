"""What else a reader must know before trusting a search, in sentences. The page prints `RULES`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nas_steps.config.strategies import Enas, Gradient
from nas_steps.ranking.pool import BASELINES
from nas_steps.report import numbers
from nas_steps.report.records import Agreement, Compared, Entry, HistoryRow, Search
from nas_steps.report.results import Results
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.space import CellSpace

Tone = Literal["plain", "win", "loss", "warning"]

#: budgets are matched, and measured times agree, within this factor
COST_FACTOR = 1.5
#: a normal cell with at least this share of its kept edges without weights is called collapsed
COLLAPSE_SHARE = 0.75
#: alphas whose mean entropy is at least this share of the largest possible one have hardly decided
UNDECIDED_SHARE = 0.95

RULES = (
    "Search cost is given twice: in multiply-accumulates, by which the budgets were matched, and in measured seconds. "
    f"Where budgets agree within a factor of {COST_FACTOR} and the seconds do not, or the budgets do not agree, there "
    "is a warning.",
    f"A search that trains a supernet is called collapsed if at least {100 * COLLAPSE_SHARE:.0f} % of the kept edges "
    "of its chosen normal cell have no weights (skip connections and pooling). Its alphas have hardly decided if their "
    f"mean entropy is at least {100 * UNDECIDED_SHARE:.0f} % of the largest possible one.",
    "A search's score ranks if the 95 % bootstrap interval of Kendall's tau with the accuracy after separate training "
    "lies above 0 and a test of tau has p < 0.05: of few architectures the interval alone says too much. Told of the "
    "space it is on the uniform sample alone: the shortlist was chosen by the score itself.",
    "A network is a best trade-off if no other has both a higher mean test accuracy and fewer multiply-accumulates "
    "(equal in one of the two counts for the better one). These are point estimates without a claim.",
)


@dataclass(frozen=True)
class Sentence:
    """One finding; `tone` chooses the mark beside it."""

    text: str
    tone: Tone = "plain"


def cost(results: Results, strategy: str) -> Iterator[Sentence]:
    """Tell what one search of a strategy cost, in final trainings, and against random search."""
    seconds = results.search_seconds(strategy)
    if seconds is None:
        yield Sentence(f"What {strategy} cost was not measured.", "warning")
        return
    if results.table is not None:
        yield _evaluations(results, strategy)
        return
    final = one_training(results, strategy)
    text = f"One search by {strategy} took {numbers.seconds(seconds)} of job time"
    if final:
        text += f", {numbers.ratio(seconds / final)} times one final training ({numbers.seconds(final)})"
    warnings = []
    for random in results.strategies(searched=False):
        spent = results.search_seconds(random)
        if not spent:
            continue
        relative = relative_budget(results, strategy, random)
        text += f"; {random} took {numbers.seconds(spent)}"
        if relative is not None:
            text += f", budgets in training multiply-accumulates {numbers.ratio(relative)} to 1"
        if relative is not None and not _agree(relative):
            warnings.append(
                f"The budgets were not matched: {strategy} had {numbers.ratio(relative)} times the training "
                f"multiply-accumulates of {random}, which favours {strategy if relative > 1 else random}."
            )
        elif not _agree(seconds / spent):
            warnings.append(
                f"Matched in multiply-accumulates, but not in time: {strategy} took {numbers.ratio(seconds / spent)} "
                f"times the seconds of {random}."
            )
    yield Sentence(f"{text}.")
    yield from (Sentence(warning, "warning") for warning in warnings)


def relative_budget(results: Results, strategy: str, random: str) -> float | None:
    """Divide the budget of a strategy by that of `random`; None if one is not known."""
    budgets = results.budget["strategies"]
    own, other = (budgets.get(name, {}).get("relative") for name in (strategy, random))
    return own / other if own is not None and other else None


def _evaluations(results: Results, strategy: str) -> Sentence:
    """Tell how often a strategy and random search looked into the table."""
    budgets = results.budget["strategies"]
    text = f"One search by {strategy} evaluated {numbers.plural(budgets[strategy]['evaluations'], 'architecture')}"
    tone: Tone = "plain"
    for random in results.strategies(searched=False):
        text += f"; {random} {budgets[random]['evaluations']}"
        if not _agree(relative_budget(results, strategy, random) or 1.0):
            text, tone = f"{text}, so that the budgets were not matched", "warning"
    return Sentence(f"{text}.", tone)


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


def collapse(results: Results, strategy: str) -> Iterator[Sentence]:
    """Warn of searches by a supernet that ended in cells without weights, or undecided."""
    space = results.space
    if not isinstance(space, CellSpace):
        return
    largest = space.largest_entropy()
    collapsed, undecided = [], []
    for search in results.searches:
        if search.strategy != strategy or not search.trains_supernet:
            continue
        free, entropy = chosen(search, "parameter_free"), chosen(search, "entropy")
        if free is not None and free >= COLLAPSE_SHARE:
            collapsed.append(f"{search.name} ({numbers.share(free, 0)}, from epoch {collapsed_from(search)} on)")
        # a controller's entropy is that of its draws, which none of these bounds is about
        if search.has_alphas and entropy is not None and entropy >= UNDECIDED_SHARE * largest:
            undecided.append(f"{search.name} ({numbers.plain(entropy)} nats)")
    if collapsed:
        cell = "normal cell" if space.inputs == 2 else "cell"
        text = f"Collapsed: most kept edges of the final {cell} have no weights in {numbers.listed(collapsed)}."
        chance = numbers.share(free_by_chance(space), 0)
        yield Sentence(f"{text} A uniform draw would have {chance} on average.", "warning")
    if undecided:
        text = f"The alphas hardly decided in {numbers.listed(undecided)}: the largest possible mean entropy is"
        yield Sentence(f"{text} {numbers.plain(largest)} nats.", "warning")


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
            if row.parameter_free < COLLAPSE_SHARE:
                since = None
            elif since is None:
                since = row.step
            if row is last:
                break
    return since


def handed_on(search: Search) -> HistoryRow:
    """Find the epoch in whose alphas a search ended: the marked one, or else the last."""
    return next((row for row in search.history if row.chosen), search.history[-1])


def ranking(row: Agreement, truth: str = "separate training") -> Sentence:
    """Judge whether a search's score ranks architectures as `truth` does."""
    whose = f"The score of {row.strategy}"
    if row.strategy == "all":
        all_together = f"{row.estimator} of all strategies together" if row.estimator else "of all together"
        whose = f"The score {all_together}"
    if row.kendall_tau is None:
        return Sentence(f"{whose} could not be held against {truth}: {row.note or 'no figure'}.", "warning")
    many = numbers.plural(row.architectures or 0, "architecture")
    tau = f"Kendall's tau {_bracketed(row.kendall_tau, row.low, row.high)}"
    if row.low is None or row.high is None:
        return Sentence(f"{whose} has {tau} with {truth} over {many}, without an interval.", "warning")
    figures = f"{tau} over {many}{f' ({row.note})' if row.note else ''}"
    return _ranks(row, whose, "architectures", figures, f" as {truth} does, in part at least")


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
    wanted = ("uniform sample", "all", "kendall")
    taus = [row for row in results.compared if (row.pool, row.part, row.measure) == wanted]
    sentences += [ranking_of(row) for row in taus if row.estimator not in BASELINES]
    counts = [f"{row.estimator} {_tau(row)}" for row in taus if row.estimator in BASELINES]
    if counts:
        sentences.append(Sentence(f"What a score must beat, on the same architectures: {numbers.listed(counts)}."))
    more = " Set ranking.seeds to 2 or more." if ranking.seeds < 2 else ""
    for why in sorted({row.ceiling_note for row in taus if row.ceiling is None and row.ceiling_note}):
        sentences.append(Sentence(f"There is no noise ceiling ({why}).{more}", "warning"))
    own = [name for name, one in results.config.search.strategies.items() if isinstance(one, Gradient | Enas)]
    if own:
        text = "come from a supernet of its own" if len(own) == 1 else "come from supernets of their own"
        text = f"The scores of {numbers.listed(own)} {text}, asked of no sample: how they rank is not told here."
        sentences.append(Sentence(text))
    return [*sentences, _enough(results.calibration)]


def _tau(row: Compared) -> str:
    return f"Kendall's tau {_bracketed(row.value, row.low, row.high)}"


def _bracketed(value: float | None, low: float | None, high: float | None, decimals: int = 2) -> str:
    text = numbers.plain(value, decimals)
    if value is None or low is None or high is None:
        return text
    return f"{text} [{numbers.plain(low, decimals)}, {numbers.plain(high, decimals)}]"


def _enough(calibration: Mapping[str, Any]) -> Sentence:
    """Tell if the shortlist is long enough."""
    size, auto, why = calibration["shortlist"], calibration["given"] == "auto", calibration["why"]
    taken = f"The shortlist has {numbers.plural(size, 'candidate')} of each search"
    taken += f", chosen by the sample: {why}." if auto else ", as the config says."
    if calibration["enough"] is None:
        unknown = "" if auto else why.partition("; ")[2]
        what = f" Whether that is enough is not known: {unknown}." if unknown else ""
        return Sentence(taken + what, "warning")
    enough = _bracketed(calibration["enough"], calibration["enough_low"], calibration["enough_high"], 0)
    text = (
        f"To be within {numbers.points(calibration['tolerance'], 2)} points of the best of {calibration['candidates']} "
        f"candidates with a probability of {numbers.share(calibration['assurance'], 0)}, the {enough} best scored must "
        f"be trained (by the {calibration['read']}). {taken}"
    )
    return Sentence(text, "warning" if size < min(calibration["enough"], calibration["candidates"]) else "plain")


def failures(results: Results) -> Iterator[Sentence]:
    """List the final trainings, and evaluations of the searches, that gave no figure."""
    bad = Counter((one.entry, one.status or "without status") for one in results.trainings if one.status != "ok")
    if bad:
        named = numbers.listed([f"{number} of {entry} ({status})" for (entry, status), number in bad.items()])
        trainings = numbers.plural(len(results.trainings), "final training")
        yield Sentence(f"{sum(bad.values())} of {trainings} gave no figure: {named}.", "warning")
    counts = [(search.name, failed) for search in results.searches for failed in search.failures().items()]
    lost = [f"{number} of {name} ({status})" for name, (status, number) in counts]
    if lost:
        yield Sentence(f"Evaluations during the searches that gave no score: {numbers.listed(lost)}.")


def trade_off(results: Results) -> Iterator[Sentence]:
    """List the networks that no other beats in both accuracy and MACs."""
    best = pareto(results.entries)
    named = [f"{one.entry} ({numbers.share(one.test_mean)} at {numbers.macs(one.macs)})" for one in best]
    if named:
        what = "Best trade-offs of mean test accuracy and multiply-accumulates among all entries"
        yield Sentence(f"{what}: {numbers.listed(named)}.")


def pareto(entries: Sequence[Entry]) -> list[Entry]:
    """Find the entries that none dominates by fewer MACs and a higher mean test accuracy, by rising MACs."""
    known = [entry for entry in entries if entry.macs is not None and entry.test_mean is not None]
    best: list[Entry] = []
    for entry in sorted(known, key=lambda entry: (entry.macs or 0, -(entry.test_mean or 0.0))):
        if not best or (entry.test_mean or 0.0) > (best[-1].test_mean or 0.0):
            best.append(entry)
    return best


def _agree(times: float) -> bool:
    return 1 / COST_FACTOR <= times <= COST_FACTOR
