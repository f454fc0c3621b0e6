"""Hand-designed language models by name, for any depth and width.

- `gpt2`: Radford et al. 2019, section 2.3, and OpenAI's code: learned positions, LayerNorm before each part, biases,
  GELU (tanh) of 4 times the width, the embedding as head.
- `llama`: Touvron et al. 2023, section 2.2: rotary positions, RMSNorm, SwiGLU of 8/3 times the width, no biases, a head
  of its own. With fewer `kv_heads` it is Llama 2 70B's and Llama 3's. The published hidden widths are rounded up to
  larger multiples: Llama 2 7B has `swiglu_e2.6875`, Llama 3 8B has `swiglu_e3.5`.
- `primer_ez`: So et al. 2021, section 4: GPT-2 with squared ReLU and depthwise causal convolutions of kernel 3 after
  Q, K and V. The paper's models have T5's relative positions instead of learned ones, and no biases in attention.
- `nanogpt_speedrun`: the record of 19 November 2024 of github.com/KellerJordan/modded-nanogpt (train_gpt2.py at
  commit 01482e15): rotary positions, RMSNorm without scales, QK-norm, squared ReLU, value residual, mix with the
  embedding, U-net skips, logits capped at 30. The record's window is 1,024 tokens within one document; here it is the
  whole sequence. Later records add value embeddings, hashed pairs of tokens, gates on attention, paired heads, windows
  of two lengths and skips whose weights depend on the token. Those are not here.
"""

from __future__ import annotations

from nas_steps.errors import known
from nas_steps.spaces.language.architectures import Attention, FeedForward, Frame, LanguageArchitecture, Layer

#: SwiGLU's expansion in Llama, with three digits: the hidden width is rounded anyway
EIGHT_THIRDS = 2.667
#: logits of the speed run are within it
CAP = 30.0
#: width of a head, if the number of heads is not given
HEAD_WIDTHS = {"gpt2": 64, "llama": 128, "primer_ez": 64, "nanogpt_speedrun": 128}
NAMES = tuple(HEAD_WIDTHS)


def baseline(
    name: str,
    *,
    depth: int,
    width: int,
    vocabulary: int,
    heads: int | None = None,
    kv_heads: int | None = None,
    positions: int = 1024,
) -> LanguageArchitecture:
    """Return one of `NAMES` with `depth` layers of `width`.

    Without `heads`, they have the published width if that divides `width`, else there is one head. `kv_heads` are for
    `llama` alone. `positions` are the rows of the learned table of `gpt2` and `primer_ez`. Raises ValueError for an
    unknown name and for heads that do not divide the width.
    """
    known("baseline", name, NAMES)
    published = HEAD_WIDTHS[name]
    heads = heads or (width // published if width % published == 0 else 1)
    kv_heads = heads if kv_heads is None else kv_heads
    if width % heads or heads % kv_heads:
        raise ValueError(f"{name}: heads must divide width and kv_heads divide heads, not {width}, {heads}, {kv_heads}")
    if name != "llama" and kv_heads != heads:
        raise ValueError(f"{name} has as many heads of keys as of queries; leave kv_heads out")
    if name == "llama":
        layer = Layer(Attention(heads, kv_heads), FeedForward("swiglu", EIGHT_THIRDS))
        return LanguageArchitecture(Frame(vocabulary, width), (layer,) * depth)
    if name == "nanogpt_speedrun":
        frame = Frame(
            vocabulary, width, norm="rmsplain", cap=CAP, embedding_norm=True, input_mix=True, unet=True, zero=True
        )
        attention = Attention(heads, heads, qk_norm=True, value_residual=True)
        return LanguageArchitecture(frame, (Layer(attention, FeedForward("relu2", 4.0)),) * depth)
    frame = Frame(vocabulary, width, base=0.0, positions=positions, norm="ln", tied=True, bias=True)
    primer = name == "primer_ez"
    layer = Layer(Attention(heads, heads, kernel=3 * primer), FeedForward("relu2" if primer else "gelu", 4.0))
    return LanguageArchitecture(frame, (layer,) * depth)
