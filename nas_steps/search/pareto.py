"""Non-dominated sorting and crowding distances (Deb et al. 2002). Imports neither numpy nor torch."""

import math
from collections.abc import Sequence


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is nowhere larger and somewhere smaller. All others dominate a failure (infinite at first)."""
    if math.isinf(one[0]) or math.isinf(other[0]):
        return one[0] < other[0]
    return tuple(one) != tuple(other) and all(a <= b for a, b in zip(one, other, strict=True))


def non_dominated_fronts(objectives: Sequence[Sequence[float]]) -> list[list[int]]:
    """Sort indices into fronts, best first, ascending within each: fast non-dominated sorting (section III-A)."""
    dominated: list[list[int]] = [[] for _ in objectives]
    above = [0] * len(objectives)
    for one in range(len(objectives)):
        for other in range(one):
            for better, worse in ((one, other), (other, one)):
                if dominates(objectives[better], objectives[worse]):
                    dominated[better].append(worse)
                    above[worse] += 1
    fronts = []
    front = [index for index, count in enumerate(above) if count == 0]
    while front:
        fronts.append(front)
        following = []
        for index in front:
            for worse in dominated[index]:
                above[worse] -= 1
                if above[worse] == 0:
                    following.append(worse)
        front = sorted(following)
    return fronts


def crowding_distances(objectives: Sequence[Sequence[float]]) -> list[float]:
    """Sum, for each member of a front, its neighbours' distances in shares of the front (section III-B)."""
    distances = [0.0] * len(objectives)
    for values in zip(*objectives, strict=True):
        order = sorted(range(len(values)), key=values.__getitem__)
        least, most = values[order[0]], values[order[-1]]
        distances[order[0]] = distances[order[-1]] = math.inf
        if not 0 < most - least < math.inf:
            continue
        for place in range(1, len(order) - 1):
            distances[order[place]] += (values[order[place + 1]] - values[order[place - 1]]) / (most - least)
    return distances
