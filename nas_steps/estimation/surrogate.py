"""Gaussian processes that predict what a benchmark's table lacks; `nas_steps.estimation.surrogate_fit` fits them.

One process a column (Rasmussen & Williams 2006, algorithm 2.1) on the features of `nas_steps.estimation.features`. Its
kernel is a linear one plus a Gaussian one. In five-fold cross-validation it ranked and predicted better than ridge
regression, extremely randomised trees and gradient boosting of scikit-learn, and it knows where it extrapolates.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from scipy.linalg import cholesky, solve_triangular

from nas_steps.provenance.files import atomic

Array = NDArray[np.float64]

TENSORS, NUMBERS = ("inputs", "kernel", "duals"), ("mean", "std", "log", "factor")


@dataclass(frozen=True)
class Process:
    """A fitted process for one column: targets are `mean + std * y`, of logarithms if `log`.

    - `inputs`: (n, features), centred and scaled
    - `kernel`: the four logarithms
    - `duals`: (n,), the inverse of the kernel matrix times the targets
    - `factor`: half the interval's width in predicted standard deviations
    """

    inputs: Array
    kernel: Array
    duals: Array
    mean: float
    std: float
    log: bool
    factor: float

    def predict(self, inputs: Array) -> Array:
        """Return the predicted values (m,) of inputs (m, features)."""
        return self._value(gram(self.kernel, inputs, self.inputs) @ self.duals)

    def intervals(self, inputs: Array) -> tuple[Array, Array]:
        """Return the lower and the upper ends (m,) of intervals for measured values of inputs (m, features)."""
        factor = cholesky(noisy(self.kernel, self.inputs), lower=True)
        cross = gram(self.kernel, self.inputs, inputs)
        middle = cross.T @ self.duals
        prior = np.exp(self.kernel[0]) * (inputs**2).sum(axis=1) + np.exp(self.kernel[1]) + np.exp(self.kernel[3])
        explained = (solve_triangular(factor, cross, lower=True) ** 2).sum(axis=0)
        half = self.factor * np.sqrt(np.maximum(prior - explained, 0.0))
        return self._value(middle - half), self._value(middle + half)

    def _value(self, y: Array) -> Array:
        raw: Array = self.mean + self.std * y
        return np.exp(raw) if self.log else raw


class Surrogate:
    """Processes by the name of their column, over the same features (n, d) of architectures."""

    def __init__(self, centre: Array, scale: float, processes: Mapping[str, Process]) -> None:
        self.centre, self.scale, self.processes = centre, scale, dict(processes)

    def predict(self, column: str, features: Sequence[Sequence[float]]) -> Array:
        """Predict a column (m,) for features (m, d)."""
        return self.processes[column].predict(self._inputs(features))

    def intervals(self, column: str, features: Sequence[Sequence[float]]) -> tuple[Array, Array]:
        """Return both ends (m,) of the 90 % intervals of a column for features (m, d)."""
        return self.processes[column].intervals(self._inputs(features))

    def _inputs(self, features: Sequence[Sequence[float]]) -> Array:
        return (np.array(features, dtype=np.float64) - self.centre) / self.scale


def squared_distances(one: Array, other: Array) -> Array:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2 * one @ other.T
    return np.maximum(squares, 0.0)


def gram(kernel: Array, one: Array, other: Array) -> Array:
    """Return the kernel matrix (n, m) without noise."""
    wide = np.exp(-squared_distances(one, other) / (2 * np.exp(2 * kernel[2])))
    return np.exp(kernel[0]) * (one @ other.T) + np.exp(kernel[1]) * wide


def noisy(kernel: Array, inputs: Array) -> Array:
    matrix = gram(kernel, inputs, inputs)
    matrix[np.diag_indices(len(inputs))] += np.exp(kernel[3])
    return matrix


def write(path: str | Path, surrogate: Surrogate) -> None:
    """Write a surrogate as safetensors, and plain numbers as JSON in its header."""
    tensors, header = {"centre": surrogate.centre}, {}
    for place, (name, one) in enumerate(surrogate.processes.items()):
        tensors |= {f"{place}.{key}": getattr(one, key) for key in TENSORS}
        header[name] = {key: getattr(one, key) for key in NUMBERS}
    facts = {"scale": surrogate.scale, "processes": header}
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors, {"surrogate": json.dumps(facts)}))


def read(path: str | Path) -> Surrogate:
    """Read what `write` wrote."""
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["surrogate"])
        processes = {
            name: Process(**{key: file.get_tensor(f"{place}.{key}") for key in TENSORS}, **numbers)
            for place, (name, numbers) in enumerate(facts["processes"].items())
        }
        return Surrogate(file.get_tensor("centre"), facts["scale"], processes)
