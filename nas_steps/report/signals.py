"""What else a reader must know before trusting a search: cost, collapse, ranking, failures, trade-offs.

Pure functions that return sentences; the rules are in `RULES` and printed on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nas_steps.config.strategies import GRADIENT_KINDS, SUPERNET_KINDS
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
    """One finding; the tone picks the mark beside it."""

    text: str
    tone: Tone = "plain"


def cost(results: Results, strategy: str) -> list[Sentence]:
    """What one search of a strategy cost, in final trainings, and against random search."""
    seconds = results.search_seconds(strategy)
    if seconds is None:
        return [Sentence(f"What {strategy} cost was not measured.", "warning")]
    if results.table is not None:
        return [_evaluations(results, strategy)]
    final = one_training(results, strategy)
    text = f"One search by {strategy} took {numbers.seconds(seconds)} of job time"
    if final:
        text += f", {numbers.ratio(seconds / final)} times one final training ({numbers.seconds(final)})"
    sentences = []
    for random in results.strategies(searched=False):
        spent = results.search_seconds(random)
        if not spent:
            continue
        relative = relative_budget(results, strategy, random)
        text += f"; {random} took {numbers.seconds(spent)}"
        if relative is not None:
            text += f", budgets in training multiply-accumulates {numbers.ratio(relative)} to 1"
        times = seconds / spent
        if relative is not None and not _agree(relative):
            sentences.append(
                Sentence(
                    f"The budgets were not matched: {strategy} had {numbers.ratio(relative)} times the training "
                    f"multiply-accumulates of {random}, which favours {strategy if relative > 1 else random}.",
                    "warning",
                )
            )
        elif not _agree(times):
            text_on_time = f"Matched in multiply-accumulates, but not in time: {strategy} took {numbers.ratio(times)}"
            sentences.append(Sentence(f"{text_on_time} times the seconds of {random}.", "warning"))
    return [Sentence(text + "."), *sentences]


def relative_budget(results: Results, strategy: str, random: str) -> float | None:
    """How many times the budget of `random` a strategy had; None where that is not known."""
    told = results.budget["strategies"]
    own, other = (told.get(name, {}).get("relative") for name in (strategy, random))
    return own / other if own is not None and other else None


def _evaluations(results: Results, strategy: str) -> Sentence:
    """How many looks into the table a strategy had, beside random search's."""
    told = results.budget["strategies"]
    text = f"One search by {strategy} evaluated {numbers.plural(told[strategy]['evaluations'], 'architecture')}"
    tone: Tone = "plain"
    for random in results.strategies(searched=False):
        text += f"; {random} {told[random]['evaluations']}"
        if not _agree(relative_budget(results, strategy, random) or 1.0):
            text, tone = f"{text}, so that the budgets were not matched", "warning"
    return Sentence(f"{text}.", tone)


def out_of_the_table(results: Results) -> list[Sentence]:
    """The best that any search could have ended in."""
    told = results.budget.get("table")
    if not told or results.table is None:
        return []
    search, report = results.table.search, results.table.report
    return [
        Sentence(
            f"Of the {numbers.count(told['architectures'])} architectures of the table, the best by {search} has "
            f"{numbers.share(told['report_of_best_search'])} by {report}: no strategy that follows its score can "
            f"expect more. The best by {report} has {numbers.share(told['best_report'])}, the mean is "
            f"{numbers.share(told['mean_report'])}."
        )
    ]


def saved_epochs(results: Results) -> list[Sentence]:
    """What extrapolating the learning curves saved."""
    found = [search.saved() for search in results.searches]
    trained, saved = (sum(column) for column in zip(*found, strict=True)) if found else (0, 0)
    if not saved:
        return []
    early = sum(step.reason.startswith("stopped") for search in results.searches for step in search.history)
    share = saved / (trained + saved)
    text = (
        f"Extrapolating learning curves saved {numbers.count(saved)} of {numbers.count(trained + saved)} epochs of the "
        f"searches' trainings ({numbers.share(share)}); {numbers.plural(early, 'training')} ended early as hopeless."
    )
    return [Sentence(text)]


