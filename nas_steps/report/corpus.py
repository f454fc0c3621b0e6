"""The text that language models learnt and were tested on, their space and their training, in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_steps.report import numbers
from nas_steps.spaces.language.declarations import named
from nas_steps.spaces.language.space import LanguageSpace

PARTS = {"train": "training", "valid": "validation", "test": "test"}


def corpus(meta: Mapping[str, Any], data: Any) -> dict[str, Any]:
    """Spell the facts of the data/meta.json of a text; `data` is the config's section of it."""
    parts = meta["parts"]
    read, copies, almost = (meta.get(key) or {} for key in ("read", "copies", "almost_the_same"))
    counted = {
        "empty documents": read.get("empty"),
        "exact copies left out": copies.get("left_out"),
        "documents almost the same as another, kept in one part": almost.get("documents"),
    }
    path = getattr(data, "path", None)
    tokens = "bytes" if meta["tokens"] == "bytes" else f"{numbers.count(meta['vocabulary'])} byte pairs (BPE)"
    return {
        "source": ", ".join([meta["source"], *([Path(path).name or path] if path else [])]),
        "size": numbers.size(sum(part["bytes"] for part in parts.values())),
        "tokens": f"{tokens}; a network sees {numbers.count(meta['context'])} at once",
        "parts": [(words, _part(parts[part])) for part, words in PARTS.items()],
        "remarks": [f"{what}: {numbers.count(number)}" for what, number in counted.items() if number],
        "python": read.get("python"),
        "content": str(meta.get("content") or "not recorded"),
        "checksums": sorted((meta.get("checksums") or {}).items()),
    }


def _part(part: Mapping[str, Any]) -> str:
    documents = numbers.plural(part["documents"], "document")
    return f"{numbers.size(part['bytes'])} in {documents}, {numbers.macs(part['tokens'])} tokens"


def language_space(space: LanguageSpace) -> dict[str, Any]:
    """Spell what a space of language models chooses: `shape` (depths and widths), `mixers`, `feed_forwards`."""
    choices = space.choices
    shape = f"{_each(choices.depths)} layers of width {_each(choices.widths)}"
    if not choices.is_product:
        shape = numbers.listed([f"{size.depth} layers of {size.width}" for size in choices.sizes])
    alike = "all layers alike" if choices.by == "network" else "each layer chosen by itself"
    return {
        "shape": f"{shape}, {alike}",
        "mixers": [named(one) for one in choices.mixers],
        "feed_forwards": [named(one) for one in choices.feed_forwards],
    }


def _each(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))


def trained_text(recipe: Any) -> str:
    """Tell how long a recipe trains a language model, and by which learning rates."""
    compute, rates = getattr(recipe, "compute", None), getattr(recipe, "learning_rates", None)
    text = f"{numbers.macs(compute)} FLOPs"
    return f"{text} with each of {numbers.plural(len(rates), 'learning rate')}" if rates else text
