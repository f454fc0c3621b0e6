"""An additive score and the best architectures by it within constraints, exactly: regression, then HiGHS by scipy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas_steps.errors import UserError, exact
from nas_steps.search.regression import leave_one_out
from nas_steps.spaces.costs import FILE_MB, FLOAT_MB, CostTable
from nas_steps.spaces.paths import END, START, Paths
from nas_steps.spaces.protocol import Architecture

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Array = NDArray[np.float64]

#: what the ridge is chosen from; the mean squared length of a centred row is 1
RIDGES = 10.0 ** np.arange(-8, 3)
#: branch-and-bound nodes after which a solution counts as not proven; seconds would not repeat on other machines
NODES = 20_000
#: the largest gain in the units of the solver, which stops at an absolute gap of 1e-6
SCALE = 1000.0


class AdditiveScore:
    """A score as a sum of gains, one for each term, by ridge regression on the terms' counts.

    - `gains` (terms,): what one more of a term adds
    - `errors` (n,): the leave-one-out errors, score minus prediction, under the ridge for which they are least
    """

    def __init__(self, counts: Array, scores: Array) -> None:
        """Fit to counts (n, terms) and scores (n,)."""
        self.mean_counts, self.mean = counts.mean(axis=0), float(scores.mean())
        centred = counts - self.mean_counts
        size = float((centred**2).sum(axis=1).mean()) or 1.0
        dual, self.errors = leave_one_out(centred @ centred.T / size, scores, RIDGES, intercept=True)
        self.gains: Array = centred.T @ dual / size

    @property
    def rmse(self) -> float:
        """The root of the mean squared leave-one-out error."""
        return float(np.sqrt((self.errors**2).mean()))

    def predict(self, counts: Array) -> Array:
        """Return the predictions (m,) for counts (m, terms)."""
        return self.mean + (counts - self.mean_counts) @ self.gains


@dataclass(frozen=True)
class Solution:
    """The architecture with the largest sum of gains.

    `optimal` is False if the solver stopped early: then `gap`, the relative distance of the objective to its bound, is
    what may be missing.
    """

    architecture: Architecture
    path: tuple[int, ...]
    optimal: bool
    gap: float


class AdditiveSearch:
    """The paths with the largest sums of gains by mixed-integer linear programming, within `constraints` by `table`.

    A binary variable for each arc says whether the path takes it. Arcs that enter and leave a node are equally many,
    so that solutions are paths. Parameters, multiply-accumulates, ms and file sizes are sums over arcs. The activations
    in memory are a further variable that is at least those of each block. `gains` are by the terms of `paths`.
    """

    def __init__(
        self,
        paths: Paths,
        gains: Sequence[float] | Array,
        table: CostTable | None = None,
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        from scipy.sparse import csr_array

        self.paths, self.constraints = paths, dict(constraints or {})
        if self.constraints and table is None:
            raise ValueError("constraints are given, but no table of costs")
        arcs, by_term = paths.arcs, dict(zip(paths.terms, map(float, gains), strict=True))
        values = np.array([math.fsum(by_term[term] for term in arc.terms) for arc in arcs])
        largest = float(np.abs(values).max()) or 1.0
        #: one variable an arc, and the activations in memory
        self.objective = np.append(-values * SCALE / largest, 0.0)
        numbers = {node: number for number, node in enumerate(paths.nodes)}
        rows = [numbers[node] for arc in arcs for node in (arc.tail, arc.head)]
        columns = np.repeat(np.arange(len(arcs)), 2)
        flow = csr_array(([1.0, -1.0] * len(arcs), (rows, columns)), shape=(len(numbers), len(arcs) + 1))
        ends = np.zeros(len(numbers))
        ends[numbers[START]], ends[numbers[END]] = 1.0, -1.0
        self._equal = (flow, ends)
        self._limits = [] if table is None else list(self._limited(table))
        self._excluded: list[tuple[int, ...]] = []

    def exclude(self, path: Sequence[int]) -> None:
        """Let no solution be this path: it may share all arcs but one (a no-good cut)."""
        self._excluded.append(tuple(path))

    def best(self) -> Solution | None:
        """Return the best path that was not excluded; None if none is left, or none was found.

        Raises UserError if no architecture keeps the constraints.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        arcs = len(self.paths.arcs)
        constraints = [LinearConstraint(self._equal[0], self._equal[1], self._equal[1]), *self._limits]
        if self._excluded:
            cuts, most = self._cuts()
            constraints.append(LinearConstraint(cuts, -np.inf, most))
        found = milp(
            self.objective,
            integrality=np.append(np.ones(arcs), 0),
            bounds=Bounds(0.0, np.append(np.ones(arcs), np.inf)),
            constraints=constraints,
            options={"mip_rel_gap": 0.0, "node_limit": NODES},
        )
        if found.x is None:
            # 2: infeasible, as told by scipy
            if found.status == 2 and not self._excluded:
                limits = ", ".join(f"{what} {exact(limit)}" for what, limit in self.constraints.items())
                raise UserError(
                    f"search.constraints: no architecture of the space keeps all of {limits} (proven by the solver); "
                    "raise the limits, or search a space with smaller architectures"
                )
            return None
        path = tuple(int(number) for number in np.flatnonzero(found.x[:arcs] > 0.5))
        gap = float(found.mip_gap) if found.mip_gap is not None else math.nan
        return Solution(self.paths.architecture(path), path, found.status == 0, gap)

    def _cuts(self) -> tuple[csr_array, Array]:
        from scipy.sparse import csr_array

        rows = [row for row, path in enumerate(self._excluded) for _ in path]
        columns = [number for path in self._excluded for number in path]
        shape = (len(self._excluded), len(self.paths.arcs) + 1)
        return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape), np.array(
            [len(path) - 1.0 for path in self._excluded]
        )

    def _limited(self, table: CostTable) -> Any:
        """Yield the limits as rows that must not exceed 1: the solver's tolerances are absolute."""
        from scipy.optimize import LinearConstraint
        from scipy.sparse import csr_array, diags_array, hstack

        arcs = self.paths.arcs
        costs = [[table.block(name) for name in arc.blocks] for arc in arcs]
        parameters = np.array([sum(one.parameters for one in blocks) for blocks in costs], dtype=float)
        for what, limit in self.constraints.items():
            if what in ("memory_mb", "file_mb"):
                row, left = FLOAT_MB * parameters, limit - (FILE_MB if what == "file_mb" else 0.0)
            else:
                row, left = np.array([math.fsum(getattr(one, what) for one in blocks) for blocks in costs]), limit
            if left <= 0:
                # nothing is that small, and a row must not be divided by it
                row, left = np.ones(len(arcs)), 0.5
            activations = 1.0 if what == "memory_mb" else 0.0
            yield LinearConstraint(np.append(row, activations)[None, :] / left, -np.inf, 1.0)
            if what == "memory_mb":
                sizes = np.array([max((one.activations_mb for one in blocks), default=0.0) for blocks in costs])
                at_least = hstack([diags_array(sizes / left), csr_array(np.full((len(arcs), 1), -1.0 / left))])
                yield LinearConstraint(at_least, -np.inf, 0.0)
