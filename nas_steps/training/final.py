"""A final training: train by the recipe, read the test set once, write the record and the weights.

The only module that trains and opens the test set; retraining and scaling use it, searches and rankings do not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch

from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import load_split, read_meta, split_file
from nas_steps.provenance.files import read_json
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.training.devices import describe
from nas_steps.training.job import Job, training_job
from nas_steps.training.loop import evaluate
from nas_steps.training.networks import Trained, load_images, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.record import Entry, record, write
from nas_steps.training.settings import TrainingSettings
from nas_steps.training.warm import WarmStart


def final_job(
    task: Task,
    entry: Entry,
    settings: TrainingSettings,
    *,
    network: Network | None = None,
    side: int | None = None,
    warm: WarmStart | None = None,
) -> None:
    """Train `entry` as `task` says, and write metrics.json, history.csv and weights.safetensors.

    All entries of one repetition have one seed: they are compared in pairs, and B0's trainings are the winner's own.
    `warm` is the training whose weights it starts with.
    """
    # the key of a training that starts from random weights does not name a start
    start: dict[str, object] = {} if warm is None else {"warm start": warm.key()}
    with training_job(
        task,
        settings,
        processes=settings.processes,
        architecture=entry.architecture,
        network=network,
        side=side,
        seed=task.seed,
        **start,  # type: ignore[arg-type]
    ) as job:
        train_final(task, entry, settings, job, network=network, side=side, warm=warm)


def train_final(
    task: Task,
    entry: Entry,
    settings: TrainingSettings,
    job: Job,
    *,
    network: Network | None = None,
    side: int | None = None,
    warm: WarmStart | None = None,
) -> None:
    """Train `entry` and write metrics.json, history.csv and weights.safetensors into the task's folder.

    `task.seed` is the number of this training: 0, 1, ...
    """
    network, device = network or settings.network, job.device
    images = load_images(task.data, device, side=side, merged=settings.train_on == "train+valid")
    initial = None
    if warm is not None:
        initial = partial(warm.apply, inputs=images.meta.shape[0], classes=len(images.meta.classes))
    with Progress(settings.recipe.epochs, f"{entry.name}, seed {task.seed}") as progress:
        trained = train_network(
            entry.architecture,
            network,
            settings.recipe,
            images,
            seed=derive_seed(settings.seed, "retraining", task.seed),
            progress=progress,
            checkpoint=job.checkpoints.of("training"),
            initial=initial,
        )
    job.learnt_in(trained.micro_batches)
    metrics = record(entry, task.seed) | {
        "status": trained.status,
        "reason": trained.reason,
        # its settings are in results/settings/<step>-<this>.json
        "settings": fingerprint(read_json(task.given.settings)),
        "train_on": settings.train_on,
        "network": network.model_dump(),
        "parameters": trained.parameters,
        "macs": trained.macs,
        "side": images.side,
        "train_loss": trained.last("train_loss"),
        "train_accuracy": trained.last("train_accuracy"),
        "valid_loss": trained.last("valid_loss"),
        "valid_accuracy": trained.last("valid_accuracy"),
        "batch_parts": trained.micro_batches,
        "train_seconds": round(trained.seconds, 3),
        "device": describe(device),
    }
    if warm is not None:
        metrics["warm_start"] = warm.metrics["entry"]
    if trained.status == "ok":
        metrics |= read_test(trained, task.data, images.side, device)
    if not job.writes:
        return
    state = trained.model.state_dict()
    tensors = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}
    write(task.folder, metrics, trained.history, tensors)


def read_test(trained: Trained, data: str | Path, side: int, device: torch.device) -> dict[str, Any]:
    """The figures on the test set, and which file they come from."""
    meta = read_meta(data)
    split = load_split(data, "test")
    test = DeviceImages(split.images, split.labels, meta.mean, meta.std, device, side)
    loss, accuracy = evaluate(trained.model, test)
    file = split_file(data, "test")
    return {
        "test_loss": loss,
        "test_accuracy": accuracy,
        "test_images": len(test),
        "test_file": {"name": file.name, "sha256": meta.checksums[file.name]},
    }