def one_training(results: Results, strategy: str = "") -> float | None:
    """Mean seconds of one finished final training of a strategy's winners, or else of all entries."""
    names = {entry.entry for entry in results.of_strategy(strategy)}
    ended = [one for one in results.trainings if one.status == "ok" and one.train_seconds is not None]
    own = [one.train_seconds or 0.0 for one in ended if one.entry in names] or [
        one.train_seconds or 0.0 for one in ended
    ]
    return sum(own) / len(own) if own else None


def collapse(results: Results, strategy: str) -> list[Sentence]:
    """Whether the searches of a differentiable strategy ended in cells without weights, or undecided."""
    searches = [one for one in results.searches if one.strategy == strategy and one.kind in SUPERNET_KINDS]
    space = results.space
    if not searches or not isinstance(space, CellSpace):
        return []
    by_chance = free_by_chance(space)
    largest = space.largest_entropy()
    cell = "normal cell" if space.inputs == 2 else "cell"
    collapsed, undecided = [], []
    for search in searches:
        free, entropy = chosen(search, "parameter_free"), chosen(search, "entropy")
        if free is not None and free >= COLLAPSE_SHARE:
            collapsed.append(f"{search.name} ({numbers.share(free, 0)}, from epoch {collapsed_from(search)} on)")
        # a controller's entropy is that of its draws, to be held against none of these
        if search.kind in GRADIENT_KINDS and entropy is not None and entropy >= UNDECIDED_SHARE * largest:
            undecided.append(f"{search.name} ({numbers.plain(entropy)} nats)")
    sentences = []
    if collapsed:
        text = (
            f"Collapsed: most kept edges of the final {cell} have no weights in {numbers.listed(collapsed)}. "
            f"A uniform draw would have {numbers.share(by_chance, 0)} on average."
        )
        sentences.append(Sentence(text, "warning"))
    if undecided:
        text = (
            f"The alphas hardly decided in {numbers.listed(undecided)}: the largest possible mean entropy is "
            f"{numbers.plain(largest)} nats."
        )
        sentences.append(Sentence(text, "warning"))
    return sentences


def free_by_chance(space: CellSpace) -> float:
    """The mean share of choices without weights over the edges of the first kind of cell; `none` is no connection."""
    kind = space.kinds[0]
    shares = []
    for index in range(len(space.edges())):
        connections = [name for name in space.choices_of(kind, index) if name != "none"]
        if connections:
            shares.append(sum(not OPERATIONS[name] for name in connections) / len(connections))
    return sum(shares) / len(shares) if shares else 1.0


def chosen(search: Search, figure: str) -> float | None:
    """A column of a search's history after the epoch that was handed on; its last known value where none was."""
    rows = [step for step in search.history if step.chosen] or search.history
    known = [value for value in (getattr(step, figure) for step in rows) if value is not None]
    return known[-1] if known else None


def collapsed_from(search: Search) -> int | None:
    """The first epoch from which on the cell of every epoch, up to the one handed on, was collapsed."""
    since: int | None = None
    last = handed_on(search)
    for step in search.history:
        if step.parameter_free is None:
            continue
        if step.parameter_free < COLLAPSE_SHARE:
            since = None
        elif since is None:
            since = step.step
        if step is last:
            break
    return since


def handed_on(search: Search) -> HistoryRow:
    """The epoch whose alphas a search ended in: the last one, where no other is marked."""
    return next((step for step in search.history if step.chosen), search.history[-1])


