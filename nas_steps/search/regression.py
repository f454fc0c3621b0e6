"""An ensemble of kernel ridge regressions, in numpy: importing scikit-learn takes longer than all else in a round."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ridges = NDArray[np.floating[Any]]

#: what the ridge is chosen from; the kernel of an architecture with itself is 1
RIDGES = 10.0 ** np.arange(-4, 2)


def normal_scores(values: Sequence[float]) -> Array:
    """Map each value to the normal quantile of its rank, (n,): a squared error would be the tail's of bad networks."""
    scores = np.empty(len(values))
    ranks = range(len(values))
    scores[np.argsort(values, kind="stable")] = [NormalDist().inv_cdf((rank + 0.5) / len(values)) for rank in ranks]
    _, groups = np.unique(values, return_inverse=True)
    return (np.bincount(groups, scores) / np.bincount(groups))[groups]


class KernelRidgeEnsemble:
    """Kernel ridge regressions, each on a sample drawn with replacement (Breiman 1996).

    The Gaussian kernel is as wide as the samples' mean squared distance. Each member's ridge has the least
    leave-one-out error (Golub, Heath & Wahba 1979)."""

    def __init__(self, x: Array, y: Array, size: int, random: np.random.Generator) -> None:
        """Fit to x (n, features) and y (n,)."""
        self.x = x
        squares = squared_distances(x, x)
        self.width = float(squares.mean()) or 1.0
        kernel = np.exp(-squares / self.width)
        #: (n, members) and (members,)
        self.duals, self.means = np.zeros((len(x), size)), np.zeros(size)
        for member in range(size):
            rows = random.integers(len(x), size=len(x))
            self.means[member] = y[rows].mean()
            dual, _ = leave_one_out(kernel[np.ix_(rows, rows)], y[rows] - self.means[member])
            np.add.at(self.duals[:, member], rows, dual)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Return the members' mean and standard deviation, each (m,), for x (m, features)."""
        predicted = np.exp(-squared_distances(x, self.x) / self.width) @ self.duals + self.means
        return predicted.mean(axis=1), predicted.std(axis=1, ddof=1)


def squared_distances(one: Array, other: Array) -> Array:
    """Return the squared distances (n, m) of rows (n, features) from rows (m, features)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2 * one @ other.T
    return np.maximum(squares, 0.0)


def leave_one_out(kernel: Array, y: Array, ridges: Ridges = RIDGES, *, intercept: bool = False) -> tuple[Array, Array]:
    """Return the dual coefficients (n,) under the ridge with the least leave-one-out error, and these errors (n,).

    With an `intercept`, which no ridge holds back, each fit without a row has its own: the coefficients sum to 0.
    """
    if intercept:
        # orthonormal columns that are orthogonal to the intercept's
        basis = np.linalg.qr(np.column_stack([np.ones(len(y)), np.eye(len(y))[:, 1:]]))[0][:, 1:]
        values, vectors = np.linalg.eigh(basis.T @ kernel @ basis)
        vectors = basis @ vectors
    else:
        values, vectors = np.linalg.eigh(kernel)
    values = np.maximum(values, 0.0)
    projected = vectors.T @ y
    # (ridges, n): what each eigenvector is divided by
    inverse = 1 / (values[None, :] + ridges[:, None])
    duals = (inverse * projected) @ vectors.T
    errors = duals / (inverse @ (vectors**2).T)
    best = int(np.argmin((errors**2).mean(axis=1)))
    return duals[best], errors[best]
