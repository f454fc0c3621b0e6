"""Search by training a supernet: DARTS and its family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import DartsSettings, read_settings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options
from nas_steps.search.tables import write_candidates, write_history

MODULE = "nas_steps.search darts"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--strategy", required=True, help="its name in the config")
    options.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    options.add_argument("--output", required=True, help="the strategy's folder")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, DartsSettings)
    with measured(output / "cost.json", "search", f"{given.strategy}-{given.seed}") as cost:
        from nas_steps.search.darts.loop import darts
        from nas_steps.training.job import training_job
        from nas_steps.training.networks import load_images
        from nas_steps.training.progress import Progress

        seed = derive_seed(step.seed, "search", given.strategy, given.seed)
        with (
            training_job(
                __name__,
                step,
                output,
                cost,
                settings=given.settings,
                data=given.data,
                device=given.device,
                processes=step.strategy.processes,
                strategy=given.strategy,
                seed=given.seed,
            ) as job,
            Progress(step.strategy.epochs, "supernet") as progress,
        ):
            images = load_images(given.data, job.device)
            result = darts(step, images, seed=seed, progress=progress, checkpoint=job.checkpoints.of("supernet"))
            if result.reason:
                print(f"the search ended early: {result.reason}", flush=True)
            job.learnt_in(result.parts)
            if job.writes:
                write_json(output / "alphas.json", result.alphas)
                write_history(output / "history.csv", result.history)
                write_candidates(output / "candidates.csv", result.candidates)
