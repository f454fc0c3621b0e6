"""Causal attention of language models: full, or over the last tokens; its cache for one token after the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_steps.models.language.layers import DepthwiseConvolution, Pass, RMSNorm, State
from nas_steps.spaces.language.architectures import Attention, Frame, value_shape
from nas_steps.spaces.language.costs import in_blocks

#: names of the projections, which a convolution may follow
PROJECTIONS = ("q", "k", "v")


class CausalAttention(nn.Module):
    """(N, T, width) -> the same; `project` leads back to the residual stream.

    The order is: projections, convolutions, value residual, QK-norm, rotary positions, attention.
    """

    def __init__(self, part: Attention, frame: Frame) -> None:
        super().__init__()
        self.part = part
        head = frame.width // part.heads
        widths = [heads * head for heads in (part.heads, part.kv_heads, part.kv_heads)]
        self.q, self.k, self.v = (nn.Linear(frame.width, width, bias=frame.bias) for width in widths)
        self.project = nn.Linear(frame.width, frame.width, bias=frame.bias)
        self.convolutions = nn.ModuleDict(
            {
                name: DepthwiseConvolution(width, part.kernel, primer=True)
                for name, width in zip(PROJECTIONS, widths, strict=True)
                if part.kernel
            }
        )
        scales = frame.norm != "rmsplain"
        self.q_norm = RMSNorm(head, scales=scales) if part.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(head, scales=scales) if part.qk_norm else nn.Identity()
        #: the share of the first values
        self.share = nn.Parameter(torch.tensor(0.5)) if part.value_residual else None

    def forward(self, x: Tensor, shared: Pass) -> Tensor:
        """Attend from each token to itself and those before it."""
        q, k, v = self._heads(x, shared, None)
        return self._joined(attend(q, self._repeated(k), self._repeated(v), self.part.window))

    def step(self, x: Tensor, shared: Pass, past: State) -> Tensor:
        """Attend from one token (N, 1, width) to itself and those in `past`, which gets its key and value.

        With a window, `past` may be full from the start, as in an exported graph: what came before the first token is
        not seen.
        """
        q, k, v = self._heads(x, shared, past)
        window = self.part.window
        for name, one in (("keys", k), ("values", v)):
            whole = torch.cat([past[name], one], 2) if name in past else one
            past[name] = whole[:, :, 1:] if 0 < window < whole.shape[2] else whole
        k, v = self._repeated(past["keys"]), self._repeated(past["values"])
        ages = torch.arange(k.shape[2] - 1, -1, -1, device=k.device) if window else None
        seen = None if ages is None else (ages <= shared.places)[None]
        return self._joined(F.scaled_dot_product_attention(q, k, v, attn_mask=seen))

    def _heads(self, x: Tensor, shared: Pass, past: State | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return Q (N, heads, T, head width), K and V (N, kv_heads, T, head width)."""
        found = []
        for name, project in zip(PROJECTIONS, (self.q, self.k, self.v), strict=True):
            one = project(x)
            if name in self.convolutions:
                one = self.convolutions[name](one, past, name)
            heads = self.part.heads if name == "q" else self.part.kv_heads
            found.append(one.unflatten(2, (heads, -1)).transpose(1, 2))
        q, k, v = found
        if self.share is not None:
            first = shared.values.setdefault(value_shape(self.part), v)
            v = (1 - self.share) * v + self.share * first
        q, k = shared.rotated(self.q_norm(q)), shared.rotated(self.k_norm(k))
        return q, k, v.type_as(q)

    def _repeated(self, x: Tensor) -> Tensor:
        """Give each head of Q its head of K or V (Ainslie et al. 2023)."""
        times = self.part.heads // self.part.kv_heads
        return x if times == 1 else x[:, :, None].expand(-1, -1, times, -1, -1).flatten(1, 2)

    def _joined(self, x: Tensor) -> Tensor:
        return self.project(x.transpose(1, 2).flatten(2))


def attend(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """Attend causally to the last `window` tokens, all for 0; shapes are (N, heads, T, head width).

    If `in_blocks`, a block of `window` queries attends to its keys and those of the block before it.
    """
    length = q.shape[2]
    if not 0 < window < length:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if not in_blocks(window, length):
        seen = torch.ones(length, length, dtype=torch.bool, device=q.device).tril().triu(1 - window)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    padding = -length % window
    q = F.pad(q, (0, 0, 0, padding)).unflatten(2, (-1, window))
    k, v = (_with_block_before(one, window, padding) for one in (k, v))
    # query i of a block is at i + window among its keys; the first block has none before it
    seen = torch.ones(window, 2 * window, dtype=torch.bool, device=q.device).tril(window).triu(1)
    blocks = q.shape[2]
    real = torch.arange(blocks, device=q.device)[:, None] * window + torch.arange(2 * window, device=q.device) >= window
    # the blocks are heads of an attention over (N * heads, blocks, window, head width)
    batch = q.shape[:2]
    q, k, v = (one.flatten(0, 1) for one in (q, k, v))
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=seen & real[:, None])
    return found.unflatten(0, batch).flatten(2, 3)[:, :, :length]


def _with_block_before(x: Tensor, window: int, padding: int) -> Tensor:
    """(N, heads, T, head width) -> (N, heads, blocks, 2 window, head width): each block after the one before it."""
    blocks = F.pad(x, (0, 0, window, padding)).unflatten(2, (-1, window))
    return torch.cat([blocks[:, :, :-1], blocks[:, :, 1:]], 3)
