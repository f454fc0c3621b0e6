"""Mixers of language models whose state has one size however long the sequence: convolutions and linear recurrences."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_steps.models.language.attention import CausalAttention
from nas_steps.models.language.layers import DepthwiseConvolution, Pass, RMSNorm, State
from nas_steps.models.language.scan import gated_linear_attention, scan
from nas_steps.spaces.language.architectures import Attention, Frame, LinearAttention, MinGru, Mixer, ShortConvolution
from nas_steps.spaces.language.costs import CHUNK, GATE_WIDTH

#: the root of the gate of gated linear attention (Yang et al. 2024, section 4.4)
TEMPERATURE = 16.0
#: the least logarithm of a token's decay, so that a chunk stays within float32
LEAST_LOG_DECAY = -80.0 / CHUNK


class GatedConvolution(nn.Module):
    """LFM2's short convolution (Liquid AI 2025): out = C * conv(B * x), with B, C and x linear in the input."""

    def __init__(self, part: ShortConvolution, frame: Frame) -> None:
        super().__init__()
        self.inner = nn.Linear(frame.width, 3 * frame.width, bias=False)
        self.convolution = DepthwiseConvolution(frame.width, part.kernel)
        self.project = nn.Linear(frame.width, frame.width, bias=False)

    def forward(self, x: Tensor, _shared: Pass) -> Tensor:
        """(N, T, width) -> the same."""
        return self._mixed(x, None)

    def step(self, x: Tensor, _shared: Pass, past: State) -> Tensor:
        """Mix one token (N, 1, width) with the last ones in `past`."""
        return self._mixed(x, past)

    def _mixed(self, x: Tensor, past: State | None) -> Tensor:
        before, after, x = self.inner(x).chunk(3, -1)
        return self.project(after * self.convolution(before * x, past))


class GatedLinearAttention(nn.Module):
    """Gated linear attention (Yang et al. 2024, section 4.4), its decays at least exp(-5) a token.

    Each head has a state of keys by values. Its output passes an RMSNorm, as in the authors' code, and a SiLU gate.
    """

    def __init__(self, part: LinearAttention, frame: Frame) -> None:
        super().__init__()
        width, keys = frame.width, frame.width // 2
        self.heads = part.heads
        self.q, self.k = (nn.Linear(width, keys, bias=False) for _ in range(2))
        self.v, self.gate = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.decay = nn.Sequential(nn.Linear(width, GATE_WIDTH, bias=False), nn.Linear(GATE_WIDTH, keys))
        self.norm = RMSNorm(width // part.heads, scales=True)
        self.project = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, _shared: Pass) -> Tensor:
        """(N, T, width) -> the same."""
        return self._joined(gated_linear_attention(*self._heads(x), CHUNK), x)

    def step(self, x: Tensor, _shared: Pass, past: State) -> Tensor:
        """Mix one token (N, 1, width) with the state in `past`."""
        q, k, v, log_decays = self._heads(x)
        added = k.float().transpose(-1, -2) * v.float()
        state = past["state"] * log_decays.exp().transpose(-1, -2) + added if "state" in past else added
        past["state"] = state
        return self._joined(q.float() @ state, x)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return queries, keys, values and logarithms of decays, each (N, heads, T, channels)."""
        log_decays = (F.logsigmoid(self.decay(x).float()) / TEMPERATURE).clamp(min=LEAST_LOG_DECAY)
        q, k, v, log_decays = (
            one.unflatten(2, (self.heads, -1)).transpose(1, 2) for one in (self.q(x), self.k(x), self.v(x), log_decays)
        )
        return q * q.shape[-1] ** -0.5, k, v, log_decays

    def _joined(self, found: Tensor, x: Tensor) -> Tensor:
        return self.project(self.norm(found.type_as(x)).transpose(1, 2).flatten(2) * F.silu(self.gate(x)))


class MinGruMixer(nn.Module):
    """A minGRU (Feng et al. 2024, section 3.1): h[t] = (1 - z[t]) h[t - 1] + z[t] candidate[t], in float32.

    Candidates are linear, as in section 3.1. The paper's variant in logarithms (appendix B) makes them positive.
    """

    def __init__(self, part: MinGru, frame: Frame) -> None:
        super().__init__()
        hidden = part.hidden(frame.width)
        self.update, self.candidate = (nn.Linear(frame.width, hidden, bias=False) for _ in range(2))
        self.project = nn.Linear(hidden, frame.width, bias=False)

    def forward(self, x: Tensor, _shared: Pass) -> Tensor:
        """(N, T, width) -> the same."""
        update, candidate = self.update(x).float().sigmoid(), self.candidate(x).float()
        return self.project(scan(1 - update, update * candidate, 1).type_as(x))

    def step(self, x: Tensor, _shared: Pass, past: State) -> Tensor:
        """Mix one token (N, 1, width) with the state in `past`."""
        update, candidate = self.update(x).float().sigmoid(), self.candidate(x).float()
        before = past.get("state", torch.zeros_like(candidate))
        past["state"] = (1 - update) * before + update * candidate
        return self.project(past["state"].type_as(x))


Built = CausalAttention | GatedConvolution | GatedLinearAttention | MinGruMixer


def build_mixer(mixer: Mixer, frame: Frame) -> Built:
    """Build a mixer: `forward(x, shared)` for a sequence, `step(x, shared, past)` for one token."""
    if isinstance(mixer, Attention):
        return CausalAttention(mixer, frame)
    if isinstance(mixer, ShortConvolution):
        return GatedConvolution(mixer, frame)
    if isinstance(mixer, LinearAttention):
        return GatedLinearAttention(mixer, frame)
    return MinGruMixer(mixer, frame)
