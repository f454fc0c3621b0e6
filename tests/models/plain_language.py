"""Plain language models, written from their papers: loops over layers, heads and tokens, no fused function.

Each takes the parameters of a built network by name, so that equal numbers must come out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Parameters = Mapping[str, Tensor]


def layer_norm(x: Tensor, parameters: Parameters, name: str) -> Tensor:
    """Ba et al. 2016, with GPT-2's epsilon."""
    centred = x - x.mean(-1, keepdim=True)
    deviation = (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
    return centred / deviation * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def rms_norm(x: Tensor, weight: Tensor | float = 1.0, epsilon: float = 1e-5) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + epsilon).sqrt() * weight


def linear(x: Tensor, parameters: Parameters, name: str) -> Tensor:
    found = torch.einsum("nti,oi->nto", x, parameters[f"{name}.weight"])
    return found + parameters[f"{name}.bias"] if f"{name}.bias" in parameters else found


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Of one head: (N, T, channels) each."""
    scores = torch.einsum("nic,njc->nij", q, k) / math.sqrt(q.shape[-1])
    future = torch.ones(q.shape[1], q.shape[1]).triu(1).bool()
    return torch.einsum("nij,njc->nic", scores.masked_fill(future, -torch.inf).softmax(-1), v)


def causal_convolution(x: Tensor, weight: Tensor) -> Tensor:
    """Of each channel by itself, over this token and those before; the last weight is this token's."""
    found = torch.zeros_like(x)
    kernel = weight.shape[-1]
    for back in range(kernel):
        found[:, back:] += x[:, : x.shape[1] - back] * weight[:, 0, kernel - 1 - back]
    return found


def turned(x: Tensor, base: float, direction: int = 1) -> Tensor:
    """Rotate one head (N, T, channels): channel i with channel i + half, by the token's angle (Su et al. 2021)."""
    half = x.shape[-1] // 2
    found = torch.empty_like(x)
    for channel in range(half):
        angles = torch.arange(x.shape[1]) / base ** (2 * channel / x.shape[-1]) * direction
        one, other = x[..., channel], x[..., channel + half]
        found[..., channel] = one * angles.cos() - other * angles.sin()
        found[..., channel + half] = one * angles.sin() + other * angles.cos()
    return found


