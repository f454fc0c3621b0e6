"""Count language models, as `nas_steps.models.language.network` builds them.

Parameters are all learnt numbers, those of a tied head once. Multiply-accumulates are those of one forward pass over a
sequence. Each is two FLOPs, as in `torch.utils.flop_counter.FlopCounterMode`, and both agree to the unit:

- Matrix products, convolutions and attention count. The lookup of the embedding is none: it costs 0. The head counts.
- A depthwise convolution of kernel k costs k multiply-accumulates per channel and token.
- Attention is counted densely: all pairs of queries and keys that are computed, those that are masked included. A
  window in blocks computes the pairs of each block with itself and the block before it.
- Norms, activations, softmax, rotary angles, gates and sums are elementwise and count nothing. The recurrence of
  minGRU and the decay of gated linear attention are elementwise too; its products of chunks count.

FlopCounterMode has no formula for the CPU's fused attention. It counts the math backend
(`torch.nn.attention.SDPBackend.MATH`), meta tensors and CUDA.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from nas_steps.errors import UserError
from nas_steps.spaces.language.architectures import (
    Attention,
    FeedForward,
    Frame,
    LanguageArchitecture,
    Layer,
    LinearAttention,
    MinGru,
    Mixer,
    ShortConvolution,
)

#: tokens of a chunk of gated linear attention, and the inner width of its gate (Yang et al. 2024, section 4.4)
CHUNK = 16
GATE_WIDTH = 16

#: parameters and multiply-accumulates
Count = tuple[int, int]


def count_architecture(architecture: LanguageArchitecture, context: int) -> Count:
    """Count the parameters, and the multiply-accumulates of one sequence of `context` tokens. Raises UserError."""
    frame = architecture.frame
    check_context(frame, context)
    counts = [count_frame(frame, architecture.depth, context)]
    counts += [count_layer(layer, frame, context) for layer in architecture.layers]
    return _summed(counts)


def flops_per_token(architecture: LanguageArchitecture, context: int) -> float:
    """Return the FLOPs of a forward pass over `context` tokens, divided by `context`. Raises UserError."""
    return 2 * count_architecture(architecture, context)[1] / context


def middle_flops(compute: float, tokens_per_parameter: float) -> float:
    """Return the forward FLOPs a token of a network that `compute` FLOPs train on so many tokens for each parameter.

    C = 3 F tokens, and tokens = ratio F / 2: two FLOPs a token count as a parameter.
    """
    return math.sqrt(2 * compute / (3 * tokens_per_parameter))


def check_context(frame: Frame, context: int) -> None:
    """Raise UserError if a sequence of `context` tokens is longer than the table of learned positions."""
    if 0 < frame.positions < context:
        raise UserError(
            f"the sequence has {context} tokens, but {frame.position} has {frame.positions} positions; take shorter "
            "sequences, a longer table or rope"
        )


def in_blocks(window: int, context: int) -> bool:
    """Return whether windows are computed block by block: if that saves more than half of the pairs.

    Fused causal attention skips about half of them anyway.
    """
    return 0 < window < context and 2 * _pairs_in_blocks(window, context) < context**2


def pairs(window: int, context: int) -> int:
    """Count the computed pairs of queries and keys."""
    return _pairs_in_blocks(window, context) if in_blocks(window, context) else context**2


def count_frame(frame: Frame, depth: int, context: int) -> Count:
    """Count all but the layers: the embedding, the positions, the last norm, the head, the weights of skips."""
    embedding = frame.vocabulary * frame.width
    skips = depth // 2 if frame.unet else 0
    heads = 1 if frame.tied else 2
    parameters = heads * embedding + frame.positions * frame.width + _norm(frame) + skips
    return parameters, embedding * context


def count_layer(layer: Layer, frame: Frame, context: int) -> Count:
    """Count one layer with its norms."""
    norms = sum(part is not None for part in (layer.mixer, layer.feed_forward))
    if frame.parallel:
        norms = min(norms, 1)
    own = (norms * _norm(frame) + 2 * frame.input_mix, 0)
    return _summed((own, _count_mixer(layer.mixer, frame, context), _feed_forward(layer.feed_forward, frame, context)))


def _count_mixer(mixer: Mixer | None, frame: Frame, context: int) -> Count:
    width = frame.width
    if isinstance(mixer, Attention):
        return _attention(mixer, frame, context)
    if isinstance(mixer, ShortConvolution):
        weights = 4 * width**2 + mixer.kernel * width
        return weights, weights * context
    if isinstance(mixer, LinearAttention):
        return _linear_attention(mixer, width, context)
    if isinstance(mixer, MinGru):
        weights = 3 * width * mixer.hidden(width)
        return weights, weights * context
    return 0, 0


def _attention(mixer: Attention, frame: Frame, context: int) -> Count:
    width = frame.width
    head = width // mixer.heads
    keys = mixer.kv_heads * head
    weights = 2 * width * (width + keys) + mixer.kernel * (width + 2 * keys)
    biases = (2 * width + 2 * keys) * frame.bias
    scales = 2 * head * (mixer.qk_norm and frame.norm != "rmsplain")
    macs = weights * context + 2 * width * pairs(mixer.window, context)
    return weights + biases + scales + mixer.value_residual, macs


def _linear_attention(mixer: LinearAttention, width: int, context: int) -> Count:
    keys, value_head = width // 2, width // mixer.heads
    gate = GATE_WIDTH * (width + keys)
    weights = 2 * width * keys + 3 * width**2 + gate
    padded = CHUNK * -(-context // CHUNK)
    within, between = CHUNK * (keys + width), 2 * keys * value_head
    # the gate has a bias, the norm of a head's output one scale a channel
    return weights + keys + value_head, weights * context + (within + between) * padded


def _feed_forward(part: FeedForward | None, frame: Frame, context: int) -> Count:
    if part is None:
        return 0, 0
    hidden = part.hidden(frame.width)
    inner = 2 if part.activation == "swiglu" else 1
    weights = (inner + 1) * frame.width * hidden
    return weights + (inner * hidden + frame.width) * frame.bias, weights * context


def _norm(frame: Frame) -> int:
    """Count the parameters of a norm."""
    if frame.norm == "rmsplain":
        return 0
    return frame.width * (2 if frame.norm == "ln" and frame.bias else 1)


def _pairs_in_blocks(window: int, context: int) -> int:
    return -(-context // window) * 2 * window**2


def _summed(counts: Iterable[Count]) -> Count:
    parameters, macs = zip(*counts, strict=True)
    return sum(parameters), sum(macs)
