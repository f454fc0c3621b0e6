"""The cheapest estimator: a zero-cost proxy of the untrained network."""

from __future__ import annotations

from nas_steps.config.estimators import ZeroCost
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.estimation.training import failing
from nas_steps.estimation.untrained import Batch, measure
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.progress import Progress


class ProxyScores:
    """Scores by one proxy. An architecture without a score, say one without a path, is recorded as `undefined`."""

    def __init__(self, shard: Shard) -> None:
        assert isinstance(shard.step.estimator, ZeroCost)
        self.shard = shard
        self.settings = shard.step.estimator
        self.batch = Batch.drawn(shard.data, self.settings.batch_size, shard.job.device, shard.step.seed)

    def units(self, proposal: Proposal) -> int:  # noqa: ARG002
        return 1

    def __call__(self, proposal: Proposal, progress: Progress, checkpoint: Checkpoint) -> Estimate:  # noqa: ARG002
        found = failing(proposal, lambda: self._estimate(proposal))
        progress.skip(1)
        return found

    def _estimate(self, proposal: Proposal) -> Estimate:
        proxy, architecture = self.settings.proxy, proposal.architecture
        seed = self.shard.seed_of(architecture)
        measured, size = measure(architecture, self.shard.step.network, self.batch, [proxy], seed=seed)
        return Estimate(
            index=proposal.index,
            architecture=architecture,
            score=measured[proxy].score,
            status=measured[proxy].status,
            reason=measured[proxy].reason,
            parameters=size.parameters,
            macs=size.macs,
            seconds=round(measured[proxy].seconds, 4),
        )
