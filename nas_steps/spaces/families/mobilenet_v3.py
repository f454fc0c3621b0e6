"""MobileNetV3 (Howard et al. 2019), whose stages have no number of blocks to multiply."""

from nas_steps.spaces.baselines import IMAGENET_STRIDE, Baseline, Family


def stride(baseline: Baseline, _side: int) -> int:
    """By what a network divides the side of its images; 1 if it is fitted to them."""
    return IMAGENET_STRIDE if baseline.side else 1


FAMILY = Family(("mobilenet_v3_small", "mobilenet_v3_large"), deepens=False, stride=stride)
