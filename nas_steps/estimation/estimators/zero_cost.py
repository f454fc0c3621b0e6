"""The cheapest estimator: a zero-cost proxy of the untrained network."""

from __future__ import annotations

from nas_steps.config.estimators import ZeroCost
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Shard
from nas_steps.estimation.training import failing
from nas_steps.estimation.zero_cost import Minibatch
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.progress import Progress


class ProxyScores:
    """Scores by one proxy. An architecture without a score, such as one without a path, is `undefined`."""

    def __init__(self, shard: Shard) -> None:
        assert isinstance(shard.settings.estimator, ZeroCost)
        self.shard = shard
        self.settings = shard.settings.estimator
        self.batch = Minibatch.drawn(shard.data, self.settings.batch_size, shard.job.device, shard.settings.seed)

    def units(self, _proposal: Proposal) -> int:
        return 1

    def __call__(self, proposal: Proposal, progress: Progress, _checkpoint: Checkpoint) -> Estimate:
        estimate = failing(proposal, lambda: self._estimate(proposal))
        progress.skip(1)
        return estimate

    def _estimate(self, proposal: Proposal) -> Estimate:
        seed = self.shard.seed_of(proposal.architecture)
        network = self.shard.settings.network
        measured, size = self.batch.score(proposal.architecture, network, self.settings.proxy, seed=seed)
        return Estimate(
            proposal.index,
            proposal.architecture,
            measured.score,
            measured.status,
            measured.reason,
            size.parameters,
            size.macs,
            round(measured.seconds, 4),
        )


def estimator(shard: Shard) -> ProxyScores:
    return ProxyScores(shard)
