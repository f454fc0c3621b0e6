"""Cells that DARTS found (Liu et al. 2019), in its skeletons."""

from nas_steps.spaces.cells.published import family

FAMILY = family("darts_v1", "darts_v2")
