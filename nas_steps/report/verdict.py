"""The verdict in plain sentences, made by rules that a reader can check (`RULES`, printed on the page).

Differences are shares of test accuracy: 0.01 is one point.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nas_steps.report import (
    additive,
    cautions,
    clock,
    evidence,
    gains,
    gaps,
    latencies,
    numbers,
    signals,
    sizes,
    starts,
    surrogates,
)
from nas_steps.report.evidence import (
    Standing,
    adjusted,
    by_recipe,
    contests_of,
    enough_searches,
    failures_matter,
    networks,
    standing,
)
from nas_steps.report.records import Comparison, Contest
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

_RULE_OF_TRAININGS = (
    "Networks that were searched, drawn at random or designed by hand are trained by one recipe. Nothing is chosen by "
    "the test set."
)
_RULE_OF_A_TABLE = (
    "Nothing was trained: accuracies are looked up in a benchmark's table, which has one figure for each architecture."
)
_RULE_OF_SUPERNETS = (
    "Supernets were trained, and nothing else: accuracies are looked up in a benchmark's table, which has one figure "
    "for each architecture. Random search looked its evaluations up, so that its budget is not the supernets'."
)
RULES = (*evidence.RULES, *gains.RULES, *cautions.RULES, *gaps.RULES, *signals.RULES)
RULES_OF_TEXT = (*evidence.RULES, *gains.RULES_OF_TEXT, *cautions.RULES_OF_TEXT, *signals.RULES_OF_TEXT)


@dataclass(frozen=True)
class StrategyVerdict:
    """The sentences on one searching strategy."""

    strategy: str
    against_random: Standing
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Verdict:
    """The headline, whether searching paid, at most three cautions, and what folds: strategies, the rest, the rules."""

    headline: str
    tone: signals.Tone
    paid: Sentence
    cautions: tuple[Sentence, ...]
    strategies: tuple[StrategyVerdict, ...]
    general: tuple[Sentence, ...]
    rules: tuple[str, ...]
    #: what pretraining and what searching brought; None if networks start from nothing
    origin: Sentence | None = None
    #: what taking the most parameters finds without a search; none if networks are trained
    by_size: tuple[Sentence, ...] = ()
    #: how long language models took beside each other; None for images
    clock: Sentence | None = None


def decide(results: Results) -> Verdict:
    """Judge an experiment. The verdict names missing figures instead of raising."""
    truth = "separate training" if results.table is None else results.table.report
    headline, tone = head(results)
    paid, ranked = gains.paid(results), cautions.ranked(results)
    strategies = []
    for strategy in results.strategies(searched=True):
        # the strategy that `paid` is about is not weighed twice
        weighed = gains.weighed(results, strategy)
        sentences = [] if weighed == paid else [weighed]
        sentences += [largest(results, row) for row in contests_of(results, strategy, "largest")]
        sentences += [*signals.cost(results, strategy), *gaps.gap_sentences(results, strategy)]
        for row in results.agreement:
            sentences += signals.ranking(row, truth) if row.strategy == strategy else ()
        judged = standing(results, contests_of(results, strategy, "random"))
        strategies.append(StrategyVerdict(strategy, judged, tuple(sentences)))
    general = [*ranked[cautions.SHOWN :]]
    for row in results.agreement:
        general += signals.ranking(row, truth) if row.strategy == "all" else ()
    general += [*signals.out_of_the_table(results), *latencies.foretold(results), *gains.fitted(results)]
    general += additive.gaps(results)
    general += [*signals.failed_evaluations(results), *signals.saved_epochs(results), *signals.trade_off(results)]
    rules: tuple[str, ...] = (_first_rule(results), *(RULES_OF_TEXT if results.text else RULES))
    if results.latency is not None:
        rules += (latencies.RULE,)
    origin = starts.brought(results)
    if origin is not None:
        rules += (starts.RULE,)
    by_size = tuple(sizes.by_size(results))
    rules += (sizes.RULE,) if by_size else ()
    rules += (surrogates.RULE,) if results.surrogate else ()
    timed = clock.by_the_clock(results)
    rules += (clock.RULE,) if timed is not None else ()
    shown = tuple(ranked[: cautions.SHOWN])
    return Verdict(headline, tone, paid, shown, tuple(strategies), tuple(general), rules, origin, by_size, timed)


def _first_rule(results: Results) -> str:
    if results.table is None:
        return _RULE_OF_TRAININGS
    return _RULE_OF_SUPERNETS if results.trains_supernets else _RULE_OF_A_TABLE


def largest(results: Results, row: Contest) -> Sentence:
    """Compare a strategy with the space's largest network."""
    claim = {"beat": "beat it", "lost": "lost to it", "tie": "no difference found", "few": "too few searches to judge"}
    end = claim.get(row.outcome, row.note or "no figure")
    return Sentence(f"{row.strategy} against the space's largest network: {results.measure.signed(row)}; {end}.")


