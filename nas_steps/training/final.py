"""Train by the recipe, read the test set once, write the record, the weights and the predictions.

The only module that trains and opens the test set; searches and rankings do not use it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.torch import load_file
from torch import nn

from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import load_split, split_file
from nas_steps.models.build import build
from nas_steps.models.inherit import Inherited, inherit
from nas_steps.provenance.files import read_json
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.training.devices import describe
from nas_steps.training.job import training_job
from nas_steps.training.loop import judge, predict
from nas_steps.training.networks import JUDGED, Images, Trained, load_images, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.record import Entry, record, write
from nas_steps.training.settings import TrainingSettings

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class WarmStart:
    """The folder of a final training whose weights a larger network starts from."""

    folder: Path

    @property
    def metrics(self) -> Mapping[str, Any]:
        return read_json(self.folder / "metrics.json")

    @property
    def usable(self) -> bool:
        """Whether that training ended soundly; a diverged one is no start."""
        return self.metrics["status"] == "ok"

    def key(self) -> str:
        """Return the checksum of the weights: a killed training does not go on from others."""
        return hashlib.sha256((self.folder / WEIGHTS).read_bytes()).hexdigest()

    def apply(self, model: nn.Module, *, shape: Mapping[str, Any]) -> Inherited:
        """Copy the smaller network's weights into `model`, on the CPU; an auxiliary head starts anew."""
        metrics = self.metrics
        network = Network.model_validate(metrics["network"])
        smaller = build(metrics["architecture"], network, **shape, side=metrics["side"])
        state = {name: tensor for name, tensor in load_file(self.folder / WEIGHTS).items() if "auxiliary." not in name}
        smaller.load_state_dict(state)
        return inherit(model, smaller)


class Start(Protocol):
    """Weights that a network starts from."""

    def key(self) -> str:
        """Return their checksum."""

    def start(self, model: nn.Module, architecture: str) -> str | None:
        """Copy them into `model`, on the CPU; return their name, None if they have nothing for `architecture`."""


def final_job(
    task: Task,
    entry: Entry,
    settings: TrainingSettings,
    *,
    network: Network | None = None,
    side: int | None = None,
    warm: WarmStart | None = None,
    start: Start | None = None,
    probe: bool = False,
    more: Callable[[Trained], Mapping[str, Any]] | None = None,
) -> None:
    """Train `entry` as `task` says, from the weights of `warm` or `start`; write the files of `record.write`.

    All entries of a repetition (`task.seed`) share a seed: they are compared in pairs, and B0 repeats the winner. Of a
    `probe` the last linear layer learns alone. `more` adds keys to the record.
    """
    what = {"architecture": entry.architecture, "network": network, "side": side, "seed": task.seed}
    started: list[str | None] = []
    initial: Callable[[nn.Module], object] | None = None
    if warm is not None:
        what["warm start"] = warm.key()
    elif start is not None:
        what["weights"] = start.key()

        def initial(model: nn.Module) -> str | None:
            started.append(start.start(model, entry.architecture))
            return started[-1]

    network = network or settings.network
    with training_job(task, settings, processes=settings.processes, **what) as job:
        merged, metric = settings.train_on == "train+valid", settings.metric
        images = load_images(task.data, job.device, side=side, merged=merged, metric=metric)
        if warm is not None:
            initial = partial(warm.apply, shape=images.shape)
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
                probe=probe,
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
            **{name: trained.last(name) for name in ("train_loss", "train_accuracy")},
            **{f"valid_{name}": trained.last(f"valid_{name}") for name in JUDGED},
            "metric": settings.metric,
            "batch_parts": trained.micro_batches,
            "train_seconds": round(trained.seconds, 3),
            "device": describe(job.device),
        }
        if warm is not None:
            metrics["warm_start"] = warm.metrics["entry"]
        if started:
            metrics["weights"] = started[0]
        if more is not None:
            metrics |= more(trained)
        judged = {} if images.valid is None else {"valid": images.valid}
        if trained.status == "ok":
            judged["test"] = test_images(task.data, images)
            metrics |= read_test(trained, task.data, images, judged["test"])
        if job.writes:
            state = trained.model.state_dict()
            weights = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}
            write(task.folder, metrics, trained.history, weights, predictions(trained, judged))


def predictions(trained: Trained, judged: Mapping[str, DeviceImages]) -> dict[str, np.ndarray]:
    """Return the classes of each split, `valid` and `test`, and their probabilities, `valid_confidence` and so on.

    The order is that of the prepared images, the shape (images,). Nothing is returned of an unsound training.
    """
    found: dict[str, np.ndarray] = {}
    for name, images in judged.items() if trained.status == "ok" else ():
        classes, confidence = predict(trained.model, images)
        found |= {name: classes.numpy(), f"{name}_confidence": confidence.numpy()}
    return found


def test_images(data: str | Path, images: Images) -> DeviceImages:
    """Open the test set, on the device and at the side of `images`."""
    split, meta = load_split(data, "test"), images.meta
    return DeviceImages(split.images, split.labels, meta.mean, meta.std, images.train.device, images.side)


def read_test(trained: Trained, data: str | Path, images: Images, test: DeviceImages) -> dict[str, Any]:
    """Return the figures on the test set, and which file they come from."""
    meta, file = images.meta, split_file(data, "test")
    judged = judge(trained.model, test, images.metric)
    return {
        **{f"test_{name}": figure for name, figure in zip(JUDGED, judged, strict=True)},
        "test_images": len(test),
        "test_file": {"name": file.name, "sha256": meta.checksums[file.name]},
    }