def ranking(row: Agreement, truth: str = "separate training") -> Sentence:
    """Whether a search's score ranks architectures as `truth` does."""
    whose = f"The score of {row.strategy}"
    if row.strategy == "all":
        whose = (
            f"The score {row.estimator} of all strategies together" if row.estimator else "The score of all together"
        )
    if row.kendall_tau is None:
        return Sentence(f"{whose} could not be held against {truth}: {row.note or 'no figure'}.", "warning")
    many = numbers.plural(row.architectures or 0, "architecture")
    tau = f"Kendall's tau {numbers.plain(row.kendall_tau)}"
    if row.low is None or row.high is None:
        return Sentence(f"{whose} has {tau} with {truth} over {many}, without an interval.", "warning")
    told = f"{tau} [{numbers.plain(row.low)}, {numbers.plain(row.high)}] over {many}"
    told += f" ({row.note})" if row.note else ""
    if row.low > 0 and not _by_chance(row.p_value):
        return Sentence(f"{whose} ranks architectures as {truth} does, in part at least: {told}.", "win")
    if row.high < 0 and not _by_chance(row.p_value):
        return Sentence(f"{whose} ranks architectures the wrong way round: {told}.", "loss")
    return Sentence(f"{whose} cannot be said to rank architectures: {told}.", "warning")


def calibrated(results: Results) -> list[Sentence]:
    """How every estimator ranks the uniform sample, and whether the shortlist is long enough."""
    if results.table is not None:
        return []
    if results.calibration is None:
        asked = results.config.ranking.uniform
        why = "ranking.uniform is 0" if asked == 0 else "its files are missing"
        return [Sentence(f"No uniform sample was trained ({why}): how scores rank the space is not known.", "warning")]
    sentences = [*_sampled(results), *(ranking_of(row) for row in _taus(results) if row.estimator not in BASELINES)]
    counts = [f"{row.estimator} {_tau(row)}" for row in _taus(results) if row.estimator in BASELINES]
    if counts:
        sentences.append(Sentence(f"What a score must beat, on the same architectures: {numbers.listed(counts)}."))
    return [*sentences, *_noise(results), *_own_supernets(results), *_enough(results.calibration)]


#: estimators that need no search
BASELINES = ("parameters", "MACs")


def ranking_of(row: Compared) -> Sentence:
    """Whether one estimator ranks the uniform sample; `row` is its Kendall's tau there."""
    what = f"the space, as a uniform sample of {numbers.plural(row.n or 0, 'architecture')} shows it"
    if row.value is None:
        return Sentence(f"Whether {row.estimator} ranks {what} is not known: {row.note or 'no figure'}.", "warning")
    told = _tau(row) + ("" if row.p_value is None else f", p {numbers.small(row.p_value)}")
    told += f" ({row.note})" if row.note else ""
    if row.ceiling is not None:
        told += f"; the noise of the accuracies allows {_bracketed(row.ceiling, row.ceiling_low, row.ceiling_high)}"
    if row.low is not None and row.low > 0 and not _by_chance(row.p_value):
        return Sentence(f"The score {row.estimator} ranks {what}: {told}.", "win")
    if row.high is not None and row.high < 0 and not _by_chance(row.p_value):
        return Sentence(f"The score {row.estimator} ranks {what} the wrong way round: {told}.", "loss")
    return Sentence(f"The score {row.estimator} cannot be said to rank {what}: {told}.", "warning")


def _by_chance(p_value: float | None) -> bool:
    """Whether a tau's test does not exclude that there is no relation."""
    return p_value is not None and p_value >= 0.05


def _taus(results: Results) -> list[Compared]:
    """Kendall's tau of each estimator on all of the uniform sample."""
    wanted = ("uniform sample", "all", "kendall")
    return [row for row in results.compared if (row.pool, row.part, row.measure) == wanted]


def _tau(row: Compared) -> str:
    return f"Kendall's tau {_bracketed(row.value, row.low, row.high)}"


def _bracketed(value: float | None, low: float | None, high: float | None, times: float = 1, decimals: int = 2) -> str:
    if value is None:
        return numbers.NO_FIGURE
    text = numbers.plain(times * value, decimals)
    if low is None or high is None:
        return text
    return f"{text} [{numbers.plain(times * low, decimals)}, {numbers.plain(times * high, decimals)}]"


