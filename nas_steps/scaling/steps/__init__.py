"""The declarations of compound scaling, of search against scaling (the factorial), and of the rungs."""

from nas_steps.config import derive
from nas_steps.config.reads import COMPUTE, CONSTRAINTS, FINAL, RETRAINED, SEED
from nas_steps.provenance.step import COST, FAMILY, Reads, Step, steps, trained
from nas_steps.provenance.versions import TRAINS

DATA = {"data": "folder of the prepared data"}
RANKED = {"ranked": "ranked.csv; its first row is scaled"}
#: the number of seeds is the number of jobs
JOBS = ("recipe", "seeds", "factorial", "rungs")
#: the members' keys are no part of the grid
OF_MEMBERS = ("members", "mac_budget", "dropout_growth", "drop_path_growth", "warm_start")
GRID = {
    **FINAL,
    "recipe": "scaling.recipe",
    "scaling": Reads("scaling", leave_out=(*JOBS, *OF_MEMBERS)),
}
MEMBERS = {**RETRAINED, "scaling": Reads("scaling", leave_out=JOBS)}
FACTORIAL = {
    **RETRAINED,
    **CONSTRAINTS,
    "recipe": Reads(derive.factorial_recipe),
    "factorial": Reads("scaling.factorial", leave_out=("recipe", "seeds")),
}
#: what a rung's compute is multiplied with, and the number of jobs, are in the files' names
RUNGS = {
    **COMPUTE,
    "recipe": Reads(derive.rungs_recipe, leave_out=("compute",)),
    "rungs": Reads("scaling.rungs", leave_out=("enabled", "factors", "searched", "seeds", "recipe")),
    "head_width": Reads("space", derive.head_width),
}

