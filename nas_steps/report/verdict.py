"""From figures to plain sentences, by rules that a reader can check (`RULES`, printed on the page).

Pure functions: they read records and return text. Differences are shares of test accuracy, 0.01 is one point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nas_steps.report import evidence, gains, gaps, latencies, numbers, signals
from nas_steps.report.records import Comparison, Contest, Entry
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence
from nas_steps.retraining.comparison import caution

#: below so many paired trainings the report makes no claim
MIN_PAIRS = 3
#: largest Holm-adjusted p value of a claim
ALPHA = 0.05

#: whom a strategy meets
ROLES = ("random", "uniform", "largest", "baseline")

Outcome = Literal["beat", "lost", "tie", "few", "missing", "mixed"]

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

#: what the comparison table says of one row
READING: dict[Outcome, str] = {
    "beat": "beat",
    "lost": "lost",
    "tie": "not told apart",
    "few": "too few seeds",
    "missing": "not compared",
}


@dataclass(frozen=True)
class StrategyVerdict:
    """What can be said of one searching strategy."""

    strategy: str
    against_random: Outcome
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Verdict:
    """The headline, what is said of each strategy, and of the experiment as a whole."""

    headline: str
    tone: signals.Tone
    strategies: tuple[StrategyVerdict, ...]
    general: tuple[Sentence, ...]
    rules: tuple[str, ...] = RULES


def decide(results: Results) -> Verdict:
    """The verdict on an experiment. Never raises for missing figures: it says that they are missing."""
    baseline, by = best_baseline(results.entries)
    truth = "separate training" if results.table is None else results.table.report
    strategies, against_random, against_baseline = [], {}, {}
    searched = results.strategies(searched=True)
    for strategy in searched:
        mine = [row for row in results.contests if row.strategy == strategy]
        means = {role: [row for row in mine if (row.role, row.of) == (role, "mean")] for role in ROLES}
        random = against_random[strategy] = means["random"]
        sentences = _met(strategy, "random search", random, len(searched))
        sentences += _present(evidence.best_of(mine, strategy), searches_sentence(results, strategy))
        sentences += _present(evidence.other_searches(random, strategy, results.config.search.seeds))
        if results.table is None:
            if means["uniform"]:
                sentences += _met(strategy, "no search, a uniform draw", means["uniform"], len(searched))
            else:
                text = f"{strategy} was not compared with no search at all: no uniformly drawn architecture was trained"
                sentences.append(Sentence(f"{text} (retrain.uniform).", "warning"))
            if means["largest"]:
                sentences += _met(strategy, "the space's largest network", means["largest"], len(searched))
        if results.table is not None:
            pass  # a table has no hand-designed networks
        elif baseline is None:
            text = f"{strategy} has no hand-designed baseline to be compared with: none was trained to the end."
            sentences.append(Sentence(text, "warning"))
        else:
            rows = against_baseline[strategy] = [row for row in means["baseline"] if row.against == baseline.entry]
            extra = f"{baseline.entry}, the {by}, {_relative_size(results.of_strategy(strategy), baseline)}"
            sentences += _met(strategy, extra.rstrip(", "), rows, len(searched))
        sentences += signals.cost(results, strategy)
        for role in ("uniform", "random"):
            told_apart = combined(means[role]) in ("beat", "lost")
            sentences += _present(gains.gained(results, strategy, means[role], told_apart))
        sentences += gaps.gap_sentences(results, strategy)
        sentences += signals.collapse(results, strategy)
        sentences += [signals.ranking(row, truth) for row in results.agreement if row.strategy == strategy]
        strategies.append(StrategyVerdict(strategy, combined(random), tuple(sentences)))
    headline, tone = head(against_random, against_baseline, baseline)
    general = [signals.ranking(row, truth) for row in results.agreement if row.strategy == "all"]
    general += signals.out_of_the_table(results)
    general += [*latencies.foretold(results), *gains.sizes(results), *signals.failures(results)]
    general += [*signals.saved_epochs(results), *signals.trade_off(results)]
    rules: tuple[str, ...] = RULES if results.table is None else (_RULE_OF_A_TABLE, *RULES[1:])
    if results.latency is not None:
        rules = (*rules, latencies.RULE)
    return Verdict(headline, tone, tuple(strategies), tuple(general), rules)


def _met(strategy: str, whom: str, rows: Sequence[Contest], strategies: int) -> list[Sentence]:
    """What is said of a strategy and one opponent: the claim, and what is behind it."""
    sentences = [contest(strategy, whom, rows)]
    for row in rows:
        sentences += _present(evidence.behind(row, strategies))
        if outcome(row) == "tie":
            sentences += _present(evidence.could_be_seen(row))
    return sentences


def _present(*sentences: Sentence | None) -> list[Sentence]:
    return [sentence for sentence in sentences if sentence is not None]


def outcome(row: Comparison | Contest) -> Outcome:
    """What one comparison allows to say: beat, lost, tie, few (seeds) or missing (no figures)."""
    if row.difference is None:
        return "missing"
    if row.pairs is None or row.pairs < MIN_PAIRS:
        return "few"
    if row.low is None or row.high is None or row.p_holm is None:
        return "missing"
    if row.p_holm < ALPHA and row.low > 0:
        return "beat"
    if row.p_holm < ALPHA and row.high < 0:
        return "lost"
    return "tie"


def combined(rows: Sequence[Comparison | Contest]) -> Outcome:
    """What all comparisons of a strategy with one opponent say together."""
    found = {outcome(row) for row in rows}
    if len(found) <= 1:
        return next(iter(found), "missing")
    if found & {"beat", "lost"}:
        return "mixed"
    return "tie" if "tie" in found else "few"


def best_baseline(entries: Sequence[Entry]) -> tuple[Entry | None, str]:
    """The baseline to measure against, and how it was chosen, in words."""
    baselines = [entry for entry in entries if entry.kind == "baseline" and entry.test_mean is not None]
    among = numbers.plural(sum(entry.kind == "baseline" for entry in entries), "baseline")
    known = [entry for entry in baselines if entry.valid_mean is not None]
    if known:
        return max(known, key=lambda entry: entry.valid_mean or 0.0), f"best of {among} by validation accuracy"
    if baselines:
        best = max(baselines, key=lambda entry: entry.test_mean or 0.0)
        return best, f"best of {among} by test accuracy (validation accuracy is not known)"
    return None, "none"


def contest(who: str, whom: str, rows: Sequence[Comparison | Contest]) -> Sentence:
    """One sentence on `who` against `whom`, with the figures that it rests on."""
    result = combined(rows)
    name = whom.partition(",")[0]
    if not rows:
        return Sentence(f"{who} was not compared with {name}: there is no such row in the comparison table.", "warning")
    tone = _TONES.get(result, "warning")
    if len(rows) > 1:
        return Sentence(_several(who, whom, rows, result), tone)
    row = rows[0]
    figures = f"{_difference(row)} over {numbers.plural(row.pairs or 0, 'seed')}"
    adjusted = f"Holm-adjusted p {numbers.small(row.p_holm)}"
    text = {
        "beat": f"{who} beat {whom}: {figures} ({adjusted}).",
        "lost": f"{who} lost to {whom}: {figures} ({adjusted}).",
        "tie": f"{who} cannot be told from {whom}: difference {figures} ({adjusted}{_although(row)}).",
        "few": f"{who} against {whom}: too few seeds for a claim. The measured difference is "
        f"{numbers.points(row.difference)} points over {numbers.plural(row.pairs or 0, 'seed')}; "
        f"{MIN_PAIRS} are needed{_six(row)}.",
        "missing": f"{who} against {whom}: no claim, {row.note or 'a figure is missing'}"
        + ("." if row.difference is None else f" (measured difference {figures})."),
    }[result]
    return Sentence(text, tone)


def searches_sentence(results: Results, strategy: str) -> Sentence | None:
    """Mean and best of several searches, each labelled, with random search's beside it; None for a single search."""
    own = [entry.test_mean for entry in results.of_strategy(strategy)]
    if len(own) < 2:
        return None
    other = [entry.test_mean for name in results.strategies(searched=False) for entry in results.of_strategy(name)]
    text = f"Test accuracy over the winners of {strategy}: {_mean_and_best(own)}"
    if other:
        text += f"; over those of random search: {_mean_and_best(other)}"
    return Sentence(text + ". The best of several is chosen by the test set and flatters; the mean does not.")


