"""The LSTM controller of REINFORCE and ENAS: it makes the decisions of an architecture one after another."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nas_steps.spaces.protocol import Architecture, Decision, Space, walk

#: random architectures that show the kinds of decisions of a space
WALKS = 100


class Vocabulary:
    """The options of every kind of decision, numbered consecutively."""

    def __init__(self, space: Space) -> None:
        self.first: dict[str, int] = {}
        self.size = 0
        random = Random(0)
        for choices in (walk(space, random) for _ in range(WALKS)):
            for place in range(len(choices)):
                decision = space.decision(choices[:place])
                assert decision is not None
                if decision.kind not in self.first:
                    self.first[decision.kind] = self.size
                    self.size += len(decision.options)

    def allowed(self, decision: Decision) -> list[int]:
        return [self.first[decision.kind] + choice for choice in decision.allowed]


class Batch(NamedTuple):
    """Complete choices of B architectures, at most T each, in a vocabulary of V; 0 behind an architecture's end."""

    tokens: Tensor  # (T, B), int64
    masks: Tensor  # (T, B, V), minus infinity for forbidden options
    real: Tensor  # (T, B), 1 for a decision, 0 behind the end


class Controller(nn.Module):
    """Embedding of the last choice (row 0 before the first) -> LSTM -> a softmax over the next decision's options."""

    def __init__(
        self, space: Space, hidden: int, *, learning_rate: float, baseline_decay: float, entropy_weight: float
    ) -> None:
        super().__init__()
        self.space, self.hidden = space, hidden
        self.baseline_decay, self.entropy_weight = baseline_decay, entropy_weight
        self.vocabulary = Vocabulary(space)
        # the same in each search; zero heads make all choices equally likely at first, and the embeddings and weights
        # are large enough for the state to depend on earlier choices
        random = np.random.default_rng(0)
        embedding = random.normal(0.0, 1.0, (1 + self.vocabulary.size, hidden))
        from_input, from_state = (random.normal(0.0, hidden**-0.5, (hidden, 4, hidden)) for _ in range(2))
        float64 = {"dtype": torch.float64}
        self.embedding = nn.Embedding.from_pretrained(torch.from_numpy(embedding), freeze=False)
        self.cell = nn.utils.skip_init(nn.LSTMCell, hidden, hidden, **float64)
        self.head = nn.utils.skip_init(nn.Linear, hidden, self.vocabulary.size, **float64)
        with torch.no_grad():
            for parameter, drawn in ((self.cell.weight_ih, from_input), (self.cell.weight_hh, from_state)):
                # drawn as input, forget, output and new content; torch's order has the output last
                parameter.copy_(torch.from_numpy(drawn[:, [0, 1, 3, 2]].reshape(hidden, 4 * hidden).T))
            for parameter in (self.cell.bias_ih, self.cell.bias_hh, self.head.weight, self.head.bias):
                parameter.zero_()
        self.cell.bias_hh.requires_grad_(False)  # one bias a gate is enough
        self.adam = torch.optim.Adam([one for one in self.parameters() if one.requires_grad], lr=learning_rate)
        #: the moving average of the rewards, None before the first
        self.baseline: float | None = None

    def draw(self, count: int, random: Random) -> list[Architecture]:
        return [self.space.decode(choices) for choices in self.sample(count, random)]

    @torch.no_grad()
    def sample(self, count: int, random: Random) -> list[list[int]]:
        """Draw complete choices of `count` architectures from the policy."""
        choices: list[list[int]] = [[] for _ in range(count)]
        tokens = torch.zeros(count, dtype=torch.int64)
        hidden = None
        decisions = [self.space.decision([])] * count
        while any(decision is not None for decision in decisions):
            hidden = self.cell(self.embedding(tokens), hidden)
            logits = self.head(hidden[0]).numpy()
            for row, decision in enumerate(decisions):
                if decision is None:
                    continue
                allowed = self.vocabulary.allowed(decision)
                weights = np.exp(logits[row, allowed] - logits[row, allowed].max())
                place = int(np.searchsorted(np.cumsum(weights), random.random() * weights.sum(), side="right"))
                place = min(place, len(allowed) - 1)
                choices[row].append(decision.allowed[place])
                tokens[row] = 1 + allowed[place]
                decisions[row] = self.space.decision(choices[row])
        return choices

    def batch(self, choices: Sequence[Sequence[int]]) -> Batch:
        shape = max(map(len, choices)), len(choices)
        tokens, real = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.float64)
        masks = torch.zeros(*shape, self.vocabulary.size, dtype=torch.float64)
        for row, chosen in enumerate(choices):
            for place, choice in enumerate(chosen):
                decision = self.space.decision(chosen[:place])
                assert decision is not None
                tokens[place, row] = self.vocabulary.first[decision.kind] + choice
                masks[place, row] = -torch.inf
                masks[place, row, self.vocabulary.allowed(decision)] = 0
                real[place, row] = 1
        return Batch(tokens, masks, real)

    def log_probabilities(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute each decision's log-probability of its choice and its entropy (nats), both (T, B)."""
        before = torch.zeros_like(batch.tokens)
        before[1:] = torch.where(batch.real[1:] > 0, 1 + batch.tokens[:-1], 0)
        hidden, states = None, []
        for embedded in self.embedding(before):
            hidden = self.cell(embedded, hidden)
            states.append(hidden[0])
        logs = (self.head(torch.stack(states)) + batch.masks).log_softmax(-1)
        chosen = logs.gather(-1, batch.tokens[..., None])[..., 0]
        # forbidden options have no share in the entropy: 0 instead of 0 times infinity
        return chosen, -(logs.exp() * logs.masked_fill(batch.masks < 0, 0.0)).sum(-1)

    def loss(self, batch: Batch, advantages: Tensor, entropy_weight: float) -> Tensor:
        """Compute REINFORCE's loss (Williams 1992) with an entropy bonus: summed over decisions, a mean over the
        architectures."""
        chosen, entropies = self.log_probabilities(batch)
        return -(batch.real * (advantages * chosen + entropy_weight * entropies)).sum() / len(advantages)

    def learn(self, architectures: Sequence[Architecture], rewards: Sequence[float], updates: int = 1) -> None:
        """Make architectures whose reward exceeds the moving average more likely, by `updates` steps of Adam."""
        values = torch.tensor(rewards, dtype=torch.float64)
        mean, decay = float(np.mean(rewards)), self.baseline_decay
        baseline = mean if self.baseline is None else self.baseline
        self.baseline = decay * baseline + (1 - decay) * mean
        batch = self.batch([self.space.decided(one) for one in architectures])
        for _ in range(updates):
            self.adam.zero_grad()
            with torch.enable_grad():
                self.loss(batch, values - baseline, self.entropy_weight).backward()
            self.adam.step()

    @torch.no_grad()
    def entropy(self, architectures: Sequence[Architecture]) -> float:
        """Compute the mean entropy (nats) of the decisions that these architectures were drawn by."""
        batch = self.batch([self.space.decided(one) for one in architectures])
        return float((batch.real * self.log_probabilities(batch)[1]).sum() / batch.real.sum())

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of the parameters and of Adam's state, flat; `baseline` is the rest of the state."""
        adam = self.adam.state_dict()["state"]
        tensors = {f"parameters.{name}": value for name, value in self.state_dict().items()}
        tensors |= {f"adam.{index}.{name}": value for index, one in adam.items() for name, value in one.items()}
        return {name: value.clone() for name, value in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor], baseline: float | None) -> None:
        self.baseline = baseline
        self.load_state_dict({name: tensors[f"parameters.{name}"] for name in self.state_dict()})
        adam: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                adam.setdefault(int(index), {})[name] = value.clone()
        self.adam.load_state_dict({**self.adam.state_dict(), "state": adam})
