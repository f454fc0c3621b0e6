"""The declarations of the final trainings."""

from typing import Any

from nas_steps.config import derive
from nas_steps.config.reads import CONSTRAINTS, RETRAINED, TABLE
from nas_steps.provenance.step import FAMILY, Reads, Step, steps, trained
from nas_steps.provenance.versions import TRAINS

COMPARED = {
    "retrained": (
        "retraining/retrained.csv",
        "one row a training: entry, kind, seed, status, architecture, parameters, macs, valid_accuracy, test_accuracy, "
        "test_loss, test_images, train_seconds",
    ),
    "summary": (
        "retraining/summary.csv",
        "one row an entry: entry, kind, strategy, architecture, parameters, macs, trainings, diverged, valid_mean, "
        "test_mean, test_std, test_low, test_high, train_seconds (the mean of one training)",
    ),
    "comparisons": (
        "retraining/comparisons.csv",
        "entry, strategy, against, role, pairs, difference, low, high (t interval), p_value (t test), bootstrap_low, "
        "bootstrap_high (studentised, from 5 pairs), p_flips (sign-flip test), least_p_flips (the "
        "smallest that so many "
        "pairs can give), spread, effect (Hedges' g of the paired differences), seeds_needed (for 80 % power at this "
        "effect; empty: a million or more), detectable (difference found with 80 % power), p_holm, note",
    ),
    "contests": (
        "retraining/contests.csv",
        "strategies as a whole: strategy, against, role, of (mean: of all winners; best: of k, chosen by validation "
        "accuracy), k, searches, pairs, the columns of comparisons.csv, p_holm and p_flips_holm (over the strategies), "
        "searches_low, searches_high, searches_p (Welch), note",
    ),
}

ENTRIES = {"entry": "entries", "seed": "retraining_seeds"}


def training(name: str, summary: str, folder: str, **more: Any) -> Step:
    """Declare a step that trains one entry into `folder`."""
    return Step(
        name,
        summary,
        trained(folder),
        module="nas_steps.retraining.steps.retrain",
        packages=TRAINS,
        kinds=FAMILY,
        device=True,
        takes={
            "data": "folder of the prepared data",
            "winners?": "winners.csv: a searched entry's architecture, or what a baseline is to match",
            "blocks?": "blocks.csv, for a uniform draw within constraints",
        },
        options={
            "kind": "searched, random, uniform, largest or baseline",
            "family?": "the family of a hand-designed network",
            "macs?": "the largest number of MACs of a baseline",
            "parameters?": "the largest number of parameters of a baseline",
        },
        **more,
    )


STEPS = steps(
    "nas_steps.retraining",
    training(
        "retrain",
        "Train one entry by the final recipe and test it once.",
        "retraining/{entry}-s{seed}",
        jobs=ENTRIES,
        when=("trains",),
        reads={**RETRAINED, **CONSTRAINTS},
    ),
    training(
        "retrain_by_recipe",
        "Train one entry by a further recipe and test it once.",
        "retraining/recipes/{recipe}/{entry}-s{seed}",
        jobs={"recipe": "recipes", **ENTRIES},
        when=("by_recipes",),
        reads={**RETRAINED, **CONSTRAINTS, "recipe": "retrain.recipes.{recipe}"},
        stage="recipes",
    ),
    Step(
        "gather_retraining",
        "Summarise and compare all final trainings.",
        when=("trains",),
        takes={"trainings+": "metrics.json of all entries and seeds"},
        writes=COMPARED,
    ),
    Step(
        "gather_recipes",
        "Compare the trainings by all recipes, on which a verdict must not depend.",
        when=("by_recipes",),
        takes={
            "trainings+": "metrics.json of the main recipe",
            "others+": "<recipe>/<entry>-s<seed>/metrics.json of the further recipes",
        },
        writes={
            "recipes": (
                "retraining/recipes.csv",
                "one row a recipe (main: retrain.recipe) and entry: recipe, entry, kind, strategy, trainings, "
                "diverged, test_mean, test_std, test_low, test_high",
            ),
            "recipe_contests": (
                "retraining/recipe_contests.csv",
                "recipe, the columns of contests.csv, outcome (beat, lost, tie, few, missing), across (same, not "
                "confirmed: one recipe shows a difference and another none, reversed: beat by one, lost by another)",
            ),
            "recipe_agreement": (
                "retraining/recipe_agreement.csv",
                "every two recipes: recipe, other, entries, kendall_tau (tau-b of mean test accuracies), low, high (95 "
                "% bootstrap over entries, from 7 on), p_value (of no association), note",
            ),
        },
    ),
    Step(
        "lookup",
        "Look the searches' winners up in the benchmark's table, and compare the strategies.",
        when=("in_table",),
        takes={"path": "the benchmark's CSV file", "winners": "winners.csv"},
        reads={**TABLE, "kinds": Reads("search.strategies", derive.kinds, depth=1)},
        writes=COMPARED,
    ),
)
