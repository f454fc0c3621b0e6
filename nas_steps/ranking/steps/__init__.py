"""The declarations of the steps of the ranking: the shortlist, and the uniform sample that judges scores."""

from typing import Any

from nas_steps.config import derive
from nas_steps.config.reads import CONSTRAINTS, FINAL, SEARCHED, SEED, SPACE, TABLE
from nas_steps.provenance.step import COST, Reads, Step, steps
from nas_steps.provenance.versions import TRAINS

ESTIMATORS = "nas_steps.estimation.estimators"
DATA = {"data": "folder of the prepared data"}
WEIGHTS = {"weights?": "source.safetensors: the pretrained weights that networks start from"}
PROXY = "nas_steps.estimation.proxies.{estimator[proxy]}"
SHARD = {"shard": "shards"}
ESTIMATES = (
    "index, architecture, score, status, reason, parameters, macs, seconds, epochs; of extrapolated curves saved "
    "(epochs), low, high, predicted"
)
TRAINED = {
    **FINAL,
    "estimator": Reads(derive.ranking_recipe, derive.ranking_estimator, depth=2),
    "share": "ranking.final_share",
}
SCORES = "CSV files with columns architecture and score"
CANDIDATES = {"candidates+": "candidates.csv of all searches"}
HISTORIES = {"histories+": "history.csv of all searches"}
BUDGET = {"budget": "budget.json"}
MATCHES = {"matches": "matches.csv"}
WINNERS = (
    "ranking/winners.csv",
    "entry, kind, strategy, search_seed, architecture, score; entry `random.2-0` is what random search had found "
    "within a strategy's own cost, if that is another network than in the end and within the budgets of lower slots",
)
MATCHED = (
    "strategy, search_seed, random, evaluations (how many of the random search's first ones cost as much), of (all "
    "of its evaluations), cost (of this search, training MACs for each image), random_cost (of these evaluations), "
    "matched (1: within 10 %, or in a table or with shared weights as many evaluations), note"
)
OPPONENTS = (
    "ranking/opponents.csv",
    f"{MATCHED}; entry (of winners.csv: the best that these evaluations had found; empty if there is none), seconds, "
    "random_seconds (each with the trainings that rank their candidates, without process starts and imports)",
)
SEARCH_COSTS = (
    "ranking/search_costs.csv",
    "what each search took: strategy, search_seed, training_macs (for each image), evaluations, search_seconds, "
    "ranking_seconds (the trainings of its own shortlist), note; process starts and imports are left out",
)
BEYOND_MACS = (
    "spearman, spearman_macs (of MACs alone, on the same architectures), lead (the first less the second), partial "
    "(spearman given MACs; each with _low and _high), partial_n, claim (more: the score says more than MACs; nothing, "
    "same order: it adds nothing; few: too few to say; unknown), partial_note"
)
AGREEMENT = (
    "ranking/agreement.csv",
    f"strategy, estimator, architectures, kendall_tau, low, high, p_value, note; {BEYOND_MACS}",
)


def scoring(name: str, summary: str, file: str, **more: Any) -> Step:
    """Declare a step that scores a share of some architectures, and writes the estimates to `file`.csv."""
    return Step(
        name,
        summary,
        {"estimates": (f"{file}.csv", ESTIMATES), "cost": (f"{file}.cost.json", COST)},
        module="nas_steps.estimation.steps.evaluate",
        packages=TRAINS,
        device=True,
        takes={**DATA, **WEIGHTS, "proposals": "CSV file with index and architecture"},
        options={"shards": "number of shares"},
        **more,
    )


