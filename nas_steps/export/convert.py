"""Convert a trained network to an ONNX file."""

import json
import logging
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.data.store import Meta
from nas_steps.models.saved import saved_network
from nas_steps.provenance.files import atomic

INPUT, OUTPUT = "images", "logits"

#: the exporter's message for an operator of torch without a translation
_NO_FUNCTION = re.compile(r"No ONNX function found for <OpOverload\(op='(?P<name>[^']+)'")


class UnsupportedError(Exception):
    """A network that ONNX or onnxruntime cannot hold; the message names the operator."""


class Deployed(nn.Module):
    """The exported module: raw pixels (N, channels, stored side, stored side) uint8 -> logits (N, classes) float32."""

    def __init__(self, network: nn.Module, meta: Meta, side: int) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.shape = meta.shape
        self.resized = side != meta.shape[-1]
        self.register_buffer("mean", torch.tensor(meta.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(meta.std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        x = (images.float() / 255 - self.mean) / self.std  # type: ignore[operator]
        if self.resized:
            # enlarging only (the family grows from the stored side), where antialiasing would change nothing
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        return self.network(x)


def trained_network(metrics: Mapping[str, Any], weights: str | Path, meta: Meta) -> Deployed:
    """Build the network of a final training's record, with its weights, ready to be exported."""
    network = saved_network(metrics, weights, inputs=meta.shape[0], classes=len(meta.classes))
    return Deployed(network, meta, metrics["side"]).eval()


def write_onnx(path: str | Path, deployed: Deployed, meta: Meta, opset: int, properties: Mapping[str, Any]) -> None:
    """Write a checked ONNX file with a dynamic batch axis; `properties` become text entries of its metadata.

    Raises UnsupportedError for an operator that ONNX lacks, onnx.checker.ValidationError if the checker refuses it.
    """
    model = converted(
        deployed,
        (torch.zeros((2, *meta.shape), dtype=torch.uint8),),
        inputs=[INPUT],
        outputs=[OUTPUT],
        dynamic={INPUT: {0: torch.export.Dim("batch")}},
        opset=opset,
    )
    save(path, model, properties)


def converted(
    module: nn.Module,
    example: tuple[Tensor, ...],
    *,
    inputs: list[str],
    outputs: list[str],
    dynamic: dict[str, Any],
    opset: int,
) -> onnx.ModelProto:
    """Return the ONNX model of a module; `dynamic` has the dynamic dimensions of `forward`'s arguments by name.

    Raises UnsupportedError for an operator that ONNX lacks.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")  # the exporter's own deprecations; what it makes is checked below
        try:
            program = torch.onnx.export(
                module,
                example,
                input_names=inputs,
                output_names=outputs,
                opset_version=opset,
                dynamo=True,
                dynamic_shapes=dynamic,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            operator = missing_operator(error)
            if operator is None:
                raise
            raise UnsupportedError(f"ONNX has no operator for torch's {operator}") from error
    assert program is not None
    model = program.model_proto
    made = opset_of(model)
    if made != opset:
        raise UnsupportedError(f"an operator of it needs ONNX opset {made}; export.opset is {opset}")
    return model


def missing_operator(error: BaseException | None) -> str | None:
    """Name the operator of torch, as `aten.name`, that the exporter cannot translate; None for another error."""
    while error is not None:
        if match := _NO_FUNCTION.match(str(error)):
            return match["name"]
        error = error.__cause__
    return None


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators that a model uses."""
    return max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def save(path: str | Path, model: onnx.ModelProto, properties: Mapping[str, Any]) -> None:
    """Check a model and write it with these properties as its only metadata: the exporter's own hold private paths."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
    texts = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in properties.items()
    }
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model, full_check=True)
    with atomic(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
