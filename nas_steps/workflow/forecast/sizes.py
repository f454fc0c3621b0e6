"""The multiply-accumulates of the networks that an experiment is going to train, without building them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from random import Random
from statistics import fmean
from typing import Any

from nas_steps.config.schema import Config
from nas_steps.config.search import constrained
from nas_steps.config.space import filled
from nas_steps.errors import UserError
from nas_steps.spaces.baselines import fitted, halvings, load_family, parse_baseline, to_be_fitted
from nas_steps.spaces.cells.costs import BASE
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, divided
from nas_steps.spaces.declare import declared_on_images
from nas_steps.spaces.families.resnet import STAGES, with_small_stem
from nas_steps.spaces.mobile.architectures import MobileArchitecture, is_mobile, parse_mobile
from nas_steps.spaces.mobile.costs import count_architecture
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.workflow.forecast.images import Images

#: architectures whose mean is a candidate's size
DRAWS = 31
#: draws that are tried to find them within the constraints
TRIES = 150
#: multiply-accumulates at 224 pixels of networks that are no mobile architecture
PUBLISHED = {"mobilenet_v3_small": 56e6, "mobilenet_v3_large": 217e6}


class Sizes:
    """Sizes in multiply-accumulates of one image's forward pass."""

    def __init__(self, config: Config, images: Images) -> None:
        self.config = config
        self.images = images
        self.space = declared_on_images(filled(config.space))
        self._counts: dict[tuple[int, int], dict[str, int]] = {}
        self._blocks: dict[int, Any] = {}
        self._means: dict[tuple[int, int], float] = {}
        #: skeletons by number, which cannot be hashed
        self._networks = [config.search.network, config.retrain.network]

    def shape(self, side: int) -> Shape:
        return Shape(self.images.channels, side, self.images.classes)

    def candidate(self, side: int | None = None, *, final: bool = False) -> float:
        """Return the mean of the space, in the skeleton of the search or of final networks."""
        key = (int(final), side or self.images.side)
        if key not in self._means:
            self._means[key] = fmean(self._macs(one, *key) for one in self._drawn)
        return self._means[key]

    def extreme(self, which: str, side: int | None = None) -> float:
        """Return the size of the `largest` or `smallest` architecture; the mean's if the space knows none."""
        try:
            one = getattr(self.space, which)()
        except (ValueError, AttributeError):
            return self.candidate(side, final=True)
        return self._macs(one, 1, side or self.images.side)

    def whole(self, side: int = 0) -> float:
        """Return the size of a mobile space's largest network at its own or another resolution."""
        network = self.space.largest(strict=False)
        if side and isinstance(network, MobileArchitecture):
            network = replace(network, stem=replace(network.stem, side=side))
        return self._macs(network, 1, self.images.side)

    def frozen(self, stages: int) -> float:
        """Return the share of the largest mobile network that its stem and first stages are, `stages` in all."""
        network = self.space.largest(strict=False) if isinstance(self.space, MobileSpace) else None
        if not stages or network is None:
            return 0.0
        first = replace(network, stages=network.stages[: stages - 1], head=replace(network.head, width=1, hidden=0))
        return self._macs(first, 1, self.images.side) / self._macs(network, 1, self.images.side)

    def supernet(self, path: str = "all", parts: int = 1, kept: int | None = None) -> float:
        """Return the size of a supernet of cells with `all` operations, one of each `edge` or `none`.

        Of all, an edge may have `kept` some.
        """
        if path == "architecture" or not isinstance(self.space, CellSpace):
            return self.candidate()
        counts, blocks = self._known(0, self.images.side), self._of(0)
        total = float(blocks.count(BASE, self.shape(self.images.side))[1])
        if path == "none":
            return total
        for kind in self.space.kinds:
            for node, source in self.space.edges():
                reads = "input" if source < self.space.inputs else "node"
                choices = self.space.choices_between(kind, node, source)
                edge = sum(self._count(counts, blocks, f"{kind}-{reads}-{one}", self.images.side) for one in choices)
                wanted = 1 if path == "edge" else kept
                # of an operation nearly all multiply-accumulates are of c x c channels
                total += edge / parts**2 * (min(wanted, len(choices)) / len(choices) if wanted and choices else 1)
        return total

    def baseline(self, name: str) -> float:
        """Return the size of a hand-designed network, near enough; a fitted one has the mean's."""
        if to_be_fitted(name) is not None:
            return self.candidate(final=True)
        baseline, family = parse_baseline(name), load_family(name)
        side = baseline.side or self.images.side
        keep = None if baseline.side else halvings(side)
        if family.spelled is not None:
            return count_architecture(fitted(family.spelled(baseline), keep), self.shape(side))[1]
        if baseline.base in STAGES:
            return _resnet(*STAGES[baseline.base], baseline, self.shape(side))
        if family.macs is not None:
            return family.macs(baseline, side)
        # a network of five strides that keeps fewer of them has maps as of a larger image
        larger = 1 if keep is None else 2 ** max(0, 5 - keep)
        return PUBLISHED.get(baseline.base, 100e6) * (side * larger / 224) ** 2 * baseline.width**2 * baseline.depth

    def of(self, text: str, side: int | None = None) -> float:
        """Return the size of a mobile architecture's string."""
        return count_architecture(parse_mobile(text), self.shape(side or self.images.side))[1]

    @cached_property
    def _drawn(self) -> list[Any]:
        limits = {name: limit for name, limit in constrained(self.config.search).items() if name in ("macs",)}
        random = Random(0)
        found: list[Any] = []
        spare: list[Any] = []
        for _ in range(TRIES):
            one = self.space.sample(random)
            macs = self._macs(one, 1, self.images.side)
            (found if macs <= limits.get("macs", macs) else spare).append(one)
            if len(found) == DRAWS or (not limits and len(found) + len(spare) == DRAWS):
                break
        return found or spare

    def _of(self, network: int) -> Any:
        if network not in self._blocks:
            self._blocks[network] = blocks_of(self.space, self._networks[network])
        return self._blocks[network]

    def _known(self, network: int, side: int) -> dict[str, int]:
        return self._counts.setdefault((network, side), {})

    def _count(self, counts: dict[str, int], blocks: Any, name: str, side: int) -> int:
        if name not in counts:
            counts[name] = blocks.count(name, self.shape(side))[1]
        return counts[name]

    def _macs(self, architecture: Any, network: int, side: int) -> float:
        if isinstance(architecture, MobileArchitecture):
            return count_architecture(architecture, self.shape(side))[1]
        counts, blocks = self._known(network, side), self._of(network)
        return float(sum(self._count(counts, blocks, name, side) for name in blocks.of(architecture)))


def hand_designed(sizes: Sizes, name: str) -> float:
    """Return the size of a baseline or of a mobile architecture; the mean's for a name that is unknown here."""
    try:
        return sizes.of(name) if is_mobile(name) else sizes.baseline(name)
    except (UserError, ValueError):
        return sizes.candidate(final=True)


def _resnet(blocks: list[int], channels: list[int], baseline: Any, shape: Shape) -> float:
    """Count the convolutions of a ResNet."""
    side, total = shape.side, 0.0
    widths = [max(1, round(width * baseline.width)) for width in channels]
    last = widths[0]
    if with_small_stem(baseline, side):
        total += 9 * shape.inputs * last * side**2
    else:
        total += 49 * shape.inputs * last * divided(side, 2) ** 2
        side = divided(side, 4)
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        side = divided(side, 2) if stage else side
        for block in range(round(count * baseline.depth)):
            into = last if block == 0 else width
            shortcut = into * width if block == 0 and (stage or into != width) else 0
            total += (9 * (into * width + width * width) + shortcut) * side**2
        last = width
    return total
