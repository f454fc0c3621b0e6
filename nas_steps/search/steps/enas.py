"""Search by a controller over shared weights: ENAS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import EnasSettings, read_settings
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options
from nas_steps.search.tables import write_candidates, write_history

MODULE = "nas_steps.search enas"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--strategy", required=True, help="its name in the config")
    options.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    options.add_argument("--output", required=True, help="the strategy's folder")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, EnasSettings)
    with measured(output / "cost.json", "search", f"{given.strategy}-{given.seed}") as cost:
        import torch

        from nas_steps.search.enas import enas
        from nas_steps.search.one_shot.networks import shared_network
        from nas_steps.training.job import training_job
        from nas_steps.training.networks import load_images
        from nas_steps.training.progress import Progress

        seed, settings = derive_seed(step.seed, "search", given.strategy, given.seed), step.strategy
        with (
            training_job(
                __name__,
                step,
                output,
                cost,
                settings=given.settings,
                data=given.data,
                device=given.device,
                strategy=given.strategy,
                seed=given.seed,
            ) as job,
            Progress(settings.epochs, "supernet and controller") as progress,
        ):
            images, space = load_images(given.data, job.device), step.space.declared()
            assert images.valid is not None  # the controller learns from validation images
            torch.manual_seed(derive_seed(seed, "initialisation"))
            network = shared_network(
                space,
                step.network,
                inputs=images.meta.shape[0],
                classes=len(images.meta.classes),
                entangled=settings.entangled,
            ).to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            result = enas(
                settings,
                network,
                space,
                images.train,
                images.valid,
                seed=seed,
                progress=progress,
                checkpoint=job.checkpoints.of("enas"),
            )
            if result.reason:
                print(f"the search ended early: {result.reason}", flush=True)
            job.learnt_in(result.parts)
            write_history(output / "history.csv", result.history)
            scored = [(architecture, score, "shared_weights") for architecture, score in result.candidates]
            write_candidates(output / "candidates.csv", scored)
