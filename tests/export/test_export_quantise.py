"""INT8 files: made, judged on valid, told on test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from exported_world import Prototypes, deployed
from stepping import settings_of
from tiny_world import ROOT, prepared, tiny_config
from torch import Tensor, nn

from nas_steps.data.store import Meta, Split, load_split, read_meta
from nas_steps.export.check import classes_of, open_session
from nas_steps.export.convert import INPUT, UnsupportedError, save, write_onnx
from nas_steps.export.quantise import calibration_images, export_int8, losses, quantise
from nas_steps.export.settings import ExportSettings
from nas_steps.metrics import ACCURACY
from nas_steps.models.mobile.network import build_mobile
from nas_steps.provenance.fingerprint import file_hash


def step(**changes: Any) -> ExportSettings:
    return settings_of(tiny_config(export__images=None, **changes), "export_scaled", ExportSettings, ROOT.name)


def accept(
    folder: Path, network: nn.Module, *, train_on: str = "train", metric: str = ACCURACY, **changes: Any
) -> dict[str, Any]:
    """Export a network and decide about its INT8 file."""
    write_onnx(folder / "model.onnx", deployed(network), read_meta(prepared()), 18, {})
    given = step(**changes), prepared(), folder / "model.onnx", folder / "int8.onnx"
    return export_int8(*given, {"name": "prototypes", "test_accuracy": -1}, train_on, metric)


def test_a_file_that_loses_little_is_kept(tmp_path: Path) -> None:
    record = accept(tmp_path, Prototypes(), export__int8={"tolerance": 0.05})
    assert (record["status"], record["file"], record["judged_on"]) == ("ok", "int8.onnx", "valid")
    assert (record["bytes"], record["sha256"]) == (
        (tmp_path / "int8.onnx").stat().st_size,
        file_hash(tmp_path / "int8.onnx"),
    )
    valid, test = (load_split(prepared(), name) for name in ("valid", "test"))
    for name, split in (("valid", valid), ("test", test)):
        right = {
            file: np.mean(classes_of(open_session(tmp_path / file), split.images) == split.labels)
            for file in ("model.onnx", "int8.onnx")
        }
        assert record[f"{name}_accuracy"] == pytest.approx(right["int8.onnx"])
        assert record[f"{name}_loss"] == pytest.approx(right["model.onnx"] - right["int8.onnx"])
        assert record[f"{name}_loss_low"] < record[f"{name}_loss"] < record[f"{name}_loss_high"]
        assert record[f"{name}_images"] == len(split)
    assert record["test_accuracy"] > 0.6
    told = {entry.key: entry.value for entry in onnx.load(tmp_path / "int8.onnx").metadata_props}
    assert (told["name"], told["precision"]) == ("prototypes", "int8")
    assert float(told["test_accuracy"]) == record["test_accuracy"]


def test_a_file_that_loses_too_much_is_refused_with_its_figures(tmp_path: Path) -> None:
    """Over an offset of 100,000 an 8-bit scale has one value for all logits."""
    (tmp_path / "int8.onnx").write_bytes(b"of an earlier run")
    record = accept(tmp_path, Prototypes(offset=1e5), export__int8={"tolerance": 0.05})
    assert record["status"].startswith("refused: loses 0.")
    assert f"{record['valid_loss']:.4f} of {record['valid_float32_accuracy']:.4f} accuracy (valid)" in record["status"]
    assert record["status"].endswith("more than 0.05")
    assert record["valid_loss"] > 0.3
    assert record["test_loss"] > 0.3
    assert record["file"] is None
    assert not (tmp_path / "int8.onnx").exists()


def test_the_test_images_judge_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that loses all on test, and nothing on valid, is kept."""
    test = load_split(prepared(), "test")
    calls = []

    def classes(_session: object, images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        # float32 and INT8 on valid, then on test: the last is INT8's
        labels = load_split(prepared(), "valid" if len(calls) < 3 else "test").labels
        return labels + 1 if len(calls) == 4 else labels

    monkeypatch.setattr("nas_steps.export.quantise.classes_of", classes)
    record = accept(tmp_path, Prototypes())
    assert (record["status"], record["valid_loss"], record["test_loss"]) == ("ok", 0.0, 1.0)
    assert calls[2:] == [len(test)] * 2


def test_validation_images_that_were_trained_on_are_told(tmp_path: Path) -> None:
    record = accept(tmp_path, Prototypes(offset=1e5), train_on="train+valid")
    assert record["judged_on"] == "valid, which was trained on"
    assert "(valid, which was trained on), more than 0.01" in record["status"]


class Largest(nn.Module):
    """Nothing that onnxruntime quantises."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).amax(2).sin().expand(-1, 10)


def test_a_network_without_anything_to_quantise_says_so(tmp_path: Path) -> None:
    record = accept(tmp_path, Largest())
    assert record["status"] == "not quantised: it has no operator that onnxruntime quantises"
    assert record["file"] is None
    assert not (tmp_path / "int8.onnx").exists()


def test_an_operator_that_quantisation_cannot_hold_is_a_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_settings: object) -> None:
        raise NotImplementedError("no quantiser of Einsum")

    monkeypatch.setattr("nas_steps.export.quantise.quantize_static", refuse)
    record = accept(tmp_path, Prototypes())
    assert record["status"] == "not quantised: onnxruntime cannot quantise it: no quantiser of Einsum"


def test_other_failures_are_not_taken_for_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object, **_settings: object) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr("nas_steps.export.quantise.quantize_static", fail)
    with pytest.raises(KeyError, match="a mistake of ours"):
        accept(tmp_path, Prototypes())


MOBILE = "stem_k3_s1_c8_silu/mb_k3_e1_c8_se0.25/mb_k3_s2_e4_c12_se0.25/head_c32"


@pytest.fixture(scope="module")
def mobile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of colour images, with depthwise convolutions, squeeze-and-excitation and SiLU."""
    path = tmp_path_factory.mktemp("mobile") / "model.onnx"
    meta = Meta(tuple("0123456789"), {}, (3, 16, 16), (0.5,) * 3, (0.25,) * 3, "", {})
    write_onnx(path, deployed(build_mobile(MOBILE, inputs=3, classes=10, side=16), meta), meta, 18, {})
    return path


def images(count: int, channels: int = 3, side: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8)


def test_weights_are_signed_a_scale_a_channel_and_activations_unsigned(mobile: Path, tmp_path: Path) -> None:
    model = quantise(mobile, images(40))
    save(tmp_path / "int8.onnx", model, {})
    (logits,) = open_session(tmp_path / "int8.onnx").run(None, {INPUT: images(3)})
    assert logits.shape == (3, 10)
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    weights = [array for array in tensors.values() if array.dtype == np.int8 and array.ndim == 4]
    assert len(weights) == sum(node.op_type == "Conv" for node in model.graph.node) > 8
    zeros = [tensors[node.input[2]].dtype for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert set(zeros) == {np.dtype(np.uint8)}
    scales = [tensors[node.input[1]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    assert sum(scale.size > 1 for scale in scales) >= len(weights)
    assert all(scale.size == 1 for scale in per_tensor_scales(mobile))
    assert {entry.domain for entry in model.opset_import} == {""}


def per_tensor_scales(path: Path) -> list[np.ndarray]:
    model = quantise(path, images(40), per_channel=False)
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return [tensors[node.input[1]] for node in model.graph.node if node.op_type == "DequantizeLinear"]


def test_a_reduced_range_keeps_weights_within_7_bits(mobile: Path) -> None:
    model = quantise(mobile, images(40), reduce_range=True)
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    assert max(np.abs(array.astype(int)).max() for array in arrays if array.dtype == np.int8 and array.ndim == 4) <= 64


def test_the_same_images_make_the_same_file(mobile: Path) -> None:
    first, again = (quantise(mobile, images(40)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == again
    assert quantise(mobile, images(40)[:5]).SerializeToString(deterministic=True) != first


def test_calibration_images_are_drawn_by_a_seed_without_replacement() -> None:
    train = Split(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.zeros(50, np.int64))
    first, again, other = (calibration_images(train, 20, seed).ravel().tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 20
    assert sorted(calibration_images(train, 80, 1).ravel().tolist()) == list(range(50))


def test_images_of_another_size_are_a_mistake_not_a_refusal(mobile: Path) -> None:
    with pytest.raises(Exception, match="INVALID_ARGUMENT") as raised:
        quantise(mobile, images(4, side=8))
    assert not isinstance(raised.value, UnsupportedError)


def test_losses_are_those_of_the_same_images() -> None:
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    ours, theirs = labels.copy(), labels.copy()
    ours[0], theirs[1], theirs[2], theirs[3] = 9, 9, 9, 9
    found = losses(ours, theirs, labels)
    assert (found["float32_accuracy"], found["accuracy"], found["loss"]) == (0.9, 0.7, 0.2)
    assert found["top1_agreement"] == 0.6


def test_the_losses_of_another_metric_stand_beside_those_of_accuracy() -> None:
    labels = np.array([0] * 98 + [1] * 2)
    theirs = np.zeros(100, int)  # the rare class is lost, and two points of accuracy
    found = losses(labels.copy(), theirs, labels, "balanced_accuracy")
    assert found["loss"] == 0.02
    assert (found["float32_balanced_accuracy"], found["balanced_accuracy"]) == (1.0, 0.5)
    assert found["balanced_accuracy_loss"] == 0.5


def test_a_file_that_loses_a_rare_class_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(_ours: np.ndarray, _theirs: np.ndarray, labels: np.ndarray, metric: str) -> dict[str, Any]:
        rare = np.arange(len(labels)) == 0  # one image of a class of its own
        return losses(rare.astype(int), np.zeros(len(labels), int), rare.astype(int), metric)

    monkeypatch.setattr("nas_steps.export.quantise.losses", lose)
    kept = accept(tmp_path, Prototypes(), export__int8={"tolerance": 0.05})
    assert kept["status"] == "ok"
    refused = accept(tmp_path, Prototypes(), export__int8={"tolerance": 0.05}, metric="macro_f1")
    assert refused["status"].startswith("refused: loses 0.5")
    assert "macro-F1 (valid), more than 0.05" in refused["status"]
    assert not (tmp_path / "int8.onnx").exists()
