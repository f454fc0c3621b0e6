"""Export one network: its ONNX files, their line of the table of exports, and their speed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.data.store import Meta, load_split, read_meta
from nas_steps.data.text.store import TOKENIZER
from nas_steps.errors import exact
from nas_steps.export.card import normalisation, pretrained
from nas_steps.export.check import compare, fitted_temperature, some_of
from nas_steps.export.convert import UnsupportedError, trained_network, write_onnx
from nas_steps.export.formats import export_format
from nas_steps.export.language import export_language
from nas_steps.export.packages import FORMATS
from nas_steps.export.performance import measure
from nas_steps.export.quantise import export_int8
from nas_steps.export.settings import ExportSettings
from nas_steps.export.tables import EXPORTS
from nas_steps.metrics import ACCURACY, figure_of, metric_of
from nas_steps.provenance.files import read_json
from nas_steps.provenance.fingerprint import file_hash
from nas_steps.spaces.language.parsing import is_language
from nas_steps.training.devices import prepare

#: the files of an exported network
MODEL, CARD = "model.onnx", "README.md"
#: test images that files of further formats are compared on, at most
COMPARED = 256
#: validation images that are enough for the temperature, a single number
FITTED_ON = 5000
Record = tuple[Path, dict[str, Any]]  # the folder of a training, its metrics.json


def best_training(records: Sequence[Record]) -> Record | None:
    """Return the sound training of best validation accuracy, the first if none is known; None without a sound one."""
    sound = [pair for pair in records if pair[1]["status"] == "ok"]
    return max(sound, key=lambda pair: (figure_of(pair[1], "valid") or 0.0, -pair[1]["seed"]), default=None)


def records(paths: Sequence[str]) -> list[Record]:
    return [(Path(path).parent, read_json(path)) for path in paths]


def int8_file(path: Path) -> Path:
    """Return where the INT8 file of the float32 file `path` lies."""
    return path.with_name(f"{path.stem}_int8.onnx")


def remove(path: Path) -> None:
    """Remove the float32 file `path` of an earlier run, and what lies beside it: files of other kinds and its card."""
    others = [path.with_suffix(suffix) for one in FORMATS.values() for suffix in one.suffixes]
    for old in (path, int8_file(path), *others, path.with_name(CARD), path.with_name(TOKENIZER)):
        old.unlink(missing_ok=True)


def export(
    settings: ExportSettings,
    data: str,
    training: Record,
    path: Path,
    below: Path,
    source: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write the ONNX file of a sound training and, if wanted and accepted, its INT8 file beside it.

    Return the line for the table of exports, and one of performance for each file; files are named relative to the
    folder `below`. `source` is source.json of pretrained weights, if the experiment has them. If ONNX cannot hold the
    network, the line says so and there is no file.
    """
    prepare("cpu", 1)
    int8_path, name = int8_file(path), path.relative_to(below).as_posix()
    remove(path)
    if is_language(training[1]["architecture"] or ""):
        found, speed, reason = export_language(settings, data, training, path, below)
        return (not_exported(training[1], reason), []) if found is None else (found, speed)
    (folder, metrics), wanted, meta = training, settings.export, read_meta(data)
    deployed = trained_network(metrics, folder / "weights.safetensors", meta)
    # images that were trained on would say that every confidence is right
    valid = some_of(load_split(data, "valid"), FITTED_ON) if metrics["train_on"] == "train" else None
    heat = 1.0 if valid is None else fitted_temperature(deployed, valid)
    properties = described(metrics, meta, wanted.opset, source) | {"temperature": heat}
    test = some_of(load_split(data, "test"), wanted.images)
    try:
        write_onnx(path, deployed, meta, wanted.opset, properties)
        check = compare(path, deployed, test.images, test.labels, heat)
    except UnsupportedError as error:
        path.unlink(missing_ok=True)
        return not_exported(metrics, str(error)), []
    agrees = check["largest_difference"] <= wanted.tolerance
    int8: dict[str, Any] | None = None
    if wanted.int8.enabled and agrees:
        int8 = export_int8(settings, data, path, int8_path, properties, metrics["train_on"], metric_of([metrics]))
        int8 |= {"file": int8["file"] and int8_path.relative_to(below).as_posix()}
        print(f"{metrics['entry']} in INT8: {int8['status']}", flush=True)
    elif wanted.int8.enabled:
        int8 = {"status": "not quantised: its float32 file does not compute what torch does", "file": None}
    formats = []
    for kind in wanted.formats:
        made_of = export_format(kind, path, deployed, some_of(test, COMPARED).images, wanted.tolerance)
        for one in made_of["files"]:
            one["file"] = path.with_name(one["file"]).relative_to(below).as_posix()
        print(f"{metrics['entry']} for {kind}: {made_of['status']}", flush=True)
        formats.append(made_of)
    line = {
        "name": metrics["entry"],
        "file": name,
        **{key: metrics[key] for key in ("kind", "seed", "parameters", "macs", "settings", "test_accuracy")},
        "status": "ok" if agrees else f"differs by more than {wanted.tolerance:g}",
        "bytes": path.stat().st_size,
        "sha256": file_hash(path),
        "opset": wanted.opset,
        **check,
        "properties": properties,
        "int8": int8,
        "formats": formats,
    }
    made = {"float32": path} | ({"int8": int8_path} if int8 and int8["file"] else {})
    return line, [
        {"name": metrics["entry"], "file": file.relative_to(below).as_posix(), "precision": precision}
        | {"bytes": file.stat().st_size}
        | measure(file, wanted.performance.repeats, wanted.performance.threads)
        for precision, file in made.items()
        if wanted.performance.repeats
    ]


