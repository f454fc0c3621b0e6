"""Estimate the numbers that a part of a language model needs at once, for one sequence.

Attention is fused: its weights are never whole in memory. A part reads the stream, which is kept for the sum after it,
and its norm. Activations are computed in place, but for the gate of SwiGLU.
"""

from nas_steps.spaces.language.architectures import (
    Attention,
    FeedForward,
    Frame,
    Layer,
    LinearAttention,
    MinGru,
    Mixer,
    ShortConvolution,
)


def peak_of_frame(frame: Frame, context: int) -> int:
    """Return the stream before the head, and the logits."""
    return context * (frame.width + frame.vocabulary)


def peak_of_layer(layer: Layer, frame: Frame, context: int) -> int:
    """Return the stream, its norm and the most that a part makes of it."""
    parts = [_of_mixer(layer.mixer, frame.width), _of_feed_forward(layer.feed_forward, frame.width)]
    # both parts of a parallel layer are added at once
    most = max(parts) + (min(frame.width, *parts) if frame.parallel else 0)
    kept = 2 if frame.unet or frame.input_mix else 1
    return context * ((1 + kept) * frame.width + most)


def _of_mixer(mixer: Mixer | None, width: int) -> int:
    """Return the numbers a token that a mixer makes: queries, keys, values, states and its output."""
    if isinstance(mixer, Attention):
        return 2 * width + 2 * mixer.kv_heads * (width // mixer.heads)
    if isinstance(mixer, ShortConvolution):
        return 4 * width
    if isinstance(mixer, LinearAttention):
        return 4 * width + width // 2
    if isinstance(mixer, MinGru):
        return 3 * mixer.hidden(width) + width
    return 0


def _of_feed_forward(part: FeedForward | None, width: int) -> int:
    if part is None:
        return 0
    return (2 if part.activation == "swiglu" else 1) * part.hidden(width) + width
