"""NASNet-A (Zoph et al. 2018), its cells in the skeletons of DARTS."""

from nas_steps.spaces.cells.published import family

FAMILY = family("nasnet_a")
