"""One job's share of a round: look the proposals up or score them, one by one."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import Training
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.settings import EstimationSettings
from nas_steps.models.pretrained import Pretrained
from nas_steps.provenance.files import write_json
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.provenance.kinds import of_kind
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.job import Job
from nas_steps.training.micro_batches import out_of_memory
from nas_steps.training.networks import load_data, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.trained import Trained

#: the folder of the cache, safe to delete
CACHE = "estimates"
#: other results are the machine's, not the architecture's
CACHED = ("ok", "diverged", "undefined")


@dataclass(frozen=True)
class Shard:
    """The context of an estimator: scores are for the `stage` search or ranking, in its repetition `seed`.

    Trainings begin with the weights of `start`.
    """

    settings: EstimationSettings
    data: str
    stage: str
    seed: int
    job: Job
    start: Pretrained | None = None

    def seed_of(self, architecture: str, repetition: int = 0) -> int:
        """Derive an architecture's seed, which depends neither on shard nor round nor strategy."""
        more = (repetition,) if repetition else ()
        return derive_seed(self.settings.seed, self.stage, self.seed, architecture, *more)


class Estimator(ABC):
    """Scores one architecture at a time. An estimate depends on the proposal and on the `Shard` alone."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.settings: Any = shard.settings.estimator

    @abstractmethod
    def units(self, proposal: Proposal) -> int:
        """Count a proposal's units of progress: epochs, or 1."""

    @abstractmethod
    def estimate(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        """Score a proposal."""

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:
        """Score a proposal; of status `failed` if the network cannot be built or exceeds memory."""
        try:
            return self.estimate(proposal, progress, checkpoint)
        except UserError as error:
            reason = str(error)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            reason = f"out of memory: {str(error).strip().splitlines()[0] if str(error).strip() else 'none left'}"
        print(f"{proposal.architecture}: no score, {reason}", flush=True)
        return Estimate(proposal.index, proposal.architecture, math.nan, "failed", reason)


class TrainingEstimator(Estimator):
    """Trains on the same images, whatever architecture and seed."""

    def __init__(self, shard: Shard) -> None:
        super().__init__(shard)
        seed = derive_seed(shard.settings.seed, "part of the training images")
        options = {"side": self.settings.resolution, "share": self.settings.images, "seed": seed}
        options["metric"] = shard.settings.metric
        # of text a training reads as much as its compute says
        self.images = load_data(shard.data, shard.job.device, **options)

    def train(self, proposal: Proposal, settings: Training, repetition: int = 0, **how: Any) -> Trained:
        """Train the network of a proposal; `how` is the progress, checkpoint and stop of `train_network`."""
        architecture, network = proposal.architecture, self.shard.settings.network
        seed = self.shard.seed_of(architecture, repetition)
        if (start := self.shard.start) is not None:
            how["initial"] = partial(start.start, architecture=architecture)
        trained = train_network(architecture, network, settings, self.images, seed=seed, **how)
        self.shard.job.learnt_in(trained.micro_batches)
        return trained


def estimate_of(proposal: Proposal, trained: Trained, score: float) -> Estimate:
    # an epoch that diverged was trained, too
    epochs = len(trained.history) + (trained.status == "diverged")
    sizes = (trained.parameters, trained.macs, round(trained.seconds, 3), epochs)
    return Estimate(proposal.index, proposal.architecture, score, trained.status, trained.reason, *sizes)


class EstimateCache:
    """The estimates of one estimator, a file for each: `key` holds all that they depend on but the proposal."""

    def __init__(self, folder: str | Path, key: dict[str, Any]) -> None:
        self.folder = Path(folder) / CACHE / fingerprint(key)

    def get(self, proposal: Proposal) -> Estimate | None:
        """Return the estimate of a proposal, or None. A damaged file is reported and not used."""
        path = self._file(proposal)
        if not path.is_file():
            return None
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            values = dict(stored["estimate"])
            whole = fingerprint(values) == stored["fingerprint"]
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            print(f"{path} is not as it was written, and is not used", flush=True)
            return None
        # JSON has no NaN
        values = {name: math.nan if value is None else value for name, value in values.items()}
        estimate = replace(Estimate(**values), index=proposal.index)
        return estimate if estimate.architecture == proposal.architecture else None

    def put(self, proposal: Proposal, estimate: Estimate) -> None:
        if estimate.status in CACHED:
            values = asdict(replace(estimate, index=0))
            floats = {name: value for name, value in values.items() if isinstance(value, float)}
            values |= {name: value if math.isfinite(value) else None for name, value in floats.items()}
            write_json(self._file(proposal), {"estimate": values, "fingerprint": fingerprint(values)})

    def _file(self, proposal: Proposal) -> Path:
        key = {name: value for name, value in asdict(proposal).items() if name not in ("index", "promoted")}
        name = fingerprint(key)
        # some of 256 folders: whoever writes a file looks through its folder
        return self.folder / name[:2] / f"{name}.json"


def estimates_of(shard: Shard, proposals: Sequence[Proposal], root: Path) -> list[Estimate]:
    """Score all proposals in their order, but those that the cache below `root` or an earlier attempt has."""
    estimator: Estimator = of_kind("nas_steps.estimation.estimators", shard.settings.estimator.kind).estimator(shard)
    cache = EstimateCache(root, shard.job.identity() | {"stage": shard.stage, "seed": shard.seed})
    finished = shard.job.finished("estimates")
    estimates = [Estimate(**row) for row in finished.rows]
    looked_up: list[Estimate] = []
    with Progress(sum(map(estimator.units, proposals)), f"{len(proposals)} architectures") as progress:
        progress.resume(sum(map(estimator.units, proposals[: len(estimates)])))
        for proposal in proposals[len(estimates) :]:
            checkpoint = shard.job.checkpoints.of(f"architecture-{proposal.index}")
            estimate = cache.get(proposal)
            if estimate is not None:
                looked_up.append(estimate)
                progress.skip(estimator.units(proposal))
            else:
                estimate = estimator(proposal, progress, checkpoint)
                cache.put(proposal, estimate)
            estimates.append(estimate)
            finished.add(asdict(estimate), of=checkpoint)
    if looked_up:
        seconds = round(sum(one.seconds for one in looked_up), 3)
        shard.job.cost.extra |= {"looked_up": len(looked_up), "looked_up_seconds": seconds}
        print(f"{len(looked_up)} of {len(proposals)} were known from before ({seconds:g} s of training)", flush=True)
    return estimates
