"""The cautions: what changes how to act on a report, the most important first. The page prints `RULES`."""

import math
from collections.abc import Iterator
from dataclasses import replace

from nas_steps.facts import FEWEST_SEARCHES
from nas_steps.metrics import ACCURACY
from nas_steps.report import evidence, gains, numbers, signals, surrogates
from nas_steps.report.records import Contest
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: the page shows this number of cautions above all else
SHOWN = 3
#: an interval over fewer documents says little of other ones
FEWEST_DOCUMENTS = 30
#: a validation accuracy's error, half of its 95 % interval, above this is a caution
LARGE_ERROR = 0.015
#: a mean test accuracy of all networks above this leaves no room for differences
CEILING = 0.995

_ORDER = (
    f"Of the cautions that apply the first {SHOWN} are shown, in this order: the outcome changes with the recipe; "
    "trainings failed; too few searches; a surrogate predicts; budgets "
    "not matched, in MACs or in seconds; sizes not matched; a training at "
    "chance level; one training seed; the score does not rank; "
)
RULES = (
    f"{_ORDER}a collapsed search; undecided alphas; few validation images; accuracies near 100 %. The others are "
    "folded.",
    f"Few validation images: chance alone moves an accuracy on them by more than {numbers.points(LARGE_ERROR)} points "
    f"(half of a 95 % interval). Near 100 %: the networks' mean test accuracy is above {numbers.share(CEILING)}.",
)
RULES_OF_TEXT = (
    f"{_ORDER}few documents. The others are folded.",
    f"Few documents: the test part has fewer than {FEWEST_DOCUMENTS}. The interval is then over blocks of neighbouring "
    "windows, which are alike within a document.",
)


def ranked(results: Results) -> list[Sentence]:
    """List the cautions that apply, the most important first."""
    return [
        *recipe(results),
        *failures(results),
        *few_searches(results),
        *surrogates.told(results),
        *surrogates.optimism(results),
        *signals.unmatched(results),
        *gains.unmatched_sizes(results),
        *at_chance(results),
        *one_seed(results),
        *unranked(results),
        *signals.collapses(results),
        *signals.undecided(results),
        *few_validation_images(results),
        *ceiling(results),
        *few_documents(results),
    ]


def recipe(results: Results) -> Iterator[Sentence]:
    """Warn of outcomes that change with the recipe, with the agreement of the recipes."""
    flipped = [row for row in results.contests if evidence.flips(evidence.by_recipe(results, row))]
    if not flipped:
        return
    strategies = dict.fromkeys(row.strategy for row in flipped)
    named = numbers.listed(
        [
            f"{strategy} against {numbers.listed([row.against for row in flipped if row.strategy == strategy])}"
            for strategy in strategies
        ]
    )
    text = f"The outcome of {named} changes with the recipe; judge by the recipe that you will ship with."
    taus = [
        f"{row['recipe']} and {row['other']} {numbers.plain(row['kendall_tau'])}"
        for row in results.recipe_agreement
        if row["kendall_tau"] is not None
    ]
    more = f" Kendall's tau between recipes: {numbers.listed(taus)}." if taus else ""
    yield Sentence(text + more, "warning")


def failures(results: Results) -> Iterator[Sentence]:
    """Warn of failed final trainings, with the figure that counts them as losses."""
    text = signals.failed_trainings(results)
    if not text:
        return
    counted = [
        f"{row.strategy} against {row.against} {_at_chance(results, row)}"
        for row in results.contests
        if row.role == "random"
        and (row.failed or row.against_failed)
        and None not in (row.difference, row.failures_difference)
    ]
    more = f" With failures at chance level: {numbers.listed(counted)}." if counted else ""
    yield Sentence(text + more, "warning")


def _at_chance(results: Results, row: Contest) -> str:
    counted = replace(row, difference=row.failures_difference, low=row.failures_low, high=row.failures_high)
    return results.measure.signed(counted, results.measure.decimals(None, None))