def head(
    against_random: dict[str, list[Contest]], against_baseline: dict[str, list[Contest]], baseline: Entry | None
) -> tuple[str, signals.Tone]:
    """The headline: what the searches did against random search, and what a baseline takes from a win."""
    if not against_random:
        return "Only random search was run, so there is no search to judge.", "plain"
    results = {strategy: combined(rows) for strategy, rows in against_random.items()}
    by = {
        kind: [name for name, found in results.items() if found == kind] for kind in ("beat", "lost", "few", "missing")
    }
    if len(by["missing"]) == len(results):
        return "No verdict: no searched network could be compared with random search.", "warning"
    if len(by["missing"]) + len(by["few"]) == len(results):
        return "Too few seeds for a claim.", "warning"
    if by["beat"]:
        text = f"{numbers.listed(by['beat'])} beat random search"
        if len(by["beat"]) == 1:
            text += f" by {_margin(against_random[by['beat'][0]])}"
        if by["lost"]:
            text += f"; {numbers.listed(by['lost'])} lost to it"
        behind = [name for name in by["beat"] if combined(against_baseline.get(name, ())) == "lost"]
        if behind and baseline is not None:
            who = "" if len(by["beat"]) == 1 else f"{numbers.listed(behind)} "
            text += f", but {who}lost to the hand-designed {baseline.entry}"
        return f"{text}.", "warning" if behind else "win"
    if len(by["lost"]) == len(results):
        return "The search lost to random search.", "loss"
    if by["lost"]:
        return f"The search did not beat random search; {numbers.listed(by['lost'])} lost to it.", "loss"
    return "The search did not beat random search.", "plain"


