"""The declarations of the steps of a search."""

from typing import Any

from nas_steps.config import derive
from nas_steps.config.reads import CONSTRAINTS, LATENCY_TABLE, SEARCHED, SEED, SPACE, TABLE
from nas_steps.provenance.step import COST, Reads, Step, steps
from nas_steps.provenance.versions import TRAINS
from nas_steps.search import counting

FOLDER = "search/{strategy}-{seed}"
ROUND = f"{FOLDER}/round-{{round}}"
SUPERNET = "supernet/seed-{seed}"
STRATEGY = {"strategy": "search.strategies.{strategy}"}
ASKING = {"strategy": Reads("search.strategies.{strategy}", derive.strategy, depth=1)}
SHARED = {**SEARCHED, "estimator": "search.estimator"}
SAMPLER = "nas_steps.search.samplers.{strategy[kind]}"
#: the packages that samplers compute by
BY_KIND = {"reinforce": ("torch",), "milp": ("scipy",), "bayesian": ("scipy",)}
ENDS = {
    "candidates": (
        f"{FOLDER}/candidates.csv",
        "rank, architecture, score, estimator, status; those with a score, best first",
    ),
    "history": (
        f"{FOLDER}/history.csv",
        "step, round, architecture, score, best, status, reason, epochs, saved, parameters, macs (of the network that "
        "was scored), seconds, loss, entropy, parameter_free; of a supernet, by epoch, also parameter_free_reduce, "
        "skips, "
        "discrete_accuracy (the strongest operations alone, statistics re-estimated), "
        "inherited_accuracy (the same with "
        "running statistics), eigenvalue, products (with the Hessian), chosen (1: handed on), drawn "
        "(architectures that were drawn and scored in the end); of a strategy that predicts scores predicted, "
        "prediction_rmse (root mean square, left out), optimality (of the solver), mip_gap (relative)",
    ),
}
DATA = {"data": "folder of the prepared data"}
WEIGHTS = {"weights?": "source.safetensors: the pretrained weights that networks start from"}
ON_DEVICE: Any = {"packages": TRAINS, "device": True}
COSTS = {"blocks?": "blocks.csv, if costs are constrained or have to be known before an evaluation"}

SURROGATE = {"surrogate?": "surrogate.safetensors, if it completes the table"}