def few_searches(results: Results) -> Iterator[Sentence]:
    """Warn of strategies with too few searches for a claim."""
    unjudged = [row for row in results.contests if row.role == "random" and row.outcome == "few"]
    few = [row for row in unjudged if not evidence.enough_searches(row)]
    if few:
        names = numbers.listed(list(dict.fromkeys(row.strategy for row in few)))
        had = min(min(row.searches or 0, row.against_searches or 0) for row in few)
        text = f"{numbers.plural(had, 'search')} a side cannot judge {names}"
        yield Sentence(f"{text}: run {FEWEST_SEARCHES} or more (search.seeds).", "warning")
    if others := list(dict.fromkeys(row.strategy for row in unjudged if evidence.enough_searches(row))):
        text = f"Searches ended in one network that was trained once, which cannot judge {numbers.listed(others)}"
        yield Sentence(f"{text}: train each network twice or more (retrain.seeds).", "warning")


def at_chance(results: Results) -> Iterator[Sentence]:
    """Name the trainings that ended at chance level: the lowest of an entry that counts any."""
    named = []
    for entry in results.entries:
        own = [one for one in results.trainings if one.entry == entry.entry and one.figure is not None]
        own.sort(key=lambda one: one.figure or 0.0)
        named += [
            f"{one.entry} with seed {one.seed} ({results.measure.level(one.figure)})"
            for one in own[: entry.chance or 0]
        ]
    if named:
        trainings = f"{numbers.plural(len(named), 'training')} ended at chance level: {numbers.shortened(named)}"
        yield Sentence(f"{trainings}. The mean of such a network is not that of a trained one.", "warning")


def one_seed(results: Results) -> Iterator[Sentence]:
    """Warn if each network was trained once."""
    if results.table is None and results.config.retrain.seeds == 1:
        text = "Each network was trained once: how far another training of it would differ is not known"
        yield Sentence(f"{text} (retrain.seeds).", "warning")


def unranked(results: Results) -> Iterator[Sentence]:
    """Warn if the search's score does not rank a uniform sample."""
    names = [row.estimator for row in signals.of_the_sample(results) if signals.ranking_of(row).tone != "win"]
    if names:
        text = f"The score {numbers.listed(names)} cannot be said to rank the space: train more candidates of each"
        yield Sentence(f"{text} search (ranking.shortlist).", "warning")


def few_validation_images(results: Results) -> Iterator[Sentence]:
    """Warn if chance moves accuracies on the validation images by much."""
    counts = (results.meta or {}).get("counts", {}).get("valid")
    known = [entry.valid_mean for entry in results.entries if entry.valid_mean is not None]
    if not counts or not known:
        return
    images, accuracy = sum(counts.values()), max(known)
    worth = images
    if results.config.metric != ACCURACY and min(counts.values()):
        # a mean over classes is as exact as an accuracy on this number of images
        worth = len(counts) ** 2 / sum(1 / count for count in counts.values())
    error = 1.96 * math.sqrt(accuracy * (1 - accuracy) / worth)
    if error > LARGE_ERROR:
        text = (
            f"Chance moves an accuracy on {numbers.count(images)} validation images by ±{numbers.points(error)} points"
        )
        yield Sentence(f"{text}: choices by validation are no finer.", "warning")


def ceiling(results: Results) -> Iterator[Sentence]:
    """Warn if all accuracies are near 100 %."""
    known = [entry.test_mean for entry in results.entries if entry.test_mean is not None]
    if known and sum(known) / len(known) > CEILING:
        text = f"The networks' mean test accuracy is {numbers.share(sum(known) / len(known), 2)}: harder data are"
        yield Sentence(f"{text} needed to tell strategies apart.", "warning")


def few_documents(results: Results) -> Iterator[Sentence]:
    """Warn if the interval of a language model is over blocks of a few documents."""
    documents = (results.meta or {}).get("parts", {}).get("test", {}).get("documents", FEWEST_DOCUMENTS)
    if documents < FEWEST_DOCUMENTS:
        text = f"The test part has {numbers.plural(documents, 'document')}, so that intervals are over blocks of text"
        yield Sentence(f"{text}: of other documents they say little.", "warning")
