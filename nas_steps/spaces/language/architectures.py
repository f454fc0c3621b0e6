"""A language model as a string and as data: a frame, then layers of a sequence mixer and a feed-forward network.

GPT-2 small (Radford et al. 2019) and Llama 3 8B (Grattafiori et al. 2024, table 3) are::

    lm_v50257_d768_pos1024_ln_tied_bias/12x_attn_h12+gelu_e4
    lm_v128256_d4096_rope500000_rms/32x_attn_h32_kv8+swiglu_e3.5

`/` separates the frame and the layers, `+` a layer's mixer and its feed-forward network, `_` the fields. `12x_` stands
before a layer that occurs 12 times in a row. The frame `lm` has these fields:

- `v` is the number of tokens in the vocabulary, `d` the width of the residual stream.
- Positions are `rope` (rotary, Su et al. 2021; base 10,000, or `rope500000`), `pos1024` (a learned table of 1,024
  positions) or `nope` (none). The default is `rope`.
- Norms stand before each mixer and feed-forward network, and before the head. `rms` is RMSNorm (Zhang & Sennrich 2019),
  `ln` is LayerNorm, `rmsplain` is RMSNorm without learned scales. The default is `rms`.
- `tied`: the head has the weights of the embedding (Press & Wolf 2017). Without it, the head has its own.
- `bias`: attention, feed-forward networks and LayerNorm have biases, as in GPT-2. The head never has.
- `par`: mixer and feed-forward network read the same norm and are added at once (GPT-J; Chowdhery et al. 2022, section
  2). Without it, the mixer comes first.
- `enorm`: the embedding passes an RMSNorm without scales.
- `x0`: each layer gets a learned sum of its input and the embedding, which starts at 1 and 0.
- `unet`: layer i of the second half gets the output of layer L - 1 - i, with a learned weight that starts at 1.
- `cap30`: logits are 30 tanh(logits / 30) (Gemma Team 2024, section 2).
- `zero`: the speed run's initialisation: projections to the residual stream and an untied head start at zero.

A mixer is one of these, or `none`:

- `attn` is causal attention with `h` heads and `kv` heads of keys and values (default `h`; Ainslie et al. 2023). With
  `w64` a token sees the last 64 tokens, itself included. With `c3` a depthwise causal convolution of kernel 3 follows
  Q, K and V (So et al. 2021, section 4). With `qkn` Q and K pass an RMSNorm, which has scales unless the frame's norms
  have none. With `vr` values are mixed with those of the first such layer, at equal shares at first (Zhou et al. 2024).
- `conv` is LFM2's gated short convolution with causal kernel `k` (Liquid AI 2025).
- `gla` is gated linear attention with `h` heads (Yang et al. 2024, section 4.4).
- `gru` is minGRU with `e` times the width (Feng et al. 2024, section 3.1), and a projection back.

A feed-forward network is `gelu`, `relu2` (squared ReLU; So et al. 2021), `swiglu` (Shazeer 2020), or `none`. Its hidden
width is `e` times `d`, to the nearest multiple of 8.

The string has all that determines the network. The context length is the data's: it changes no parameter. Only the
table of learned positions limits it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from nas_steps.errors import exact

NORMS = ("rms", "ln", "rmsplain")
ACTIVATIONS = ("gelu", "relu2", "swiglu")
#: base of rotary angles
BASE = 10_000.0
#: hidden widths are multiples of it
MULTIPLE = 8
#: fields of the frame without a number, by the field of `Frame`
FLAGS = {
    "tied": "tied",
    "bias": "bias",
    "par": "parallel",
    "enorm": "embedding_norm",
    "x0": "input_mix",
    "unet": "unet",
    "zero": "zero",
}


@dataclass(frozen=True)
class Attention:
    """Causal attention. `window` and `kernel` are 0 for full attention and for no convolution after Q, K and V."""

    heads: int
    kv_heads: int
    window: int = 0
    kernel: int = 0
    qk_norm: bool = False
    value_residual: bool = False

    def __str__(self) -> str:
        fields = [f"attn_h{self.heads}"]
        fields += [f"kv{self.kv_heads}"] if self.kv_heads != self.heads else []
        fields += [f"w{self.window}"] if self.window else []
        fields += [f"c{self.kernel}"] if self.kernel else []
        return "_".join(fields + ["qkn"] * self.qk_norm + ["vr"] * self.value_residual)


@dataclass(frozen=True)
class ShortConvolution:
    """A gated causal convolution of `kernel` tokens."""

    kernel: int

    def __str__(self) -> str:
        return f"conv_k{self.kernel}"


@dataclass(frozen=True)
class LinearAttention:
    """Gated linear attention; keys have half the model's width, values all of it."""

    heads: int

    def __str__(self) -> str:
        return f"gla_h{self.heads}"


