"""Score a shard of architectures by the learning curves of their first epochs."""

from __future__ import annotations

from collections.abc import Sequence

from nas_steps.estimation.shard import Estimator, Shard, estimate_shard

MODULE = "nas_steps.estimation extrapolation"


def main(arguments: Sequence[str]) -> None:
    estimate_shard(MODULE, __name__, __doc__ or "", arguments, _estimator)


def _estimator(shard: Shard) -> Estimator:
    from nas_steps.estimation.extrapolation import Extrapolations

    return Extrapolations(shard)