def head(results: Results) -> tuple[str, signals.Tone]:
    """Make the headline: what the searches did against random search, and a loss to the best baseline."""
    strategies = results.strategies(searched=True)
    if not strategies:
        return "Only random search was run, so there is no search to judge.", "plain"
    judged = {name: standing(results, contests_of(results, name, "random")) for name in strategies}
    if set(judged.values()) == {"missing"}:
        notes = [row.note for name in strategies for row in contests_of(results, name, "random") if row.note]
        why = f" ({notes[0]})" if notes else ""
        return f"No verdict: no searched network has a figure beside random search{why}.", "warning"
    if set(judged.values()) <= {"few", "missing"}:
        return f"{_networks(results, [name for name, one in judged.items() if one == 'few'])}.", "warning"
    rivals = ("baseline", "pretrained")
    behind = [row for name in strategies for role in rivals for row in contests_of(results, name, role)]
    behind = [row for row in behind if standing(results, [row]) == "lost"]
    if len(judged) == 1:
        ((strategy, one),) = judged.items()
        text = _joined([*_alone(results, strategy, one)])
        # the subject of a win and a loss is the strategy already
        lost = numbers.listed([_baseline(results, row) for row in behind])
        text += f"{_AND.get(one, f'; {strategy} lost to')} {lost}" if behind else ""
    else:
        text = _joined([*_several(results, judged), *_behind(results, behind)])
    tone = _tone(results)
    return f"{text}.", "warning" if behind and tone != "loss" else tone


#: a headline about networks tells at most this number of them apart
MOST_CLAUSES = 1
#: a headline about strategies tells at most this number of wins and losses one by one
MOST_CLAIMS = 2
_AGAINST = "against random search"
#: what one network is called that strategies meet
WORDS = {"baseline": "baseline", "pretrained": "pretrained network"}
_AND: Mapping[Standing, str] = {"beat": ", but lost to", "lost": ", and to"}


def _baseline(results: Results, row: Contest) -> str:
    return f"the {WORDS[row.role]} {row.against} by {results.measure.loss(row)}"


def _tone(results: Results) -> signals.Tone:
    """Return `win` if a strategy beat random search and none is refused, `loss` if all lost, `plain` for ties."""
    strategies = results.strategies(searched=True)
    judged = {standing(results, contests_of(results, name, "random")) for name in strategies}
    if judged & {"recipe", "failures", "mixed", "few", "missing"}:
        return "warning"
    return "win" if "beat" in judged else "loss" if judged == {"lost"} else "plain"


def _alone(results: Results, strategy: str, judged: Standing) -> Iterator[str]:
    """Yield the clauses of one strategy, with a clause for each random search."""
    rows = contests_of(results, strategy, "random")
    if judged == "recipe":
        yield from (f"the verdict depends on the recipe: {_by_recipe(results, row)}" for row in rows)
    elif judged == "failures":
        yield from (f"no verdict on {strategy}: {_with_failures(results, row)}" for row in rows if failures_matter(row))
    else:
        for row in rows:
            yield _clause(results, row, _whom(results, row, budget=True)) + _despite_failures(results, row)


def _despite_failures(results: Results, row: Contest) -> str:
    """Qualify a win that failed trainings do not change."""
    searches = numbers.plural(results.config.search.seeds, "search")
    failed = f", although {row.failed} of its {searches} had failed trainings"
    return failed if row.outcome == "beat" and row.failed else ""


def _whom(results: Results, row: Contest, *, budget: bool = False) -> str:
    """Name the random search; `budget` also says what it had if it had not the strategy's budget."""
    if budget and row.matched == 0:
        return gains.random_search(results, row)
    return "random search" if len(results.strategies(searched=False)) < 2 else row.against


