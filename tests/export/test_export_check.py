"""Comparing a file with torch."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from exported_world import Prototypes, deployed
from tiny_world import prepared

from nas_steps.data.store import Split, load_split, read_meta
from nas_steps.export.check import BATCH, batches, classes_of, compare, difference, open_session, some_of
from nas_steps.export.convert import UnsupportedError, write_onnx


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("check") / "model.onnx"
    write_onnx(path, deployed(Prototypes()), read_meta(prepared()), 18, {})
    return path


def digits(count: int) -> Split:
    """Test images, over and over."""
    split = load_split(prepared(), "test")
    chosen = np.arange(count) % len(split)
    return Split(split.images[chosen], split.labels[chosen])


def test_every_image_is_compared_in_batches_and_some_alone(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Counting:
        def __init__(self, path: Path) -> None:
            self.session = open_session(path)

        def run(self, names: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            sizes.append(len(given["images"]))
            return self.session.run(names, given)

    monkeypatch.setattr("nas_steps.export.check.open_session", Counting)
    split = digits(BATCH + 7)
    found = compare(model, deployed(Prototypes()), split.images, split.labels)
    assert sorted(sizes) == [1] * 8 + [7, BATCH]
    assert (found["images"], found["single_images"], found["top1_agreement"]) == (BATCH + 7, 8, 1.0)
    assert found["onnx_accuracy"] == pytest.approx(
        np.mean(classes_of(open_session(model), split.images) == split.labels)
    )
    assert found["onnx_accuracy"] > 0.6  # prototypes know digits


def test_another_network_is_told_apart(model: Path) -> None:
    split = digits(20)
    found = compare(model, deployed(Prototypes(offset=0.5)), split.images, split.labels)
    assert found["largest_difference"] == pytest.approx(0.5, abs=1e-4)


def test_what_is_no_number_is_no_agreement() -> None:
    numbers, nothing = np.zeros((1, 2)), np.array([[0.0, math.nan]])
    assert difference(numbers, nothing) == difference(nothing, nothing) == math.inf
    assert difference(numbers, np.array([[0.0, math.inf]])) == math.inf
    assert difference(numbers, np.array([[0.0, -0.25]])) == 0.25


def test_some_images_are_spread_over_a_sorted_set() -> None:
    split = Split(np.zeros((100, 1, 8, 8), np.uint8), np.repeat(np.arange(10), 10))
    assert some_of(split, 10).labels.tolist() == list(range(10))
    assert some_of(split, None) is some_of(split, 100) is split


def test_pieces_are_all_images() -> None:
    images = np.arange(10).reshape(10, 1)
    assert [len(piece) for piece in batches(images, 4)] == [4, 4, 2]
    assert np.array_equal(np.concatenate(list(batches(images, 4))), images)


def test_an_operator_that_onnxruntime_lacks_is_named(tmp_path: Path) -> None:
    """ONNX has Erf for numbers of double precision, onnxruntime has not."""
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["n"]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Erf", ["x"], ["y"])], "g", values[:1], values[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(UnsupportedError, match=r"^onnxruntime [\d.]+ cannot run it: .*implementation for Erf\(13\)"):
        open_session(tmp_path / "model.onnx")
