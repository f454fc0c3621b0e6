"""Train this shard's triples for a short while."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.config.stages import ScalingStep, read_slice
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser
from nas_steps.scaling import family
from nas_steps.scaling.winner import network_of, winner

MODULE = "nas_steps.scaling grid"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--ranked", required=True)
    options.add_argument("--triples", required=True)
    options.add_argument("--shard", type=int, required=True)
    options.add_argument("--shards", type=int, required=True)
    options.add_argument("--output", required=True)
    options.add_argument("--cost", required=True)

    given = options.parse_args(arguments)
    step = read_slice(given.settings, ScalingStep)
    architecture = winner(given.ranked)
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
                    network = network_of(step.network, row)
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
