"""Build a language model of its string."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_steps.models.language.layers import FeedForwardNetwork, Pass, RMSNorm, State, build_norm
from nas_steps.models.language.mixers import Built, build_mixer
from nas_steps.spaces.language.architectures import Frame, LanguageArchitecture, Layer
from nas_steps.spaces.language.costs import check_context
from nas_steps.spaces.language.parsing import parse_language

#: standard deviations of weights and of learned positions (GPT-2's code), and of the speed run's embedding
DEVIATION, POSITION_DEVIATION, ZERO_DEVIATION = 0.02, 0.01, 1.0


class Past(NamedTuple):
    """What `LanguageModel.step` keeps: the number of tokens so far, and each layer's tensors.

    In an exported graph the number is a tensor, int64 (). It is not checked there.
    """

    position: int | Tensor
    layers: tuple[State, ...]


class Block(nn.Module):
    """One layer: (N, T, width) -> the same."""

    def __init__(self, layer: Layer, frame: Frame) -> None:
        super().__init__()
        self.parallel = frame.parallel and layer.mixer is not None and layer.feed_forward is not None
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0])) if frame.input_mix else None
        self.mixer_norm: nn.Module = nn.Identity()
        self.feed_forward_norm: nn.Module = nn.Identity()
        self.mixer: Built | None = None
        self.feed_forward: FeedForwardNetwork | None = None
        if layer.mixer is not None:
            self.mixer_norm, self.mixer = build_norm(frame), build_mixer(layer.mixer, frame)
        if layer.feed_forward is not None:
            # both parts of a parallel layer read the mixer's norm
            if not self.parallel:
                self.feed_forward_norm = build_norm(frame)
            self.feed_forward = FeedForwardNetwork(layer.feed_forward, frame)

    def forward(self, x: Tensor, embedded: Tensor, shared: Pass, past: State | None = None) -> Tensor:
        """Pass on the residual stream `x`; with `past`, `x` is the next token of each sequence."""
        if self.mix is not None:
            x = self.mix[0] * x + self.mix[1] * embedded
        normed = self.mixer_norm(x)
        if self.mixer is not None:
            mixed = self.mixer(normed, shared) if past is None else self.mixer.step(normed, shared, past)
            x = x + mixed
        if self.feed_forward is not None:
            x = x + self.feed_forward(normed if self.parallel else self.feed_forward_norm(x))
        return x


class LanguageModel(nn.Module):
    """Tokens (N, T) of whole numbers below the vocabulary -> logits (N, T, vocabulary) of the next tokens.

    A longer sequence than the table of learned positions raises UserError.
    """

    def __init__(self, architecture: LanguageArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        frame = self.frame = architecture.frame
        self.embedding = nn.Embedding(frame.vocabulary, frame.width)
        self.positions = nn.Embedding(frame.positions, frame.width) if frame.positions else None
        self.embedding_norm = RMSNorm(frame.width, scales=False) if frame.embedding_norm else nn.Identity()
        self.layers = nn.ModuleList(Block(layer, frame) for layer in architecture.layers)
        self.skip_weights = nn.Parameter(torch.ones(architecture.skips)) if architecture.skips else None
        self.norm = build_norm(frame)
        # a tied head is the embedding, which has one name: safetensors refuses a tensor with two
        self.head = None if frame.tied else nn.Linear(frame.width, frame.vocabulary, bias=False)
        initialise(self)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (N, T, vocabulary) of the token after each of `tokens` (N, T)."""
        return self._logits(tokens, Past(0, ()))

    def start(self) -> Past:
        """Return the state before the first token."""
        return Past(0, tuple({} for _ in self.layers))

    def step(self, tokens: Tensor, past: Past) -> tuple[Tensor, Past]:
        """Read one token of each sequence (N,); return the logits (N, vocabulary) of the next one, and the new state.

        `past` is unchanged, so that several continuations may start from it.
        """
        after = Past(past.position + 1, tuple(map(dict, past.layers)))
        logits = self._logits(tokens[:, None], Past(past.position, after.layers))
        return logits[:, 0], after

    def _logits(self, tokens: Tensor, past: Past) -> Tensor:
        """Return the logits of tokens from position `past.position`; its layers' states change in place."""
        length = tokens.shape[1]
        if isinstance(past.position, int):
            check_context(self.frame, past.position + length)
        places = past.position + torch.arange(length, device=tokens.device)
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions(places)
        embedded = x = self.embedding_norm(x)
        shared = Pass(self.frame, places)
        left: list[Tensor] = []
        skips = 0 if self.skip_weights is None else len(self.skip_weights)
        for number, layer in enumerate(self.layers):
            taken = number - (len(self.layers) - skips)
            if self.skip_weights is not None and taken >= 0:
                x = x + self.skip_weights[taken] * left.pop()
            x = layer(x, embedded, shared, past.layers[number] if past.layers else None)
            if number < skips:
                left.append(x)
        head = self.embedding if self.head is None else self.head
        logits = F.linear(self.norm(x), head.weight)
        cap = self.frame.cap
        return cap * torch.tanh(logits / cap) if cap else logits


def build_language(architecture: str | LanguageArchitecture) -> LanguageModel:
    """Build the network of an architecture or its string. Raises UserError."""
    return LanguageModel(parse_language(architecture) if isinstance(architecture, str) else architecture)


def initialise(network: LanguageModel) -> None:
    """Initialise all weights as GPT-2's code: normal with deviation 0.02, learned positions with 0.01.

    Projections to the residual stream have 0.02 / sqrt(2 layers) (Radford et al. 2019, section 2.3). With the frame's
    `zero`, do as the speed run: projections and an untied head start at zero, an untied embedding normal with deviation
    1, other linear layers uniform as torch's. Biases are 0. Norms and convolutions keep what they start with.
    """
    frame, zero = network.frame, network.frame.zero
    small = DEVIATION / math.sqrt(2 * len(network.layers))
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            last = name.endswith("project")
            if zero and (last or module is network.head):
                nn.init.zeros_(module.weight)
            elif zero:
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            else:
                nn.init.normal_(module.weight, std=small if last else DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.normal_(network.embedding.weight, std=ZERO_DEVIATION if zero and not frame.tied else DEVIATION)
    if network.positions is not None:
        nn.init.normal_(network.positions.weight, std=POSITION_DEVIATION)
