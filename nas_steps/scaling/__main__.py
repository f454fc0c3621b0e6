"""The steps of compound scaling: describe the grid, train a share of it, choose, train a member, gather."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_steps.config.schema import Network
from nas_steps.config.stages import ScalingStep, read_slice
from nas_steps.data.store import Meta, read_meta
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, run
from nas_steps.provenance.statistics import mean_interval
from nas_steps.scaling import family
from nas_steps.scaling.compound import Factors

MODULE = "nas_steps.scaling"
NO_WINNER = "there is no winner to scale: no shortlisted architecture could be trained"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    steps = options.add_subparsers(dest="step", required=True)

    step = steps.add_parser("describe", help="list the grid's triples with the size that each gives the winner")
    step.add_argument("--settings", required=True)
    step.add_argument("--data", required=True)
    step.add_argument("--ranked", required=True, help="ranked.csv; its first row is scaled")
    step.add_argument("--output", required=True, help="triples.csv")
    step.add_argument("--cost", required=True)

    step = steps.add_parser("grid", help="train this shard's triples for a short while")
    step.add_argument("--settings", required=True)
    step.add_argument("--data", required=True)
    step.add_argument("--ranked", required=True)
    step.add_argument("--triples", required=True)
    step.add_argument("--shard", type=int, required=True)
    step.add_argument("--shards", type=int, required=True)
    step.add_argument("--output", required=True)
    step.add_argument("--cost", required=True)

    step = steps.add_parser("choose", help="choose the triple and describe the members")
    step.add_argument("--settings", required=True)
    step.add_argument("--data", required=True)
    step.add_argument("--ranked", required=True)
    step.add_argument("--triples", required=True)
    step.add_argument("--scores", nargs="+", required=True)
    step.add_argument("--output", required=True, help="folder of chosen.json and members.csv")
    step.add_argument("--cost", required=True)

    step = steps.add_parser("train", help="train one member, where it is within the budget, and test it once")
    step.add_argument("--settings", required=True)
    step.add_argument("--data", required=True, help="folder of the prepared data, test set included")
    step.add_argument("--chosen", required=True)
    step.add_argument("--members", required=True)
    step.add_argument("--member", required=True, help="B0, B1, ...")
    step.add_argument("--seed", type=int, required=True)
    step.add_argument("--output", required=True, help="folder")

    step = steps.add_parser("gather", help="one table of the family")
    step.add_argument("--members", required=True)
    step.add_argument("--trainings", nargs="+", required=True)
    step.add_argument("--output", required=True, help="family.csv")

    given = options.parse_args(arguments)
    {"describe": _describe, "grid": _grid, "choose": _choose, "train": _train, "gather": _gather}[given.step](given)


def _winner(ranked: str) -> str:
    """The first ranked architecture; empty where none could be trained."""
    rows = read_csv(ranked)
    return rows[0]["architecture"] if rows and rows[0]["status"] == "ok" else ""


def _measure(architecture: str, meta: Meta) -> family.Measure:
    from nas_steps.models.build import size

    def measure(network: Network, side: int) -> tuple[int, int]:
        found = size(architecture, network, inputs=meta.shape[0], classes=len(meta.classes), side=side)
        return found.parameters, found.macs

    return measure


def _describe(given: argparse.Namespace) -> None:
    step = read_slice(given.settings, ScalingStep)
    with measured(given.cost, "scaling", "describe"):
        architecture, meta = _winner(given.ranked), read_meta(given.data)
        rows: list[dict[str, Any]] = []
        if architecture:
            measure = _measure(architecture, meta)
            rows = family.describe_triples(step.scaling, step.network, meta.shape[-1], measure)
        write_csv(given.output, rows, family.TRIPLES)


def _grid(given: argparse.Namespace) -> None:
    step = read_slice(given.settings, ScalingStep)
    architecture = _winner(given.ranked)
    mine = [row for row in read_csv(given.triples) if int(row["index"]) % given.shards == given.shard]
    with measured(given.cost, "scaling", f"grid {given.shard}") as cost:
        rows = []
        if architecture and mine:
            from nas_steps.training.devices import describe, peak_gpu_memory_mb, prepare
            from nas_steps.training.networks import load_images, train_network
            from nas_steps.training.progress import Progress

            device = prepare(step.device, step.threads)
            print(f"device {describe(device)}, threads {step.threads}", flush=True)
            with Progress(len(mine) * step.recipe.epochs, f"{len(mine)} triples") as progress:
                for row in mine:
                    network = _network(step.network, row)
                    trained = train_network(
                        architecture,
                        network,
                        step.recipe,
                        load_images(given.data, device, side=int(row["side"])),
                        seed=derive_seed(step.seed, "scaling grid"),
                        progress=progress,
                    )
                    rows.append(
                        {
                            "index": row["index"],
                            "score": trained.last("valid_accuracy"),
                            "status": trained.status,
                            "reason": trained.reason,
                            "seconds": round(trained.seconds, 3),
                        }
                    )
            cost.device, cost.peak_gpu_memory_mb = describe(device), peak_gpu_memory_mb(device)
        cost.threads = step.threads
        write_csv(given.output, rows, family.GRID)


def _choose(given: argparse.Namespace) -> None:
    step = read_slice(given.settings, ScalingStep)
    output = Path(given.output)
    with measured(given.cost, "scaling", "choose"):
        architecture, meta = _winner(given.ranked), read_meta(given.data)
        if not architecture:
            write_csv(output / "members.csv", [], family.MEMBERS)
            write_json(output / "chosen.json", {"architecture": None, "why": NO_WINNER})
            return
        scores = [row for path in given.scores for row in read_csv(path)]
        chosen = family.choose(read_csv(given.triples), scores)
        factors = Factors(chosen["depth"], chosen["width"], chosen["resolution"])
        measure = _measure(architecture, meta)
        members = family.describe_members(step.scaling, factors, step.network, meta.shape[-1], measure)
        write_csv(output / "members.csv", members, family.MEMBERS)
        write_json(output / "chosen.json", {"architecture": architecture, **chosen})


def _train(given: argparse.Namespace) -> None:
    step = read_slice(given.settings, ScalingStep)
    output = Path(given.output)
    architecture = read_json(given.chosen)["architecture"]
    described = next((row for row in read_csv(given.members) if row["member"] == given.member), None)
    with measured(output / "cost.json", "scaling", f"{given.member}-s{given.seed}") as cost:
        from nas_steps.training.record import Entry, write_untrained

        entry = Entry(given.member, "scaled", architecture or "")
        if described is None:
            write_untrained(output, entry, given.seed, status="missing", reason=NO_WINNER)
            return
        network, side = _network(step.network, described), int(described["side"])
        if described["within_budget"] != "yes":
            reason = (
                f"{int(described['macs']):,} MACs are above the budget of {step.scaling.mac_budget:,.0f} "
                "(scaling.mac_budget)"
            )
            known = {
                "network": network.model_dump(),
                "side": side,
                "parameters": int(described["parameters"]),
                "macs": int(described["macs"]),
            }
            write_untrained(output, entry, given.seed, status="over budget", reason=reason, **known)
            return

        from nas_steps.training.devices import describe, peak_gpu_memory_mb, prepare
        from nas_steps.training.final import train_final

        device = prepare(step.device, step.threads)
        print(f"device {describe(device)}, threads {step.threads}, seed {given.seed}", flush=True)
        train_final(
            entry,
            step,
            given.data,
            output,
            repetition=given.seed,
            # the seeds of retraining, so that B0's trainings are the winner's own
            seed=derive_seed(step.seed, "retraining", given.seed),
            device=device,
            network=network,
            side=side,
        )
        cost.device, cost.threads = describe(device), step.threads
        cost.peak_gpu_memory_mb = peak_gpu_memory_mb(device)


def _network(base: Network, row: dict[str, str]) -> Network:
    return base.model_copy(update={"cells": int(row["cells"]), "channels": int(row["channels"])})


def _gather(given: argparse.Namespace) -> None:
    trainings = [read_json(path) for path in given.trainings]
    rows = family.gather_family(read_csv(given.members), trainings, mean_interval)
    write_csv(given.output, rows, family.FAMILY)


if __name__ == "__main__":
    run(main, MODULE)
