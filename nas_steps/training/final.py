"""Train by the recipe, read the test set once, write the record, the weights and the predictions.

The only module that trains and opens the test set; searches and rankings do not use it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors.torch import load_file
from torch import nn

from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import load_split, split_file
from nas_steps.data.text.store import part_file
from nas_steps.models.build import build
from nas_steps.models.inherit import Inherited, inherit
from nas_steps.provenance.files import read_json
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.provenance.seeds import derive_seed
from nas_steps.provenance.task import Task
from nas_steps.training.devices import describe
from nas_steps.training.job import Job, training_job
from nas_steps.training.language import rates_of
from nas_steps.training.loop import judge, predict
from nas_steps.training.networks import Images, load_data, train_network
from nas_steps.training.parking import block_of, leave, park, take
from nas_steps.training.progress import Progress
from nas_steps.training.record import Entry, record, write
from nas_steps.training.settings import TrainingSettings
from nas_steps.training.texts import Texts, judge_text, load_text, score_text, units_of
from nas_steps.training.together import ApartError, train_together
from nas_steps.training.trained import JUDGED, Trained

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


@dataclass(frozen=True)
class Final:
    """A final training: of `entry`, as `task` says, from the weights of `warm` or `start`.

    Of a `probe` the last linear layer learns alone. `more` adds keys to the record."""

    task: Task
    entry: Entry
    settings: TrainingSettings
    network: Network | None = None
    side: int | None = None
    warm: WarmStart | None = None
    start: Start | None = None
    probe: bool = False
    more: Callable[[Trained], Mapping[str, Any]] | None = None
    #: the names of the weights that it started from
    begun: list[str | None] = field(default_factory=list)

    @property
    def what(self) -> dict[str, Any]:
        """What its result depends on, beside the settings and its seed."""
        what: dict[str, Any] = {
            "architecture": self.entry.architecture,
            "network": self.network,
            "side": self.side,
        }
        if self.warm is not None:
            what["warm start"] = self.warm.key()
        elif self.start is not None:
            what["weights"] = self.start.key()
        return what

    @property
    def skeleton(self) -> Network:
        return self.network or self.settings.network

    def images(self, job: Job) -> Images | Texts:
        """Return what it learns from, images or text."""
        settings = self.settings
        merged = settings.train_on == "train+valid"
        return load_data(self.task.data, job.device, side=self.side, merged=merged, metric=settings.metric)

    def arguments(self, images: Images | Texts) -> dict[str, Any]:
        """Return the arguments of `train_network` and `train_together` that do not depend on the seed."""
        initial: Callable[[nn.Module], object] | None = None
        if self.warm is not None:
            initial = partial(self.warm.apply, shape=images.shape)
        elif self.start is not None:
            initial = self._start
        return {
            "architecture": self.entry.architecture,
            "network": self.skeleton,
            "recipe": self.settings.recipe,
            "images": images,
            "initial": initial,
            "probe": self.probe,
        }

    def _start(self, model: nn.Module) -> str | None:
        assert self.start is not None
        self.begun.append(self.start.start(model, self.entry.architecture))
        return self.begun[-1]

    def seed(self, repetition: int) -> int:
        """Return the random seed; entries share it: they are compared in pairs, and B0 repeats the winner."""
        return derive_seed(self.settings.seed, "retraining", repetition)

    def written(self, job: Job, images: Images | Texts, trained: Trained, repetition: int) -> Callable[[Path], None]:
        """Read the test set; return what writes the files of `record.write` into a folder."""
        task, settings = self.task, self.settings
        metrics = record(self.entry, repetition) | {
            "status": trained.status,
            "reason": trained.reason,
            # its settings are in results/settings/<step>-<this>.json
            "settings": fingerprint(read_json(task.given.settings)),
            "train_on": settings.train_on,
            "network": self.skeleton.model_dump(),
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
        if self.warm is not None:
            metrics["warm_start"] = self.warm.metrics["entry"]
        if self.begun:
            metrics["weights"] = self.begun[0]
        if self.more is not None:
            metrics |= self.more(trained)
        tested, predicted = self._tested(job, images, trained)
        metrics |= tested
        if not job.writes:
            return lambda _folder: None
        state = trained.model.state_dict()
        weights = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}
        return lambda folder: write(folder, metrics, trained.history, weights, predicted)

    def _tested(
        self, job: Job, images: Images | Texts, trained: Trained
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the figures on the test set, and the predictions of an unbroken training that this process writes."""
        if isinstance(images, Texts):
            return read_test_text(trained, self.task.data, images)
        judged, tested = {} if images.valid is None else {"valid": images.valid}, {}
        if trained.status == "ok":
            judged["test"] = test_images(self.task.data, images)
            tested = read_test(trained, self.task.data, images, judged["test"])
        return tested, predictions(trained, judged) if job.writes else {}


