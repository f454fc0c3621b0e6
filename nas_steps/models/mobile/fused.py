"""Convolutions of fixed weights on a CPU: oneDNN packs the weights once and computes the activation with each output.

`torch.nn.functional.conv2d` packs the weights at each call, and an activation reads and writes its input once more. The
operations are those that torch's own compiler calls; where torch lacks them, convolutions stay as they are.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.models.convolutions import Conv2d

#: activations that oneDNN computes with a convolution: its name and numbers of them
FUSED: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
    nn.SiLU: ("swish", []),
}


class FusedConvolution(nn.Module):
    """A convolution and its activation in evaluation mode: (N, C, H, W) float32 -> (N, D, H', W')."""

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module) -> None:
        super().__init__()
        self._name, self._numbers = FUSED[type(activation)]
        self._stride, self._padding = list(convolution.stride), [int(one) for one in convolution.padding]
        self._dilation, self._groups = list(convolution.dilation), convolution.groups
        self._weight, self._bias = convolution.weight.detach(), convolution.bias
        self._packed: Tensor | None = None

    def put(self, weight: Tensor, bias: Tensor) -> None:
        """Take other weights; they are packed when the next images come."""
        self._weight, self._bias, self._packed = weight, bias, None

    def forward(self, x: Tensor) -> Tensor:
        how = (self._padding, self._stride, self._dilation, self._groups)
        if self._packed is None:
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            self._packed = reorder(self._weight.to_mkldnn(), *how, list(x.shape))
        given = (self._packed, self._bias, *how, self._name, self._numbers, "")
        return torch.ops.mkldnn._convolution_pointwise(x, *given)


def can_fuse(convolution: nn.Module, activation: nn.Module) -> bool:
    """Return whether oneDNN computes both at once, here."""
    return (
        torch.backends.mkldnn.is_available()
        and bool(torch.backends.mkldnn.enabled)
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
        and isinstance(convolution, nn.Conv2d)
        and type(convolution).forward in (Conv2d.forward, nn.Conv2d.forward)
        and not isinstance(convolution.padding, str)
        and convolution.padding_mode == "zeros"
        and convolution.weight.device.type == "cpu"
        and convolution.weight.dtype == torch.float32
        and type(activation) in FUSED
    )
