"""The verdict in plain sentences, made by rules that a reader can check (`RULES`, printed on the page).

Differences are shares of test accuracy: 0.01 is one point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nas_steps.report import evidence, gains, gaps, latencies, numbers, signals
from nas_steps.report.evidence import ALPHA, MIN_PAIRS, Outcome, combined, excludes_zero, measured, outcome
from nas_steps.report.records import Contest, Entry
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence
from nas_steps.retraining.comparison import caution

RULES = (
    "Searched, random, uniformly drawn and hand-designed networks are trained by one recipe with the same seeds. A "
    "strategy meets an opponent by the mean test accuracy of all its winners against that of all the opponent's; the "
    "difference is paired over training seeds, with the 95 % interval of a paired t test.",
    f"'Beat' and 'lost' need all three: at least {MIN_PAIRS} paired seeds, a Holm-adjusted p value below {ALPHA} "
    "(adjusted over the strategies that meet the same kind of opponent), and an interval that excludes 0. Everything "
    f"else is 'cannot be told from'; with fewer than {MIN_PAIRS} pairs there is no claim.",
    "The best of k searches is chosen by validation accuracy, k the smaller number of searches of the two sides; its "
    "test accuracy is that expected over all choices of k. It stands beside the mean and takes no part in the verdict.",
    "Where random search was run in several ways, the strategy beat or lost only if the comparisons with all of them "
    "say so; if they disagree, or some could not be made, that is told.",
    "The best baseline is the one with the highest mean validation accuracy, so that the test set does not choose "
    "its own opponent. Where no baseline has a validation accuracy, it is the best by test accuracy, and labelled so.",
    *evidence.RULES,
    *gains.RULES,
    *gaps.RULES,
    *signals.RULES,
)

_TONES: dict[Outcome, signals.Tone] = {"beat": "win", "lost": "loss", "tie": "plain"}

_RULE_OF_A_TABLE = (
    "Nothing was trained: accuracies are looked up in a benchmark's table, which has one figure for each architecture. "
    "A comparison is the difference of the accuracies that the searches' winners have in the reported column, over "
    "search seeds, with the 95 % interval of a paired t test. Seeds below are search seeds."
)


@dataclass(frozen=True)
class StrategyVerdict:
    """The sentences on one searching strategy."""

    strategy: str
    against_random: Outcome
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Verdict:
    """The headline, and the sentences on each strategy and on the whole experiment."""

    headline: str
    tone: signals.Tone
    strategies: tuple[StrategyVerdict, ...]
    general: tuple[Sentence, ...]
    rules: tuple[str, ...] = RULES


def decide(results: Results) -> Verdict:
    """Judge an experiment. The verdict names missing figures instead of raising."""
    baseline, by = baseline_to_meet(results)
    truth = "separate training" if results.table is None else results.table.report
    strategies, against_random, against_baseline = [], {}, {}
    for strategy in results.strategies(searched=True):
        mine = [row for row in results.contests if row.strategy == strategy]
        roles = ("random", "uniform", "largest", "baseline")
        means = {role: [row for row in mine if (row.of, row.role) == ("mean", role)] for role in roles}
        random = against_random[strategy] = means["random"]
        sentences = [*_met(results, strategy, "random search", random)]
        sentences += [*evidence.best_of(mine, strategy), *searches_sentence(results, strategy)]
        sentences.append(evidence.other_searches(random, strategy, results.config.search.seeds))
        if results.table is None:  # a table has no hand-designed networks, and none that took no search
            if means["uniform"]:
                sentences += _met(results, strategy, "no search, a uniform draw", means["uniform"])
            else:
                text = f"{strategy} was not compared with no search at all: no uniformly drawn architecture was trained"
                sentences.append(Sentence(f"{text} (retrain.uniform).", "warning"))
            if means["largest"]:
                sentences += _met(results, strategy, "the space's largest network", means["largest"])
            if baseline is None:
                text = f"{strategy} has no hand-designed baseline to be compared with: none was trained to the end."
                sentences.append(Sentence(text, "warning"))
            else:
                rows = against_baseline[strategy] = [row for row in means["baseline"] if row.against == baseline.entry]
                whom = f"{baseline.entry}, the {by}{_relative_size(results.of_strategy(strategy), baseline)}"
                sentences += _met(results, strategy, whom, rows)
        sentences += signals.cost(results, strategy)
        for role in ("uniform", "random"):
            sentences += gains.gained(results, strategy, means[role], combined(means[role]) in ("beat", "lost"))
        sentences += [*gaps.gap_sentences(results, strategy), *signals.collapse(results, strategy)]
        sentences += [signals.ranking(row, truth) for row in results.agreement if row.strategy == strategy]
        strategies.append(StrategyVerdict(strategy, combined(random), tuple(sentences)))
    headline, tone = head(against_random, against_baseline, baseline)
    general = [signals.ranking(row, truth) for row in results.agreement if row.strategy == "all"]
    general += [*signals.out_of_the_table(results), *latencies.foretold(results), *gains.sizes(results)]
    general += [*signals.failures(results), *signals.saved_epochs(results), *signals.trade_off(results)]
    rules: tuple[str, ...] = (RULES[0] if results.table is None else _RULE_OF_A_TABLE, *RULES[1:])
    if results.latency is not None:
        rules += (latencies.RULE,)
    return Verdict(headline, tone, tuple(strategies), tuple(general), rules)


def _met(results: Results, strategy: str, whom: str, rows: Sequence[Contest]) -> Iterator[Sentence]:
    yield contest(strategy, whom, rows)
    for row in rows:
        yield from evidence.behind(row, len(results.strategies(searched=True)))
        if outcome(row) == "tie":
            yield from evidence.could_be_seen(row)


def baseline_to_meet(results: Results) -> tuple[Entry | None, str]:
    """Choose the baseline to compare with, and tell how."""
    baseline, by_validation = results.best_of_kind("baseline")
    among = numbers.plural(sum(entry.kind == "baseline" for entry in results.entries), "baseline")
    by = "validation accuracy" if by_validation else "test accuracy (validation accuracy is not known)"
    return baseline, f"best of {among} by {by}"


def contest(who: str, whom: str, rows: Sequence[Contest]) -> Sentence:
    """Tell `who` against `whom` in one sentence, with the figures that it rests on."""
    result = combined(rows)
    if not rows:
        name = whom.partition(",")[0]
        return Sentence(f"{who} was not compared with {name}: there is no such row in the comparison table.", "warning")
    tone = _TONES.get(result, "warning")
    claim = {
        "beat": f"{who} beat {whom}",
        "lost": f"{who} lost to {whom}",
        "tie": f"{who} cannot be told from {whom}",
        "few": f"{who} against {whom}: too few seeds for a claim",
        "missing": f"{who} cannot be compared with {whom}",
        "mixed": f"{who} against {whom}: its comparisons disagree",
    }[result]
    if len(rows) > 1:
        return Sentence(f"{claim}. {_counted(rows)}.", tone)
    row = rows[0]
    seeds = numbers.plural(row.pairs or 0, "seed")
    figures = f"{measured(row)} over {seeds}"
    adjusted = f"Holm-adjusted p {numbers.small(row.p_holm)}"
    if result in ("beat", "lost"):
        text = f"{claim}: {figures} ({adjusted})."
    elif result == "tie":
        although = ", so that the interval alone, which excludes 0, is not enough" if excludes_zero(row) else ""
        text = f"{claim}: difference {figures} ({adjusted}{although})."
    elif result == "few":
        needed = f"{MIN_PAIRS} are needed, and {_without_assumption()} for one that assumes no distribution"
        text = f"{claim}. The measured difference is {numbers.points(row.difference)} points over {seeds}; {needed}."
    else:
        text = f"{who} against {whom}: no claim, {row.note or 'a figure is missing'}"
        text += "." if row.difference is None else f" (measured difference {figures})."
    return Sentence(text, tone)


def searches_sentence(results: Results, strategy: str) -> Iterator[Sentence]:
    """Tell mean and best of several searches, beside those of random search."""
    own = [entry.test_mean for entry in results.of_strategy(strategy)]
    if len(own) < 2:
        return
    other = [entry.test_mean for name in results.strategies(searched=False) for entry in results.of_strategy(name)]
    text = f"Test accuracy over the winners of {strategy}: {_mean_and_best(own)}"
    if other:
        text += f"; over those of random search: {_mean_and_best(other)}"
    yield Sentence(text + ". The best of several is chosen by the test set and flatters; the mean does not.")


def head(
    against_random: dict[str, list[Contest]], against_baseline: dict[str, list[Contest]], baseline: Entry | None
) -> tuple[str, signals.Tone]:
    """Make the headline: what the searches did against random search, and what a baseline takes from a win."""
    if not against_random:
        return "Only random search was run, so there is no search to judge.", "plain"
    results = {strategy: combined(rows) for strategy, rows in against_random.items()}
    beat, lost = ([name for name, result in results.items() if result == wanted] for wanted in ("beat", "lost"))
    if set(results.values()) == {"missing"}:
        return "No verdict: no searched network could be compared with random search.", "warning"
    if set(results.values()) <= {"missing", "few"}:
        return "Too few seeds for a claim.", "warning"
    if beat:
        alone = len(beat) == 1
        text = f"{numbers.listed(beat)} beat random search"
        if alone:
            rows = against_random[beat[0]]
            several = f"{numbers.points(_mean_difference(rows))} points in the mean of {len(rows)} comparisons"
            text += f" by {measured(rows[0]) if len(rows) == 1 else several}"
        if lost:
            text += f"; {numbers.listed(lost)} lost to it"
        behind = [name for name in beat if combined(against_baseline.get(name, ())) == "lost"]
        if behind and baseline is not None:
            text += f", but {'' if alone else f'{numbers.listed(behind)} '}lost to the hand-designed {baseline.entry}"
        return f"{text}.", "warning" if behind else "win"
    if len(lost) == len(results):
        return "The search lost to random search.", "loss"
    if lost:
        return f"The search did not beat random search; {numbers.listed(lost)} lost to it.", "loss"
    return "The search did not beat random search.", "plain"


def _without_assumption() -> int:
    """Find the smallest number of seeds for a claim without an assumption."""
    return next(pairs for pairs in range(MIN_PAIRS, 99) if not caution(pairs))


def _counted(rows: Sequence[Contest]) -> str:
    outcomes = [outcome(row) for row in rows]
    words: dict[Outcome, str] = {
        "beat": "won",
        "lost": "lost",
        "tie": "not told apart",
        "few": "with too few seeds",
        "missing": "not made",
    }
    counts = numbers.listed([f"{outcomes.count(kind)} {word}" for kind, word in words.items() if kind in outcomes])
    mean = _mean_difference(rows)
    figures = "" if mean is None else f"; mean difference {numbers.points(mean)} points"
    return f"Of {len(rows)} comparisons: {counts}{figures}"


def _mean_difference(rows: Sequence[Contest]) -> float | None:
    return _mean([row.difference for row in rows])


def _mean_and_best(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "no figure"
    missing = f" ({len(values) - len(known)} more without a figure)" if len(known) < len(values) else ""
    mean, best = numbers.share(_mean(known)), numbers.share(max(known))
    return f"{mean} in the mean of {len(known)}, {best} for the best of {len(known)}{missing}"


def _relative_size(entries: Sequence[Entry], baseline: Entry) -> str:
    macs = _mean([entry.macs for entry in entries])
    if macs is None or not baseline.macs:
        return ""
    return f", with {numbers.ratio(macs / baseline.macs)} times its multiply-accumulates"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
