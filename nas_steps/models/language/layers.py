"""Norms, rotary positions, depthwise convolutions and feed-forward networks of language models.

The residual stream is (N, T, width): N sequences of T tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_steps.spaces.language.architectures import FeedForward, Frame

#: epsilons of LayerNorm (GPT-2) and of RMSNorm (Llama); norms without scales have float32's machine epsilon, as torch
EPSILON = 1e-5
PLAIN_EPSILON = 2.0**-23
#: tensors that one token passes to the next
State = dict[str, Tensor]


class RMSNorm(nn.Module):
    """Divide by the root mean square of the last dimension, in float32; with `scales`, multiply by learned ones."""

    def __init__(self, width: int, *, scales: bool) -> None:
        super().__init__()
        self.width = width
        self.epsilon = EPSILON if scales else PLAIN_EPSILON
        self.weight = nn.Parameter(torch.ones(width)) if scales else None

    def forward(self, x: Tensor) -> Tensor:
        normed = F.rms_norm(x.float(), (self.width,), eps=self.epsilon).type_as(x)
        return normed if self.weight is None else normed * self.weight.type_as(x)


def build_norm(frame: Frame) -> nn.Module:
    """Build the norm before a mixer, a feed-forward network or the head."""
    if frame.norm == "ln":
        return nn.LayerNorm(frame.width, eps=EPSILON, bias=frame.bias)
    return RMSNorm(frame.width, scales=frame.norm == "rms")


class DepthwiseConvolution(nn.Module):
    """A causal convolution of each channel by itself, over the last `kernel` tokens.

    With `primer` the weights start as in Primer's code, 0.5 for the token itself and 0.5 / kernel for those before it.
    Without it, they start as those of `torch.nn.Conv1d`.
    """

    def __init__(self, channels: int, kernel: int, *, primer: bool = False) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(channels, 1, kernel))
        with torch.no_grad():
            if primer:
                self.weight.fill_(0.5 / kernel)
                self.weight[..., -1] = 0.5
            else:
                nn.init.uniform_(self.weight, -(kernel**-0.5), kernel**-0.5)

    def forward(self, x: Tensor, past: State | None = None, name: str = "tokens") -> Tensor:
        """(N, T, channels) -> the same. `past` has the tokens before under `name`, and gets those before the next."""
        x = x.transpose(1, 2)
        if past is None:
            x = F.pad(x, (self.kernel - 1, 0))
        else:
            before = past.get(name)
            x = F.pad(x, (self.kernel - 1, 0)) if before is None else torch.cat([before, x], 2)
            past[name] = x[..., 1 - self.kernel :]
        return F.conv1d(x, self.weight, groups=self.weight.shape[0]).transpose(1, 2)


class FeedForwardNetwork(nn.Module):
    """(N, T, width) -> the same; `project` leads back to the residual stream.

    GELU is GPT-2's approximation by tanh. SwiGLU multiplies the SiLU of `gate` by `inner`.
    """

    def __init__(self, part: FeedForward, frame: Frame) -> None:
        super().__init__()
        hidden = part.hidden(frame.width)
        self.activation = part.activation
        self.inner = nn.Linear(frame.width, hidden, bias=frame.bias)
        self.gate = nn.Linear(frame.width, hidden, bias=frame.bias) if part.activation == "swiglu" else None
        self.project = nn.Linear(hidden, frame.width, bias=frame.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.inner(x)
        if self.gate is not None:
            hidden = F.silu(self.gate(x)) * hidden
        elif self.activation == "relu2":
            hidden = F.relu(hidden).square()
        else:
            hidden = F.gelu(hidden, approximate="tanh")
        return self.project(hidden)


class Pass:
    """What the layers share in one forward pass over tokens at `places`, int64 (T,)."""

    def __init__(self, frame: Frame, places: Tensor) -> None:
        self.base, self.places = frame.base, places
        #: the values that later layers mix with theirs, by `value_shape`
        self.values: dict[tuple[int, int], Tensor] = {}
        self._angles: dict[int, tuple[Tensor, Tensor]] = {}

    def rotated(self, x: Tensor) -> Tensor:
        """Rotate (N, heads, T, head width) by the tokens' positions, if there are rotary ones (Su et al. 2021)."""
        if not self.base:
            return x
        cos, sin = self._cos_sin(x.shape[-1])
        one, other = x.chunk(2, -1)
        return torch.cat([one * cos - other * sin, other * cos + one * sin], -1).type_as(x)

    def _cos_sin(self, width: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines (T, width / 2): channel i turns with channel i + width / 2, as in Llama."""
        if width not in self._angles:
            channels = torch.arange(0, width, 2, device=self.places.device, dtype=torch.float32)
            frequencies = torch.exp(channels * (-math.log(self.base) / width))
            angles = self.places[:, None].float() * frequencies
            self._angles[width] = angles.cos(), angles.sin()
        return self._angles[width]
