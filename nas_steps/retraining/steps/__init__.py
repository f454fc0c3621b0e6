"""The declarations of the final trainings."""

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

STEPS = steps(
    "nas_steps.retraining",
    Step(
        "retrain",
        "Train one entry by the final recipe and test it once.",
        jobs={"entry": "entries", "seed": "retraining_seeds"},
        when=("trains",),
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
        reads={**RETRAINED, **CONSTRAINTS},
        writes=trained("retraining/{entry}-s{seed}"),
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
                "meant), file, parameters, macs, trainings, sound, valid_accuracy, ranking_score, test_accuracy, "
                "test_low, test_high; rule, judged_by (valid or ranking), behind_best (the most accurate one: entry, "
                "difference, low, high on the validation images), alternatives (role, and the same figures), "
                "considered (every network: the same figures, behind, behind_low, behind_high, may_be_best, note), "
                "export (entries)",
            ),
        },
    ),
    Step(
        "lookup",
        "Look the searches' winners up in the benchmark's table, and compare the strategies.",
        when=("in_table",),
        takes={
            "path": "the benchmark's CSV file",
            "winners": "winners.csv",
            "opponents": "opponents.csv: random search at each strategy's cost",
        },
        reads={**TABLE, "kinds": Reads("search.strategies", derive.kinds, depth=1)},
        writes=COMPARED,
    ),
)
