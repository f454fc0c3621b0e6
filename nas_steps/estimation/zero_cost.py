"""Score an untrained network by zero-cost proxies (Abdelfattah et al. 2021; Mellor et al. 2021) on one minibatch."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# importing them registers them
import nas_steps.estimation.proxies.gradients
import nas_steps.estimation.proxies.images
import nas_steps.estimation.proxies.size  # noqa: F401
from nas_steps.errors import UserError, known
from nas_steps.estimation.proxies.registry import PROXIES, Proxy, UndefinedError, prepared
from nas_steps.estimation.proxies.synflow import has_path

__all__ = ["PROXIES", "Measured", "zero_cost"]

NO_PATH = "no path: the network's output does not depend on its images"


@dataclass(frozen=True)
class Measured:
    """What a proxy says of one network. `score` is higher for better; NaN, with a `reason`, where there is none."""

    score: float
    seconds: float
    reason: str = ""

    @property
    def status(self) -> str:
        return "undefined" if self.reason else "ok"

    @property
    def fitness(self) -> float:
        """The score, or minus infinity where there is none: what rankings compare by."""
        return -math.inf if self.reason else self.score


def zero_cost(model: nn.Module, images: Tensor, labels: Tensor, names: Sequence[str]) -> dict[str, Measured]:
    """The proxies `names` of `model` for images (N, C, S, S), normalised as in training, and int64 labels (N,).

    The caller seeds the initialisation before it builds the model. Model, images and labels are on one device. Each
    proxy works on a copy, from the random state as it is found: model and random state are left as they were, and a
    score does not depend on which others are asked for. `seconds` are those of one proxy, with its copy; that of
    looking for a path from the images to the output, once for all, is not in them.

    Raises UserError for an unknown name, or images or labels of the wrong shape.
    """
    asked = [_known(name) for name in names]
    _check(images, labels)
    connected = all(proxy.always for proxy in asked) or _connected(model, images)
    return {proxy.name: _measure(proxy, model, images, labels, connected) for proxy in asked}


def _measure(proxy: Proxy, model: nn.Module, images: Tensor, labels: Tensor, connected: bool) -> Measured:
    if not (connected or proxy.always):
        return Measured(math.nan, 0.0, NO_PATH)
    reason = ""
    _wait(images.device)
    began = time.perf_counter()
    with torch.random.fork_rng(devices=_generators(images.device)), torch.enable_grad():
        try:
            score = proxy.score(prepared(copy.deepcopy(model)), images, labels)
        except UndefinedError as error:
            score, reason = math.nan, str(error)
    seconds = time.perf_counter() - began
    if not math.isfinite(score) and not reason:
        score, reason = math.nan, f"{proxy.name} comes out as {score}"
    return Measured(score, seconds, reason)


def _connected(model: nn.Module, images: Tensor) -> bool:
    with torch.random.fork_rng(devices=_generators(images.device)), torch.enable_grad():
        return has_path(prepared(copy.deepcopy(model)), images[0])


def _generators(device: torch.device) -> list[torch.device]:
    """The devices, beside the CPU, whose random state a network on `device` may draw from."""
    return [device] if device.type == "cuda" else []


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _known(name: str) -> Proxy:
    try:
        return PROXIES[known("zero-cost proxy", name, PROXIES)]
    except ValueError as error:
        raise UserError(str(error)) from error


def _check(images: Tensor, labels: Tensor) -> None:
    if images.ndim != 4 or images.shape[2] != images.shape[3] or len(images) < 2:
        raise UserError(
            "zero-cost proxies compare two or more square images (N, C, S, S), not images of shape "
            f"{tuple(images.shape)}"
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise UserError(
            f"zero-cost proxies need an int64 label for each of the {len(images)} images, not {labels.dtype} labels of "
            f"shape {tuple(labels.shape)}"
        )