def heads_of(x: Tensor, count: int) -> list[Tensor]:
    return list(x.split(x.shape[-1] // count, -1))


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gpt2(parameters: Parameters, tokens: Tensor, *, depth: int, heads: int, primer: bool = False) -> Tensor:
    """GPT-2 (Radford et al. 2019), or Primer-EZ's two changes of it (So et al. 2021)."""
    x = parameters["embedding.weight"][tokens] + parameters["positions.weight"][: tokens.shape[1]]
    for number in range(depth):
        layer = f"layers.{number}"
        normed = layer_norm(x, parameters, f"{layer}.mixer_norm")
        found = []
        for name in "qkv":
            one = linear(normed, parameters, f"{layer}.mixer.{name}")
            if primer:
                one = causal_convolution(one, parameters[f"{layer}.mixer.convolutions.{name}.weight"])
            found.append(heads_of(one, heads))
        joined = torch.cat([attention(*three) for three in zip(*found, strict=True)], -1)
        x = x + linear(joined, parameters, f"{layer}.mixer.project")
        inner = linear(
            layer_norm(x, parameters, f"{layer}.feed_forward_norm"), parameters, f"{layer}.feed_forward.inner"
        )
        inner = inner.clamp(min=0) ** 2 if primer else gelu(inner)
        x = x + linear(inner, parameters, f"{layer}.feed_forward.project")
    return layer_norm(x, parameters, "norm") @ parameters["embedding.weight"].T


def llama(parameters: Parameters, tokens: Tensor, *, depth: int, heads: int, kv_heads: int) -> Tensor:
    """Llama (Touvron et al. 2023), with grouped queries if `kv_heads` are fewer (Ainslie et al. 2023)."""
    x = parameters["embedding.weight"][tokens]
    for number in range(depth):
        layer = f"layers.{number}"
        normed = rms_norm(x, parameters[f"{layer}.mixer_norm.weight"])
        q = [turned(one, 10_000.0) for one in heads_of(linear(normed, parameters, f"{layer}.mixer.q"), heads)]
        k = [turned(one, 10_000.0) for one in heads_of(linear(normed, parameters, f"{layer}.mixer.k"), kv_heads)]
        v = heads_of(linear(normed, parameters, f"{layer}.mixer.v"), kv_heads)
        group = heads // kv_heads
        joined = [attention(q[head], k[head // group], v[head // group]) for head in range(heads)]
        x = x + linear(torch.cat(joined, -1), parameters, f"{layer}.mixer.project")
        normed = rms_norm(x, parameters[f"{layer}.feed_forward_norm.weight"])
        gate = linear(normed, parameters, f"{layer}.feed_forward.gate")
        inner = linear(normed, parameters, f"{layer}.feed_forward.inner") * gate / (1 + torch.exp(-gate))
        x = x + linear(inner, parameters, f"{layer}.feed_forward.project")
    return linear(rms_norm(x, parameters["norm.weight"]), parameters, "head")


def speedrun(parameters: Parameters, tokens: Tensor, *, depth: int, heads: int) -> Tensor:
    """The record of 19 November 2024 of the speed run of nanoGPT, without windows and bounds of documents.

    It rotates the other way, which is the same function if the halves of each head of Q and K are swapped.
    """

    def norm(x: Tensor) -> Tensor:
        return rms_norm(x, epsilon=torch.finfo(torch.float32).eps)

    def swapped(x: Tensor) -> Tensor:
        one, other = x.chunk(2, -1)
        return torch.cat([other, one], -1)

    x = embedded = norm(parameters["embedding.weight"][tokens])
    first: list[Tensor] | None = None
    encoders = depth // 2
    outputs = []
    for number in range(depth):
        layer = f"layers.{number}"
        if number >= encoders:
            x = x + parameters["skip_weights"][number - encoders] * outputs.pop()
        mix = parameters[f"{layer}.mix"]
        x = mix[0] * x + mix[1] * embedded
        normed = norm(x)
        q, k, v = (heads_of(linear(normed, parameters, f"{layer}.mixer.{name}"), heads) for name in "qkv")
        first = v if first is None else first
        share = parameters[f"{layer}.mixer.share"]
        v = [(1 - share) * one + share * other for one, other in zip(v, first, strict=True)]
        q, k = ([turned(norm(swapped(one)), 10_000.0, -1) for one in every] for every in (q, k))
        joined = torch.cat([attention(*three) for three in zip(q, k, v, strict=True)], -1)
        x = x + linear(joined, parameters, f"{layer}.mixer.project")
        inner = linear(norm(x), parameters, f"{layer}.feed_forward.inner").clamp(min=0) ** 2
        x = x + linear(inner, parameters, f"{layer}.feed_forward.project")
        if number < encoders:
            outputs.append(x)
    return 30 * torch.tanh(linear(norm(x), parameters, "head") / 30)


def recurrence(decays: Tensor, inputs: Tensor) -> Tensor:
    """h[t] = decays[t] h[t - 1] + inputs[t] along the second dimension, token by token."""
    state, found = torch.zeros_like(inputs[:, 0]), []
    for token in range(inputs.shape[1]):
        state = decays[:, token] * state + inputs[:, token]
        found.append(state)
    return torch.stack(found, 1)


def linear_attention(q: Tensor, k: Tensor, v: Tensor, decays: Tensor) -> Tensor:
    """q[t] S[t] of S[t] = diag(decays[t]) S[t - 1] + k[t]^T v[t], for (N, heads, T, channels), token by token."""
    state, found = torch.zeros(*q.shape[:2], q.shape[-1], v.shape[-1], dtype=q.dtype), []
    for token in range(q.shape[2]):
        state = decays[:, :, token, :, None] * state + k[:, :, token, :, None] * v[:, :, token, None, :]
        found.append((q[:, :, token, :, None] * state).sum(2))
    return torch.stack(found, 2)
