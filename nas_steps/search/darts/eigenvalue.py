"""How sharp the validation loss is in the alphas: its Hessian's largest eigenvalue (Zela et al. 2020, section 4)."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn

#: relative accuracy; the eigenvalue itself varies far more from batch to batch
TOLERANCE = 1e-2
#: restarts of the iteration at most
RESTARTS = 60
#: vectors that the iteration keeps
BASIS = 20


def usual_products(parameters: int) -> int:
    """Return how many products with the Hessian an eigenvalue takes, each about as expensive as a step of the alphas.

    Of a small Hessian there is one a parameter; a larger one is restarted once, as a rule.
    """
    return parameters if parameters <= BASIS else 2 * BASIS


def largest_eigenvalue(
    loss: Callable[[], Tensor], parameters: list[nn.Parameter], *, tolerance: float = TOLERANCE
) -> tuple[float, int]:
    """Return the largest eigenvalue of the Hessian of `loss()` by Lanczos (ARPACK), NaN without convergence, and how
    many products with the Hessian it took."""
    gradients = torch.autograd.grad(loss(), parameters, create_graph=True, materialize_grads=True)
    sizes = [parameter.numel() for parameter in parameters]
    size = sum(sizes)
    taken = 0

    def product(vector: np.ndarray) -> np.ndarray:
        nonlocal taken
        taken += 1
        pieces = torch.from_numpy(np.ascontiguousarray(vector).reshape(-1)).split(sizes)
        directions = [piece.to(one).view_as(one) for piece, one in zip(pieces, parameters, strict=True)]
        products = torch.autograd.grad(gradients, parameters, directions, retain_graph=True, materialize_grads=True)
        return torch.cat([one.reshape(-1) for one in products]).cpu().double().numpy()  # MPS has no float64

    if size <= BASIS:
        # `size` products give the whole Hessian; in a small space Lanczos runs into invariant subspaces
        hessian = np.stack([product(row) for row in np.eye(size)])
        symmetric = (hessian + hessian.T) / 2
        return float(np.linalg.eigvalsh(symmetric)[-1]) if np.isfinite(hessian).all() else float("nan"), taken
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    # a start of its own: ARPACK's would be random
    start = np.cos(np.arange(size, dtype=np.float64))
    try:
        values = eigsh(
            operator, k=1, which="LA", v0=start, tol=tolerance, maxiter=RESTARTS, return_eigenvectors=False, ncv=BASIS
        )
    except ArpackError:  # also if a product is no number, or all are zero
        return float("nan"), taken
    return float(values[0]), taken
