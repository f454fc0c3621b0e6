"""The number of parameters: a baseline that any proxy has to beat."""

from torch import Tensor, nn

ALWAYS = True


def score(model: nn.Module, _images: Tensor, _labels: Tensor) -> float:
    """Count the learnt numbers. Sign: larger networks are mostly the better ones."""
    return float(sum(parameter.numel() for parameter in model.parameters()))
