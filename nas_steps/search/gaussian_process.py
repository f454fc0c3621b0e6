"""Gaussian process regression on groups of features, in numpy and scipy.

A weight is learnt for each group; no kernel of scikit-learn does that. Beside the tools that fit BoTorch's processes, a
proposal takes a tenth of their time or less and finds as much (`benchmarks.search_tools`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = NDArray[np.float64]

#: normal priors of the logarithms: mean and standard deviation of a group's weight, of the last group's, and of the
#: noise's variance; chosen on made-up landscapes (`benchmarks/landscapes.py`) and two of NAS-Bench-201's data sets
WEIGHT, CHOICES, NOISE = (-0.5, 1.5), (-2.5, 1.5), (-2.3, 1.0)
#: how far the logarithms may go
WEIGHT_LIMITS, NOISE_LIMITS = (-6.0, 4.0), (-7.0, 1.0)
JITTER = 1e-6
#: of more values the hyperparameters are fitted to a part: a fit takes cubic time
FITTED = 400
ITERATIONS = 30


def feature_matrices(rows: Sequence[Sequence[Mapping[str, float]]]) -> list[Array]:
    """Return a matrix (n, features) for each group of the `n` rows; a feature that a row does not name is 0."""
    matrices = []
    for group in zip(*rows, strict=True):
        names = {name: place for place, name in enumerate(sorted({name for row in group for name in row}))}
        matrix = np.zeros((len(rows), len(names)))
        for number, row in enumerate(group):
            for name, value in row.items():
                matrix[number, names[name]] = value
        matrices.append(matrix)
    return matrices


class GaussianProcess:
    """A Gaussian process with a constant mean, noise, and the kernel Matern 5/2 of a weighted sum of distances.

    The last group is that of the choices themselves: before anything is known, the others count for more.
    The weights of the groups and the noise maximise their posterior density, the mean and the amplitude the likelihood
    (Rasmussen & Williams 2006, sections 2.2, 4.2 and 5.4).
    """

    def __init__(self, distances: Array, y: Array, scale: Array) -> None:
        """Fit to squared distances (groups, n, n) and values (n,); a distance of `scale` (groups,) is a usual one."""
        self.scale = scale
        distances = distances / scale[:, None, None]
        groups, count = len(distances), len(y)
        fitted = _spread(y, FITTED)
        start = _prior(groups)[0]
        parameters: Any = minimize(
            _loss,
            start,
            args=(distances[:, fitted][:, :, fitted], y[fitted]),
            jac=True,
            method="L-BFGS-B",
            bounds=[WEIGHT_LIMITS] * groups + [NOISE_LIMITS],
            options={"maxiter": ITERATIONS},
        ).x
        self.weights, self.noise = np.exp(parameters[:-1]), float(np.exp(parameters[-1]))
        kernel = _matern(np.tensordot(self.weights, distances, 1)) + (self.noise + JITTER) * np.eye(count)
        self.factor = cholesky(kernel, lower=True)
        self.mean, residuals, self.amplitude = _profiled(self.factor, y)
        self.dual = cho_solve((self.factor, True), residuals)

    def predict(self, cross: Array, own: Array) -> tuple[Array, Array]:
        """Return the mean (m,) and the covariance (m, m), without noise, of `m` new ones.

        `cross` are their squared distances (groups, m, n) from the fitted ones, `own` (groups, m, m) from each other.
        """
        near = _matern(np.tensordot(self.weights, cross / self.scale[:, None, None], 1))
        prior = _matern(np.tensordot(self.weights, own / self.scale[:, None, None], 1))
        explained = solve_triangular(self.factor, near.T, lower=True)
        return self.mean + near @ self.dual, self.amplitude * (prior - explained.T @ explained)


def _prior(groups: int) -> Array:
    """Return the priors' means and standard deviations (2, groups + 1)."""
    return np.array([WEIGHT] * (groups - 1) + [CHOICES, NOISE]).T


def _spread(y: Array, count: int) -> NDArray[np.intp]:
    """Return the indices of at most `count` values, evenly spread over their ranks."""
    if len(y) <= count:
        return np.arange(len(y))
    return np.sort(np.argsort(y, kind="stable")[np.linspace(0, len(y) - 1, count).astype(int)])


def _matern(squares: Array) -> Array:
    root = np.sqrt(5 * squares)
    return (1 + root + root * root / 3) * np.exp(-root)


def _profiled(factor: Array, y: Array) -> tuple[float, Array, float]:
    """Return the likeliest mean, the residuals (n,) and the likeliest amplitude, by the kernel's Cholesky factor."""
    white, ones = (solve_triangular(factor, one, lower=True) for one in (y, np.ones_like(y)))
    mean = float(white @ ones / (ones @ ones))
    residual = white - mean * ones
    # equal values have no spread
    return mean, y - mean, max(float(residual @ residual) / len(y), 1e-12)


def _loss(parameters: Array, distances: Array, y: Array) -> tuple[float, Array]:
    """Return the negative log posterior density of the logarithms of the weights and the noise, and its gradient."""
    weights, noise = np.exp(parameters[:-1]), float(np.exp(parameters[-1]))
    squares = np.tensordot(weights, distances, 1)
    factor = cholesky(_matern(squares) + (noise + JITTER) * np.eye(len(y)), lower=True)
    _, residuals, amplitude = _profiled(factor, y)
    inverse = cho_solve((factor, True), np.eye(len(y)))
    dual = inverse @ residuals
    outer = (inverse - np.outer(dual, dual) / amplitude) / 2
    root = np.sqrt(5 * squares)
    # the kernel's derivative by the weighted sum
    slope = outer * (-5 / 6 * (1 + root) * np.exp(-root))
    gradient = np.append(np.tensordot(distances, slope, 2) * weights, np.trace(outer) * noise)
    means, deviations = _prior(len(weights))
    away = (parameters - means) / deviations
    loss = len(y) / 2 * np.log(amplitude) + np.log(np.diag(factor)).sum() + away @ away / 2
    return float(loss), gradient + away / deviations
