"""NASNet-A (Zoph et al. 2018), its cells in the skeletons of DARTS."""

from nas_steps.models.cells.published import build

__all__ = ["build"]
