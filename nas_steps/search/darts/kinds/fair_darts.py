"""FairDARTS (Chu et al. 2020, sections 3.2 and 3.3)."""

import math
from typing import Any

import torch
from torch import Tensor

from nas_steps.config.strategies import FairDarts
from nas_steps.models.cells.mixed_cell import Mix, index
from nas_steps.search.darts.discretise import entropy_of_gates
from nas_steps.search.darts.learner import Candidate, DartsLearner, Weights


class Learner(DartsLearner):
    """Sigmoids, so that operations do not compete, and a loss that drives them to 0 or 1."""

    settings: FairDarts
    alpha_betas = (0.9, 0.999)

    def mix(self, _drawn: Any) -> Mix:
        alphas = self.supernet.alphas.items()
        return Mix({kind: torch.sigmoid(values) * self.supernet.allowed(kind) for kind, values in alphas})

    def entropy(self, mix: Weights) -> float:
        kinds = ((rows, self.supernet.allowed(kind).tolist()) for kind, rows in mix.items())
        return sum(entropy_of_gates(rows, allowed) for rows, allowed in kinds) / len(mix)

    def regulariser(self) -> Tensor:
        distances = []
        for kind, values in self.supernet.alphas.items():
            count = values.shape[1]
            numbers = tuple(
                count * edge + place for edge, places in enumerate(self.supernet.places[kind]) for place in places
            )
            one_by_one = (torch.sigmoid(values) - 0.5).flatten()
            distances.append(one_by_one[index(numbers, values.device)].square().mean())
        return -self.settings.zero_one_weight * torch.stack(distances).mean()

    def most_likely(self, mix: Weights) -> list[Candidate]:
        """Keep the operations that reach the threshold: an edge without one becomes `none` if the space lets it.

        So `none` counts as just below the threshold, whatever its own sigmoid, which no gradient but the zero-one
        loss moves. Where it is no choice, an edge keeps its strongest operation."""
        space, threshold = self.supernet.space, self.settings.threshold
        if "none" in space.choices:
            place, below = space.operations.index("none"), math.nextafter(threshold, 0)
            mix = {
                kind: [[below if column == place else weight for column, weight in enumerate(row)] for row in rows]
                for kind, rows in mix.items()
            }
        return super().most_likely(mix)
