"""The blocks of language models, whose costs sum to those of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from nas_steps.spaces.costs import Shape
from nas_steps.spaces.language.architectures import Frame, LanguageArchitecture, Layer
from nas_steps.spaces.language.costs import Count, check_context, count_frame, count_layer
from nas_steps.spaces.language.declarations import Size
from nas_steps.spaces.language.memory import peak_of_frame, peak_of_layer
from nas_steps.spaces.language.space import Chosen, LanguageSpace


class LanguageBlocks:
    """The frame and the layers of a space's architectures; equal ones have one name, as `d128_rms-attn_h4+gelu_e4`."""

    def __init__(self, space: LanguageSpace) -> None:
        self.space = space
        #: a frame and its depth, and a frame with a layer, by name
        self._frames: dict[str, tuple[Frame, int]] = {}
        self._layers: dict[str, tuple[Frame, Layer]] = {}
        for frame, size, _ in self._all_frames():
            self._frames[_frame_name(frame, size.depth)] = (frame, size.depth)
            for layer in space.choices.places:
                self._layers[_layer_name(frame, layer)] = (frame, layer)

    def of(self, architecture: LanguageArchitecture) -> list[str]:
        """Name an architecture's blocks, each as often as it occurs."""
        frame = architecture.frame
        layers = (_layer_name(frame, layer) for layer in architecture.layers)
        return [_frame_name(frame, architecture.depth), *layers]

    def names(self) -> list[str]:
        """Name the blocks of all architectures, each once."""
        return [*self._frames, *self._layers]

    def count(self, name: str, shape: Shape) -> Count:
        """Count a block's parameters, and its multiply-accumulates for one sequence of `shape.side` tokens."""
        context = shape.side
        if name in self._frames:
            frame, depth = self._frames[name]
            check_context(frame, context)
            return count_frame(frame, depth, context)
        frame, layer = self._layers[name]
        return count_layer(layer, frame, context)

    def peak(self, name: str, shape: Shape) -> int:
        """Estimate the numbers that a block needs at once for one sequence of `shape.side` tokens."""
        if name in self._frames:
            return peak_of_frame(self._frames[name][0], shape.side)
        frame, layer = self._layers[name]
        return peak_of_layer(layer, frame, shape.side)

    def cheapest(self, price: Callable[[str], float]) -> LanguageArchitecture:
        """Return the architecture with the smallest sum of its blocks' prices, exactly."""
        best: dict[str, tuple[float, Layer]] = {}
        found: list[tuple[float, Chosen]] = []
        for frame, size, settings in self._all_frames():
            key = _layer_key(frame)
            if key not in best:
                prices = [(price(_layer_name(frame, layer)), layer) for layer in self.space.choices.places]
                best[key] = min(prices, key=lambda one: one[0])
            least, layer = best[key]
            layers = (layer,) * self.space.choices.layers(size.depth)
            total = price(_frame_name(frame, size.depth)) + size.depth * least
            found.append((total, Chosen(size, settings, layers)))
        return self.space.made(min(found, key=lambda one: one[0])[1])

    def _all_frames(self) -> Iterator[tuple[Frame, Size, tuple[str, ...]]]:
        choices = self.space.choices
        for settings in product(*choices.settings):
            frames = {width: choices.frame(width, settings) for width in choices.widths}
            for size in choices.sizes:
                yield frames[size.width], size, settings


def _frame_name(frame: Frame, depth: int) -> str:
    words = [f"frame-d{frame.width}_{frame.norm}", *(["bias"] if frame.bias else [])]
    words += ["tied"] * frame.tied + [frame.position] * (frame.positions > 0)
    return "_".join(words + [f"unet{depth // 2}"] * frame.unet)


def _layer_key(frame: Frame) -> str:
    words = [f"d{frame.width}", frame.norm]
    return "_".join(words + ["bias"] * frame.bias + ["par"] * frame.parallel + ["x0"] * frame.input_mix)


def _layer_name(frame: Frame, layer: Layer) -> str:
    return f"{_layer_key(frame)}-{layer}"
