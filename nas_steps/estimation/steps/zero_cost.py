"""Score a shard of untrained architectures on one batch."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.estimation.shard import Estimator, Shard, estimate_shard

MODULE = "nas_steps.estimation zero_cost"


def main(arguments: Sequence[str]) -> None:
    estimate_shard(MODULE, __name__, __doc__ or "", arguments, _estimator)


def _estimator(shard: Shard) -> Estimator:
    from nas_steps.estimation.proxy_score import ProxyScores

    return ProxyScores(shard)
