"""Export one language model: its ONNX file, what it says of itself, and how it agrees with torch on real text."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas_steps.data.text.store import TOKENIZER, TextMeta, load_part, read_text_meta, read_tokens
from nas_steps.data.text.tokens import Tokens
from nas_steps.export.check import difference, open_session
from nas_steps.export.convert import UnsupportedError
from nas_steps.export.language_graph import trained_language, write_language
from nas_steps.export.performance import measure
from nas_steps.export.settings import ExportSettings
from nas_steps.generation import AT_ONCE, KIND, LANGUAGE, LanguageSession, Windows, windows_of
from nas_steps.metrics import bits_per_byte
from nas_steps.models.language.network import LanguageModel
from nas_steps.provenance.fingerprint import file_hash

#: windows of the test part that are compared if `export.images` is null
COMPARED = 256
#: windows that are run one by one as well
SINGLE = 2
#: logits that torch computes at once
MOST_LOGITS = 2**25


def export_language(
    settings: ExportSettings, data: str, training: tuple[Path, Mapping[str, Any]], path: Path, below: Path
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], str]:
    """Write the ONNX file of a sound training, with tokenizer.json beside it if tokens are byte pairs.

    Return the line for the table of exports, that of performance, and an empty text; files are named relative to the
    folder `below`. If ONNX cannot hold the network, there is no file, no line, and the text says why.
    """
    (folder, metrics), wanted, meta = training, settings.export, read_text_meta(data)
    network = trained_language(metrics, folder / "weights.safetensors", meta.context)
    properties = described(metrics, meta, wanted.opset)
    tokens, test = read_tokens(data), load_part(data, "test")
    windows = windows_of(test.tokens, test.starts, meta.context, wanted.images or COMPARED)
    try:
        write_language(path, network, wanted.opset, properties)
        check = compare(path, network, windows, tokens)
    except UnsupportedError as error:
        path.unlink(missing_ok=True)
        return None, [], str(error)
    if meta.tokens == "bpe":
        shutil.copyfile(Path(data) / TOKENIZER, path.with_name(TOKENIZER))
    agrees = check["largest_difference"] <= wanted.tolerance
    name = path.relative_to(below).as_posix()
    size = {"file": name, "bytes": path.stat().st_size}
    line = {
        "name": metrics["entry"],
        **size,
        **{key: metrics[key] for key in ("kind", "seed", "parameters", "macs", "settings", "test_accuracy")},
        **{key: metrics[key] for key in ("metric", "valid_metric", "test_metric")},
        "status": "ok" if agrees else f"differs by more than {wanted.tolerance:g}",
        "sha256": file_hash(path),
        "opset": wanted.opset,
        **check,
        "context": meta.context,
        "vocabulary": meta.vocabulary,
        "properties": properties,
        "int8": None,
        "formats": [],
    }
    speed = [
        {"name": metrics["entry"], "precision": "float32", **size}
        | measure(path, wanted.performance.repeats, wanted.performance.threads)
        for _ in range(bool(wanted.performance.repeats))
    ]
    return line, speed, ""


def described(metrics: Mapping[str, Any], meta: TextMeta, opset: int) -> dict[str, Any]:
    """Return the metadata of an ONNX file: all that is needed to use it, and its origin."""
    return {
        KIND: LANGUAGE,
        "name": metrics["entry"],
        "tokens": meta.tokens,
        "vocabulary": meta.vocabulary,
        "context": meta.context,
        "input": f"int64 tokens (batch,), their position () from 0 to {meta.context - 1}, and the state of the layers",
        "start": "token 0 begins a document; the state before it is zeros, and has no keys and values",
        "precision": "float32",
        "opset": opset,
        **{key: metrics[key] for key in ("architecture", "metric", "valid_metric", "test_metric", "test_accuracy")},
        "data": meta.content,
        "training_settings": metrics["settings"],
        "training_seed": metrics["seed"],
        "trained_on": metrics["train_on"],
    }


def compare(path: str | Path, network: LanguageModel, windows: Windows, tokens: Tokens) -> dict[str, Any]:
    """Compare torch, which reads whole windows, with onnxruntime, which reads token by token, batched and singly.

    `largest_difference` is that of their logits at all places. Bits per byte are those of these windows.
    """
    count, context = windows.inputs.shape
    session = LanguageSession(open_session(path), tokens, context)
    found = _Sums()
    rows = max(1, min(AT_ONCE, MOST_LOGITS // (context * tokens.size)))
    for first in range(0, count, rows):
        _add(found, session, network, Windows(*(one[first : first + rows] for one in windows)), tokens)
    alone = _Sums()
    for number in range(min(SINGLE, count)):
        _add(alone, session, network, Windows(*(one[number : number + 1] for one in windows)), tokens)
    return {
        "images": None,
        "windows": count,
        "single_windows": min(SINGLE, count),
        "tokens": found.tokens,
        "largest_difference": max(found.largest, alone.largest),
        "top1_agreement": found.same / found.tokens,
        "onnx_accuracy": found.right / found.tokens,
        "bits_per_byte": bits_per_byte(np.array(found.torch), np.array(found.bytes)),
        "onnx_bits_per_byte": bits_per_byte(np.array(found.onnx), np.array(found.bytes)),
        "temperature": 1.0,
        **dict.fromkeys(("calibration_error", "calibrated_error", "recall")),
    }


class _Sums:
    """What two runtimes found about the same windows; `torch` and `onnx` are nats."""

    def __init__(self) -> None:
        self.largest = self.torch = self.onnx = 0.0
        self.tokens = self.bytes = self.same = self.right = 0


def _add(sums: _Sums, session: LanguageSession, network: LanguageModel, windows: Windows, tokens: Tokens) -> None:
    with torch.no_grad():
        ours = network(torch.from_numpy(windows.inputs)).numpy()
    past = session.start(len(ours))
    for column in range(ours.shape[1]):
        theirs, past = session.step(windows.inputs[:, column], past)
        mine, counted = ours[:, column], windows.counted[:, column]
        # what fills the last window is no text
        if not counted.any():
            continue
        sums.largest = max(sums.largest, difference(mine, theirs))
        targets = windows.targets[:, column][counted]
        named = theirs.argmax(1)[counted]
        sums.same += int((named == mine.argmax(1)[counted]).sum())
        sums.right += int((named == targets).sum())
        sums.torch += _nats(mine[counted], targets)
        sums.onnx += _nats(theirs[counted], targets)
        sums.tokens += len(targets)
        sums.bytes += int(tokens.bytes_of[targets].sum())


def _nats(logits: np.ndarray, targets: np.ndarray) -> float:
    found = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).double(), torch.from_numpy(targets), reduction="sum"
    )
    return float(found) if math.isfinite(float(found)) else math.inf
