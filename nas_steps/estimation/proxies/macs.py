"""The multiply-accumulates of one image: a baseline that any proxy has to beat."""

import torch
from torch import Tensor, nn

from nas_steps.models.count import count
from nas_steps.models.language.network import LanguageModel
from nas_steps.spaces.language.costs import count_architecture

ALWAYS = True


def score(model: nn.Module, images: Tensor, _labels: Tensor) -> float:
    """Count as `nas_steps.models.count` does, of a language model for one context.

    Sign: larger networks are mostly the better ones.
    """
    if isinstance(model, LanguageModel):
        return float(count_architecture(model.architecture, images.shape[1])[1])
    return float(count(lambda: model.to("meta", torch.float32), inputs=images.shape[1], side=images.shape[2]).macs)
