"""REINFORCE: a controller learns what to choose."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.controller import Adam, Controller
from nas_steps.search.protocol import TRIES, Seen, State, fitness_from_json, fitness_to_json
from nas_steps.search.regression import normal_scores
from nas_steps.spaces.protocol import Architecture, Space


class Reinforce:
    """An LSTM controller (Zoph & Le 2017, section 3) trained by REINFORCE (Williams 1992) with Adam.

    A reward is the normal score of a merit among all evaluated so far (a fitness shaping, Wierstra et al. 2014, section
    3.1): it has no unit, and the few that learn badly do not drown the rest. What failed is worth as much as the worst.
    The baseline is the moving average of the rewards. A draw that repeats is drawn again; where nothing new comes of
    the controller, architectures are drawn uniformly.
    """

    def __init__(self, space: Space, settings: strategies.Reinforce) -> None:
        self.space = space
        self.settings = settings
        self.seen = Seen(space)
        self.controller = Controller(space, settings.hidden)
        self.adam = Adam(self.controller.parameters, settings.learning_rate)
        #: of all that was evaluated
        self.merits: list[float] = []
        #: the moving average of the rewards, None before the first
        self.baseline: float | None = None

    def ask(self, count: int, random: Random) -> list[Architecture]:
        found: list[Architecture] = []
        for _ in range(TRIES // 10):
            drawn = self.controller.sample(count - len(found), random)
            found += [one for one in map(self.space.decode, drawn) if self.seen.is_new(one)]
            if len(found) == count:
                return found
        return found + self.seen.fill(count - len(found), random)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        evaluated = self.seen.tell(estimates)
        if not evaluated:
            return
        self.merits += [one.fitness for one in evaluated]
        worst = min((fitness for fitness in self.merits if fitness > -math.inf), default=0.0)
        rewards = normal_scores([max(fitness, worst) for fitness in self.merits])[-len(evaluated) :]
        mean, decay = float(rewards.mean()), self.settings.baseline_decay
        baseline = mean if self.baseline is None else self.baseline
        self.baseline = decay * baseline + (1 - decay) * mean
        batch = self.controller.batch([self.space.decided(self.space.parse(one.architecture)) for one in evaluated])
        for _ in range(self.settings.updates):
            _, gradients = self.controller.loss(batch, rewards - baseline, self.settings.entropy_weight)
            self.adam.step(gradients)

    def state(self) -> State:
        arrays = {
            f"{what}.{name}": value.copy() for what, values in self._arrays().items() for name, value in values.items()
        }
        merits = [fitness_to_json(fitness) for fitness in self.merits]
        plain = {"merits": merits, "baseline": self.baseline, "steps": self.adam.steps}
        return {"seen": self.seen.state(), **plain, **arrays}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen.restore(state["seen"])
        self.merits = [fitness_from_json(fitness) for fitness in state["merits"]]
        self.baseline, self.adam.steps = state["baseline"], state["steps"]
        for what, values in self._arrays().items():
            for name, value in values.items():
                value[...] = state[f"{what}.{name}"]

    def _arrays(self) -> dict[str, dict[str, Any]]:
        return {"parameters": self.adam.parameters, "first": self.adam.first, "second": self.adam.second}


def sampler(space: Space, settings: strategies.Reinforce) -> Reinforce:
    return Reinforce(space, settings)


def round_size(settings: strategies.Reinforce, _number: int, _evaluations: int) -> int:
    return settings.batch
