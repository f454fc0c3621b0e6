"""Cells that DARTS found (Liu et al. 2019), in its skeletons."""

from nas_steps.models.cells.published import build

__all__ = ["build"]