def _clause(results: Results, row: Contest, whom: str) -> str:
    """Tell one comparison with its size."""
    measure = results.measure
    if row.outcome == "beat":
        return f"{row.strategy} beat {whom} by {measure.measured(row)}"
    if row.outcome == "lost":
        return f"{row.strategy} lost to {whom} by {measure.loss(row)}"
    if row.outcome == "tie":
        return f"no difference found between {row.strategy} and {whom}{adjusted(row)}: {measure.between(row)}"
    if row.outcome == "few":
        return f"too few searches to judge {row.strategy} against {whom}"
    return f"no figure of {row.strategy} against {whom}{f' ({row.note})' if row.note else ''}"


def _with_failures(results: Results, row: Contest) -> str:
    """Tell both outcomes of a comparison that failed trainings change."""
    whom = _whom(results, row)
    whose = [f"{row.failed} of its {numbers.plural(results.config.search.seeds, 'search')}"] if row.failed else []
    whose += [f"{row.against_failed} of those of {whom}"] if row.against_failed else []
    counted = replace(
        row, difference=row.failures_difference, low=row.failures_low, high=row.failures_high,
        outcome=row.failures_outcome,
    )  # fmt: skip
    text = f"{numbers.listed(whose)} had failed trainings. Without these {_clause(results, row, whom)}"
    return f"{text}; with them at chance level {_clause(results, counted, whom)}"


def _by_recipe(results: Results, row: Contest) -> str:
    """Tell the outcome under each recipe."""
    whom = _whom(results, row)
    return ", ".join(
        f"with {recipe} {_clause(results, other, whom)}" for recipe, other in by_recipe(results, row).items()
    )


def _several(results: Results, judged: Mapping[str, Standing]) -> Iterator[str]:
    """Yield the clauses of several strategies: wins and losses with their sizes, the others in groups."""
    groups: dict[Standing, list[str]] = {}
    for name, one in judged.items():
        groups.setdefault(one, []).append(name)
    claims = [name for one in ("beat", "lost") for name in groups.get(one, ())]
    if not claims:
        yield _AGAINST
    yield from _claims(results, [row for name in claims for row in contests_of(results, name, "random")])
    if ties := groups.get("tie"):
        rows = [row for name in ties for row in contests_of(results, name, "random")]
        ends = [abs(end) for row in rows for end in (row.low, row.high) if end is not None]
        most = f" (at most {results.measure.amount(max(ends))} either way)" if ends else ""
        yield f"no difference found{max(map(adjusted, rows), default='')} for {numbers.shortened(ties)}{most}"
    reasons: dict[Standing, str] = {
        "mixed": "the random searches disagree on {}",
        "recipe": "the outcome of {} depends on the recipe",
        "failures": "the outcome of {} depends on failed trainings",
        "few": "too few searches to judge {}",
        "missing": "no figure of {}",
    }
    for one, text in reasons.items():
        if names := groups.get(one):
            yield text.format(numbers.shortened(names))


def _claims(results: Results, rows: Sequence[Contest]) -> Iterator[str]:
    """Yield wins and losses: each with its interval if they are few, or else grouped by outcome, with their range."""
    groups: dict[tuple[str, ...], list[Contest]] = {}
    for row in rows:
        each = (row.strategy,) if len(rows) <= MOST_CLAIMS else ()
        groups.setdefault((row.outcome, _whom(results, row, budget=True), *each), []).append(row)
    for place, ((outcome, whom, *_), own) in enumerate(groups.items()):
        called = "it" if place and whom == "random search" else whom
        if len(own) == 1:
            yield _clause(results, own[0], called) + _despite_failures(results, own[0])
            continue
        own.sort(key=lambda row: -abs(row.difference or 0.0))
        did = "beat" if outcome == "beat" else "lost to"
        failed = sum(bool(row.failed) for row in own) if outcome == "beat" else 0
        although = f", although {failed} of them had failed trainings" if failed else ""
        yield f"{numbers.shortened([row.strategy for row in own])} {did} {called} by {_sizes(results, own)}{although}"


def _sizes(results: Results, rows: Sequence[Contest | Comparison]) -> str:
    """Spell the smallest and the largest difference, without sign: `0.4 to 1.6 points`."""
    sizes = sorted(abs(row.difference or 0.0) for row in rows)
    ends = dict.fromkeys(results.measure.difference(size) for size in (sizes[0], sizes[-1]))
    return f"{' to '.join(ends)} {results.measure.unit}"


