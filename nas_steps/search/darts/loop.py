"""The loop of all differentiable searches (Liu et al. 2019, algorithm 1); `kinds` holds the differences."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.discretise import parameter_free, skips
from nas_steps.search.darts.eigenvalue import largest_eigenvalue
from nas_steps.search.darts.learner import Candidate, DartsLearner, accuracy, endless, learn_only, learner_of, shuffled
from nas_steps.search.darts.selection import select
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.declare import declared_cells
from nas_steps.training.batch_norms import same_statistics, synchronise
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.distributed import world
from nas_steps.training.loop import Batch, DivergedError, Row, fit
from nas_steps.training.networks import Images
from nas_steps.training.progress import Progress


@dataclass
class DartsResult:
    """Candidates, best first; history rows; alphas by epoch; why the search ended early; micro-batches of a batch."""

    candidates: list[Candidate] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    alphas: list[dict[str, list[list[float]]]] = field(default_factory=list)
    reason: str = ""
    micro_batches: int = 1


def darts(
    settings: DartsSettings, images: Images, *, seed: int, progress: Progress, checkpoint: Checkpoint | None = None
) -> DartsResult:
    """Search. A diverged supernet's last sound epoch is used; without one there are no candidates, but a `reason`."""
    strategy, train, valid = settings.strategy, images.train, images.valid
    assert valid is not None  # the alphas learn from validation images
    kind = learner_of(strategy.kind)
    torch.manual_seed(derive_seed(seed, "initialisation"))
    supernet = Supernet(
        declared_cells(settings.space),
        settings.network,
        **images.shape,
        k=kind.k(strategy),
        edge_weights=kind.weighs_edges,
    )
    supernet = supernet.to(train.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    synchronise(supernet)
    learner = kind(supernet, strategy, derive_seed(seed, "relaxation"))
    learner.metric = settings.metric

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        # batches of the alphas are drawn anew in each epoch, so that an epoch depends on its number alone
        learner.begin(epoch, start, endless(valid, strategy, derive_seed(seed, "alpha batches", epoch), start))
        return shuffled(train, strategy, derive_seed(seed, "batches", epoch), start)

    result, diverged = DartsResult(), False
    try:
        rows = fit(
            learner,
            batches,
            epochs=strategy.epochs,
            images=len(train),
            seed=seed,
            end_of_epoch=lambda epoch: _epoch_row(learner, valid, epoch),
            progress=progress,
            checkpoint=checkpoint,
            stop=learner.reason_to_stop,
        )
        result.reason = learner.reason_to_stop(rows)
    except DivergedError as error:
        rows, result.reason, diverged = error.history, str(error), True
    result.micro_batches = learner.micro_batches.count
    result.alphas = [row["alphas"] for row in rows]
    if rows:
        chosen = learner.chosen_epoch(rows)
        result.history = [history_row(row, chosen=place == chosen) for place, row in enumerate(rows)]
        mix = rows[chosen]["mix"]
        # the weights of a diverged supernet are lost, its alphas are not
        result.candidates = learner.most_likely(mix) if diverged else learner.candidates(mix, valid, seed)
        if strategy.selection == "perturbation" and not diverged:
            learner.take(rows[chosen]["alphas"])
            beside = None if checkpoint is None else checkpoint.beside("selection")
            try:
                best = select(learner, train, valid, seed=seed, progress=progress, checkpoint=beside)
            except DivergedError as error:
                result.reason = f"the selection by perturbation failed, the alphas decide instead: {error}"
            else:
                others = [candidate for candidate in result.candidates if candidate[0] != best[0]]
                result.candidates = [best, *others][: strategy.candidates]
        result.history[-1]["drawn"] = learner.drawn or None
    if diverged:
        result.history.append({"step": len(rows) + 1, "status": "diverged"})
    return result


def _epoch_row(learner: DartsLearner, valid: DeviceImages, epoch: int) -> Row:
    """Return what an epoch leaves behind. Raises DivergedError if an alpha is no number.

    Its accuracies are the experiment's metric."""
    supernet = learner.supernet
    alphas = {kind: values.detach().cpu().tolist() for kind, values in supernet.alphas.items()}
    if not all(torch.isfinite(values).all() for values in learner.alphas):
        raise DivergedError(f"an alpha is no number after epoch {epoch}")
    learner.reseed(epoch, 0)
    with torch.no_grad():
        expected, reported = learner.expected(), learner.reported()
    loss, supernet_accuracy = accuracy(supernet, reported, valid, metric=learner.metric)
    mix = {kind: weights.cpu().tolist() for kind, weights in expected.weights.items()}
    architecture = supernet.space.parse(learner.most_likely(mix)[0][0])
    discrete = supernet.discrete(architecture)
    row: Row = {
        "valid_loss": loss,
        "valid_accuracy": supernet_accuracy,
        "alphas": alphas,
        "mix": mix,
        "architecture": str(architecture),
        "inherited_accuracy": accuracy(supernet, discrete, valid, metric=learner.metric)[1],
        "discrete_accuracy": accuracy(supernet, discrete, valid, fresh=True, metric=learner.metric)[1],
        "entropy": learner.entropy(mix),
        "parameter_free": {kind: parameter_free(cell) for kind, cell in architecture.cells.items()},
        "skips": skips(architecture),
    } | learner.facts(mix)
    sharpness = ""
    if learner.settings.eigenvalue:
        row["eigenvalue"], row["products"] = _sharpness(learner, valid)
        sharpness = f", largest eigenvalue {row['eigenvalue']:.3g}"
    if world().writes:
        print(
            f"epoch {epoch}: supernet {supernet_accuracy:.1%}, discrete {row['discrete_accuracy']:.1%}, entropy "
            f"{row['entropy']:.2f}, {row['skips']} skips{sharpness}: {architecture}",
            flush=True,
        )
    return row


def _sharpness(learner: DartsLearner, valid: DeviceImages) -> tuple[float, int]:
    """The Hessian's largest eigenvalue on one batch of validation images, the same ones after every epoch, and the
    products with the Hessian that it took."""
    supernet = learner.supernet
    images, labels = next(iter(valid.batches(learner.settings.batch_size, shuffle=True, seed=learner.seed)))

    def loss() -> Tensor:
        return F.cross_entropy(supernet(images, learner.expected()), labels)

    learn_only(learner.alphas, frozen=learner.weights)
    supernet.train()
    supernet.differentiable_twice(True)
    try:
        # all processes compute the same
        with same_statistics(supernet):
            return largest_eigenvalue(loss, learner.alphas)
    finally:
        supernet.differentiable_twice(False)


def history_row(row: Row, *, chosen: bool) -> Row:
    """Return an epoch's line of history.csv."""
    shares = list(row["parameter_free"].values())
    same = ("entropy", "skips", "discrete_accuracy", "inherited_accuracy", "seconds", "architecture")
    return {name: row[name] for name in same} | {
        "step": row["epoch"],
        "score": row["valid_accuracy"],
        "status": "ok",
        "loss": row["valid_loss"],
        "parameter_free": shares[0],
        "parameter_free_reduce": shares[1] if len(shares) > 1 else None,
        "eigenvalue": row.get("eigenvalue"),
        "products": row.get("products"),
        "chosen": int(chosen),
    }
