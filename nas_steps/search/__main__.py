"""The steps of a search: count the budget, propose a round, gather the rounds, or run DARTS."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.stages import BudgetStep, DartsStep, ProposeStep, read_slice
from nas_steps.data.store import read_meta
from nas_steps.estimation.estimates import Estimate, read_estimates
from nas_steps.provenance.files import read_json, write_csv, write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, run
from nas_steps.search.sampling import propose, round_size
from nas_steps.search.tables import gather, write_candidates, write_history

MODULE = "nas_steps.search"
ESTIMATOR = "short_training"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    steps = options.add_subparsers(dest="step", required=True)

    step = steps.add_parser("budget", help="count each strategy's training cost and match random search to it")
    step.add_argument("--settings", required=True)
    step.add_argument("--data", required=True, help="folder of the prepared data")
    step.add_argument("--output", required=True, help="budget.json")
    step.add_argument("--cost", required=True)

    step = steps.add_parser("propose", help="name the architectures of a sampling strategy's next round")
    step.add_argument("--settings", required=True)
    step.add_argument("--strategy", required=True, help="its name in the config")
    step.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    step.add_argument("--budget", required=True, help="budget.json")
    step.add_argument("--told", nargs="*", default=[], help="shards of the rounds before, oldest first")
    step.add_argument("--output", required=True, help="proposals.csv")

    step = steps.add_parser("gather", help="end a sampling strategy: candidates.csv and history.csv")
    step.add_argument("--told", nargs="+", required=True, help="shards of all rounds, oldest first")
    step.add_argument("--output", required=True, help="the strategy's folder")

    step = steps.add_parser("darts", help="search by first-order DARTS")
    step.add_argument("--settings", required=True)
    step.add_argument("--strategy", required=True, help="its name in the config")
    step.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    step.add_argument("--data", required=True)
    step.add_argument("--output", required=True, help="the strategy's folder")

    given = options.parse_args(arguments)
    {"budget": _budget, "propose": _propose, "gather": _gather, "darts": _darts}[given.step](given)


def _budget(given: argparse.Namespace) -> None:
    with measured(given.cost, "search", "budget"):
        from nas_steps.search.budget import budget

        meta = read_meta(given.data)
        channels, side, _ = meta.shape
        found = budget(
            read_slice(given.settings, BudgetStep), inputs=channels, classes=len(meta.classes), side=side
        )
        write_json(given.output, found)


def _propose(given: argparse.Namespace) -> None:
    step = read_slice(given.settings, ProposeStep)
    told = _by_round(given.told)
    evaluations = read_json(given.budget)["strategies"][given.strategy]["evaluations"]
    proposals = propose(
        step.strategy,
        step.space.declared(),
        told,
        count=round_size(step.strategy, len(told), evaluations),
        seed=derive_seed(step.seed, "search", given.strategy, given.seed),
    )
    rows = [{"index": index, "architecture": architecture} for index, architecture in enumerate(proposals)]
    write_csv(given.output, rows, ("index", "architecture"))


def _by_round(shards: Sequence[str]) -> list[list[Estimate]]:
    """The estimates of the shards in each round's folder, rounds in the order in which they are named."""
    folders: dict[Path, list[str]] = {}
    for shard in shards:
        folders.setdefault(Path(shard).parent, []).append(shard)
    return [read_estimates(files) for files in folders.values()]


def _gather(given: argparse.Namespace) -> None:
    output = Path(given.output)
    gather(_by_round(given.told), output / "candidates.csv", output / "history.csv", ESTIMATOR)


def _darts(given: argparse.Namespace) -> None:
    output = Path(given.output)
    step = read_slice(given.settings, DartsStep)
    with measured(output / "cost.json", "search", f"{given.strategy}-{given.seed}") as cost:
        from nas_steps.search.darts import darts
        from nas_steps.training.devices import describe, peak_gpu_memory_mb, prepare
        from nas_steps.training.networks import load_images
        from nas_steps.training.progress import Progress

        device = prepare(step.device, step.threads)
        print(f"device {describe(device)}, threads {step.threads}, seed {given.seed}", flush=True)
        images = load_images(given.data, device)
        seed = derive_seed(step.seed, "search", given.strategy, given.seed)
        with Progress(step.strategy.epochs, "supernet") as progress:
            result = darts(step, images, seed=seed, progress=progress)
        if result.reason:
            print(f"the supernet diverged: {result.reason}", flush=True)
        cost.device, cost.threads = describe(device), step.threads
        cost.peak_gpu_memory_mb = peak_gpu_memory_mb(device)
        write_json(output / "alphas.json", result.alphas)
        write_history(output / "history.csv", result.history)
        write_candidates(output / "candidates.csv", result.candidates, "alpha_likelihood")


if __name__ == "__main__":
    run(main, MODULE)