def _behind(results: Results, rows: Sequence[Contest]) -> Iterator[str]:
    """Yield the losses to the best baseline with their sizes."""
    for against in dict.fromkeys(row.against for row in rows):
        own = [row for row in rows if row.against == against]
        if len(own) == 1:
            yield f"{own[0].strategy} lost to {_baseline(results, own[0])}"
            continue
        names = numbers.shortened([row.strategy for row in own])
        yield f"{names} lost to the {WORDS[own[0].role]} {against} by {_sizes(results, own)}"


def _networks(results: Results, strategies: Sequence[str]) -> str:
    """Make the headline of too few searches, without its end: its subject is the network."""
    met = [(row, networks(results, name, row.against)) for name in strategies
           for row in contests_of(results, name, "random")]  # fmt: skip
    sides = {(row.searches or 0, row.against_searches or 0) for row, _ in met}
    word = "method" if len(strategies) == 1 else "methods"
    end = f"one search each says nothing of the {word}"
    if sides != {(1, 1)}:
        counts = numbers.listed([f"{own} against {theirs}" for own, theirs in sorted(sides)])
        end = f"{counts} searches are too few to judge the {word}"
    if met and all(enough_searches(row) for row, _ in met):
        end = f"searches that ended in one network, trained once, cannot judge the {word}"
    if len(met) > MOST_CLAUSES:
        return _joined([*_grouped(results, [row for _, row in met if row is not None]), end])
    clauses = []
    for contest, row in met:
        if row is None:
            whom = _whom(results, contest)
            clauses.append(
                f"the winners of {contest.strategy} have {results.measure.signed(contest)} against those of {whom}"
            )
            continue
        clauses.append(_of_networks(results, row))
        rivals = [*contests_of(results, contest.strategy, "baseline")]
        rivals += contests_of(results, contest.strategy, "pretrained")
        baselines = {one.against for one in rivals}
        lost = [one for one in results.comparisons if one.entry == row.entry and one.against in baselines]
        clauses += [
            f"{one.entry}'s network lost to the {WORDS[one.role]} {one.against} by {results.measure.loss(one)}"
            for one in lost
            if one.outcome == "lost"
        ]
    return _joined([*clauses, end])


def _grouped(results: Results, rows: Sequence[Comparison]) -> Iterator[str]:
    """Yield the networks by their outcome against those of random search, wins and losses with their sizes."""
    for outcome in ("beat", "lost", "tie", "few", "missing"):
        own = [row for row in rows if row.outcome == outcome]
        if not own:
            continue
        names = numbers.shortened([row.entry for row in own])
        which, that = (f"the network {names}", "that") if len(own) == 1 else (f"the networks {names}", "those")
        if outcome in ("beat", "lost"):
            did = "beat" if outcome == "beat" else "lost to"
            alone = results.measure.measured if outcome == "beat" else results.measure.loss
            size = _sizes(results, own) if len(own) > 1 else alone(own[0])
            yield f"{which} {did} {that} of random search by {size}"
        elif outcome == "tie":
            between_them = f"between {which} and {that} of random search"
            yield f"no difference found{max(map(adjusted, own))} {between_them}"
        else:
            yield f"{'too few trainings to judge' if outcome == 'few' else 'no figure of'} {which}"


def _of_networks(results: Results, row: Comparison) -> str:
    """Tell the comparison of two networks with its size."""
    measure = results.measure
    if row.outcome == "beat":
        return f"{row.entry}'s network beat {row.against}'s by {measure.measured(row)}"
    if row.outcome == "lost":
        return f"{row.entry}'s network lost to {row.against}'s by {measure.loss(row)}"
    if row.outcome == "tie":
        pair = f"{row.entry} and {row.against}{adjusted(row)}"
        return f"no difference found between the networks of {pair}: {measure.between(row)}"
    if row.difference is None:
        return f"the networks of {row.entry} and {row.against} have no difference to show ({row.note or 'no figure'})"
    trained = "one training each" if row.seeds == "1 against 1" else f"{row.seeds} trainings".strip()
    side = measure.worse if row.difference < 0 else measure.better
    apart = f"{measure.amount(row.difference)} {side} {row.against}'s"
    return f"{row.entry}'s network is {apart} after {trained}, too few to judge it"


def _joined(clauses: Sequence[str]) -> str:
    """Join clauses to a sentence without its end; `against random search` introduces the others."""
    first, *rest = clauses
    text = f"{first}: {'; '.join(rest)}" if first == _AGAINST else "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}" if text.startswith(("no ", "too ", "the ", "against ")) else text