def described(
    metrics: Mapping[str, Any], meta: Meta, opset: int, source: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the metadata of an ONNX file: all that is needed to use it, and its origin."""
    channels, side, _ = meta.shape
    metric = metrics.get("metric") or ACCURACY
    if meta.fit == "letterbox":
        resize = f"longer side to {side} pixels (bicubic, antialiased), the rest black, the picture in the middle"
    else:
        shorter = exact(round(side / meta.crop, 1))
        resize = f"shorter side to {shorter} pixels (bicubic, antialiased), then the {side} x {side} centre"
    if metrics["side"] != side:
        resize += f"; the file itself enlarges that to {metrics['side']} x {metrics['side']} (bilinear)"
    return {
        "name": metrics["entry"],
        "classes": list(meta.classes),
        "input": f"uint8 pixels, (batch, {channels}, {side}, {side}), {'RGB' if channels == 3 else 'grey'}",
        "resize": resize,
        "bits": meta.bits,
        "crop": meta.crop,
        "fit": meta.fit,
        "precision": "float32",
        "opset": opset,
        **{key: metrics[key] for key in ("architecture", "test_accuracy", "test_images", "valid_accuracy")},
        "data": meta.content,
        "training_settings": metrics["settings"],
        "training_seed": metrics["seed"],
        "trained_on": metrics["train_on"],
        **_weights(metrics, meta, source),
        **({} if metric == ACCURACY else {key: metrics[key] for key in ("metric", "valid_metric", "test_metric")}),
    }


def _weights(metrics: Mapping[str, Any], meta: Meta, source: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the metadata about the pretrained weights that a training started from; none if there were none."""
    started = pretrained(metrics, source)
    if started is None:
        return {}
    normal = started["normalisation"]
    spelled = normal and normalisation(normal, meta.mean, meta.std)
    told = {"": started["source"], "_licence": started["licence"], "_normalisation": spelled}
    return {f"weights{name}": value for name, value in told.items() if value}


def not_exported(metrics: dict[str, Any], reason: str) -> dict[str, Any]:
    """Print why a network cannot be exported, and return its line."""
    print(f"{metrics['entry']} cannot be exported: {reason}", flush=True)
    return without_model({**metrics, "status": f"not exported: {reason}"})


def without_model(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the line of an entry that has no sound training."""
    known = {key: metrics[key] for key in ("kind", "status", "parameters", "macs")}
    empty = dict.fromkeys(key for key in EXPORTS if not key.startswith("int8_"))
    return empty | known | {"name": metrics["entry"], "int8": None, "formats": []}
