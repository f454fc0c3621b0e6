"""Convert an exported network for other runtimes, and check there what it computes."""

import logging
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas_steps.export.check import BATCH, batches, difference
from nas_steps.export.convert import Deployed
from nas_steps.export.packages import FORMATS, check_installed
from nas_steps.provenance.fingerprint import file_hash

#: what a converted file computes: images (N, channels, side, side) uint8 -> logits (N, classes)
Runner = Callable[[np.ndarray], np.ndarray]


def to_openvino(source: Path, _deployed: Deployed, target: Path) -> Runner:
    """Write `target`.xml and .bin from the ONNX file `source`, in float32, with its metadata below `framework`."""
    import openvino

    core = openvino.Core()
    openvino.save_model(core.read_model(str(source)), str(target.with_suffix(".xml")), compress_to_fp16=False)
    # else it may compute in bfloat16 on some processors
    exactly = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(str(target.with_suffix(".xml")), "CPU", exactly)
    return lambda images: compiled(images)[0].copy()


class ChannelsLast(nn.Module):
    """The exported module for images as phones hold them: (N, side, side, channels) uint8."""

    def __init__(self, deployed: Deployed) -> None:
        super().__init__()
        self.deployed = deployed

    def forward(self, images: Tensor) -> Tensor:
        return self.deployed(images.permute(0, 3, 1, 2))


def to_litert(_source: Path, deployed: Deployed, target: Path) -> Runner:
    """Write `target`.tflite from torch, for one image (1, side, side, channels) uint8 at a time."""
    import litert_torch
    from ai_edge_litert.interpreter import Interpreter

    channels, side, _ = deployed.shape
    example = torch.zeros((1, side, side, channels), dtype=torch.uint8)
    logging.getLogger("torch.export").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # the converter's own deprecations; what it makes is checked
        converted: Any = litert_torch.convert(ChannelsLast(deployed).eval(), (example,))
    converted.export(str(target.with_suffix(".tflite")))
    interpreter = Interpreter(str(target.with_suffix(".tflite")), num_threads=1)
    interpreter.allocate_tensors()
    entry, logits = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(images: np.ndarray) -> np.ndarray:
        found = []
        for image in images:
            interpreter.set_tensor(entry, np.ascontiguousarray(image.transpose(1, 2, 0)[None]))
            interpreter.invoke()
            found.append(interpreter.get_tensor(logits)[0].copy())
        return np.stack(found)

    return run


CONVERTERS: Mapping[str, Callable[[Path, Deployed, Path], Runner]] = {"openvino": to_openvino, "litert": to_litert}


def export_format(name: str, source: Path, deployed: Deployed, images: np.ndarray, tolerance: float) -> dict[str, Any]:
    """Convert a network to the format `name`, and compare it with torch on images (N, channels, side, side) uint8.

    The files lie beside the ONNX file `source` if the logits differ by no more than `tolerance`. Return the record:
    `status` is ok or says why there are no files; `files` are name, bytes and sha256 of each.
    """
    check_installed([name])
    record: dict[str, Any] = {"format": name, "files": []}
    with TemporaryDirectory(prefix=f"{name}-") as folder:
        trial = Path(folder) / source.name
        try:
            runner = CONVERTERS[name](source, deployed, trial)
            checked = compared(runner, deployed, images)
        except Exception as error:  # noqa: BLE001 (the converters' errors have no common class; the line says which)
            reason = next(iter(str(error).strip().splitlines()), "")
            return record | {"status": f"not converted: {type(error).__name__}: {reason}"}
        record |= checked
        if checked["largest_difference"] > tolerance:
            return record | {"status": f"refused: differs by more than {tolerance:g}"}
        for suffix in FORMATS[name].suffixes:
            made = source.with_suffix(suffix)
            shutil.move(trial.with_suffix(suffix), made)
            described = {"file": made.name, "bytes": made.stat().st_size, "sha256": file_hash(made)}
            record["files"].append(described)
    return record | {"status": "ok"}


def compared(runner: Runner, deployed: Deployed, images: np.ndarray) -> dict[str, Any]:
    """Return how the logits of a converted file agree with torch's on `images`."""
    largest, same = 0.0, 0
    for batch in batches(images, BATCH):
        theirs = runner(batch)
        with torch.no_grad():
            ours = deployed(torch.from_numpy(batch)).numpy()
        largest = max(largest, difference(ours, theirs))
        same += int((ours.argmax(1) == theirs.argmax(1)).sum())
    return {"images": len(images), "largest_difference": largest, "top1_agreement": same / len(images)}