def final_job(task: Task, entry: Entry, settings: TrainingSettings, **how: Any) -> None:
    """Train `entry` as `task` says, and write the files of `record.write`. `how` are the further fields of `Final`.

    The seeds of a block of `settings.together` are trained by the first of their jobs, if that is faster."""
    final = Final(task, entry, settings, **how)
    if settings.together > 1 and _together(final):
        return
    with training_job(task, settings, processes=settings.processes, seed=task.seed, **final.what) as job:
        images = final.images(job)
        with Progress(
            settings.recipe.epochs * len(rates_of(settings.recipe)), f"{entry.name}, seed {task.seed}"
        ) as progress:
            trained = train_network(
                **final.arguments(images),
                seed=final.seed(task.seed),
                progress=progress,
                checkpoint=job.checkpoints.of("training"),
            )
        job.learnt_in(trained.micro_batches)
        final.written(job, images, trained, task.seed)(task.folder)
        if job.writes:
            leave(task.folder)


def _together(final: Final) -> bool:
    """Train the seeds of a block together and park the others' files, or take what is parked for this seed.

    Return whether this seed's files are written; if not, it is to be trained alone."""
    task, settings = final.task, final.settings
    seeds = block_of(task.seed, settings.together)
    name, folder = final.entry.name, task.folder
    folders = {seed: folder.with_name(f"{name}-s{seed}") if seed != task.seed else folder for seed in seeds}
    target = folder.with_name(f"{name}-s{seeds[0]}-{seeds[-1]}")
    with training_job(task, settings, target, job=f"seed {task.seed}", seeds=seeds, **final.what) as job:
        shared = {part: text for part, text in job.checkpoints.key.items() if part != "seeds"}
        label = take(folder, {**shared, "seed": str(task.seed)})
        if label is not None:
            if label["apart"]:
                print(f"seed {task.seed} is trained alone: {label['apart']}", flush=True)
                return False
            print(f"another job has trained seeds {seeds} together", flush=True)
            job.cost.add_earlier(label["spent"])
            job.cost.extra["together"] = seeds
            leave(folder)
            return True
        images = final.images(job)
        try:
            with Progress(settings.recipe.epochs, f"{name}, seeds {seeds[0]} to {seeds[-1]}") as progress:
                trained = train_together(
                    **final.arguments(images),
                    seeds=[final.seed(seed) for seed in seeds],
                    progress=progress,
                    checkpoint=job.checkpoints.of("training"),
                )
        except ApartError as error:
            print(f"seeds {seeds} are trained one after the other: {error}", flush=True)
            for seed in seeds:
                park(folders[seed], {**shared, "seed": str(seed)}, {"apart": str(error)})
            return False
        files = {seed: final.written(job, images, one, seed) for seed, one in zip(seeds, trained, strict=True)}
        share = job.cost.share_out(len(seeds))
        job.cost.extra["together"] = seeds
        for seed in seeds:
            if seed != task.seed:
                park(folders[seed], {**shared, "seed": str(seed)}, {"apart": "", "spent": share}, files[seed])
        files[task.seed](folder)
        return True


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


def read_test_text(trained: Trained, data: str | Path, texts: Texts) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the figures on the test part, how long the training was, and the predictions of valid and test.

    Predictions are nats (float64) and bytes (int64) by unit of text, see `texts.units_of`: `valid_nats`, `valid_bytes`
    and so on. Of an unsound training there are none.
    """
    more: dict[str, Any] = {name: trained.last(name) for name in ("tokens", "flops")} | {"tried": trained.tried}
    if trained.status != "ok":
        return more, {}
    parts = {} if texts.valid is None else {"valid": texts.valid}
    scores = {name: score_text(trained.model, part) for name, part in parts.items()}
    scores["test"] = score_text(trained.model, load_text(data, texts.train.device, "test"))
    found: dict[str, np.ndarray] = {}
    for name, score in scores.items():
        found[f"{name}_nats"], found[f"{name}_bytes"] = units_of(score)
    judged, file = judge_text(scores["test"]), part_file(data, "test")
    return {
        **{f"test_{name}": figure for name, figure in zip(JUDGED, judged, strict=True)},
        "test_images": len(found["test_bytes"]),
        "test_file": {"name": file.name, "sha256": texts.meta.checksums[file.name]},
        **more,
    }, found
