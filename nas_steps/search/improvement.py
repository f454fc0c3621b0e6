"""By how much an architecture is expected to improve on what was evaluated, given a normal prediction of its score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nas_steps.search.pareto import non_dominated_fronts

Array = NDArray[np.float64]


def expected_improvement(mean: Array, deviation: Array, best: Array | float) -> Array:
    """Return E[max(0, f - best)] of normal f, of the shape of its arguments together (Mockus 1978; Jones et al. 1998).

    A deviation of 0 is a known value.
    """
    mean, deviation, best = np.broadcast_arrays(mean, deviation, best)
    ahead = mean - best
    known = deviation <= 0
    z = ahead / np.where(known, 1.0, deviation)
    density = np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    return np.where(known, np.maximum(ahead, 0.0), ahead * ndtr(z) + deviation * density)


def expected_hypervolume_improvement(
    mean: Array, deviation: Array, costs: Array, scores: Array, known: Array, reference: Array, floor: float
) -> Array:
    """Return the expected growth (m,) of the volume that the front dominates, for scores with known costs.

    `mean` and `deviation` (m,) predict the scores of new architectures with the `costs` (m, k); `scores` (n,) and
    `known` (n, k) are those of the evaluated ones. The volume reaches down to the score `floor` and up to the costs
    `reference` (k,). As costs are known, the expectation is exact: at any costs u that an architecture keeps, the
    volume grows by its improvement on the best evaluated score within u, and that is integrated over u.
    """
    points = [(-score, *row) for score, row in zip(scores, known, strict=True)]
    front = non_dominated_fronts(points)[0]
    # the edges of the boxes in which the best score is the same
    edges = [
        np.append(np.unique(np.append(known[front, axis], costs[:, axis].min())), reference[axis])
        for axis in range(known.shape[1])
    ]
    lows = np.meshgrid(*(edge[:-1] for edge in edges), indexing="ij")
    best = np.full(lows[0].shape, floor)
    for index in front:
        within = np.all([low >= cost for low, cost in zip(lows, known[index], strict=True)], axis=0)
        best = np.where(within, np.maximum(best, scores[index]), best)
    values, places = np.unique(best, return_inverse=True)
    volumes = np.zeros((len(mean), len(values)))
    for number, row in enumerate(costs):
        sides = [_sides(edge, cost) for edge, cost in zip(edges, row, strict=True)]
        volumes[number] = np.bincount(places.ravel(), _outer(sides).ravel(), minlength=len(values))
    return (volumes * expected_improvement(mean[:, None], deviation[:, None], values[None, :])).sum(axis=1)


def _sides(edges: Array, cost: float) -> Array:
    """Return the lengths of the intervals between `edges` that lie above `cost`."""
    return np.maximum(edges[1:] - np.maximum(edges[:-1], cost), 0.0)


def _outer(sides: Sequence[Array]) -> Array:
    product = sides[0]
    for side in sides[1:]:
        product = product[..., None] * side
    return product
