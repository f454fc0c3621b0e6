"""Convert a language model to an ONNX graph of one token, with the state of its layers.

A graph of whole sequences would read all of them again for each new token, and the parallel scans of linear mixers
have loops over a sequence of one length only. One token with a state serves every length, at the same cost each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nas_steps.export.convert import converted, save
from nas_steps.generation import POSITION, TOKENS
from nas_steps.models.language.attention import CausalAttention
from nas_steps.models.language.network import LanguageModel, Past, build_language
from nas_steps.spaces.language.architectures import Attention, Mixer
from nas_steps.spaces.language.parsing import parse_language

LOGITS = "logits"
#: tensors of attention, which grow by a token in dimension 2
GROWING = ("keys", "values")
#: sequences and tokens of the example: two that differ, and neither is 1
SEQUENCES, READ = 2, 3


class OneToken(nn.Module):
    """Tokens (N,), their position () and the state by place -> logits (N, vocabulary) and the state after them."""

    def __init__(self, network: LanguageModel, places: Sequence[tuple[int, str]]) -> None:
        super().__init__()
        self.network, self.places = network, places

    def forward(self, tokens: Tensor, position: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        layers: tuple[dict[str, Tensor], ...] = tuple({} for _ in self.network.layers)
        for (layer, name), tensor in zip(self.places, state, strict=True):
            layers[layer][name] = tensor
        logits, after = self.network.step(tokens, Past(position, layers))
        return logits, *(after.layers[layer][name] for layer, name in self.places)


def trained_language(metrics: Mapping[str, Any], weights: str | Path, context: int) -> LanguageModel:
    """Build the network of a training's record, metrics.json, with its weights, for sequences up to `context` tokens.

    A window that is not shorter than the context is left out: keys and values grow to the context only.
    """
    architecture = parse_language(metrics["architecture"])
    layers = (replace(layer, mixer=_within(layer.mixer, context)) for layer in architecture.layers)
    network = build_language(replace(architecture, layers=tuple(layers)))
    network.load_state_dict(load_file(weights))
    return network.eval()


def _within(mixer: Mixer | None, context: int) -> Mixer | None:
    return replace(mixer, window=0) if isinstance(mixer, Attention) and mixer.window >= context else mixer


def write_language(path: str | Path, network: LanguageModel, opset: int, properties: Mapping[str, Any]) -> None:
    """Write a checked ONNX file of one token with dynamic batch; `properties` become text entries of its metadata.

    Raises UnsupportedError for an operator that ONNX lacks, onnx.checker.ValidationError if the checker refuses it.
    """
    tokens = torch.zeros(SEQUENCES, dtype=torch.int64)
    past = network.start()
    with torch.no_grad():
        for _ in range(READ):
            _, past = network.step(tokens, past)
    places = [(number, name) for number, layer in enumerate(past.layers) for name in layer]
    names = [f"layer{number}.{name}" for number, name in places]
    batch = torch.export.Dim("batch")
    state, dynamic = [], []
    for number, name in places:
        tensor, window = past.layers[number][name], _window(network, number)
        if name in GROWING and window:
            # full from the start: torch.export knows no length that grows and then stays
            tensor = tensor.new_zeros(*tensor.shape[:2], window, tensor.shape[3])
        grows = name in GROWING and not window
        state.append(tensor)
        dynamic.append({0: batch, 2: torch.export.Dim.DYNAMIC} if grows else {0: batch})
    model = converted(
        OneToken(network, places),
        (tokens, torch.tensor(READ), *state),
        inputs=[TOKENS, POSITION, *names],
        outputs=[LOGITS, *(f"{name}.after" for name in names)],
        dynamic={TOKENS: {0: batch}, POSITION: {}, **({"state": tuple(dynamic)} if state else {})},
        opset=opset,
    )
    save(path, model, properties)


def _window(network: LanguageModel, number: int) -> int:
    """Return how many tokens the attention of a layer sees; 0 for all, or without attention."""
    mixer = network.get_submodule(f"layers.{number}.mixer")
    return mixer.part.window if isinstance(mixer, CausalAttention) else 0
