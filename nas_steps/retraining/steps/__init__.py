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
        takes={"trainings+": "metrics.json of all entries and seeds"},
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
        takes={"path": "the benchmark's CSV file", "winners": "winners.csv"},
        reads={**TABLE, "kinds": Reads("search.strategies", derive.kinds, depth=1)},
        writes=COMPARED,
    ),
)
