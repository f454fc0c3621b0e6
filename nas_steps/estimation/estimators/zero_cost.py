"""Score untrained networks by a zero-cost proxy."""

from nas_steps.config.estimators import ZeroCost
from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.estimation.shard import Estimator, Shard
from nas_steps.estimation.zero_cost import Minibatch
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.progress import Progress


class ProxyScores(Estimator):
    """Scores by one proxy; of status `undefined` if the network has no score, such as one without a path."""

    settings: ZeroCost

    def __init__(self, shard: Shard) -> None:
        super().__init__(shard)
        self.batch = Minibatch(shard.data, self.settings.batch_size, shard.job.device, shard.settings.seed)

    def units(self, _proposal: Proposal) -> int:
        return 1

    def estimate(self, proposal: Proposal, progress: Progress, _checkpoint: Checkpoint) -> Estimate:
        progress.skip(1)
        architecture, network = proposal.architecture, self.shard.settings.network
        seed = self.shard.seed_of(architecture)
        measured, size = self.batch.score(architecture, network, self.settings.proxy, seed=seed)
        result = (measured.score, measured.status, measured.reason, size.parameters, size.macs)
        return Estimate(proposal.index, architecture, *result, round(measured.seconds, 4))


estimator = ProxyScores
