"""Linear recurrences in parallel over tokens, in plain torch.

All is elementwise or a product of small matrices, and deterministic on every device. `torch.cumsum` is not used: it has
no deterministic form on CUDA.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def scan(decays: Tensor, inputs: Tensor, dim: int) -> Tensor:
    """Return all h of h[t] = decays[t] h[t - 1] + inputs[t] along `dim`, with h before the first at 0.

    The shapes broadcast, but for `dim`, where both have the same length T. The T tokens are cut into sqrt(T) spans. All
    spans advance together, token by token; then their ends are joined one after the other. That takes 2 sqrt(T) steps,
    and little more work than T steps would. Decays within [0, 1] keep it stable.
    """
    length = inputs.shape[dim]
    span = math.isqrt(length - 1) + 1
    decays, inputs = (_in_spans(one, dim, span) for one in (decays, inputs))
    each = decays.unbind(dim + 1)
    # what a span's state before its first token has left at each token
    left = [each[0]]
    for decay in each[1:]:
        left.append(left[-1] * decay)
    found = _in_turn(each, inputs.unbind(dim + 1))
    ends = _in_turn(left[-1].unbind(dim), found[-1].unbind(dim))
    before = torch.stack([torch.zeros_like(ends[0]), *ends[:-1]], dim).unsqueeze(dim + 1)
    joined = torch.stack(found, dim + 1) + torch.stack(left, dim + 1) * before
    return joined.flatten(dim, dim + 1).narrow(dim, 0, length)


def _in_turn(decays: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the states of a recurrence, one after the other."""
    found = [inputs[0]]
    for decay, one in zip(decays[1:], inputs[1:], strict=True):
        found.append(decay * found[-1] + one)
    return found


def _in_spans(x: Tensor, dim: int, span: int) -> Tensor:
    """Cut `dim` into (spans, span), the last one filled up with zeros."""
    sides = (0, 0) * (x.ndim - 1 - dim)
    return F.pad(x, (*sides, 0, -x.shape[dim] % span)).unflatten(dim, (-1, span))


def gated_linear_attention(q: Tensor, k: Tensor, v: Tensor, log_decays: Tensor, chunk: int) -> Tensor:
    """Return q[t] S[t] of S[t] = exp(log_decays[t]) S[t - 1] + k[t]^T v[t], by chunks (Yang et al. 2024, section 4).

    q, k and `log_decays` are (N, heads, T, keys), v and the result are (N, heads, T, values). The decay is one of the
    keys' channels. The sum of `log_decays` over `chunk` tokens must be above -88, or a float32 overflows.
    """
    length = q.shape[2]
    padding = -length % chunk
    q, k, v, log_decays = (
        F.pad(one.float(), (0, 0, 0, padding)).unflatten(2, (-1, chunk)) for one in (q, k, v, log_decays)
    )
    # (N, heads, chunks, chunk, keys): the decay from the chunk's start up to each token
    passed = scan(torch.ones_like(log_decays), log_decays, 3)
    whole = passed[..., -1:, :]
    from_start = q * passed.exp()
    within = (from_start @ (k * (-passed).exp()).transpose(-1, -2)).tril() @ v
    added = (k * (whole - passed).exp()).transpose(-1, -2) @ v
    states = scan(whole.exp().transpose(-1, -2), added.float(), 2)
    before = F.pad(states[:, :, :-1], (0, 0, 0, 0, 1, 0))
    return (within + from_start @ before).flatten(2, 3)[:, :, :length]
