"""The sections of the model card of a language model: facts that records hold, in words."""

import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from nas_steps.config.recipe import Recipe
from nas_steps.export.markdown import table

#: parts of the text
PARTS = {"train": "training", "valid": "validation", "test": "test"}
#: the columns of the table of files
FILES = ("file", "precision", "bytes", "time of a token", "of a token of 32 texts at once", "peak memory", "sha256")
KIND = "A language model: it tells how likely each next token of a text is."

RUN = [
    "With nas-steps, which needs no torch for it:",
    "",
    "```",
    'python -m nas_steps.predict model.onnx --continue "import "',
    "python -m nas_steps.predict model.onnx --score FILE.txt",
    "```",
]
LIMITS = [
    "- It predicts text like that above, token by token. It was not taught to answer or to follow instructions.",
    "- What it says may be false.",
    "- It was tested on held-out documents of the same source, and nowhere else. Its bits per byte on other text are "
    "unknown: measure them with `--score` before you rely on it.",
    "- It may repeat parts of its training text.",
]
LICENCE = [
    "nas-steps gives these weights no licence. They were learnt from the text above: the rights in that text decide "
    "who may use the weights, and for what."
]


def sections(
    network: Mapping[str, Any],
    metrics: Mapping[str, Any],
    recipe: Recipe,
    meta: Mapping[str, Any],
    line: Mapping[str, Any],
    performance: Sequence[Mapping[str, Any]],
) -> dict[str, list[str]]:
    """Return the lines of each section but the first; the arguments are those of `card.card`."""
    return {
        "Data": _data(metrics, meta),
        "Training": _training(network, metrics, recipe),
        "Bits per byte": _bits_per_byte(network, metrics, line),
        "Files": _files(line, performance),
        "Input and output": _inputs(line),
        "How to run it": RUN,
        "Intended use and limits": LIMITS,
        "Licence": LICENCE,
    }


def _data(metrics: Mapping[str, Any], meta: Mapping[str, Any]) -> list[str]:
    """Describe the text: its parts, its tokens, its checksum and the file of the test."""
    parts, test = meta["parts"], metrics["test_file"]
    sizes = [
        f"{parts[part]['bytes']:,} bytes in {parts[part]['documents']:,} {word} documents"
        for part, word in PARTS.items()
    ]
    python = (meta.get("read") or {}).get("python")
    return [
        f"- Source: `{meta['source']}`{f', the sources of Python {python}' if python else ''}.",
        f"- Text: {', '.join(sizes)}. A document is in one part.",
        f"- Tokens: {_tokens(meta)}",
        f"- Checksum of the prepared data (sha256): `{meta['content']}`",
        f"- The test text (`{test['name']}`, sha256 `{test['sha256']}`) was read after the training. It chose nothing.",
    ]


def _tokens(meta: Mapping[str, Any]) -> str:
    if meta["tokens"] == "bytes":
        return f"a byte is a token. A network sees {meta['context']:,} of them at once."
    return (
        f"{meta['vocabulary']:,} byte pairs, learnt from the training part (`tokenizer.json`). A network sees "
        f"{meta['context']:,} of them at once."
    )


def _training(network: Mapping[str, Any], metrics: Mapping[str, Any], recipe: Recipe) -> list[str]:
    """Describe how the network was trained."""
    learnt = "the training and the validation text" if metrics["train_on"] == "train+valid" else "the training text"
    told = {name: value for name, value in recipe.model_dump().items() if value is not None}
    return [
        f"- It learnt {learnt}, on `{metrics['device']}`. This is seed {metrics['seed']} of "
        f"{network['trainings']} trainings, {network['sound']} of them sound.",
        f"- Recipe: {', '.join(f'{name} {value}' for name, value in told.items())}.",
        f"- All settings: `results/settings/retrain-{metrics['settings']}.json`.",
    ]


def _bits_per_byte(network: Mapping[str, Any], metrics: Mapping[str, Any], line: Mapping[str, Any]) -> list[str]:
    """Give the bits per byte of all trainings and of this one; records hold them with a minus."""
    trainings = f"mean of {network['sound']} trainings"
    low, high = network["test_low"], network["test_high"]
    figure = _bits(network["test_metric"])
    known = None not in (low, high) and not math.isnan(low)
    rows = [
        ("test", trainings, f"{figure} [{_bits(high)}, {_bits(low)}]" if known else f"{figure}, without an interval"),
        ("test", "this training", _bits(metrics["test_metric"])),
        ("validation", trainings, _bits(network["valid_metric"])),
        ("validation", "this training", _bits(metrics["valid_metric"])),
    ]
    return [
        *table(("text", "of", "bits per byte"), rows),
        "",
        "Fewer are better; 8 are a guess among 256 bytes. The interval is over trainings and test text (95 %).",
        "",
        f"On {line['tokens']:,} tokens of the test text the file has {line['onnx_bits_per_byte']:.4f} bits per byte, "
        f"and torch {line['bits_per_byte']:.4f}. {100 * line['onnx_accuracy']:.1f} % of these tokens are the likeliest "
        "by the file.",
    ]


def _bits(figure: float | None) -> str:
    return "not measured" if figure is None or math.isnan(figure) else f"{-figure:.4f}"


def _files(line: Mapping[str, Any], performance: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the file with its speed and memory, if they were measured."""
    row = next((one for one in performance if one["file"] == line["file"]), None)
    cells: list[str] = ["not measured"] * 3
    if row is not None:
        times = [[row[f"latency_{batch}_{part}ms"] for part in ("", "p25_", "p75_")] for batch in (1, 32)]
        cells = [f"{middle:.3g} ms [{low:.3g}, {high:.3g}]" for middle, low, high in times]
        cells.append(f"{row['memory_32_mb']} MB")
    name = PurePosixPath(line["file"]).name
    rows = table(FILES, [(f"`{name}`", "float32", f"{line['bytes']:,}", *cells, f"`{line['sha256']}`")])
    if row is None:
        return rows
    threads = f"{row['threads']} CPU thread{'s' if row['threads'] != 1 else ''}"
    where = f"{threads} of the machine that exported it ({platform.machine()})"
    medians = f"Times are medians on {where}, in brackets the middle half of the runs"
    return [*rows, "", f"{medians}. Half of the context had been read."]


def _inputs(line: Mapping[str, Any]) -> list[str]:
    """Describe the graph: one token with the state of the layers."""
    properties = line["properties"]
    return [
        "- The graph reads one token of each text and returns the logits of the next one, with the state after it.",
        f"- Inputs: {properties['input']}.",
        f"- Start: {properties['start']}.",
        f"- Output `logits`: float32, (batch, {line['vocabulary']}).",
        f"- A text may have {line['context']:,} tokens; then the state begins anew.",
    ]