STEPS = steps(
    "nas_steps.scaling",
    Step(
        "describe_grid",
        "List the grid's triples with the size that each gives the winner.",
        when=("scaled",),
        takes={**DATA, **RANKED},
        reads=GRID,
        writes={
            "triples": (
                "scaling/triples.csv",
                "index, depth, width, resolution, product, cells, channels, reductions, side, "
                "architecture, parameters, "
                "macs, macs_ratio (to the winner's), kept (yes: near twice the winner's MACs)",
            ),
            "cost": ("scaling/triples.cost.json", COST),
        },
    ),
    Step(
        "train_grid",
        "Train a share of the triples for a short while.",
        jobs={"shard": "shards"},
        when=("scaled",),
        packages=TRAINS,
        device=True,
        takes={**DATA, **RANKED, "triples": "triples.csv"},
        options={"shards": "number of shares"},
        reads=GRID,
        writes={
            "scores": ("scaling/grid-{shard}.csv", "index, score, status, reason, seconds"),
            "cost": ("scaling/grid-{shard}.cost.json", COST),
        },
    ),
    Step(
        "choose_scaling",
        "Choose the triple and describe the members.",
        when=("scaled",),
        takes={**DATA, **RANKED, "triples": "triples.csv", "scores+": "grid-<shard>.csv"},
        reads=MEMBERS,
        writes={
            "chosen": (
                "scaling/chosen.json",
                "architecture, factors (formula or published), depth, width, resolution, product, "
                "macs_ratio, score, why, "
                "tried, left_out (triples, each with its macs_ratio)",
            ),
            "members": (
                "scaling/members.csv",
                "member, factors, phi (empty for published ones), depth, width, resolution, cells, "
                "channels, reductions, "
                "side, architecture, dropout, drop_path, parameters, macs, activation_bytes (float32, one image), "
                "within_budget",
            ),
            "cost": ("scaling/choose.cost.json", COST),
        },
    ),
    Step(
        "train_member",
        "Train one member, if it is within the budget, and test it once.",
        jobs={"member": "members", "seed": "scaling_seeds"},
        when=("scaled",),
        packages=TRAINS,
        device=True,
        takes={
            **DATA,
            "chosen": "chosen.json",
            "members": "members.csv",
            "smaller?": "metrics.json of the next smaller member's training, to start from its weights",
        },
        reads=MEMBERS,
        writes=trained("scaling/B{member}-s{seed}"),
    ),
    Step(
        "gather_family",
        "Make one table of the family.",
        when=("scaled",),
        takes={"members": "members.csv", "trainings+": "metrics.json of all members and seeds"},
        writes={
            "family": (
                "scaling/family.csv",
                "members.csv + trainings, test_mean, test_std, test_low, test_high, train_seconds (one training, the "
                "mean), predicted_seconds, predicted_seconds_error (relative), "
                "predicted_seconds_note, warm_start, status",
            )
        },
    ),
    Step(
        "describe_designs",
        "List the networks of one repetition of the factorial, with the size of each.",
        jobs={"seed": "factorial_seeds"},
        when=("factorial",),
        kinds=FAMILY,
        options={"family?": "the family of the hand-designed base"},
        takes={
            **DATA,
            "chosen": "chosen.json: the winner and the triple",
            "winners?": "winners.csv: with 4 or more searches each repetition scales another one's winner",
            "blocks?": "blocks.csv, if the search has constraints",
        },
        reads=FACTORIAL,
        writes={
            "designs": (
                "scaling/factorial/designs-s{seed}.csv",
                "base, scaling, search (whose winner is scaled, if each repetition takes another), "
                "base_architecture, base_width (that brought the base to the winner's "
                "MACs), depth, width, "
                "resolution, cells, channels, reductions, side, architecture, parameters, macs, target_macs, mismatch "
                "(macs / target_macs - 1)",
            ),
            "cost": ("scaling/factorial/designs-s{seed}.cost.json", COST),
        },
    ),
    Step(
        "train_design",
        "Train one network of the factorial and test it once.",
        jobs={"base": "bases", "scaling": "scalings", "seed": "factorial_seeds"},
        when=("factorial",),
        packages=TRAINS,
        kinds=FAMILY,
        device=True,
        options={"family?": "the family of the hand-designed base"},
        takes={**DATA, "designs": "the designs of this seed"},
        reads=FACTORIAL,
        writes=trained("scaling/factorial/{base}-{scaling}-s{seed}"),
    ),
    Step(
        "gather_factorial",
        "Make one table of the factorial's cells, and one of the effects of search and scaling.",
        when=("factorial",),
        takes={"designs+": "the designs of each seed", "trainings+": "metrics.json of all cells and seeds"},
        reads=FACTORIAL,
        writes={
            "factorial": (
                "scaling/factorial.csv",
                "one row a cell over all seeds: base, scaling, architectures, parameters, macs, "
                "target_macs, mismatch (the "
                "largest), trainings, test_mean, test_std, test_low, test_high, train_seconds, status",
            ),
            "effects": (
                "scaling/effects.csv",
                "kind (search, scaling, interaction, gain), effect, base, way, unit (search: the searched bases are "
                "winners of several searches; network: of one), seeds (searches if they are the unit), difference, "
                "low, high (95 % t interval), p_value, p_holm, share (of the gain if its interval excludes 0), note",
            ),
        },
    ),
    Step(
        "train_rung",
        "Train one network at all its sizes with the compute of one rung.",
        jobs={"network": "rung_networks", "factor": "rung_factors", "seed": "rung_seeds"},
        when=("climbs",),
        packages=TRAINS,
        device=True,
        takes={**DATA, "winners?": "winners.csv: whose block is searched; a hand-designed one waits for no search"},
        reads=RUNGS,
        writes={
            "trained": (
                "scaling/rungs/{network}-x{factor}-s{seed}.csv",
                "one row a size: network, kind (searched, baseline), compute (training FLOPs), size (0 is the "
                "smallest), seed, architecture, depth, width, parameters, flops_per_token (forward), tokens, loss "
                "(bits per byte of validation text), status, reason, seconds",
            ),
            "cost": ("scaling/rungs/{network}-x{factor}-s{seed}.cost.json", COST),
        },
    ),
    Step(
        "gather_rungs",
        "Estimate the best loss of each network at each compute, and the compute multipliers of the searched ones.",
        when=("climbs",),
        packages=("numpy",),
        takes={"trained+": "<network>-x<factor>-s<seed>.csv of all networks, rungs and seeds"},
        reads={**SEED},
        writes={
            "rungs": ("scaling/rungs.csv", "the rows of all trainings"),
            "curves": (
                "scaling/rung_curves.csv",
                "one row a network and rung: network, kind, compute, points (sizes with a sound training), loss (of "
                "the best size, by a parabola in log parameters), low, high (95 % over trainings), parameters (of the "
                "best size), parameters_low, parameters_high, minimum (within the sizes; below or above them: the best "
                "tried size is taken), floor and power (E and a of L = E + A C^-a), law_points (losses that it stands "
                "on), noise (standard deviation of one training), degrees (of freedom of the noise)",
            ),
            "multipliers": (
                "scaling/multipliers.csv",
                "one row a searched network, baseline and rung: searched, baseline, compute, multiplier (the share of "
                "that compute with which the searched network has the baseline's loss), low, high (95 % over "
                "trainings), time, time_low, time_high (the share of the baseline's seconds), change (the last rung's "
                "multiplier over the first one's), change_low, change_high, p_holm (of no change, of all pairs), "
                "outcome (shrinks, grows, rises, falls, no change found, unknown), note",
            ),
            "effects": (
                "scaling/rung_effects.csv",
                "the factorial over the first and the last rung: searched, baseline, compute, scaled (the most "
                "compute), effect (both, and its parts search and scaling; interaction), difference (bits per byte "
                "saved), low, high (95 % over trainings), share (of both, if its interval is above 0)",
            ),
        },
    ),
)
