"""AmoebaNet-A (Real et al. 2019), its cells in the skeletons of DARTS."""

from nas_steps.models.cells.published import build

__all__ = ["build"]
