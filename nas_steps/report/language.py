"""A language model drawn as SVG: for each run of equal layers the mixer above the feed-forward network."""

from itertools import groupby
from xml.sax.saxutils import escape

from nas_steps.errors import exact
from nas_steps.report.svg import opened
from nas_steps.spaces.language.architectures import (
    Attention,
    FeedForward,
    Frame,
    LanguageArchitecture,
    Layer,
    LinearAttention,
    MinGru,
    Mixer,
    ShortConvolution,
)

PLATE_WIDTH, GAP, COLUMN_GAP = 112.0, 6.0, 14.0
#: of a plate: the height of a line, and what is around all lines
LINE, PADDING = 14.0, 14.0
MARGIN = 6.0
ACTIVATIONS = {"gelu": "GELU", "relu2": "squared ReLU", "swiglu": "SwiGLU"}
NORMS = {"rms": "RMSNorm", "ln": "LayerNorm", "rmsplain": "RMSNorm without scales"}

#: style, lines
_Plate = tuple[str, list[str]]


def draw_language(architecture: LanguageArchitecture, label: str) -> str:
    """Draw the network as an `<svg>` element. Screen readers say `label` and the layers in words.

    Colours come from the page's style sheet (classes `plate`, `nor`, `sep`, `dil`, `free`, `terminal`).
    """
    frame, runs = architecture.frame, _runs(architecture)
    ends = [("terminal", ["embedding"]), ("terminal", ["head"])]
    columns = [(ends[:1], f"{frame.vocabulary:,} tokens")]
    columns += [([_mixer(layer.mixer), _feed_forward(layer.feed_forward)], where) for layer, where in runs]
    columns += [(ends[1:], "tied" if frame.tied else "its own weights")]
    heights = [max([_height(plates[row]) for plates, _ in columns[1:-1]], default=LINE + PADDING) for row in range(2)]
    whole = sum(heights) + GAP
    foot = MARGIN + whole + 16
    shapes: list[str] = []
    x = MARGIN
    for plates, below in columns:
        rows = heights if len(plates) > 1 else [whole]
        y = MARGIN
        for plate, height in zip(plates, rows, strict=True):
            shapes.append(_drawn(plate, x, y, height))
            y += height + GAP
        centre = x + PLATE_WIDTH / 2
        shapes.append(f'<text class="hint" x="{centre:g}" y="{foot:g}" text-anchor="middle">{escape(below)}</text>')
        x += PLATE_WIDTH + COLUMN_GAP
    width = x - COLUMN_GAP + MARGIN
    return opened(width, foot + MARGIN, f"{label}: {describe(architecture)}") + "".join(shapes) + "</svg>"


def describe(architecture: LanguageArchitecture) -> str:
    """Spell the network in words, for screen readers."""
    layers = "; ".join(
        f"{where}: {' '.join(_mixer(layer.mixer)[1])}, then {' '.join(_feed_forward(layer.feed_forward)[1])}"
        for layer, where in _runs(architecture)
    )
    return f"{of_frame(architecture.frame)}; {layers}" if layers else of_frame(architecture.frame)


def of_frame(frame: Frame) -> str:
    """Spell what holds for the whole network: `width 128, rotary positions, RMSNorm, mixer before feed-forward`."""
    positions = f"a table of {frame.positions:,} positions" if frame.positions else "no positions"
    words = [
        f"width {frame.width}",
        "rotary positions" if frame.base and not frame.positions else positions,
        NORMS[frame.norm],
        "mixer beside feed-forward" if frame.parallel else "mixer before feed-forward",
        "embedding tied to the head" if frame.tied else "a head with weights of its own",
    ]
    traits = {
        "biases": frame.bias,
        "a norm after the embedding": frame.embedding_norm,
        "the embedding mixed into each layer": frame.input_mix,
        "skips from the first half to the second": frame.unet,
        f"logits within {exact(frame.cap)}": frame.cap,
        "projections that start at zero": frame.zero,
    }
    return ", ".join([*words, *(word for word, there in traits.items() if there)])


def _runs(architecture: LanguageArchitecture) -> list[tuple[Layer, str]]:
    """List the layers in runs of equal ones, each with its place: `layer 1`, `layers 2 to 4`."""
    found, first = [], 1
    for layer, run in groupby(architecture.layers):
        last = first + len(list(run)) - 1
        found.append((layer, f"layer {first}" if first == last else f"layers {first} to {last}"))
        first = last + 1
    return found


def _mixer(mixer: Mixer | None) -> _Plate:
    if isinstance(mixer, Attention):
        lines = ["attention", _count(mixer.heads, "head")]
        lines += [_count(mixer.kv_heads, "kv head")] if mixer.kv_heads != mixer.heads else []
        lines += [f"window {mixer.window}"] if mixer.window else []
        lines += [f"conv {mixer.kernel} after QKV"] if mixer.kernel else []
        return "sep", lines + ["QK-norm"] * mixer.qk_norm + ["value residual"] * mixer.value_residual
    if isinstance(mixer, ShortConvolution):
        return "nor", ["gated conv", f"kernel {mixer.kernel}"]
    if isinstance(mixer, LinearAttention):
        return "dil", ["linear attention", _count(mixer.heads, "head")]
    if isinstance(mixer, MinGru):
        return "dil", ["minGRU", f"× {exact(mixer.expansion)}"]
    return "free", ["no mixer"]


def _feed_forward(part: FeedForward | None) -> _Plate:
    if part is None:
        return "free", ["no feed-forward"]
    return "terminal", [ACTIVATIONS[part.activation], f"× {exact(part.expansion)}"]


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'s' * (number != 1)}"


def _height(plate: _Plate) -> float:
    return LINE * len(plate[1]) + PADDING


def _drawn(plate: _Plate, x: float, y: float, height: float) -> str:
    style, lines = plate
    first = y + height / 2 + 4.3 - LINE * (len(lines) - 1) / 2
    shape = f'<rect class="plate {style}" x="{x:g}" y="{y:g}" width="{PLATE_WIDTH:g}" height="{height:g}" rx="6"/>'
    return shape + "".join(
        f'<text x="{x + PLATE_WIDTH / 2:g}" y="{first + LINE * place:g}" text-anchor="middle">{escape(line)}</text>'
        for place, line in enumerate(lines)
    )
