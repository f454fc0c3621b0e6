"""Make INT8 files by onnxruntime's static quantisation, and keep those that lose little."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from nas_steps.data.store import Split, load_split
from nas_steps.errors import exact
from nas_steps.export.check import batches, classes_of, open_session, some_of
from nas_steps.export.convert import INPUT, UnsupportedError, save
from nas_steps.export.settings import ExportSettings
from nas_steps.intervals import paired_difference
from nas_steps.metrics import ACCURACY, WORDS, value
from nas_steps.provenance.fingerprint import file_hash
from nas_steps.provenance.seeds import derive_seed

#: images that calibration runs at once: few, since each node gets an output of its own then
CALIBRATED_AT_ONCE = 8


class Calibration(CalibrationDataReader):
    """Hands onnxruntime the images (N, channels, side, side) uint8 whose activations set the ranges."""

    def __init__(self, images: np.ndarray) -> None:
        self.batches: Iterator[np.ndarray] = batches(images, CALIBRATED_AT_ONCE)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch}


def calibration_images(train: Split, count: int, seed: int) -> np.ndarray:
    """Draw `count` training images (all, if there are fewer) without replacement."""
    chosen = np.random.default_rng(seed).permutation(len(train))[:count]
    return train.images[np.sort(chosen)]


def quantise(
    source: str | Path, images: np.ndarray, *, per_channel: bool = True, reduce_range: bool = False
) -> onnx.ModelProto:
    """Return the model of the file `source` with signed 8-bit weights and unsigned activations: fast on x86.

    `images` calibrate it. Raises UnsupportedError if nothing of the network can be quantised.
    """
    with TemporaryDirectory(prefix="int8-") as folder:
        # folds constants and joins batch norms with convolutions; the batch alone is open, so no symbolic shapes
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        # a norm behind no convolution is not joined; onnxruntime has no 8-bit kernel for it
        norms = [node.name for node in onnx.load(prepared).graph.node if node.op_type == "BatchNormalization"]
        try:
            quantize_static(
                str(prepared),
                str(made),
                Calibration(images),
                quant_format=QuantFormat.QDQ,
                per_channel=per_channel,
                reduce_range=reduce_range,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=norms,
            )
        except NotImplementedError as error:
            raise UnsupportedError(f"onnxruntime cannot quantise it: {error}") from error
        model = onnx.load(made)
    used = {node.domain for node in model.graph.node}
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise UnsupportedError("it has no operator that onnxruntime quantises")
    # the runtime's own domains are named by pre-processing although no node is of them
    kept = [entry for entry in model.opset_import if entry.domain in used or not entry.domain]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def export_int8(
    settings: ExportSettings,
    data: str | Path,
    source: Path,
    target: Path,
    properties: Mapping[str, Any],
    train_on: str | None,
    metric: str = ACCURACY,
) -> dict[str, Any]:
    """Quantise the float32 file `source`; write `target` if it loses no more than is allowed on validation images.

    Neither accuracy nor the experiment's `metric` may lose more: a rare class can be lost at nearly the same accuracy.
    The images were trained on if `train_on` says so. Return the record with all measured figures; its `status` is ok,
    or says why there is no file.
    """
    target.unlink(missing_ok=True)
    wanted, seed = settings.export.int8, derive_seed(settings.seed, "export", "calibration")
    calibrated = calibration_images(load_split(data, "train"), wanted.calibration_images, seed)
    ranges = {"per_channel": wanted.per_channel, "reduce_range": wanted.reduce_range}
    record: dict[str, Any] = {
        "file": None,
        "judged_on": "valid" if train_on == "train" else "valid, which was trained on",
        "tolerance": wanted.tolerance,
        "calibration_images": len(calibrated),
        **ranges,
    }
    try:
        model = quantise(source, calibrated, **ranges)
        with TemporaryDirectory(prefix="int8-") as folder:
            trial = Path(folder) / "int8.onnx"
            save(trial, model, {})
            sessions = open_session(source), open_session(trial)
            for name in ("valid", "test"):
                split = some_of(load_split(data, name), settings.export.images)
                ours, theirs = (classes_of(session, split.images) for session in sessions)
                record |= {f"{name}_{key}": value for key, value in losses(ours, theirs, split.labels, metric).items()}
    except UnsupportedError as error:
        return record | {"status": f"not quantised: {error}"}
    # a loss is a number of images: a difference in the last bit is none
    judged: dict[str, float] = {ACCURACY: record["valid_loss"]}
    if metric != ACCURACY:
        judged[metric] = record[f"valid_{metric}_loss"]
    for one, lost in judged.items():
        if lost > wanted.tolerance + 1e-9:
            return record | {
                "status": f"refused: loses {lost:.4f} of {record[f'valid_float32_{one}']:.4f} {WORDS[one]} "
                f"({record['judged_on']}), more than {exact(wanted.tolerance)}"
            }
    own = {key: record[key] for key in ("valid_accuracy", "test_accuracy", "test_images", "calibration_images")}
    save(target, model, {**properties, "precision": "int8", **own})
    size = target.stat().st_size
    return record | {"status": "ok", "file": target.name, "bytes": size, "sha256": file_hash(target)}


def losses(ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray, metric: str = ACCURACY) -> dict[str, Any]:
    """Return the loss by INT8, given the classes (N,) of the float32 file (`ours`) and the INT8 file (`theirs`).

    The figures of another metric than accuracy are beside those of accuracy, under its name.
    """
    right, still = ours == labels, theirs == labels
    others = {}
    if metric != ACCURACY:
        classes = int(max(ours.max(), theirs.max(), labels.max())) + 1
        before, after = (value(metric, predicted, labels, classes) for predicted in (ours, theirs))
        others = {f"float32_{metric}": before, metric: after, f"{metric}_loss": before - after}
    low, high = paired_difference(int((right & ~still).sum()), int((still & ~right).sum()), len(labels))
    return {
        "images": len(labels),
        "float32_accuracy": float(right.mean()),
        "accuracy": float(still.mean()),
        "loss": int(right.sum() - still.sum()) / len(labels),
        "loss_low": low,
        "loss_high": high,
        "top1_agreement": float((ours == theirs).mean()),
        **others,
    }
