"""Linear recurrences in parallel over tokens, in plain torch.

All is elementwise or a product of small matrices, and deterministic on every device. `torch.cumsum` is not used: it has
no deterministic form on CUDA.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def scan(decays: Tensor, inputs: Tensor, dim: int) -> Tensor:
    """Return all h of h[t] = decays[t] h[t - 1] + inputs[t] along `dim`, with h before the first at 0.

    The shapes broadcast, but for `dim`, where both have the same length T. It takes log2(T) passes, each of which joins
    the recurrences of two neighbouring spans (Hillis & Steele 1986). Decays within [0, 1] keep it stable.
    """
    length, shift = inputs.shape[dim], 1
    while shift < length:
        kept = length - shift
        late = decays.narrow(dim, shift, kept)
        joined = inputs.narrow(dim, shift, kept) + late * inputs.narrow(dim, 0, kept)
        inputs = torch.cat([inputs.narrow(dim, 0, shift), joined], dim)
        if 2 * shift < length:
            decays = torch.cat([decays.narrow(dim, 0, shift), late * decays.narrow(dim, 0, kept)], dim)
        shift *= 2
    return inputs


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
