"""ResNets with the stem of CIFAR, and torchvision's ResNet-18."""

from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock

from nas_steps.models.convolutions import Conv2d
from nas_steps.models.hand_designed import fit, resized_first
from nas_steps.spaces.baselines import Baseline
from nas_steps.spaces.families.resnet import STAGES, with_small_stem
from nas_steps.spaces.mobile.efficientnet import round_layers


class ResNet(nn.Module):
    """The CIFAR network of He et al., section 4.2, with 1x1 shortcuts: (N, inputs, side, side) -> (N, classes)."""

    def __init__(self, blocks: list[int], channels: list[int], *, inputs: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, channels[0], 3, padding=1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        stages: list[nn.Module] = []
        last = channels[0]
        for stage, (count, width) in enumerate(zip(blocks, channels, strict=True)):
            for block in range(count):
                stride = 2 if block == 0 and stage > 0 else 1
                shortcut = None
                if stride > 1 or last != width:
                    shortcut = nn.Sequential(Conv2d(last, width, 1, stride, bias=False), nn.BatchNorm2d(width))
                stages.append(BasicBlock(last, width, stride, shortcut))
                last = width
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(self.stem(x)).mean(dim=(2, 3)))


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    if not with_small_stem(baseline, side):
        return fit(resnet18(num_classes=classes), baseline, inputs, side)
    blocks, channels = STAGES[baseline.base]
    deeper = [round_layers(count, baseline.depth) for count in blocks]
    wider = [max(1, round(width * baseline.width)) for width in channels]
    return resized_first(ResNet(deeper, wider, inputs=inputs, classes=classes), baseline.side)
