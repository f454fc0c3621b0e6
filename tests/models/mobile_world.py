"""Mobile spaces and supernets that are small enough to test with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas_steps.models.mobile.entangled import EntangledBlock
from nas_steps.models.mobile.supernet import STEM, LastStep, MobileSupernet
from nas_steps.models.resize import Resize
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace

#: everything that a stage can choose, in small
CHOICES = MobileSpace.declare(
    "choices",
    {
        "stem": {"width": 8, "stride": 1, "activation": "relu"},
        "stages": [
            {"width": [8, 12], "depth": [1, 2], "stride": [1, 2], "kernel": [3, 5], "activation": ["relu", "hswish"]},
            {"width": 12, "depth": [1, 3], "expansion": [1, 2.5], "squeeze": ["none", "hse0.25"], "by": "stage"},
            {"width": [8, 16], "depth": 3, "stride": 2, "operations": ["id", "k3_e2", "k5_e2_se0.25"]},
        ],
        "head": {"width": 16, "hidden": 12, "dropout": 0.5},
    },
)
#: paths that resize the images of 16 pixels, and pad as TensorFlow
RESIZING = MobileSpace.declare(
    "resizing",
    {
        "stem": {"width": 8, "stride": 2, "activation": "relu", "padding": "same"},
        "stages": [{"width": 8, "kernel": [3, 5], "expansion": [2, 4], "depth": [1, 2], "stride": [1, 2]}],
        "head": {"width": 16},
        "resolution": [12, 16],
    },
)
SMALL = {
    "nasbench_macro": PRESETS["nasbench_macro"],
    "mobile_small": PRESETS["mobile_small"],
    "choices": CHOICES,
    "resizing": RESIZING,
}


def trained(space: MobileSpace, *, entangled: bool = False) -> MobileSupernet:
    """A supernet whose batch norms have all kinds of statistics, weights and biases."""
    torch.manual_seed(0)
    supernet = MobileSupernet(space, inputs=1, classes=4, entangled=entangled)
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return supernet


def inherited(supernet: MobileSupernet, architecture: MobileArchitecture) -> dict[str, Tensor]:
    """The state dict of `MobileNetwork(architecture)` with the weights that the path shares; not copied."""
    found: dict[str, Tensor] = {}
    for name in supernet.path(architecture):
        owner, operation = supernet.steps[name]
        module = supernet.modules_of[owner]
        if isinstance(module, Resize):
            continue
        if isinstance(module, LastStep):
            found |= module.last.state_dict(prefix=f"features.{len(architecture.stages) + 1}.")
            found |= module.classifier.state_dict(prefix="classifier.")
            continue
        stage, layer = ("", "") if name == STEM else name.split("-")[:2]
        prefix = "features.0." if name == STEM else f"features.{int(stage) + 1}.{layer}."
        if operation is None:
            found |= module.state_dict(prefix=prefix)
        else:
            assert isinstance(module, EntangledBlock)
            found |= {prefix + key: value.detach() for key, value in module.part(operation).items()}
    return found
