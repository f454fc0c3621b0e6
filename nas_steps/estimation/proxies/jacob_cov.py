"""The correlation of the images' gradients."""

import torch
from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import UndefinedError

#: keeps eigenvalues of 0 finite: Mellor et al. 2020, section 3
EPSILON = 1e-5


def score(model: nn.Module, images: Tensor, _labels: Tensor) -> float:
    """Compute -sum_i [log(v_i + k) + 1 / (v_i + k)], k = 1e-5, of the eigenvalues v of the correlations between the
    images' gradients (Mellor et al. 2020, "Neural Architecture Search without Training", first version, section 3).

    A gradient is that of the sum of all logits. Sign: uncorrelated ones (all v are 1) score best, as published.
    """
    images = images.detach().clone().requires_grad_(True)
    (rows,) = torch.autograd.grad(model(images).sum(), images)
    rows = rows.flatten(1).cpu().double()
    if (rows.std(1) == 0).any():
        raise UndefinedError("an image's gradient is the same in all pixels, so that it correlates with no other")
    values = torch.linalg.eigvalsh(torch.corrcoef(rows)) + EPSILON
    return -(values.log() + 1 / values).sum().item()
