"""Fit a surrogate to a benchmark's table, and check it by cross-validation."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, lapack
from scipy.optimize import minimize
from scipy.stats import kendalltau

from nas_steps.errors import UserError
from nas_steps.estimation.surrogate import Array, Process, Surrogate, noisy, squared_distances

#: nominal coverage of the intervals
COVERAGE = 0.9
#: rows that the kernel's four parameters are fitted to, that a process keeps, and that it needs
FITTED, KEPT, FEWEST = 700, 4000, 30
FOLDS = 10
#: logarithms of the linear and the Gaussian variance, of the width and of the noise: first values and bounds
START = (0.0, 0.0, 0.0, -2.0)
BOUNDS = ((-8.0, 6.0), (-8.0, 8.0), (-3.0, 4.0), (-9.0, 2.0))
#: columns of surrogate.csv
CHECKED = (
    "column", "rows", "kendall_tau", "rmse", "relative_rmse", "coverage", "best_rows", "best_bias", "best_coverage",
)  # fmt: skip


def fit(
    features: Array, columns: Mapping[str, Array], *, logs: Collection[str], falling: Collection[str]
) -> tuple[Surrogate, list[dict[str, Any]]]:
    """Fit a process to each column (n,) of features (n, d), and check each by cross-validation (rows of CHECKED).

    NaN cells are left out. Columns in `logs` are predicted by their logarithms; the least of those in `falling` are the
    best. Raises UserError for too few rows.
    """
    centre = features.mean(axis=0)
    scale = float(np.sqrt(((features - centre) ** 2).sum(axis=1).mean())) or 1.0
    inputs = (features - centre) / scale
    processes, checks = {}, []
    for name, values in columns.items():
        order = np.random.default_rng(0).permutation(len(values))
        rows = np.array([row for row in order if math.isfinite(values[row])][:KEPT], dtype=np.int64)
        if len(rows) < FEWEST:
            problem = f"the column {name} of the table has {len(rows)} figures, too few to fit a surrogate to"
            raise UserError(f"{problem}; {FEWEST} are the fewest, or set search.estimator.missing: refuse")
        processes[name], check = _fit_one(inputs[rows], values[rows], log=name in logs, falling=name in falling)
        checks.append({"column": name, "rows": len(rows)} | check)
    return Surrogate(centre, scale, processes), checks


def _fit_one(inputs: Array, values: Array, *, log: bool, falling: bool) -> tuple[Process, dict[str, Any]]:
    """Fit one process to values (n,) in random order."""
    raw = np.log(values) if log else values
    mean, std = float(raw.mean()), float(raw.std()) or 1.0
    y = (raw - mean) / std
    kernel = _fit_kernel(inputs[:FITTED], y[:FITTED])
    inverse = _inverse(noisy(kernel, inputs))
    duals = inverse @ y
    errors, deviations = left_out(inverse, duals)
    standard = np.abs(errors) / deviations
    predicted = y - errors
    # each fold is judged by the factor of the others
    folds = _folds(len(y))
    covered = np.empty(len(y), dtype=bool)
    for fold in folds:
        covered[fold] = standard[fold] <= conformal(np.delete(standard, fold))
    best = np.argsort(predicted if falling else -predicted, kind="stable")[: max(1, len(y) // 10)]
    in_units = np.exp(mean + std * predicted) - values if log else -std * errors
    checks = {
        "kendall_tau": float(kendalltau(predicted, y).statistic),
        "rmse": float(np.sqrt((in_units**2).mean())),
        "relative_rmse": float(np.sqrt(((in_units / values) ** 2).mean())) if log else math.nan,
        "coverage": float(covered.mean()),
        "best_rows": len(best),
        "best_bias": float(in_units[best].mean()),
        "best_coverage": float(covered[best].mean()),
    }
    return Process(inputs, kernel, duals, mean, std, log, conformal(standard)), checks


def left_out(inverse: Array, duals: Array) -> tuple[Array, Array]:
    """Return the errors (target less prediction) and the standard deviations (n,) of each row, its fold left out.

    They follow from the inverse of the whole kernel matrix (Rasmussen & Williams 2006, section 5.4.2): with the block
    of a fold, block^-1 duals and block^-1. The four parameters of the kernel were fitted to rows of all folds.
    """
    errors, deviations = np.empty(len(duals)), np.empty(len(duals))
    for fold in _folds(len(duals)):
        covariance = np.linalg.inv(inverse[np.ix_(fold, fold)])
        errors[fold] = covariance @ duals[fold]
        deviations[fold] = np.sqrt(np.diag(covariance))
    return errors, deviations


def conformal(standard: Array) -> float:
    """Return the factor of standard deviations that covers a further exchangeable row with COVERAGE or more.

    The ceil((n + 1) * COVERAGE)-th smallest of the scores (n,) (Lei et al. 2018, section 2.2); the largest of few.
    """
    place = min(math.ceil((len(standard) + 1) * COVERAGE), len(standard))
    return float(np.sort(standard)[place - 1])


def _folds(count: int) -> list[NDArray[np.int64]]:
    """Return the rows of each fold; they are in random order already."""
    return [np.arange(first, count, FOLDS) for first in range(min(FOLDS, count))]


def _inverse(matrix: Array) -> Array:
    """Invert a positive definite matrix. Raises UserError if it is none."""
    factor, failed = lapack.dpotrf(matrix, lower=1)
    half, failed_too = lapack.dpotri(factor, lower=1)
    if failed or failed_too:
        raise UserError("no surrogate can be fitted to the table: its kernel matrix is singular; set missing: refuse")
    lower = np.tril(half)
    return lower + np.tril(lower, -1).T


def _fit_kernel(inputs: Array, y: Array) -> Array:
    """Return the kernel of the largest marginal likelihood (Rasmussen & Williams 2006, equations 2.30 and 5.9)."""
    linear, squares = inputs @ inputs.T, squared_distances(inputs, inputs)
    identity = np.eye(len(y))

    def loss(kernel: Array) -> tuple[float, Array]:
        widths = np.exp(2 * kernel[2])
        first, second = np.exp(kernel[0]) * linear, np.exp(kernel[1]) * np.exp(-squares / (2 * widths))
        noise = np.exp(kernel[3])
        factor = cholesky(first + second + noise * identity, lower=True)
        duals = cho_solve((factor, True), y)
        inverse = cho_solve((factor, True), identity)
        weights = np.outer(duals, duals) - inverse
        slopes = (first, second, second * squares / widths)
        gradient = [-0.5 * float((weights * slope).sum()) for slope in slopes]
        gradient.append(-0.5 * float(noise * np.trace(weights)))
        return 0.5 * float(y @ duals) + float(np.log(np.diag(factor)).sum()), np.array(gradient)

    return np.array(minimize(loss, START, jac=True, method="L-BFGS-B", bounds=BOUNDS).x)
