"""SNIP: the saliency of single-shot pruning."""

from __future__ import annotations

from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import loss, saliency, weights


def score(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum |W * dL/dW| over W (Lee et al. 2019, section 4.1, before it is normalised; Abdelfattah et al. 2021,
    section 3.2).

    W and L are those of `grad_norm`. Sign: as published, a connection that matters to the loss counts for.
    """
    learnt = weights(model)
    return saliency(loss(model, images, labels), learnt)
