"""MnasNet (Tan et al. 2019): the names have torchvision's factors of width; no depth factor."""

from nas_steps.spaces.baselines import IMAGENET_STRIDE, Baseline, Family

#: torchvision's factor of width by name
ALPHAS = {"mnasnet0_5": 0.5, "mnasnet0_75": 0.75, "mnasnet1_0": 1.0, "mnasnet1_3": 1.3}


def stride(baseline: Baseline, _side: int) -> int:
    """By what a network divides the side of its images; 1 if it is fitted to them."""
    return IMAGENET_STRIDE if baseline.side else 1


FAMILY = Family(tuple(ALPHAS), deepens=False, stride=stride)
