"""The model card of an exported network: plain facts from the experiment's files, as Markdown."""

import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from nas_steps.calibration import BINS
from nas_steps.config.recipe import Recipe
from nas_steps.export import language_card
from nas_steps.export.markdown import table
from nas_steps.facts import FILE, PROBE, SUPERNET
from nas_steps.metrics import ACCURACY, WORDS
from nas_steps.provenance.files import read_json
from nas_steps.wording import of_text

#: what a network is, by its kind
KINDS = {
    "searched": "the winner of a search by the strategy `{strategy}`",
    "random": "the winner of the random search `{strategy}`",
    "uniform": "an architecture that was drawn uniformly from the search space, without a search",
    "largest": "the largest network of the search space",
    "baseline": "a hand-designed network",
    "pretrained": "a pretrained network, fine-tuned whole",
    "from_nothing": "the searches' winner, trained from nothing",
}
PROBED = "a pretrained network whose last layer alone has learnt"
SPLITS = {"train": "training", "valid": "validation", "test": "test"}
#: the columns of the table of files
FILES = ("file", "precision", "bytes", "latency of 1 image", "latency of 32 images", "peak memory", "sha256")
RUN = """\
```python
import json
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
images = np.zeros((1, {channels}, {side}, {side}), np.uint8)  # your pixels, prepared as above
(logits,) = session.run(None, {{"images": images}})
print(classes[int(logits[0].argmax())])
```"""


def card(
    network: Mapping[str, Any],
    recommended: Mapping[str, Any],
    metrics: Mapping[str, Any],
    recipe: Recipe,
    meta: Mapping[str, Any],
    line: Mapping[str, Any],
    performance: Sequence[Mapping[str, Any]],
    source: Mapping[str, Any] | None = None,
) -> str:
    """Return the card. It is the same for the same files, measured latency and memory aside.

    `network` is a row of `considered` in `recommended`, which is recommended.json; `metrics` is the record of the
    exported training; `meta` is meta.json of the data; `line` and `performance` are the export's. `source` is
    source.json of pretrained weights, which count if the training started from them.
    """
    if "context" in meta:
        what = _what(network, recommended, metrics, f"{2 * metrics['macs'] / meta['context']:,.0f} FLOPs a token")
        own = language_card.sections(network, metrics, recipe, meta, line, performance)
        return _joined(network, language_card.KIND, {"What it is": [*map(of_text, what)], **own})
    started = pretrained(metrics, source)
    sections = {
        "What it is": _what(network, recommended, metrics, f"{metrics['macs']:,} multiply-accumulates (MACs) an image"),
        "Data": _data(metrics, meta),
        "Training": _training(network, metrics, recipe) + _start(started),
        "Accuracy": _accuracy(network, metrics, line),
        "Classes and calibration": _classes(metrics, meta, line),
        "Files": _files(line, performance),
        "Input and output": _input(line, meta, started),
        "How to run it": _run(meta),
        "Intended use and limits": _limits(meta),
        "Licence": _licence(started),
    }
    return _joined(network, f"An image classifier of {len(meta['classes'])} classes.", sections)


def _joined(network: Mapping[str, Any], what: str, sections: Mapping[str, Sequence[str]]) -> str:
    text = "\n".join(f"\n## {title}\n\n" + "\n".join(lines) for title, lines in sections.items())
    return f"# {network['entry']}\n\n{what}\n{text}\n"


def facts_of_weights(path: str | None, licence: str | None) -> dict[str, Any] | None:
    """Return source.json of pretrained weights, with the user's word for a file's `licence`; None without a `path`."""
    facts = read_json(path) if path else None
    return {**facts, "licence": licence} if facts and facts["source"] == FILE else facts