@dataclass(frozen=True)
class MinGru:
    """A minGRU with `expansion` times the model's width."""

    expansion: float

    def __str__(self) -> str:
        return f"gru_e{exact(self.expansion)}"

    def hidden(self, width: int) -> int:
        """Return the width of the state."""
        return rounded(self.expansion * width)


Mixer = Attention | ShortConvolution | LinearAttention | MinGru


@dataclass(frozen=True)
class FeedForward:
    """A feed-forward network with one of `ACTIVATIONS` and `expansion` times the model's width."""

    activation: str
    expansion: float

    def __str__(self) -> str:
        return f"{self.activation}_e{exact(self.expansion)}"

    def hidden(self, width: int) -> int:
        """Return the hidden width."""
        return rounded(self.expansion * width)


@dataclass(frozen=True)
class Layer:
    """A mixer and a feed-forward network, None for one that is left out."""

    mixer: Mixer | None
    feed_forward: FeedForward | None

    def __str__(self) -> str:
        return "+".join("none" if part is None else str(part) for part in (self.mixer, self.feed_forward))

    @property
    def is_empty(self) -> bool:
        return self.mixer is None and self.feed_forward is None


@dataclass(frozen=True)
class Frame:
    """What holds for the whole network.

    `base` is the base of rotary angles and `positions` the rows of the learned table, 0 for neither. `cap` is the
    largest logit, 0 for no limit.
    """

    vocabulary: int
    width: int
    base: float = BASE
    positions: int = 0
    norm: str = "rms"
    cap: float = 0.0
    tied: bool = False
    bias: bool = False
    parallel: bool = False
    embedding_norm: bool = False
    input_mix: bool = False
    unet: bool = False
    zero: bool = False

    def __str__(self) -> str:
        fields = ["lm", f"v{self.vocabulary}", f"d{self.width}", self.position, self.norm]
        fields += [word for word, name in FLAGS.items() if getattr(self, name) and word != "zero"]
        fields += [f"cap{exact(self.cap)}"] if self.cap else []
        return "_".join(fields + ["zero"] * self.zero)

    @property
    def position(self) -> str:
        """The field of the string for positions."""
        if self.positions:
            return f"pos{self.positions}"
        if not self.base:
            return "nope"
        return "rope" if self.base == BASE else f"rope{exact(self.base)}"


@dataclass(frozen=True)
class LanguageArchitecture:
    frame: Frame
    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        runs = ((layer, len(list(run))) for layer, run in groupby(self.layers))
        return "/".join((str(self.frame), *(f"{count}x_{layer}" if count > 1 else str(layer) for layer, count in runs)))

    @property
    def depth(self) -> int:
        """The number of layers, with those that are empty."""
        return len(self.layers)

    @property
    def skips(self) -> int:
        """The number of skips between the halves of a U-net."""
        return self.depth // 2 if self.frame.unet else 0

    def attentions(self) -> Iterator[Attention]:
        """Yield the attention of each layer that has one."""
        for layer in self.layers:
            if isinstance(layer.mixer, Attention):
                yield layer.mixer

    def simplified(self) -> LanguageArchitecture:
        """Return the same function without the layers and fields that have no effect.

        - An empty layer goes, unless skips or the mix with the embedding enter there.
        - A value residual goes if no other layer shares its values.
        - A window goes if it is as long as the table of learned positions.
        - Rotary positions go without attention, `bias` without a bias, `par` without a layer that has both parts.
        - `unet` goes from a single layer.
        """
        frame = self.frame
        kept = self.layers
        if not (frame.input_mix or self.skips):
            kept = tuple(layer for layer in kept if not layer.is_empty)
        shared = Counter(value_shape(one) for one in self.attentions() if one.value_residual)
        kept = tuple(self._simplified(layer, shared) for layer in kept)
        attends = any(isinstance(layer.mixer, Attention) for layer in kept)
        biased = frame.norm == "ln" or attends or any(layer.feed_forward for layer in kept)
        both = any(layer.mixer and layer.feed_forward for layer in kept)
        frame = replace(
            frame,
            base=frame.base if attends else 0.0,
            bias=frame.bias and biased,
            parallel=frame.parallel and both,
            unet=bool(self.skips),
        )
        return LanguageArchitecture(frame, kept)

    def _simplified(self, layer: Layer, shared: Counter[tuple[int, int]]) -> Layer:
        mixer = layer.mixer
        if not isinstance(mixer, Attention):
            return layer
        if mixer.value_residual and shared[value_shape(mixer)] == 1:
            mixer = replace(mixer, value_residual=False)
        if 0 < self.frame.positions <= mixer.window:
            mixer = replace(mixer, window=0)
        return replace(layer, mixer=mixer)


def value_shape(attention: Attention) -> tuple[int, int]:
    """Return what two layers must have in common to share values."""
    return attention.heads, attention.kv_heads


def rounded(width: float) -> int:
    """Round a hidden width to the nearest multiple of `MULTIPLE`, at least one."""
    return MULTIPLE * max(1, int(width / MULTIPLE + 0.5))
