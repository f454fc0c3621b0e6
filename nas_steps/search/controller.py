"""An LSTM that makes decisions one by one, in numpy: loading torch would take longer than all that is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_steps.spaces.protocol import Decision, Space, walk

Array = NDArray[np.float64]
Parameters = dict[str, Array]

#: random architectures that are looked at for the kinds of decisions of a space
WALKS = 100
BETAS, EPSILON = (0.9, 0.999), 1e-8


class Vocabulary:
    """The options of every kind of decision, numbered one after the other."""

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
        self._masks: dict[tuple[str, tuple[int, ...]], Array] = {}

    def mask(self, decision: Decision) -> Array:
        """(size,): 0 for what is allowed, minus infinity for all else, the options of other kinds among it."""
        key = (decision.kind, decision.allowed)
        if key not in self._masks:
            mask = np.full(self.size, -np.inf)
            mask[self.first[decision.kind] + np.array(decision.allowed)] = 0
            self._masks[key] = mask
        return self._masks[key]


class Batch(NamedTuple):
    """Complete choices of B architectures, T at most, as numbers of a vocabulary of V; what is behind an end is 0."""

    tokens: NDArray[np.int64]  # (T, B)
    masks: Array  # (T, B, V), 0 all over behind an end
    real: Array  # (T, B), 1 where there is a decision


class Controller:
    """Embedding of the last choice -> LSTM -> a softmax over the options of the next decision.

    All decisions of a kind share the head and the embeddings of their kind: the columns and rows of `head_weight`,
    `head_bias` and `embedding` that the vocabulary gives to it. Row 0 of `embedding` stands before the first choice.
    """

    def __init__(self, space: Space, hidden: int) -> None:
        self.space = space
        self.hidden = hidden
        self.vocabulary = Vocabulary(space)
        # the same in each search: what a search draws is its own. The heads are zero, so that at first all choices are
        # equally likely; the embeddings and weights are large enough for the state to tell what was chosen before
        random = np.random.default_rng(0)
        shapes = {
            "embedding": (1 + self.vocabulary.size, hidden),
            "input_weight": (hidden, 4 * hidden),
            "hidden_weight": (hidden, 4 * hidden),
            "gate_bias": (4 * hidden,),
            "head_weight": (hidden, self.vocabulary.size),
            "head_bias": (self.vocabulary.size,),
        }
        self.parameters: Parameters = {name: np.zeros(shape) for name, shape in shapes.items()}
        for name, deviation in (("embedding", 1.0), ("input_weight", hidden**-0.5), ("hidden_weight", hidden**-0.5)):
            self.parameters[name] = random.normal(0.0, deviation, shapes[name])

    def sample(self, count: int, random: Random) -> list[list[int]]:
        """Complete choices of `count` architectures, drawn from the policy."""
        found: list[list[int]] = [[] for _ in range(count)]
        tokens = np.zeros(count, dtype=np.int64)
        state = cell = np.zeros((count, self.hidden))
        decisions = [self.space.decision([])] * count
        while any(decision is not None for decision in decisions):
            x = self.parameters["embedding"][tokens] @ self.parameters["input_weight"]
            _, cell, _, state = self._step(x, state, cell)
            logits = state @ self.parameters["head_weight"] + self.parameters["head_bias"]
            for row, decision in enumerate(decisions):
                if decision is None:
                    continue
                first = self.vocabulary.first[decision.kind]
                allowed = first + np.array(decision.allowed)
                weights = np.exp(logits[row, allowed] - logits[row, allowed].max())
                place = int(np.searchsorted(np.cumsum(weights), random.random() * weights.sum(), side="right"))
                choice = decision.allowed[min(place, len(decision.allowed) - 1)]
                found[row].append(choice)
                tokens[row] = 1 + first + choice
                decisions[row] = self.space.decision(found[row])
        return found

    def batch(self, choices: Sequence[Sequence[int]]) -> Batch:
        steps, size = max(map(len, choices)), self.vocabulary.size
        tokens = np.zeros((steps, len(choices)), dtype=np.int64)
        masks, real = np.zeros((steps, len(choices), size)), np.zeros((steps, len(choices)))
        for row, chosen in enumerate(choices):
            for place, choice in enumerate(chosen):
                decision = self.space.decision(chosen[:place])
                assert decision is not None
                tokens[place, row] = self.vocabulary.first[decision.kind] + choice
                masks[place, row] = self.vocabulary.mask(decision)
                real[place, row] = 1
        return Batch(tokens, masks, real)

    def loss(self, batch: Batch, advantages: Array, entropy_weight: float) -> tuple[float, Parameters]:
        """REINFORCE's loss and its gradient in each parameter.

        The loss is the mean over the architectures of minus the advantage times the log-probability of all its
        choices, less `entropy_weight` times the sum of the entropies (nats) of the decisions that it was drawn by.
        """
        parameters = self.parameters
        steps, count = batch.tokens.shape
        before = np.zeros_like(batch.tokens)
        before[1:] = np.where(batch.real[1:] > 0, 1 + batch.tokens[:-1], 0)
        inputs = parameters["embedding"][before]
        projected = inputs @ parameters["input_weight"]
        states, cells = np.zeros((steps + 1, count, self.hidden)), np.zeros((steps + 1, count, self.hidden))
        gates, squashed = [], []
        for step in range(steps):
            gate, cells[step + 1], tanh, states[step + 1] = self._step(projected[step], states[step], cells[step])
            gates.append(gate)
            squashed.append(tanh)

        logits = states[1:] @ parameters["head_weight"] + parameters["head_bias"] + batch.masks
        logits -= logits.max(axis=-1, keepdims=True)
        exponentials = np.exp(logits)
        sums = exponentials.sum(axis=-1, keepdims=True)
        probabilities = exponentials / sums
        # what cannot be chosen has no share in the entropy: 0 instead of 0 times infinity
        logs = np.where(probabilities > 0, logits - np.log(sums), 0.0)
        chosen = np.take_along_axis(logs, batch.tokens[..., None], axis=-1)[..., 0]
        entropies = -(probabilities * logs).sum(axis=-1)
        value = -(batch.real * (advantages * chosen + entropy_weight * entropies)).sum() / count

        weights = batch.real * advantages / count
        slopes = probabilities * weights[..., None]
        np.put_along_axis(
            slopes,
            batch.tokens[..., None],
            np.take_along_axis(slopes, batch.tokens[..., None], axis=-1) - weights[..., None],
            axis=-1,
        )
        slopes += (batch.real * entropy_weight / count)[..., None] * probabilities * (logs + entropies[..., None])

        gradients: Parameters = {
            "head_weight": _summed_product(states[1:], slopes),
            "head_bias": slopes.sum(axis=(0, 1)),
        }
        from_heads = slopes @ parameters["head_weight"].T
        of_gates = np.zeros((steps, count, 4 * self.hidden))
        of_state, of_cell = np.zeros((count, self.hidden)), np.zeros((count, self.hidden))
        for step in reversed(range(steps)):
            enter, forget, output, fresh = np.split(gates[step], 4, axis=-1)
            of_state = of_state + from_heads[step]
            of_cell = of_cell + of_state * output * (1 - squashed[step] ** 2)
            of_gates[step] = np.concatenate(
                [
                    of_cell * fresh * enter * (1 - enter),
                    of_cell * cells[step] * forget * (1 - forget),
                    of_state * squashed[step] * output * (1 - output),
                    of_cell * enter * (1 - fresh**2),
                ],
                axis=-1,
            )
            of_cell = of_cell * forget
            of_state = of_gates[step] @ parameters["hidden_weight"].T
        gradients["hidden_weight"] = _summed_product(states[:-1], of_gates)
        gradients["input_weight"] = _summed_product(inputs, of_gates)
        gradients["gate_bias"] = of_gates.sum(axis=(0, 1))
        gradients["embedding"] = np.zeros_like(parameters["embedding"])
        np.add.at(gradients["embedding"], before, of_gates @ parameters["input_weight"].T)
        return float(value), gradients

    def _step(self, projected: Array, state: Array, cell: Array) -> tuple[Array, Array, Array, Array]:
        """One step of an LSTM (Hochreiter & Schmidhuber 1997, with forget gates): gates, cell, its tanh, state.

        The gates stand side by side: input, forget, output, and the cell's new content.
        """
        hidden = self.hidden
        gates = projected + state @ self.parameters["hidden_weight"] + self.parameters["gate_bias"]
        # a sigmoid by tanh does not overflow
        gates[:, : 3 * hidden] = 0.5 * (1 + np.tanh(0.5 * gates[:, : 3 * hidden]))
        gates[:, 3 * hidden :] = np.tanh(gates[:, 3 * hidden :])
        enter, forget, output, fresh = (gates[:, place * hidden : (place + 1) * hidden] for place in range(4))
        cell = forget * cell + enter * fresh
        tanh = np.tanh(cell)
        return gates, cell, tanh, output * tanh


def _summed_product(left: Array, right: Array) -> Array:
    """(T, B, M), (T, B, N) -> (M, N): the outer products of all steps and rows, added up."""
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) on parameters that it changes in place."""

    def __init__(self, parameters: Parameters, learning_rate: float) -> None:
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.steps = 0
        self.first = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.second = {name: np.zeros_like(value) for name, value in parameters.items()}

    def step(self, gradients: Mapping[str, Array]) -> None:
        self.steps += 1
        rate = self.learning_rate / (1 - BETAS[0] ** self.steps)
        correction = 1 - BETAS[1] ** self.steps
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first += (1 - BETAS[0]) * (gradient - first)
            second += (1 - BETAS[1]) * (gradient**2 - second)
            self.parameters[name] -= rate * first / (np.sqrt(second / correction) + EPSILON)