def pretrained(metrics: Mapping[str, Any], source: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the facts of the pretrained weights that a training started from: source, url, licence, normalisation.

    A fact is None if `source`, source.json of the weights, does not tell it. None if it started from random weights,
    or from a supernet that did.
    """
    if not metrics.get("weights") or (source is None and metrics["weights"] == SUPERNET):
        return None
    facts = source or {}
    told = {key: facts.get(key) for key in ("url", "licence", "normalisation")}
    return {"source": facts.get("source") or metrics["weights"], **told}


def _what(
    network: Mapping[str, Any], recommended: Mapping[str, Any], metrics: Mapping[str, Any], cost: str
) -> list[str]:
    entry, chosen = network["entry"], recommended["entry"]
    if entry == chosen:
        role = f"It is the recommended network of its experiment. The rule: {recommended['rule']}"
    elif chosen is None:
        role = f"Its experiment recommends no network: {recommended['reason']}."
    else:
        roles = [one["role"] for one in recommended["alternatives"] if one["entry"] == entry]
        as_what = f"; this is the alternative that is {' and '.join(roles)}" if roles else ""
        role = f"Its experiment recommends another network, `{chosen}`{as_what}."
    return [
        f"- It is {PROBED if entry == PROBE else KINDS[network['kind']].format(strategy=network['strategy'])}.",
        f"- Architecture: `{network['architecture']}`",
        f"- {metrics['parameters']:,} parameters; {cost}.",
        f"- {role}",
    ]


def _data(metrics: Mapping[str, Any], meta: Mapping[str, Any]) -> list[str]:
    channels, side, _ = meta["shape"]
    test = metrics["test_file"]
    return [
        f"- Source: `{meta['source']}`, prepared as {'RGB' if channels == 3 else 'grey'} images of {side} x {side} "
        "pixels.",
        f"- Classes: {', '.join(f'`{name}`' for name in meta['classes'])}",
        "- Images: "
        + ", ".join(f"{sum(meta['counts'][name].values()):,} {word}" for name, word in SPLITS.items())
        + ".",
        f"- Checksum of the prepared data (sha256): `{meta['content']}`",
        f"- The test images (`{test['name']}`, sha256 `{test['sha256']}`) were read after the training. They chose "
        "nothing.",
    ]


def _training(network: Mapping[str, Any], metrics: Mapping[str, Any], recipe: Recipe) -> list[str]:
    learnt = "the training and the validation images" if metrics["train_on"] == "train+valid" else "the training images"
    return [
        f"- It learnt {learnt}, on `{metrics['device']}`. This is seed {metrics['seed']} of "
        f"{network['trainings']} trainings, {network['sound']} of them sound.",
        f"- Recipe: {', '.join(f'{name} {_spelled(value)}' for name, value in recipe.model_dump().items())}.",
        f"- All settings: `results/settings/retrain-{metrics['settings']}.json`.",
    ]


def _start(started: Mapping[str, Any] | None) -> list[str]:
    if started is None:
        return []
    place = f" ({started['url']})" if started["url"] else ""
    return [f"- It started from pretrained weights: {_named(started)}{place}."]


def _named(started: Mapping[str, Any]) -> str:
    return "a file of the user's" if started["source"] == FILE else f"`{started['source']}`"


def _licence(started: Mapping[str, Any] | None) -> list[str]:
    images = "the rights in those images decide who may use the weights, and for what."
    if started is None:
        return [f"nas-steps gives these weights no licence. They were learnt from the images above: {images}"]
    return [
        "nas-steps gives these weights no licence. Two others count:",
        "",
        f"- They started from {_named(started)}, whose licence is {started['licence'] or 'unknown'}. It holds for "
        "what is made of those weights, too.",
        f"- They went on learning from the images above: {images}",
    ]


def _spelled(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} {_spelled(one)}" for name, one in value.items()) + ")"
    return "none" if value is None else str(value)


def _accuracy(network: Mapping[str, Any], metrics: Mapping[str, Any], line: Mapping[str, Any]) -> list[str]:
    rows: list[tuple[str, ...]] = [
        (
            "test",
            f"mean of {network['sound']} trainings",
            _interval(*_of(network, "test_accuracy", "test_low", "test_high")),
        ),
        ("test", "this training, float32", _percent(metrics["test_accuracy"])),
        ("validation", f"mean of {network['sound']} trainings", _percent(network["valid_accuracy"])),
        ("validation", "this training, float32", _percent(metrics["valid_accuracy"])),
    ]
    int8 = line["int8"] or {}
    if int8.get("file"):
        rows.insert(
            2, ("test", f"this training, INT8, on {int8['test_images']:,} images", _percent(int8["test_accuracy"]))
        )
    metric = metrics.get("metric") or ACCURACY
    if metric != ACCURACY:
        interval = _interval(*_of(network, "test_metric", "test_low", "test_high"))
        more = (
            interval, _percent(metrics["test_metric"]), *(["not measured"] if int8.get("file") else []),
            _percent(network["valid_metric"]), _percent(metrics["valid_metric"]),
        )  # fmt: skip
        rows[0] = (*rows[0][:2], _percent(network["test_accuracy"]))
        rows = [(*row[:2], figure, row[2]) for row, figure in zip(rows, more, strict=True)]
    return [
        *table(("images", "of", *([] if metric == ACCURACY else [WORDS[metric]]), "accuracy"), rows),
        "",
        f"The interval is a 95 % interval over trainings and test images ({metrics['test_images']:,}).",
    ]


def _classes(metrics: Mapping[str, Any], meta: Mapping[str, Any], line: Mapping[str, Any]) -> list[str]:
    """Give the recall of each class, and how far the probabilities can be trusted."""
    counts = meta["counts"]["test"]
    rows = [
        (f"`{name}`", f"{counts.get(name, 0):,}", "no image" if recall is None else _percent(recall))
        for name, recall in zip(meta["classes"], line["recall"], strict=True)
    ]
    before, after = line["calibration_error"], line["calibrated_error"]
    if metrics["train_on"] == "train":
        text = (
            f"Expected calibration error on {line['images']:,} test images: {_percent(before)} as it is, "
            f"{_percent(after)} with its logits divided by the temperature {line['temperature']:.3f}. The temperature "
            "was fitted on validation images (Guo et al. 2017); the file's metadata have it, and `nas_steps.predict` "
            "divides by it."
        )
    else:
        text = (
            f"Expected calibration error on {line['images']:,} test images: {_percent(before)}. The temperature is 1: "
            "the network learnt the validation images, too, so that none were left to fit it on."
        )
    return [
        *table(("class", "test images", "recall"), rows),
        "",
        f"{text} The error is over {BINS} bins of as many images each, by rising confidence.",
    ]


def _of(row: Mapping[str, Any], *keys: str) -> list[Any]:
    return [row[key] for key in keys]


def _files(line: Mapping[str, Any], performance: Sequence[Mapping[str, Any]]) -> list[str]:
    speed = {row["file"]: row for row in performance}
    made = [("float32", line)] + ([("int8", line["int8"])] if (line["int8"] or {}).get("file") else [])
    rows = []
    for precision, one in made:
        row = speed.get(one["file"], {})
        cells = [_latency(row, batch) for batch in (1, 32)]
        memory = f"{row['memory_32_mb']} MB" if row else "not measured"
        name = PurePosixPath(one["file"]).name
        rows.append((f"`{name}`", precision, f"{one['bytes']:,}", *cells, memory, f"`{one['sha256']}`"))
    for made_of in line["formats"]:
        for one in made_of["files"]:
            name, unknown = PurePosixPath(one["file"]).name, ["not measured"] * 3
            rows.append((f"`{name}`", made_of["format"], f"{one['bytes']:,}", *unknown, f"`{one['sha256']}`"))
    threads = sorted({row["threads"] for row in performance})
    where = (
        f"{' and '.join(map(str, threads))} CPU thread{'s' if threads != [1] else ''} of the machine that exported it"
    )
    measured = f"Latency is the median on {where} ({platform.machine()}), in brackets the middle half of the runs."
    return [*table(FILES, rows), *(["", measured] if performance else [])]


def _latency(row: Mapping[str, Any], batch: int) -> str:
    if not row:
        return "not measured"
    median, low, high = _of(row, *(f"latency_{batch}_{part}ms" for part in ("", "p25_", "p75_")))
    return f"{median:.3g} ms [{low:.3g}, {high:.3g}]"


def _input(line: Mapping[str, Any], meta: Mapping[str, Any], started: Mapping[str, Any] | None) -> list[str]:
    properties, (channels, side, _) = line["properties"], meta["shape"]
    normal = (started or {}).get("normalisation")
    by = f" ({normalisation(normal, meta['mean'], meta['std'])})" if normal else ""
    lines = [
        f"- Input `images`: {properties['input']}, any batch. The file normalises them itself{by}.",
        f"- To make them of a picture: {properties['resize']}.",
        "- Output `logits`: float32, (batch, classes), in the order of the classes above.",
    ]
    for made_of in line["formats"]:
        names = [f"`{PurePosixPath(one['file']).name}`" for one in made_of["files"]]
        if names and made_of["format"] == "litert":
            lines.append(f"- {names[0]} takes one image at a time, (1, {side}, {side}, {channels}): channels last.")
        elif names:
            lines.append(f"- {' and '.join(names)} have the same input and output.")
    return lines


def normalisation(normal: Mapping[str, Any], mean: Iterable[float], std: Iterable[float]) -> str:
    """Spell a normalisation of pixels from 0 to 1: `imagenet: mean 0.485 0.456 0.406, std 0.229 0.224 0.225`.

    `normal` has its name; of `data`, mean and std are those of the training images.
    """
    means, stds = (" ".join(f"{value:.6g}" for value in values) for values in (mean, std))
    return f"{normal['name']}: mean {means}, std {stds}"


def _run(meta: Mapping[str, Any]) -> list[str]:
    channels, side, _ = meta["shape"]
    return [
        "With nas-steps, which prepares pictures as the training images were prepared:",
        "",
        "```",
        "python -m nas_steps.predict model.onnx PHOTO.jpg",
        "```",
        "",
        "With onnxruntime alone:",
        "",
        RUN.format(channels=channels, side=side),
    ]


def _limits(meta: Mapping[str, Any]) -> list[str]:
    return [
        f"- It tells apart the {len(meta['classes'])} classes above. An image of anything else gets one of them, too.",
        "- It was trained on these images and tested on held-out ones of the same source, and nowhere else. Its "
        "accuracy on other images is unknown: measure it before you rely on it.",
        "- How far its probabilities hold on other images is unknown, too. Whether it serves groups of people or "
        "things equally well, classes aside, was not examined.",
    ]


def _percent(share: float | None) -> str:
    return "not measured" if share is None or math.isnan(share) else f"{100 * share:.2f} %"


def _interval(share: float | None, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"{_percent(share)}, without an interval"
    return f"{_percent(share)} [{100 * low:.2f}, {100 * high:.2f}]"
