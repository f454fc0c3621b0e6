"""The norm of the loss's gradient."""

from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import gradients, loss, total, weights


def score(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum ||dL/dW||_2 over W (Abdelfattah et al. 2021, section 3.2). Sign: as published.

    W runs over the weights of convolutions and linear layers, L is the mean cross-entropy of the minibatch.
    """
    return total(gradient.norm() for gradient in gradients(loss(model, images, labels), weights(model)))
