"""Score an untrained network by zero-cost proxies (Abdelfattah et al. 2021; Mellor et al. 2021) on one minibatch."""

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import iter_modules
from types import ModuleType

import torch
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.sizes import sizes_of
from nas_steps.data.store import load_split, part_of, read_meta
from nas_steps.data.text.store import is_text
from nas_steps.errors import UserError, known
from nas_steps.estimation import proxies
from nas_steps.estimation.proxy_tools import UndefinedError, has_path, prepared
from nas_steps.models.build import build, size
from nas_steps.models.count import Size
from nas_steps.provenance.kinds import of_kind
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.texts import load_text

PROXIES = tuple(module.name for module in iter_modules(proxies.__path__))
NO_PATH = "no path: the network's output does not depend on its images"


@dataclass(frozen=True)
class Measured:
    """The score of one network by one proxy, higher for better; NaN with a `reason` if it is undefined."""

    score: float
    seconds: float
    reason: str = ""

    @property
    def status(self) -> str:
        return "undefined" if self.reason else "ok"

    @property
    def fitness(self) -> float:
        """The value that rankings compare: minus infinity if the score is undefined."""
        return -math.inf if self.reason else self.score


class Minibatch:
    """Images of each class, normalised, float32 (N, C, S, S), with int64 labels (N,), the same for all networks.

    Of text: contexts int64 (N, T), and as labels the token after each.
    """

    def __init__(self, folder: str, count: int, device: torch.device, seed: int) -> None:
        """Draw `count` training images, classes in proportion, or contexts. Raises UserError if there are fewer."""
        self.shape = sizes_of(folder).arguments
        if is_text(folder):
            text = load_text(folder, device, "train")
            number = derive_seed(seed, "zero-cost batch")
            contexts = next(text.batches(count, seed=number, steps=1))
            self.images, self.labels = contexts[:, :-1], contexts[:, 1:]
            return
        meta = read_meta(folder)
        train = load_split(folder, "train")
        if not len(meta.classes) <= count <= len(train.labels):
            raise UserError(
                f"batch_size is {count}; a zero-cost score needs an image of each of the {len(meta.classes)} classes, "
                f"and there are {len(train.labels)} training images"
            )
        chosen = part_of(train, count / len(train.labels), meta.classes, derive_seed(seed, "zero-cost batch"))
        held = DeviceImages(chosen.images, chosen.labels, meta.mean, meta.std, device)
        self.images, self.labels = next(held.batches(count, shuffle=False))

    def score(self, architecture: str, network: Network, proxy: str, *, seed: int) -> tuple[Measured, Size]:
        """Score the network of an architecture as `seed` initialises it; return its size, too."""
        shape = self.shape
        torch.manual_seed(derive_seed(seed, "initialisation"))
        model = build(architecture, network, **shape, auxiliary=False).to(self.images.device)
        return zero_cost(model, self.images, self.labels, [proxy])[proxy], size(architecture, network, **shape)


def zero_cost(model: nn.Module, images: Tensor, labels: Tensor, names: Sequence[str]) -> dict[str, Measured]:
    """Score `model` by the proxies `names` on images (N, C, S, S), normalised as in training, and int64 labels (N,).

    Of a language model they are int64 tokens (N, T) and the next tokens (N, T); it always has a path.

    All are on one device. Each proxy works on a copy, from the same random state, which is kept. `seconds` are those of
    one proxy. Raises UserError for an unknown name, or images or labels of the wrong shape.
    """
    try:
        asked = {name: of_kind(proxies.__name__, known("zero-cost proxy", name, PROXIES)) for name in names}
    except ValueError as error:
        raise UserError(str(error)) from error
    _check(images, labels)
    always = {name for name, proxy in asked.items() if getattr(proxy, "ALWAYS", False)}
    if len(always) < len(asked) and images.is_floating_point():
        with torch.random.fork_rng(devices=_generators(images.device)), torch.enable_grad():
            connected = has_path(prepared(copy.deepcopy(model)), images[0])
        if not connected:
            measured = {name: Measured(math.nan, 0.0, NO_PATH) for name in asked}
            return measured | {name: _measure(name, asked[name], model, images, labels) for name in always}
    return {name: _measure(name, proxy, model, images, labels) for name, proxy in asked.items()}


def _measure(name: str, proxy: ModuleType, model: nn.Module, images: Tensor, labels: Tensor) -> Measured:
    reason = ""
    if images.device.type == "cuda":
        torch.cuda.synchronize(images.device)
    began = time.perf_counter()
    with torch.random.fork_rng(devices=_generators(images.device)), torch.enable_grad():
        try:
            score = proxy.score(prepared(copy.deepcopy(model)), images, labels)
        except UndefinedError as error:
            score, reason = math.nan, str(error)
    seconds = time.perf_counter() - began
    if not math.isfinite(score) and not reason:
        score, reason = math.nan, f"{name} comes out as {score}"
    return Measured(score, seconds, reason)


def _generators(device: torch.device) -> list[torch.device]:
    """Return the devices, beside the CPU, whose random state a network on `device` may draw from."""
    return [device] if device.type == "cuda" else []


def _check(images: Tensor, labels: Tensor) -> None:
    if images.ndim == 2 and not images.is_floating_point():
        if images.shape != labels.shape or len(images) < 1:
            raise UserError(
                f"zero-cost proxies need the next token of each token, not tokens of shape {tuple(images.shape)} and "
                f"labels of shape {tuple(labels.shape)}"
            )
        return
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
