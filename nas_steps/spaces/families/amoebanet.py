"""AmoebaNet-A (Real et al. 2019), its cells in the skeletons of DARTS."""

from nas_steps.spaces.cells.published import family

FAMILY = family("amoebanet_a")