def _sampled(results: Results) -> list[Sentence]:
    """That the space had fewer architectures than were asked for."""
    asked, drawn = results.config.ranking.uniform, (results.calibration or {}).get("sampled")
    if drawn is None or drawn >= asked:
        return []
    return [Sentence(f"The space has no more than {drawn} different architectures, so all of them are the sample.")]


def _noise(results: Results) -> list[Sentence]:
    """Why there is no noise ceiling."""
    whys = {row.ceiling_note for row in _taus(results) if row.ceiling is None and row.ceiling_note}
    more = " Set ranking.seeds to 2 or more." if results.config.ranking.seeds < 2 else ""
    return [Sentence(f"There is no noise ceiling ({why}).{more}", "warning") for why in sorted(whys)]


def _own_supernets(results: Results) -> list[Sentence]:
    """The strategies whose scores are not told of the sample."""
    own = [name for name, one in results.config.search.strategies.items() if one.kind in SUPERNET_KINDS]
    if not own:
        return []
    told = "come from a supernet of its own" if len(own) == 1 else "come from supernets of their own"
    return [
        Sentence(f"The scores of {numbers.listed(own)} {told}, asked of no sample: how they rank is not told here.")
    ]


def _enough(told: Mapping[str, Any]) -> list[Sentence]:
    """What the shortlist's length is worth."""
    size, given = told["shortlist"], told["given"]
    taken = f"The shortlist has {numbers.plural(size, 'candidate')} of each search"
    taken += f", chosen by the sample: {told['why']}." if given == "auto" else ", as the config says."
    if told["enough"] is None:
        why = told["why"].partition("; ")[2] if given != "auto" else ""
        what = f" Whether that is enough is not known: {why}." if why else ""
        return [Sentence(taken + what, "warning")]
    points = numbers.points(told["tolerance"], 2)
    enough = _bracketed(told["enough"], told["enough_low"], told["enough_high"], decimals=0)
    text = (
        f"To be within {points} points of the best of {told['candidates']} candidates with a probability of "
        f"{numbers.share(told['assurance'], 0)}, the {enough} best scored must be trained (by the {told['read']})."
    )
    return [Sentence(f"{text} {taken}", "warning" if size < min(told["enough"], told["candidates"]) else "plain")]


def failures(results: Results) -> list[Sentence]:
    """Final trainings, and evaluations of the searches, that gave no figure."""
    sentences = []
    bad = Counter((one.entry, one.status or "without status") for one in results.trainings if one.status != "ok")
    if bad:
        told = numbers.listed([f"{number} of {entry} ({status})" for (entry, status), number in bad.items()])
        trainings = numbers.plural(len(results.trainings), "final training")
        sentences.append(Sentence(f"{sum(bad.values())} of {trainings} gave no figure: {told}.", "warning"))
    lost = [
        f"{number} of {search.name} ({status})"
        for search in results.searches
        for status, number in search.failures().items()
    ]
    if lost:
        sentences.append(Sentence(f"Evaluations during the searches that gave no score: {numbers.listed(lost)}."))
    return sentences


def trade_off(results: Results) -> list[Sentence]:
    """The networks that no other beats in both accuracy and MACs."""
    best = pareto(results.entries)
    if not best:
        return []
    told = [f"{one.entry} ({numbers.share(one.test_mean)} at {numbers.macs(one.macs)})" for one in best]
    what = "Best trade-offs of mean test accuracy and multiply-accumulates among all entries"
    return [Sentence(f"{what}: {numbers.listed(told)}.")]


def pareto(entries: Sequence[Entry]) -> list[Entry]:
    """Entries that none other dominates in (fewer MACs, higher mean test accuracy), by rising MACs."""
    known = sorted(
        (entry for entry in entries if entry.macs is not None and entry.test_mean is not None),
        key=lambda entry: (entry.macs or 0, -(entry.test_mean or 0.0)),
    )
    best: list[Entry] = []
    for entry in known:
        if not best or (entry.test_mean or 0.0) > (best[-1].test_mean or 0.0):
            best.append(entry)
    return best


def _agree(times: float) -> bool:
    return 1 / COST_FACTOR <= times <= COST_FACTOR
