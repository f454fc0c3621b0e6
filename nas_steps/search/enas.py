"""ENAS (Pham et al. 2018): in each epoch (section 2.2) the weights learn along architectures drawn by a controller.

Then the controller learns from validation accuracies by REINFORCE. The best draws are candidates (section 2.3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas_steps.config.strategies import Enas
from nas_steps.config.supernet import SupernetTraining
from nas_steps.data.batches import DeviceImages
from nas_steps.models.single import single_values_in_words
from nas_steps.models.tally import Tally
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.controller import Controller
from nas_steps.search.darts.discretise import parameter_free, skips
from nas_steps.search.one_shot.networks import SharedNetwork
from nas_steps.search.one_shot.scoring import calibration_batches
from nas_steps.search.one_shot.training import OneShotLearner
from nas_steps.search.tables import HISTORY
from nas_steps.spaces.cells.architectures import CellArchitecture
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.batch_norms import kept_momentum
from nas_steps.training.checkpoint import Checkpoint, State
from nas_steps.training.loop import Batch, DivergedError, Row, evaluation_batch, fit
from nas_steps.training.progress import Progress

#: draws that describe a policy in the history
SHOWN = 8
#: largest number of turns in which candidates are drawn
PATIENCE = 50


class Policy:
    """The controller as the sampling of the supernet."""

    count = 1  # architectures for each step of the weights: the paper's M

    def __init__(self, space: Any, settings: Enas, seed: int) -> None:
        self.space, self.seed = space, seed
        options = settings.model_dump(include={"hidden", "baseline_decay", "entropy_weight"})
        self.controller = Controller(space, learning_rate=settings.controller_learning_rate, **options)

    def paths(self, step: int) -> list[Architecture]:
        return self.draw(self.count, derive_seed(self.seed, "weights", step))

    def draw(self, count: int, seed: int) -> list[Architecture]:
        return self.controller.draw(count, Random(seed))


class EnasLearner(OneShotLearner):
    """A step of the weights for each batch, and the steps of the controller after the last batch of an epoch."""

    def __init__(
        self, network: SharedNetwork, settings: Enas, policy: Policy, valid: DeviceImages, steps_per_epoch: int
    ) -> None:
        shared = {key: value for key, value in settings.model_dump().items() if key in SupernetTraining.model_fields}
        super().__init__(network, SupernetTraining(**shared, sampling="uniform"), policy, steps_per_epoch)
        self.policy, self.valid, self.enas = policy, valid, settings

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        loss_and_hits = super().__call__(images, labels, done)
        epoch, batch = divmod(self.number, self.steps_per_epoch)
        if batch == 0:
            for turn in range(self.enas.controller_steps):
                self.learn_policy(derive_seed(self.policy.seed, "controller", epoch, turn))
        return loss_and_hits

    def learn_policy(self, seed: int) -> None:
        """Reward architectures by their accuracy on one batch of validation images (Pham et al. 2018, section 2.2).

        Another metric is a mean over the classes in the batch."""
        drawn = self.policy.draw(self.enas.controller_batch, seed)
        images, labels = next(iter(self.valid.batches(self.enas.reward_images, shuffle=True, seed=seed)))
        with own_statistics(self.network), torch.no_grad(), single_values_in_words("reward_images"):
            tallies = [Tally(self.network.metric) for _ in drawn]
            for tally, one in zip(tallies, drawn, strict=True):
                tally.add(self.network(images, one), labels)
        self.policy.controller.learn(drawn, [tally.value() for tally in tallies])

    def state(self) -> State:
        controller = self.policy.controller
        return {**super().state(), "controller": controller.tensors(), "baseline": controller.baseline}

    def restore(self, state: State) -> None:
        super().restore(state)
        self.policy.controller.restore(state["controller"], state["baseline"])


@contextmanager
def own_statistics(network: nn.Module) -> Iterator[None]:
    """Evaluate, but normalise by the current images and keep the running statistics, which are those of other
    architectures (Bender et al. 2018, section 3.3)."""
    was_training = network.training
    with kept_momentum(network) as norms:
        network.eval()
        for norm in norms:
            norm.train()
            norm.momentum = 0.0
        try:
            yield
        finally:
            network.train(was_training)


@dataclass
class EnasResult:
    """Candidates are (architecture, accuracy with the shared weights), best first."""

    candidates: list[tuple[str, float]] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    reason: str = ""  # why it ended before its last epoch
    micro_batches: int = 1  # of a batch, in the end


def enas(
    settings: Enas,
    network: SharedNetwork,
    space: Any,
    train: DeviceImages,
    valid: DeviceImages,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> EnasResult:
    """Search, deterministic in `seed` on one machine. A divergence gives no candidates but a `reason`."""
    policy = Policy(space, settings, derive_seed(seed, "policy"))
    learner = EnasLearner(network, settings, policy, valid, train.steps(settings.batch_size, shuffle=True))
    calibration = calibration_batches(train, settings.calibration_images, derive_seed(seed, "calibration"))

    def validation_batches() -> Iterator[Batch]:
        return valid.batches(evaluation_batch(valid), shuffle=False)

    def end_of_epoch(epoch: int) -> Row:
        drawn = policy.draw(SHOWN, derive_seed(policy.seed, "shown", epoch))
        scores = network.accuracies(drawn, validation_batches, calibration=calibration)
        best = drawn[int(np.argmax(scores))]
        row: Row = {"architecture": str(best), "score": float(np.mean(scores)), "best": max(scores)}
        row["entropy"] = policy.controller.entropy(drawn)
        if isinstance(best, CellArchitecture):
            shares = [float(np.mean([parameter_free(one.cells[kind]) for one in drawn])) for kind in best.cells]
            row |= {"parameter_free": shares[0], "parameter_free_reduce": shares[1] if len(shares) > 1 else None}
            row["skips"] = float(np.mean([skips(one) for one in drawn]))
        print(f"epoch {epoch}: mean {row['score']:.1%}, entropy {row['entropy']:.2f}: {best}", flush=True)
        return row

    result = EnasResult()
    try:
        rows = fit(
            learner,
            learner.batches(train, seed),
            epochs=settings.epochs,
            images=len(train),
            seed=seed,
            end_of_epoch=end_of_epoch,
            progress=progress,
            checkpoint=checkpoint,
        )
    except DivergedError as error:
        rows, result.reason = error.history, str(error)
    result.micro_batches = learner.micro_batches.count
    result.history = [
        {"step": row["epoch"], "status": "ok", "loss": row["train_loss"]}
        | {key: value for key, value in row.items() if key in HISTORY}
        for row in rows
    ]
    if result.reason:
        result.history.append({"step": len(rows) + 1, "status": "diverged", "reason": result.reason})
        return result
    drawn = distinct(policy, settings.evaluations, derive_seed(policy.seed, "candidates"))
    scores = network.accuracies(drawn, validation_batches, calibration=calibration)
    scored = sorted(zip(map(str, drawn), scores, strict=True), key=lambda pair: -pair[1])
    result.candidates = scored[: settings.candidates]
    # the accuracy of the best before and after its batch norms are re-estimated
    best, score = result.candidates[0]
    (inherited,) = network.accuracies([space.parse(best)], validation_batches)
    chosen: Row = {"architecture": best, "chosen": 1, "inherited_accuracy": inherited, "discrete_accuracy": score}
    chosen["drawn"] = len(drawn)
    result.history[-1] |= chosen
    return result


def distinct(policy: Policy, count: int, seed: int) -> list[Architecture]:
    """Draw `count` different architectures from the policy; fewer if a turn brings no new one."""
    different: dict[str, Architecture] = {}
    for turn in range(PATIENCE):
        before = len(different)
        for one in policy.draw(count, derive_seed(seed, turn)):
            different.setdefault(policy.space.identity(one), one)
        if len(different) >= count or len(different) == before:
            break
    return list(different.values())[:count]