def _six(row: Comparison | Contest) -> str:
    """From how many seeds on a claim needs no assumption, while at it."""
    least = next(pairs for pairs in range(MIN_PAIRS, 99) if not caution(pairs))
    return f", and {least} for one that assumes no distribution" if (row.pairs or 0) < MIN_PAIRS else ""


def _difference(row: Comparison | Contest) -> str:
    decimals = numbers.decimals_for(row.low, row.high)
    return f"{numbers.points(row.difference, decimals)} points {numbers.interval(row.low, row.high, decimals)}"


def _although(row: Comparison | Contest) -> str:
    """Why an interval that excludes 0 is no claim."""
    excludes = row.low is not None and row.high is not None and not row.low <= 0 <= row.high
    return ", so that the interval alone, which excludes 0, is not enough" if excludes else ""


def _margin(rows: Sequence[Comparison | Contest]) -> str:
    if len(rows) == 1:
        return _difference(rows[0])
    return f"{numbers.points(_mean([row.difference for row in rows]))} points in the mean of {len(rows)} comparisons"


def _several(who: str, whom: str, rows: Sequence[Comparison | Contest], result: Outcome) -> str:
    found = [outcome(row) for row in rows]
    told = {"beat": "won", "lost": "lost", "tie": "not told apart", "few": "with too few seeds", "missing": "not made"}
    counts = numbers.listed([f"{found.count(kind)} {word}" for kind, word in told.items() if kind in found])
    verb = {
        "beat": f"{who} beat {whom}",
        "lost": f"{who} lost to {whom}",
        "tie": f"{who} cannot be told from {whom}",
        "few": f"{who} against {whom}: too few seeds for a claim",
        "missing": f"{who} cannot be compared with {whom}",
        "mixed": f"{who} against {whom}: its comparisons disagree",
    }[result]
    mean = _mean([row.difference for row in rows])
    figures = "" if mean is None else f"; mean difference {numbers.points(mean)} points"
    return f"{verb}. Of {len(rows)} comparisons: {counts}{figures}."


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
    return f"with {numbers.ratio(macs / baseline.macs)} times its multiply-accumulates"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
