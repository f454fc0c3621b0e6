"""MobileNetV3 (Howard et al. 2019), whose stages have no number of blocks to multiply."""

from nas_steps.spaces.baselines import Family

FAMILY = Family(("mobilenet_v3_small", "mobilenet_v3_large"), deepens=False)
