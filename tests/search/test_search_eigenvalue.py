"""The largest eigenvalue of a Hessian, where it is known."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from small_supernets import batch, supernet
from torch import Tensor, nn

from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.search.darts.eigenvalue import largest_eigenvalue


def quadratic(eigenvalues: list[float], sizes: list[int]) -> tuple[list[nn.Parameter], Tensor]:
    """Parameters of these sizes, and a matrix with these eigenvalues."""
    torch.manual_seed(0)
    size = len(eigenvalues)
    turned, _ = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))
    matrix = turned @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ turned.T
    return [nn.Parameter(torch.randn(size, dtype=torch.float64)) for size in sizes], matrix


def found(parameters: list[nn.Parameter], matrix: Tensor, tolerance: float = 1e-8) -> float:
    def loss() -> Tensor:
        x = torch.cat([parameter.flatten() for parameter in parameters])
        return x @ matrix @ x / 2

    return largest_eigenvalue(loss, parameters, tolerance=tolerance)[0]


@pytest.mark.parametrize(
    "eigenvalues",
    [
        [3.0, 1.0, 0.5, 0.2],
        [2.0, -9.0, 0.1, -0.3, 1.9],  # the largest, not the one of the largest size
        [-1.0, -2.0, -30.0],
        [5.0] * 4 + [1.0],
        [float(place) for place in range(-40, 24)],
    ],
)
def test_the_largest_eigenvalue_of_a_quadratic_form(eigenvalues: list[float]) -> None:
    size = len(eigenvalues)
    assert found(*quadratic(eigenvalues, [1, size - 1])) == pytest.approx(max(eigenvalues), rel=1e-6)
    assert found(*quadratic(eigenvalues, [size]), tolerance=1e-2) == pytest.approx(max(eigenvalues), rel=2e-2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_few_parameters_will_do(size: int) -> None:
    eigenvalues = [-4.0, 2.5, 1.0][:size]
    assert found(*quadratic(eigenvalues, [size])) == pytest.approx(max(eigenvalues))


def test_it_is_the_same_each_time() -> None:
    given = quadratic([float(place) for place in range(30)], [10, 20])
    torch.manual_seed(1)
    first = found(*given, tolerance=1e-2)
    torch.manual_seed(2)
    assert found(*given, tolerance=1e-2) == first


def test_where_there_is_nothing_to_iterate_on_the_search_goes_on() -> None:
    parameters, matrix = quadratic([0.0] * 5, [5])
    assert found(parameters, matrix) == pytest.approx(0, abs=1e-12)
    parameters, matrix = quadratic([0.0] * 40, [40])
    assert math.isnan(found(parameters, matrix)) or found(parameters, matrix) == 0


@pytest.mark.parametrize("size", [1, 4, 40])
def test_a_loss_that_is_no_number_has_no_eigenvalue(size: int) -> None:
    parameters, matrix = quadratic([1.0] * size, [size])
    assert math.isnan(found(parameters, matrix * float("nan")))


def test_a_parameter_that_the_loss_does_not_see_changes_nothing() -> None:
    parameters, matrix = quadratic([1.0, 2.0, 7.0], [3])
    unused = nn.Parameter(torch.ones(2, dtype=torch.float64))

    def loss() -> Tensor:
        return parameters[0] @ matrix @ parameters[0] / 2

    assert largest_eigenvalue(loss, [*parameters, unused], tolerance=1e-8)[0] == pytest.approx(7)


@pytest.mark.parametrize("k", [1, 2])
def test_a_supernet_has_the_largest_eigenvalue_of_its_full_hessian(k: int) -> None:
    net = supernet(k=k)
    net.differentiable_twice(True)
    images, labels = batch(1)
    alphas = list(net.alphas.values())
    sizes = [alpha.numel() for alpha in alphas]

    def loss() -> Tensor:
        return F.cross_entropy(net(images), labels)

    def of_vector(vector: Tensor) -> Tensor:
        values = [part.view_as(alpha) for part, alpha in zip(vector.split(sizes), alphas, strict=True)]
        mix = {kind: value.softmax(-1) for kind, value in zip(net.alphas, values, strict=True)}
        return F.cross_entropy(net(images, Mix(mix)), labels)

    vector = torch.cat([alpha.detach().flatten() for alpha in alphas])
    hessian = torch.autograd.functional.hessian(of_vector, vector)
    wanted = torch.linalg.eigvalsh(hessian)[-1].item()
    assert wanted > 0
    assert largest_eigenvalue(loss, alphas, tolerance=1e-8)[0] == pytest.approx(wanted, rel=1e-6)
    assert largest_eigenvalue(loss, alphas)[0] == pytest.approx(wanted, rel=2e-2)
