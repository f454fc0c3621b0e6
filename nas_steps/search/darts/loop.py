"""The loop of all differentiable searches (Liu et al. 2019, algorithm 1); what they differ in is in the relaxation, the
bilevel step, when they stop and how they select."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.strategies import Gradient, PcDarts, Rsws
from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.discretise import entropy, most_likely, parameter_free, skips
from nas_steps.search.darts.eigenvalue import largest_eigenvalue
from nas_steps.search.darts.learner import DartsLearner, learn_only, same_statistics
from nas_steps.search.darts.perturbation import select
from nas_steps.search.darts.ranking import accuracy, rank_by_shared_weights
from nas_steps.search.darts.relaxations import Mix, discrete
from nas_steps.search.darts.stopping import chosen_epoch, reason_to_stop
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.declare import declared_cells
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.distributed import synchronise, world
from nas_steps.training.loop import Batch, DivergedError, Row, fit
from nas_steps.training.networks import Images
from nas_steps.training.progress import Progress

#: (architecture, score, what the score is)
Candidate = tuple[str, float, str]


@dataclass
class DartsResult:
    """What a search leaves: candidates, best first; history rows; the alphas after every epoch."""

    candidates: list[Candidate] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    alphas: list[dict[str, list[list[float]]]] = field(default_factory=list)
    reason: str = ""  # why it ended without having come to its last epoch
    parts: int = 1  # that batches were learnt in, since memory ran out


def endless(data: DeviceImages, settings: Gradient, seed: int, start: int = 0) -> Iterator[Batch]:
    """Shuffled, augmented batches of `data` without end, from number `start` on; each pass has its own seed."""
    turn, start = divmod(start, data.steps(settings.batch_size, shuffle=True))
    while True:
        turn += 1
        yield from data.batches(
            settings.batch_size,
            augment=settings.augment,
            shuffle=True,
            seed=derive_seed(seed, "turn", turn),
            start=start,
        )
        start = 0


def build_supernet(step: DartsSettings, *, inputs: int, classes: int) -> Supernet:
    """The supernet that a strategy trains."""
    parts = step.strategy.parts if isinstance(step.strategy, PcDarts) else 1
    return Supernet(declared_cells(step.space), step.network, inputs=inputs, classes=classes, parts=parts)


def darts(
    step: DartsSettings, images: Images, *, seed: int, progress: Progress, checkpoint: Checkpoint | None = None
) -> DartsResult:
    """Search. A supernet that diverges ends the search; the alphas of its last sound epoch are used.

    Raises nothing for divergence: without any sound epoch the result has no candidates and a `reason`.
    """
    settings = step.strategy
    train, valid = images.train, images.valid
    assert valid is not None  # the alphas learn from validation images
    torch.manual_seed(derive_seed(seed, "initialisation"))
    supernet = build_supernet(step, inputs=images.meta.shape[0], classes=len(images.meta.classes))
    supernet = supernet.to(train.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    synchronise(supernet)
    bilevel = DartsLearner(supernet, settings, iter(()), derive_seed(seed, "relaxation"))

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        # batches of the alphas are drawn anew in each epoch, so that an epoch depends on its number alone
        alpha_batches = endless(valid, settings, derive_seed(seed, "alpha batches", epoch), start)
        bilevel.begin(epoch, start, alpha_batches)
        return train.batches(
            settings.batch_size,
            augment=settings.augment,
            shuffle=True,
            seed=derive_seed(seed, "batches", epoch),
            start=start,
        )

    def end_of_epoch(epoch: int) -> Row:
        return _epoch_row(bilevel, valid, epoch)

    result = DartsResult()
    diverged = False
    try:
        rows = fit(
            bilevel,
            batches,
            epochs=settings.epochs,
            images=len(train),
            seed=seed,
            end_of_epoch=end_of_epoch,
            progress=progress,
            checkpoint=checkpoint,
            stop=lambda rows: reason_to_stop(settings, rows),
        )
        result.reason = reason_to_stop(settings, rows)
    except DivergedError as error:
        rows, result.reason, diverged = error.history, str(error), True
    result.parts = bilevel.parts.count
    result.alphas = [row["alphas"] for row in rows]
    chosen = chosen_epoch(settings, rows) if rows else -1
    result.history = [history_row(row, chosen=place == chosen) for place, row in enumerate(rows)]
    if diverged:
        result.history.append({"step": len(rows) + 1, "status": "diverged"})
    if rows:
        result.candidates = _candidates(bilevel, rows[chosen]["mix"], train, valid, seed, diverged=diverged)
    return result


def _epoch_row(bilevel: DartsLearner, valid: DeviceImages, epoch: int) -> Row:
    """What an epoch leaves behind. Raises DivergedError where an alpha is no number."""
    supernet, settings = bilevel.supernet, bilevel.settings
    space = supernet.space
    alphas = {kind: values.detach().cpu().tolist() for kind, values in supernet.alphas.items()}
    if not all(torch.isfinite(values).all() for values in bilevel.alphas):
        raise DivergedError(f"an alpha is no number after epoch {epoch}")
    bilevel.relaxation.begin(epoch, 0, bilevel.seed)
    with torch.no_grad():
        expected = bilevel.relaxation.expected()
    loss, supernet_accuracy = accuracy(supernet, expected, valid)
    mix = {kind: weights.cpu().tolist() for kind, weights in expected.weights.items()}
    architecture = most_likely(space, mix, 1)[0][0]
    row: Row = {
        "valid_loss": loss,
        "valid_accuracy": supernet_accuracy,
        "alphas": alphas,
        "mix": mix,
        "architecture": str(architecture),
        "inherited_accuracy": accuracy(supernet, discrete(supernet, architecture), valid)[1],
        "discrete_accuracy": accuracy(supernet, discrete(supernet, architecture), valid, fresh=True)[1],
        "entropy": sum(map(entropy, mix.values())) / len(mix),
        "parameter_free": {kind: parameter_free(cell) for kind, cell in architecture.cells.items()},
        "skips": skips(architecture),
        "ranking": {kind: [_ranking(edge) for edge in weights] for kind, weights in mix.items()},
    }
    if settings.eigenvalue:
        row["eigenvalue"] = _sharpness(bilevel, valid)
    sharpness = f", largest eigenvalue {row['eigenvalue']:.3g}" if settings.eigenvalue else ""
    if world().writes:
        print(
            f"epoch {epoch}: supernet {supernet_accuracy:.1%}, discrete {row['discrete_accuracy']:.1%}, entropy "
            f"{row['entropy']:.2f}, {row['skips']} skips{sharpness}: {architecture}",
            flush=True,
        )
    return row


def _ranking(weights: Sequence[float]) -> list[int]:
    """Places of the operations of an edge, the largest weight first."""
    return sorted(range(len(weights)), key=lambda place: -weights[place])


def _sharpness(bilevel: DartsLearner, valid: DeviceImages) -> float:
    """The largest eigenvalue on one batch of validation images, the same images after every epoch."""
    supernet = bilevel.supernet
    images, labels = next(iter(valid.batches(bilevel.settings.batch_size, shuffle=True, seed=bilevel.seed)))

    def loss() -> Tensor:
        mix = bilevel.relaxation.expected()
        return F.cross_entropy(supernet(images, mix.weights, mix.active, mix.around), labels)

    learn_only(bilevel.alphas, frozen=bilevel.weights)
    supernet.train()
    supernet.differentiable_twice(True)
    try:
        # all processes compute the same
        with same_statistics(supernet), world().apart():
            return largest_eigenvalue(loss, bilevel.alphas)
    finally:
        supernet.differentiable_twice(False)


def _candidates(
    bilevel: DartsLearner,
    mix: dict[str, list[list[float]]],
    train: DeviceImages,
    valid: DeviceImages,
    seed: int,
    *,
    diverged: bool,
) -> list[Candidate]:
    supernet, settings = bilevel.supernet, bilevel.settings
    likely = [
        (str(found), score, "alpha_likelihood")
        for found, score in most_likely(supernet.space, mix, settings.candidates)
    ]
    if diverged:
        return likely  # the weights are lost, what the alphas said is not
    if isinstance(settings, Rsws):
        ranked = rank_by_shared_weights(supernet, valid, evaluations=settings.evaluations, seed=seed)
        return [(str(found), score, "shared_weights") for found, score in ranked[: settings.candidates]]
    if settings.selection == "argmax":
        return likely
    turns = iter(range(10**9))

    def tune(left: Mix) -> None:
        supernet.train()
        learn_only(bilevel.weights, frozen=bilevel.alphas)
        for group in bilevel.weight_optimizer.param_groups:
            group["lr"] = max(settings.learning_rate_min, settings.learning_rate / 10)
        for _ in range(settings.selection_epochs):
            tuning_seed = derive_seed(seed, "selection", next(turns))
            for inputs, labels in train.batches(
                settings.batch_size, augment=settings.augment, shuffle=True, seed=tuning_seed
            ):
                bilevel.learn_weights(inputs, labels, lambda: left)

    weights = {
        kind: torch.tensor(rows, device=train.device, dtype=supernet.alphas[kind].dtype) for kind, rows in mix.items()
    }
    with torch.no_grad():
        around = bilevel.relaxation.expected().around
    found = select(supernet, Mix(weights, None, around), lambda left: accuracy(supernet, left, valid)[1], tune, seed)
    fitness = accuracy(supernet, discrete(supernet, found), valid, fresh=True)[1]
    others = [candidate for candidate in likely if candidate[0] != str(found)]
    return [(str(found), fitness, "perturbation"), *others][: settings.candidates]


def history_row(row: Row, *, chosen: bool) -> Row:
    """An epoch's line of history.csv: the architecture that its alphas stand for, and how decided they are."""
    shares = list(row["parameter_free"].values())
    return {
        "step": row["epoch"],
        "architecture": row["architecture"],
        "score": row["valid_accuracy"],
        "status": "ok",
        "loss": row["valid_loss"],
        "entropy": row["entropy"],
        "parameter_free": shares[0],
        "parameter_free_reduce": shares[1] if len(shares) > 1 else None,
        "skips": row["skips"],
        "discrete_accuracy": row["discrete_accuracy"],
        "inherited_accuracy": row["inherited_accuracy"],
        "eigenvalue": row.get("eigenvalue"),
        "seconds": row["seconds"],
        "chosen": int(chosen),
    }
