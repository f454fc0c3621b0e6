"""Train the supernet that all strategies of a search seed share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import SupernetSettings, read_settings
from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.steps import parser, training_options

MODULE = "nas_steps.search supernet"
HISTORY = ("epoch", "learning_rate", "paths", "train_loss", "train_accuracy", "seconds")


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    training_options(options)
    options.add_argument("--seed", type=int, required=True, help="the search seed: 0, 1, ...")
    options.add_argument("--output", required=True, help="folder of weights.safetensors and history.csv")
    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, SupernetSettings)
    with measured(output / "cost.json", "supernet", f"seed-{given.seed}") as cost:
        from nas_steps.data.store import read_meta
        from nas_steps.search.one_shot.scoring import write_weights
        from nas_steps.search.one_shot.training import train_supernet, training_images
        from nas_steps.training.job import training_job
        from nas_steps.training.loop import DivergedError
        from nas_steps.training.progress import Progress

        with (
            training_job(
                __name__,
                step,
                output,
                cost,
                settings=given.settings,
                data=given.data,
                device=given.device,
                processes=step.supernet.processes,
                seed=given.seed,
            ) as job,
            Progress(step.supernet.epochs, "supernet") as progress,
        ):
            meta = read_meta(given.data)
            images = training_images(
                given.data,
                job.device,
                share=step.supernet.images,
                side=step.supernet.resolution,
                seed=derive_seed(step.seed, "images"),
            )
            try:
                network, rows, parts = train_supernet(
                    step,
                    images,
                    inputs=meta.shape[0],
                    classes=len(meta.classes),
                    seed=derive_seed(step.seed, "supernet", given.seed),
                    progress=progress,
                    checkpoint=job.checkpoints.of("supernet"),
                )
            except DivergedError as error:
                raise UserError(
                    f"the supernet cannot be used: {error}; lower search.estimator.supernet.learning_rate"
                ) from None
            job.learnt_in(parts)
            if job.writes:
                write_csv(output / "history.csv", ({key: row.get(key) for key in HISTORY} for row in rows), HISTORY)
                write_weights(output / "weights.safetensors", network)