STEPS = steps(
    "nas_steps.ranking",
    Step(
        "sample",
        "Draw the architectures by which scores are judged: uniformly, no two of them isomorphic.",
        when=("sampled",),
        takes={"blocks?": "blocks.csv, if the searches keep constraints"},
        reads={**SEED, **SPACE, **CONSTRAINTS, "uniform": "ranking.uniform"},
        writes={"sample": ("ranking/sample/proposals.csv", "index, architecture")},
    ),
    scoring(
        "train_sample",
        "Train a share of the uniform sample as the shortlist is trained.",
        "ranking/sample/seed-{seed}-shard-{shard}",
        jobs={"seed": "ranking_seeds", **SHARD},
        when=("sampled",),
        kinds=(f"{ESTIMATORS}.short_training",),
        reads=TRAINED,
    ),
    scoring(
        "score_sample",
        "Score a share of the uniform sample as the search scores.",
        "ranking/sample/score-{shard}",
        jobs=SHARD,
        when=("sampled", "scores_by_jobs"),
        kinds=(f"{ESTIMATORS}.{{estimator[kind]}}", PROXY),
        reads={**SEARCHED, "estimator": "search.estimator"},
    ),
    Step(
        "score_by_supernet",
        "Score given architectures by the shared weights of a trained supernet.",
        module="nas_steps.search.steps.score_by_supernet",
        when=("sampled", "one_shot"),
        packages=TRAINS,
        device=True,
        takes={
            **DATA,
            "weights": "weights.safetensors of the supernet",
            "architectures": "text file with an architecture a line, or CSV file with a column architecture",
        },
        reads={**SEARCHED, "estimator": "search.estimator"},
        writes={
            "scores": (
                "ranking/sample/score-0.csv",
                "rank, architecture, score, running, reestimated, parameters, macs",
            ),
            "cost": ("ranking/sample/score-0.cost.json", COST),
        },
    ),
    scoring(
        "screen_sample",
        "Score a share of the uniform sample by the screen's proxy.",
        "ranking/sample/screen-{shard}",
        jobs=SHARD,
        when=("sampled", "screens"),
        kinds=(f"{ESTIMATORS}.zero_cost", PROXY),
        reads={**SEARCHED, "estimator": Reads("search.screen", derive.screen_as_estimator, depth=1)},
    ),
    Step(
        "calibrate",
        "Judge by the uniform sample how many of the best scored candidates must be trained.",
        when=("sampled",),
        takes={
            "sample": "proposals.csv of the uniform sample",
            "trainings+": "its seed-<seed>-shard-<shard>.csv",
            "scores+": SCORES,
            **CANDIDATES,
        },
        reads={
            **SEED,
            "estimator": Reads("search.estimator", derive.score_name),
            "shortlist": "ranking.shortlist",
            "tolerance": "ranking.tolerance",
            "most": "ranking.most",
        },
        writes={
            "calibration": (
                "ranking/calibration.json",
                "the shortlist's length and why; tau on the sample, what the score says beyond MACs (columns of "
                "agreement.csv), candidates of a search, how many are enough; "
                "noise (of one training), spread (of expected accuracies), reliability (of a mean), true_tau (with "
                "expected accuracies), within (the probability that the pick is within the tolerance), each with _low "
                "and _high; best (the fewest trainings that suffice, else the best split into k and seeds), same_cost "
                "(the best split of as many trainings)",
            ),
            "sufficiency": (
                "ranking/sufficiency.csv",
                "predictor, read (1: it decides), k, seeds (trainings of each), regret, regret_95, holds_top, within, "
                "enough, each with _low and _high; tau (with expected accuracies), candidates",
            ),
        },
    ),
    Step(
        "match",
        "Count how many of random search's first evaluations cost as much as each other search.",
        when=("trains",),
        takes={**BUDGET, **HISTORIES},
        reads={"kinds": Reads("search.strategies", derive.kinds, depth=1)},
        writes={"matches": ("ranking/matches.csv", MATCHED)},
    ),
    Step(
        "shortlist",
        "Take the best candidates of each search, and of random search within smaller budgets.",
        when=("trains",),
        takes={**CANDIDATES, **HISTORIES, **MATCHES, "calibration?": "calibration.json, if the config says `auto`"},
        reads={"shortlist": "ranking.shortlist", "kinds": Reads("search.strategies", derive.kinds, depth=1)},
        writes={
            "shortlist": (
                "ranking/shortlist.csv",
                "index, architecture, strategy, kind, search_seed, search_rank, search_score, estimator, within (all: "
                "among the best of the whole search; n: among the best of its first n evaluations)",
            )
        },
    ),
    scoring(
        "train_shortlist",
        "Train a share of the shortlist anew.",
        "ranking/seed-{seed}-shard-{shard}",
        jobs={"seed": "ranking_seeds", **SHARD},
        when=("trains",),
        kinds=(f"{ESTIMATORS}.short_training",),
        reads=TRAINED,
    ),
    Step(
        "rank",
        "Rank the shortlist by its new trainings.",
        when=("trains",),
        takes={
            **BUDGET,
            **HISTORIES,
            **MATCHES,
            "costs*": "cost.json of the searches by a supernet of their own",
            "supernets*": "cost.json of the shared supernets",
            "shortlist": "shortlist.csv",
            "trainings+": "estimates of all seeds and shards",
        },
        writes={
            "ranked": (
                "ranking/ranked.csv",
                "rank, index, architecture, score, std, trainings, status, proposed_by, parameters, macs",
            ),
            "agreement": AGREEMENT,
            "winners": WINNERS,
            "opponents": OPPONENTS,
            "search_costs": SEARCH_COSTS,
        },
    ),
    Step(
        "compare",
        "Hold every estimator's scores of the pool against the accuracies after separate training.",
        when=("trains",),
        takes={
            "shortlist": "shortlist.csv",
            "trainings+": "seed-<seed>-shard-<shard>.csv of shortlist and sample",
            "sample?": "proposals.csv of the uniform sample",
            "scores*": SCORES,
            "screening*": f"{SCORES} of the screen's proxy",
        },
        reads={
            "estimator": Reads("search.estimator", derive.score_name),
            "screen": "search.screen.proxy",
            "own": Reads("search.strategies", derive.with_own_supernet),
        },
        writes={
            "estimators": (
                "ranking/estimators.csv",
                "estimator (also parameters, MACs), pool (uniform sample, whole pool), part (all, "
                "better half), measure "
                "(kendall, spearman, precision, regret; given_macs: spearman given MACs; lead: spearman less that of "
                "MACs), k, value, low, high, n, p_value, ceiling, halves (each with _low, _high), claim (of "
                "given_macs, as in agreement.csv), note, ceiling_note; regrets are shares of accuracy; the interval of "
                "precision and regret "
                "is where 95 % of other pools of the same size would lie",
            ),
            "pool": (
                "ranking/pool.csv",
                "sample and shortlist: architecture, sampled, shortlisted, accuracy, std, trainings, parameters, macs, "
                "accuracy_seed_<s>, score_<estimator>",
            ),
        },
    ),
    Step(
        "rank_in_table",
        "Name the winners of searches in a benchmark's table.",
        when=("in_table",),
        takes={
            "path": "the benchmark's CSV file",
            "surrogate?": "surrogate.safetensors, if it completes the table",
            **CANDIDATES,
            **HISTORIES,
            "costs*": "cost.json of the searches by a supernet of their own",
        },
        reads={
            **TABLE,
            **CONSTRAINTS,
            "kinds": Reads("search.strategies", derive.kinds, depth=1),
            "own": Reads("search.strategies", derive.with_own_supernet),
        },
        writes={
            "budget": ("search/budget.json", "how many evaluations each strategy got"),
            "winners": WINNERS,
            "agreement": AGREEMENT,
            "opponents": OPPONENTS,
            "search_costs": SEARCH_COSTS,
            "largest": (
                "ranking/largest.csv",
                "the columns of winners.csv: for each search seed the network with the most parameters of random "
                "search's first draws (most_parameters), and of the table (most_parameters_in_table), within limits",
            ),
            "looked_up": (
                "ranking/looked_up.csv",
                "every architecture that was evaluated, or is an opponent: evaluations, parameters, macs; for search, "
                "report and each further column its value, the 90 % interval of a predicted one (_low, _high) and "
                "whether it was measured (_measured, 1 or 0)",
            ),
        },
    ),
)
