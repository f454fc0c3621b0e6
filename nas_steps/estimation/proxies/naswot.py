"""NASWOT: how differently an untrained network responds to the images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas_steps.estimation.proxy_tools import UndefinedError


class _Agreements(TorchDispatchMode):
    """Count, for each pair of images, the rectifiers that are open for both or closed for both, in whatever module."""

    #: SiLU and hard swish too are positive just where their input is
    RECTIFIERS = frozenset(
        getattr(torch.ops.aten, name).default
        for kind in ("relu", "hardtanh", "silu", "hardswish")
        for name in (kind, f"{kind}_")
    )

    def __init__(self, images: int) -> None:
        super().__init__()
        self.units = 0
        self.matrix = torch.zeros(images, images, dtype=torch.float64)

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in self.RECTIFIERS and output.shape[0] == len(self.matrix):
            # of codes +1 and -1, a product is the agreements less the disagreements
            codes = torch.where(output > 0, 1.0, -1.0).flatten(1)
            self.matrix += (codes.shape[1] + (codes @ codes.T).cpu().double()) / 2
            self.units += codes.shape[1]
        return output


@torch.no_grad()
def score(model: nn.Module, images: Tensor, _labels: Tensor) -> float:
    """Compute log |det K|: K_ij counts the units (elements of a rectifier's output) that are open or closed for both
    images i and j, N_A less the Hamming distance of the codes (Mellor et al. 2021, section 3).

    Sign: different codes make K closer to diagonal and its determinant larger, as published.
    """
    with _Agreements(len(images)) as agreements:
        model(images)
    if agreements.units == 0:
        raise UndefinedError("the network has no ReLU, so that the images have no codes")
    if torch.linalg.matrix_rank(agreements.matrix, hermitian=True) < len(images):
        raise UndefinedError(
            "the images' codes do not tell them apart (two are the same, or there are fewer units than images): the "
            "determinant is 0"
        )
    return torch.linalg.slogdet(agreements.matrix).logabsdet.item()