STEPS = steps(
    "nas_steps.search",
    Step(
        "measure_blocks",
        "Count what each block of a space's networks costs, and measure its latency if that is wanted.",
        when=("trains", "needs_blocks"),
        packages=(*TRAINS, "onnxruntime"),
        device=True,
        takes={**DATA, "latencies?": "latency.csv of a kit, if latency was measured on another device"},
        reads={
            **SEED,
            **SPACE,
            **LATENCY_TABLE,
            "network": "retrain.network",
            "batch": Reads("search.constraints.latency.batch", derive.batch),
            "latency": Reads("search.constraints.latency", derive.latency, depth=1, whole="search.constraints"),
        },
        writes={
            "blocks": ("search/blocks.csv", "parameters, MACs, ms and MB of activations of each block of a network"),
            "latency": (
                "search/latency.json",
                "what the ms were measured on, how busy the machine was (load), and how well they predict networks",
            ),
            "cost": ("search/blocks.cost.json", COST),
        },
    ),
    Step(
        "profile_space",
        "Tell what the space's networks cost, and how many of them keep the constraints.",
        when=("trains", "needs_blocks"),
        takes={**DATA, "blocks": "blocks.csv"},
        reads={**SEED, **SPACE, **CONSTRAINTS},
        writes={
            "profile": (
                "search/profile.csv",
                "cost (all: every constraint together), least, median, largest, limit, within (architectures of the "
                "uniform sample that keep it), share, low, high (95 % interval), sample",
            ),
            "details": ("search/profile.json", "the same with the size of the space"),
            "cost": ("search/profile.cost.json", COST),
        },
    ),
    Step(
        "budget",
        "Count each strategy's training cost and match random search to it.",
        when=("trains",),
        takes={**DATA, **COSTS},
        reads={
            **SEED,
            **SPACE,
            **CONSTRAINTS,
            "network": "search.network",
            "evaluation": Reads("search.estimator", counting.evaluation),
            "screened": Reads("search.screen", counting.screened),
            "strategies": Reads("search.strategies", counting.counted_strategies, depth=1),
            "supernet": Reads("search.estimator", counting.counted_supernet),
        },
        writes={
            "budget": (
                "search/budget.json",
                "the training cost of each strategy in MACs, how many evaluations random search gets, and the "
                "prices that a finished search is counted by",
            ),
            "cost": ("search/budget.cost.json", COST),
        },
    ),
    Step(
        "propose",
        "Ask a strategy for the architectures of its next round.",
        jobs={"strategy": "in_rounds", "seed": "search_seeds", "round": "rounds"},
        when=("trains",),
        kinds=(SAMPLER,),
        kind_packages=BY_KIND,
        takes={
            "budget?": "budget.json, for random search that is matched to it",
            **COSTS,
            "earlier?": "evaluations.csv of the round before: all rounds before that one",
            "state?": "state.safetensors of the round before, which knows what it was told",
            "evaluated*": "shards of the rounds since, oldest first",
        },
        reads={
            **SEED,
            **SPACE,
            **CONSTRAINTS,
            **ASKING,
            "rungs": Reads("search.estimator", derive.rungs),
            "eta": "search.estimator.halving.eta",
            "proposals_per_evaluation": "search.screen.proposals_per_evaluation",
            "beats": Reads("search.estimator.stop_below", derive.gives_up),
            "finish": "search.estimator.finish",
        },
        writes={
            "proposals": (
                f"{ROUND}/proposals.csv",
                "index, architecture; with successive halving epochs, promoted; for extrapolation incumbent, whole, "
                "residuals",
            ),
            "evaluations": (f"{ROUND}/evaluations.csv", "the estimates of all rounds before, with their round"),
            "predictions": (
                f"{ROUND}/predicted.csv",
                "architecture, predicted (its score, before the evaluation), prediction_rmse, optimality, mip_gap; no "
                "rows if the strategy predicts none",
            ),
            "state": (f"{ROUND}/state.safetensors", "what the strategy knows: numbers as tensors, all else as JSON"),
        },
    ),
    Step(
        "screen",
        "Choose which of a round's proposals are evaluated, by a score that needs no training.",
        module="nas_steps.estimation.steps.screen",
        jobs={"strategy": "in_rounds", "seed": "search_seeds", "round": "rounds"},
        when=("trains", "screens"),
        kinds=("nas_steps.estimation.proxies.{screen[proxy]}",),
        **ON_DEVICE,
        takes={**DATA, "proposals": "proposals.csv of the round"},
        reads={**SEARCHED, "screen": "search.screen"},
        writes={
            "screened": (f"{ROUND}/screened.csv", "the proposals that are evaluated"),
            "rejected": (f"{ROUND}/rejected.csv", "the others, as estimates without a score"),
            "cost": (f"{ROUND}/screen.cost.json", COST),
        },
    ),
    Step(
        "evaluate",
        "Score a share of a round's architectures.",
        module="nas_steps.estimation.steps.evaluate",
        jobs={"strategy": "in_rounds", "seed": "search_seeds", "round": "rounds", "shard": "shards"},
        when=("trains",),
        kinds=("nas_steps.estimation.estimators.{estimator[kind]}", "nas_steps.estimation.proxies.{estimator[proxy]}"),
        **ON_DEVICE,
        takes={**DATA, **WEIGHTS, "proposals": "CSV file with index and architecture"},
        options={"shards": "number of shares"},
        reads=SHARED,
        writes={
            "estimates": (
                f"{ROUND}/shard-{{shard}}.csv",
                "index, architecture, score, status, reason, parameters, macs, seconds, epochs; of extrapolated curves "
                "saved (epochs), low, high, predicted",
            ),
            "cost": (f"{ROUND}/shard-{{shard}}.cost.json", COST),
        },
    ),
    Step(
        "gather_search",
        "End a strategy that asks and tells: candidates and history.",
        jobs={"strategy": "in_rounds", "seed": "search_seeds"},
        when=("trains",),
        takes={
            "earlier?": "evaluations.csv of the last round: all rounds before it",
            "evaluated*": "shards of the rounds since, oldest first",
            "predictions*": "predicted.csv of all rounds, oldest first",
        },
        reads={
            "estimator": Reads("search.estimator", derive.estimator_name),
            "rungs": Reads("search.estimator", derive.rungs),
        },
        writes=ENDS,
    ),
    Step(
        "darts",
        "Train a supernet whose alphas weigh the operations; keep the likeliest cells.",
        jobs={"strategy": "gradient", "seed": "search_seeds"},
        when=("reads_images",),
        kinds=("nas_steps.search.darts.kinds.{strategy[kind]}",),
        **ON_DEVICE,
        takes=DATA,
        reads={**SEARCHED, **STRATEGY},
        writes={
            **ENDS,
            "alphas": (f"{FOLDER}/alphas.json", "the alphas of every epoch"),
            "cost": (f"{FOLDER}/cost.json", COST),
        },
    ),
    Step(
        "enas",
        "Train a controller by REINFORCE over shared weights; keep the best architectures that it draws.",
        jobs={"strategy": "enas", "seed": "search_seeds"},
        when=("reads_images",),
        **ON_DEVICE,
        takes={**DATA, **WEIGHTS},
        reads={**SEARCHED, **STRATEGY},
        writes={**ENDS, "cost": (f"{FOLDER}/cost.json", COST)},
    ),
    Step(
        "supernet",
        "Train the supernet that all strategies of a search seed share.",
        stage="supernet",
        jobs={"seed": "search_seeds"},
        when=("one_shot",),
        **ON_DEVICE,
        takes={**DATA, **WEIGHTS},
        # the metric, too, which no class may leave undefined
        reads={**SEARCHED, "supernet": "search.estimator.supernet"},
        writes={
            "weights": (f"{SUPERNET}/weights.safetensors", "the weights that all architectures share, by their names"),
            "history": (
                f"{SUPERNET}/history.csv",
                "epoch, learning_rate, paths (each a batch along one architecture), train_loss, "
                "train_accuracy, seconds",
            ),
            "cost": (f"{SUPERNET}/cost.json", COST),
        },
    ),
    Step(
        "supernet_statistics",
        "Look at a trained supernet: accuracies of a fixed sample of architectures.",
        stage="supernet",
        jobs={"seed": "search_seeds"},
        when=("one_shot",),
        **ON_DEVICE,
        takes={**DATA, "weights": "weights.safetensors of the supernet"},
        reads=SHARED,
        writes={
            "statistics": (
                f"{SUPERNET}/statistics.csv",
                "of 32 architectures drawn alike for all seeds: parameters, macs, accuracy with the training's running "
                "statistics of batch norms and with re-estimated ones (running, reestimated)",
            ),
            "summary": (
                f"{SUPERNET}/statistics.json",
                "means, least, best of both; Spearman's correlation of one with the other and of each with macs",
            ),
            "cost": (f"{SUPERNET}/statistics.cost.json", COST),
        },
    ),
    Step(
        "one_shot",
        "Search by the shared weights of a trained supernet.",
        jobs={"strategy": "sampling", "seed": "search_seeds"},
        when=("one_shot",),
        kinds=(SAMPLER,),
        kind_packages={kind: BY_KIND[kind] for kind in ("milp", "bayesian")},
        **ON_DEVICE,
        takes={
            **DATA,
            "weights": "weights.safetensors of the supernet of this search seed",
            **COSTS,
        },
        reads={
            **SHARED,
            **CONSTRAINTS,
            **STRATEGY,
            "evaluations": Reads("search.strategies", counting.most_evaluations),
        },
        writes={**ENDS, "cost": (f"{FOLDER}/cost.json", COST)},
    ),
    Step(
        "fit_surrogate",
        "Fit and check the surrogate that completes a benchmark's table.",
        module="nas_steps.estimation.steps.fit_surrogate",
        when=("in_table", "by_surrogate"),
        packages=("numpy", "scipy"),
        takes={"path": "the benchmark's CSV file"},
        reads=TABLE,
        writes={
            "surrogate": (
                "search/surrogate.safetensors",
                "a Gaussian process for each column: inputs, kernel, duals, and in the header mean, std, log, factor",
            ),
            "checks": (
                "search/surrogate.csv",
                "column, rows, kendall_tau, rmse (of the column, accuracies as shares), relative_rmse (of costs), "
                "coverage (of 90 % intervals), all by ten-fold cross-validation; the same of the tenth that is "
                "predicted best: best_rows, best_bias (predicted less measured), best_coverage",
            ),
            "cost": ("search/surrogate.cost.json", COST),
        },
    ),
    Step(
        "replay",
        "Search in a benchmark's table.",
        jobs={"strategy": "sampling", "seed": "search_seeds"},
        when=("in_table",),
        kinds=(SAMPLER,),
        kind_packages=BY_KIND,
        takes={"path": "the benchmark's CSV file", **SURROGATE},
        reads={
            **SEED,
            **TABLE,
            **CONSTRAINTS,
            **STRATEGY,
            "evaluations": Reads("search.strategies", counting.most_evaluations),
        },
        writes={**ENDS, "cost": (f"{FOLDER}/cost.json", COST)},
    ),
)
