"""Local search."""

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.protocol import Sampler, State, fitness_from_json, fitness_to_json
from nas_steps.spaces.protocol import Architecture, Space


class LocalSearch(Sampler):
    """Local search (White, Nolen & Savani 2021, algorithm 1), restarted at each local optimum.

    The centre is the best architecture since the last start. Its neighbours are evaluated in random order, a batch a
    round, and the first batch that holds a better one moves the centre. If no neighbour is better, a round is drawn
    uniformly, and the best of it is the next centre. Failed architectures are never a centre.
    """

    def __init__(self, space: Space, settings: strategies.LocalSearch) -> None:
        super().__init__(space, settings)
        #: the centre and its fitness; None before a start
        self.centre: tuple[Architecture, float] | None = None

    def ask(self, count: int, random: Random) -> list[Architecture]:
        unseen = self._unseen_neighbours()
        random.shuffle(unseen)
        new = [one for one in unseen[:count] if self.seen.is_new(one)]
        return new + self.seen.fill(count - len(new), random)

    def tell(self, estimates: Sequence[Estimate]) -> None:
        told = [(self.space.parse(one.architecture), one.fitness) for one in self.seen.tell(estimates)]
        best = _best(told)
        if self.centre is None or (best is not None and best[1] > self.centre[1]):
            self.centre = best
        elif not self._unseen_neighbours():
            # the centre is a local optimum; a round's last architectures may be uniform draws, the next start
            around = {self.space.identity(one) for one in self.space.neighbours(self.centre[0])}
            self.centre = _best([pair for pair in told if self.space.identity(pair[0]) not in around])

    def _unseen_neighbours(self) -> list[Architecture]:
        """Return the centre's neighbours that were never asked, of isomorphic ones the first."""
        unseen: dict[str, Architecture] = {}
        for one in self.space.neighbours(self.centre[0]) if self.centre else ():
            if (identity := self.space.identity(one)) not in self.seen.identities:
                unseen.setdefault(identity, one)
        return list(unseen.values())

    def state(self) -> State:
        centre = [str(self.centre[0]), fitness_to_json(self.centre[1])] if self.centre else None
        return {**super().state(), "centre": centre}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        centre = state["centre"]
        self.centre = (self.space.parse(centre[0]), fitness_from_json(centre[1])) if centre else None


def _best(scored: Sequence[tuple[Architecture, float]]) -> tuple[Architecture, float] | None:
    """Return the first of the best that have not failed."""
    best = max(scored, key=lambda pair: pair[1], default=None)
    return None if best is None or best[1] == -math.inf else best


sampler = LocalSearch


def round_size(settings: strategies.LocalSearch, number: int, _evaluations: int) -> int:
    return settings.batch if number else settings.initial
