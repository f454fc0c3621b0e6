"""From a network to a checked ONNX file."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from exported_world import Bessel, Prototypes, deployed
from tiny_world import prepared
from torch import Tensor, nn

from nas_steps.data.store import read_meta
from nas_steps.export.convert import UnsupportedError, missing_operator, opset_of, save, write_onnx


@pytest.mark.parametrize("opset", [18, 24])
def test_a_file_has_the_opset_that_is_asked_for(tmp_path: Path, opset: int) -> None:
    write_onnx(tmp_path / "model.onnx", deployed(Prototypes()), read_meta(prepared()), opset, {"name": "x"})
    model = onnx.load(tmp_path / "model.onnx")
    assert opset_of(model) == opset
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("name", "x")]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_a_file_holds_nothing_of_the_machine_that_wrote_it(tmp_path: Path) -> None:
    write_onnx(tmp_path / "model.onnx", deployed(Prototypes()), read_meta(prepared()), 18, {})
    content = (tmp_path / "model.onnx").read_bytes()
    assert b"nas_steps" not in content
    assert b".py" not in content
    assert len(content) < 1.5 * 4 * (64 * 10 + 10) + 1000


def test_an_operator_that_onnx_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"ONNX has no operator for torch's prims\.bessel_j1$"):
        write_onnx(tmp_path / "model.onnx", deployed(Bessel()), read_meta(prepared()), 18, {})
    assert list(tmp_path.iterdir()) == []


class Broken(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.no_such_method()


def test_a_mistake_in_a_network_is_not_taken_for_a_missing_operator(tmp_path: Path) -> None:
    with pytest.raises(torch.onnx.errors.OnnxExporterError) as raised:
        write_onnx(tmp_path / "model.onnx", deployed(Broken()), read_meta(prepared()), 18, {})
    assert not isinstance(raised.value, UnsupportedError)
    assert missing_operator(raised.value) is None


def test_a_file_that_the_checker_refuses_is_not_written(tmp_path: Path) -> None:
    write_onnx(tmp_path / "model.onnx", deployed(Prototypes()), read_meta(prepared()), 18, {})
    model = onnx.load(tmp_path / "model.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises((onnx.checker.ValidationError, onnx.shape_inference.InferenceError)):
        save(tmp_path / "other.onnx", model, {})
    assert not (tmp_path / "other.onnx").exists()
