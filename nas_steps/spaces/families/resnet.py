"""ResNets: blocks and channels of each stage (He et al. 2016, section 4.2 for CIFAR, table 1 for ImageNet)."""

from nas_steps.spaces.baselines import IMAGENET_STRIDE, SMALL_IMAGE, Baseline, Family

STAGES: dict[str, tuple[list[int], list[int]]] = {
    "resnet20": ([3, 3, 3], [16, 32, 64]),
    "resnet32": ([5, 5, 5], [16, 32, 64]),
    "resnet56": ([9, 9, 9], [16, 32, 64]),
    "resnet18": ([2, 2, 2, 2], [64, 128, 256, 512]),
}


def with_small_stem(baseline: Baseline, side: int) -> bool:
    """Whether the network has the stem of CIFAR: all but the plain ResNet-18 on images of ImageNet's size.

    A side of its own counts as ImageNet's size: `resnet18_r64` is the published network.
    """
    plain = baseline._replace(side=0) == Baseline("resnet18")
    return not plain or (side < SMALL_IMAGE and not baseline.side)


def stride(baseline: Baseline, side: int) -> int:
    """By what a network divides the side of its images; 1 for torchvision's own, which is fitted to them."""
    if with_small_stem(baseline, side):
        return 2 ** (len(STAGES[baseline.base][0]) - 1)
    return IMAGENET_STRIDE if baseline.side else 1


FAMILY = Family(tuple(STAGES), scalable=("resnet20", "resnet32", "resnet56"), stride=stride)
