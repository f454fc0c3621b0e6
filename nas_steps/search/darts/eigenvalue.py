"""How sharp the validation loss is in the alphas: its Hessian's largest eigenvalue (Zela et al. 2020, section 4)."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor, nn

#: relative accuracy; the eigenvalue itself varies far more from batch to batch
TOLERANCE = 1e-2
#: products with the Hessian at most, each as expensive as two steps
PRODUCTS = 60
#: vectors that the iteration keeps
BASIS = 20


def largest_eigenvalue(
    loss: Callable[[], Tensor], parameters: list[nn.Parameter], *, tolerance: float = TOLERANCE
) -> float:
    """Return the largest eigenvalue of the Hessian of `loss()` by Lanczos (ARPACK); NaN without convergence."""
    gradients = torch.autograd.grad(loss(), parameters, create_graph=True, materialize_grads=True)
    sizes = [parameter.numel() for parameter in parameters]
    size = sum(sizes)

    def product(vector: np.ndarray) -> np.ndarray:
        pieces = torch.from_numpy(np.ascontiguousarray(vector).reshape(-1)).split(sizes)
        directions = [piece.to(one).view_as(one) for piece, one in zip(pieces, parameters, strict=True)]
        products = torch.autograd.grad(gradients, parameters, directions, retain_graph=True, materialize_grads=True)
        return torch.cat([one.reshape(-1) for one in products]).double().cpu().numpy()

    if size <= BASIS:
        # `size` products give the whole Hessian; in a small space Lanczos runs into invariant subspaces
        hessian = np.stack([product(row) for row in np.eye(size)])
        return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]) if np.isfinite(hessian).all() else float("nan")
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    # a start of its own: ARPACK's would be random
    start = np.cos(np.arange(size, dtype=np.float64))
    try:
        values = eigsh(
            operator, k=1, which="LA", v0=start, tol=tolerance, maxiter=PRODUCTS, return_eigenvectors=False, ncv=BASIS
        )
    except ArpackError:  # also if a product is no number, or all are zero
        return float("nan")
    return float(values[0])
