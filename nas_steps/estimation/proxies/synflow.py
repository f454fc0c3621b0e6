"""Synaptic flow: how much of a signal passes through a network whose weights are all positive. It sees no data."""

import math

from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import UndefinedError, positive_flow, saliency, weights


def score(model: nn.Module, images: Tensor, _labels: Tensor) -> float:
    """Compute the natural logarithm of the sum over W of W * dR/dW, R being the sum of the logits of an image of ones
    in the network of absolute parameters (Tanaka et al. 2020, algorithm 1; Abdelfattah et al. 2021, section 3.2).

    W is that of `grad_norm`; there are no batch norms. The sum is exponential in depth. Sign: as published.
    """
    learnt = weights(model)
    _, flow = positive_flow(model, images[0])
    value = saliency(flow, learnt)
    if not math.isfinite(value):
        raise UndefinedError("the flow is beyond what float64 can hold (1e308): the network is too deep for synflow")
    if value == 0:
        raise UndefinedError("no flow reaches the output, so that its logarithm is minus infinity")
    return math.log(value)
