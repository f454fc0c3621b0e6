"""REINFORCE: a controller learns what to choose."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import TRIES, Sampler, State, fitness_from_json, fitness_to_json
from nas_steps.spaces.protocol import Architecture, Space


class Reinforce(Sampler):
    """An LSTM controller (Zoph & Le 2017, section 3) trained by REINFORCE (Williams 1992) with Adam.

    A reward is the normal score of a fitness among all evaluated so far (fitness shaping, Wierstra et al. 2014, section
    3.1); a failed architecture counts as the worst. The baseline is the moving average of the rewards. Repeats are
    drawn again; if the controller gives nothing new, architectures are drawn uniformly.
    """

    def __init__(self, space: Space, settings: strategies.Reinforce) -> None:
        from nas_steps.search.controller import Controller

        super().__init__(space, settings)
        options = settings.model_dump(include={"hidden", "learning_rate", "baseline_decay", "entropy_weight"})
        self.controller = Controller(space, **options)
        #: the fitness of all evaluated architectures
        self.fitness: list[float] = []

    def ask(self, count: int, random: Random) -> list[Architecture]:
        asked: list[Architecture] = []
        for _ in range(TRIES // 10):
            asked += [one for one in self.controller.draw(count - len(asked), random) if self.seen.is_new(one)]
            if len(asked) == count:
                return asked
        return asked + self.seen.fill(count - len(asked), random)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        from nas_steps.search.regression import normal_scores

        evaluated = self.seen.tell(estimates)
        if not evaluated:
            return
        self.fitness += [one.fitness for one in evaluated]
        worst = min((fitness for fitness in self.fitness if fitness > -math.inf), default=0.0)
        rewards = normal_scores([max(fitness, worst) for fitness in self.fitness])[-len(evaluated) :]
        architectures = [self.space.parse(one.architecture) for one in evaluated]
        self.controller.learn(architectures, rewards.tolist(), self.settings.updates)

    def state(self) -> State:
        plain = {"fitness": [*map(fitness_to_json, self.fitness)], "baseline": self.controller.baseline}
        arrays = {name: value.numpy() for name, value in self.controller.tensors().items()}
        return {**super().state(), **plain, **arrays}

    def restore(self, state: Mapping[str, Any]) -> None:
        import torch

        super().restore(state)
        self.fitness = [*map(fitness_from_json, state["fitness"])]
        arrays = {name: value for name, value in state.items() if name.startswith(("parameters.", "adam."))}
        tensors = {name: torch.tensor(value) for name, value in arrays.items()}
        self.controller.restore(tensors, state["baseline"])


sampler = Reinforce


def round_size(settings: strategies.Reinforce, _number: int, _evaluations: int) -> int:
    return settings.batch
