"""GraSP: what pruning a weight does to the gradient's norm."""

import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import gradients, loss, total, weights


def score(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum -W * (H g) over W, with g = dL/dW and H the Hessian of L in W (Wang et al. 2020, section 4; Abdelfattah et
    al. 2021, section 3.2).

    W and L are those of `grad_norm`. Sign, temperature (1) and a single minibatch are those of Abdelfattah et al.
    """
    _make_twice_differentiable(model)
    learnt = weights(model)
    slopes = gradients(loss(model, images, labels), learnt, create_graph=True)
    # with g held fixed, the gradient of g . dL/dW is the product H g
    product = sum((slope.detach() * slope).sum() for slope in slopes)
    assert isinstance(product, Tensor)
    curvature = gradients(product, learnt)
    return total(-(weight * one).detach() for weight, one in zip(learnt, curvature, strict=True))


class _Hardsigmoid(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + 3) / 6


def _make_twice_differentiable(model: nn.Module) -> None:
    """Replace hard sigmoids, which torch differentiates only once, by the same function of ReLU6."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Hardsigmoid):
                setattr(module, name, _Hardsigmoid())
