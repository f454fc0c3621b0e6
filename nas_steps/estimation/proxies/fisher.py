"""Fisher: the saliency of channels."""

from torch import Tensor, nn

from nas_steps.estimation.proxy_tools import loss, total, weights


def score(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum 1/(2N) sum_n (sum_hw a_nchw * dL/da_nchw)^2, the saliency of an output channel c, over all weights of all
    convolutions and linear layers (Theis et al. 2018; Turner et al. 2020, "BlockSwap").

    Each weight has the saliency of its channel, so a channel counts once for each of its weights, as in the published
    sum over a network (Abdelfattah et al. 2021, section 3.2, and its code). Sign: as published.
    """
    weights(model)
    saliencies: list[Tensor] = []

    def watch(module: nn.Conv2d | nn.Linear, _inputs: object, output: Tensor) -> Tensor:
        activations, each = output.detach(), module.weight[0].numel()

        def keep(gradient: Tensor) -> None:
            by_channel = (activations * gradient).flatten(2).sum(2) if gradient.ndim == 4 else activations * gradient
            saliencies.append(by_channel.square().sum() * (each / (2 * len(by_channel))))

        output.register_hook(keep)
        # what follows may write in place, into its own copy
        return output.clone()

    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(watch)
    loss(model, images, labels).backward()
    return total(saliencies)
