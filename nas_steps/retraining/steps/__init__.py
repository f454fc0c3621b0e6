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
        "test_loss, test_images, train_seconds; by another `metric` than accuracy also valid_metric, test_metric, "
        "which all other tables are of",
    ),
    "summary": (
        "retraining/summary.csv",
        "one row an entry: entry, kind, strategy, architecture, parameters, macs, trainings, diverged, chance (sound "
        "trainings at chance level), valid_mean, test_mean, test_std, test_low, test_high (95 % over trainings and "
        "test images; over searches in a table), train_seconds (the mean of one training), note",
    ),
    "comparisons": (
        "retraining/comparisons.csv",
        "network against network: entry, strategy, against, role, seeds (trainings of both), difference, low, high (95 "
        "% over trainings and test images), p_value, p_holm (within the role), outcome (beat, lost, tie, few, "
        "missing), note",
    ),
    "contests": (
        "retraining/contests.csv",
        "strategy against opponent: strategy, against, role (random, uniform, largest, baseline), searches, "
        "against_searches (units of each side: searches, uniformly drawn networks, or 1 network), matched (1: random "
        "search at the strategy's cost), difference, low, high (95 % over searches and test images), p_value, p_holm "
        "(over the strategies, within the role), outcome (beat, lost, tie, few, missing), relative_improvement (over "
        "the mean uniformly drawn network), ri_low, ri_high, failed, against_failed (searches with a failed training), "
        "failures_difference, failures_low, failures_high, failures_outcome (with failed trainings at chance level), "
        "note",
    ),
}

TOGETHER = {"together": "retrain.together"}
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
            "weights?": "source.safetensors: the pretrained weights that networks start from",
            "supernet?": "weights.safetensors of the supernet that the network starts from a path of",
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
        reads={**RETRAINED, **TOGETHER, **CONSTRAINTS},
    ),
    training(
        "retrain_by_recipe",
        "Train one entry by a further recipe and test it once.",
        "retraining/recipes/{recipe}/{entry}-s{seed}",
        jobs={"recipe": "recipes", **ENTRIES},
        when=("by_recipes",),
        reads={**RETRAINED, **TOGETHER, **CONSTRAINTS, "recipe": "retrain.recipes.{recipe}"},
        stage="recipes",
    ),
    Step(
        "gather_retraining",
        "Summarise and compare all final trainings.",
        when=("trains",),
        takes={
            "data": "folder of the prepared data",
            "trainings+": "metrics.json of all entries and seeds",
            "predictions+": "predictions.safetensors of the same trainings",
            "opponents": "opponents.csv: random search at each strategy's cost",
        },
        writes=COMPARED,
    ),
    Step(
        "recommend",
        "Recommend a network by validation figures, and list what is exported.",
        when=("trains",),
        reads={"tolerance": "retrain.tolerance"},
        takes={
            "data": "folder of the prepared data",
            "trainings+": "metrics.json of all entries and seeds",
            "predictions+": "predictions.safetensors beside each of them",
            "summary": "summary.csv, for the test figures that are shown",
            "winners?": "winners.csv, if final trainings learn the validation images, too",
        },
        writes={
            "recommended": (
                "recommended.json",
                "entry (null: `reason` says why), kind, strategy, architecture, seed (of the training whose file is "
                "meant), file, parameters, macs, trainings, sound, valid_accuracy, valid_metric, ranking_score, "
                "test_accuracy, test_metric (by the experiment's `metric`), test_low, test_high (of test_metric); "
                "metric, rule, judged_by (valid or ranking), behind_best (the most accurate one: entry, "
                "difference, low, high on the validation images), alternatives (role, and the same figures), "
                "considered (every network: the same figures, behind, behind_low, behind_high, may_be_best, note), "
                "export (entries)",
            ),
        },
    ),
    Step(
        "gather_recipes",
        "Compare the trainings by all recipes, on which a verdict must not depend.",
        when=("by_recipes",),
        takes={
            "data": "folder of the prepared data",
            "trainings+": "metrics.json of the main recipe",
            "others+": "<recipe>/<entry>-s<seed>/metrics.json of the further recipes",
            "predictions+": "predictions.safetensors of all of these trainings",
            "opponents": "opponents.csv: random search at each strategy's cost",
        },
        writes={
            "recipes": (
                "retraining/recipes.csv",
                "one row a recipe (main: retrain.recipe) and entry: recipe, entry, kind, strategy, trainings, "
                "diverged, test_mean, test_std, test_low, test_high",
            ),
            "recipe_contests": (
                "retraining/recipe_contests.csv",
                "recipe, the columns of contests.csv, across (same, not "
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
        takes={
            "path": "the benchmark's CSV file",
            "surrogate?": "surrogate.safetensors, if it completes the table",
            "winners": "winners.csv",
            "opponents": "opponents.csv: random search at each strategy's cost, and the most parameters",
            "largest": "largest.csv: the networks with the most parameters",
        },
        reads={**TABLE, "kinds": Reads("search.strategies", derive.kinds, depth=1)},
        writes=COMPARED,
    ),
    Step(
        "reproduce",
        "Compare the looked up accuracies of each strategy with published ones.",
        when=("reproduces",),
        takes={"retrained": "retrained.csv"},
        reads={
            "published": "report.published",
            "margin": "report.margin",
            "kinds": Reads("search.strategies", derive.kinds, depth=1),
        },
        writes={
            "reproduction": (
                "retraining/reproduction.csv",
                "a row a strategy of report.published: strategy, kind, searches, found (searches that ended in a "
                "network), valid_ and test_ (mean, std, low, high: 95 % t interval over searches), the published "
                "mean, std and searches of both, the difference of the means with Welch's 95 % interval, word (agree, "
                "disagree, undecided, missing; of the test column), why, all_skip (networks whose edges are all skip "
                "connections), skips_each (of each network, in the order of search seeds), source",
            ),
            "found": (
                "retraining/found.csv",
                "a row a search of these strategies: strategy, search_seed, architecture, valid, test, skips, edges "
                "(that are not none), all_skip (1: every one of them is a skip connection)",
            ),
        },
    ),
)
