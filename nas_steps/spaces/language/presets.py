"""The named spaces of language models, as keys of `nas_steps.spaces.language.declarations.KEYS`.

Both contain the four networks of `nas_steps.spaces.language.baselines` at their depths and widths.
"""

from collections.abc import Mapping
from typing import Any

from nas_steps.spaces.language.space import LanguageSpace

#: fields of the frame besides positions, norm, order and embedding: GPT-2's and the speed run's
_EXTRAS = ["none", "bias", "enorm_x0_unet_cap30_zero"]


def _mixers(heads: int, kv_heads: int, window: int) -> list[str]:
    """Name all kinds of mixers with `heads` heads."""
    attention = f"attn_h{heads}"
    return [
        attention,
        f"{attention}_kv{kv_heads}",
        f"{attention}_w{window}",
        f"{attention}_c3",
        f"{attention}_qkn",
        f"{attention}_qkn_vr",
        "conv_k3",
        f"gla_h{heads}",
        "gru_e1",
        "none",
    ]


#: bytes on a CPU of two cores: at most 2.8 million parameters, with sequences of 256 tokens
_SMALL: Mapping[str, Any] = {
    "vocabulary": 256,
    "depth": [2, 3, 4, 6],
    "width": [64, 96, 128, 192],
    "position": ["rope", "pos256"],
    "norm": ["rms", "ln", "rmsplain"],
    "order": ["sequential", "parallel"],
    "embedding": ["untied", "tied"],
    "extras": _EXTRAS,
    "mixer": _mixers(4, 2, 64),
    "feed_forward": ["gelu_e4", "relu2_e4", "swiglu_e2.667", "none"],
}

#: shapes around GPT-2 small, for GPT-2's tokens and sequences of 1,024. A deeper shape has more strings, so that nearly
#: all uniform draws have 12 layers; their four widths are equally likely
_LARGE: Mapping[str, Any] = {
    "vocabulary": 50257,
    "sizes": [[8, 960], [10, 768], [12, 384], [12, 576], [12, 768], [12, 960]],
    "position": ["rope", "pos1024"],
    "norm": ["rms", "ln", "rmsplain"],
    "order": ["sequential", "parallel"],
    "embedding": ["untied", "tied"],
    "extras": _EXTRAS,
    "mixer": [*_mixers(12, 4, 256), "attn_h6", "attn_h6_qkn_vr"],
    "feed_forward": ["gelu_e4", "relu2_e4", "swiglu_e2.667", "swiglu_e4", "none"],
}

DECLARED: dict[str, Mapping[str, Any]] = {"language_small": _SMALL, "language_gpt2": _LARGE}

PRESETS: dict[str, LanguageSpace] = {name: LanguageSpace.declare(name, keys) for name, keys in DECLARED.items()}
