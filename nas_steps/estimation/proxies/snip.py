"""SNIP: the saliency of single-shot pruning."""

from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import loss, saliency, weights


def score(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum |W * dL/dW| over W (Lee et al. 2019, section 4.1, not normalised; Abdelfattah et al. 2021, section 3.2).

    W and L are those of `grad_norm`. Sign: as published, a connection that matters to the loss counts for.
    """
    return saliency(loss(model, images, labels), weights(model))
