"""The temperature of exported networks: fitted on validation images, kept in the file, used by predictions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from exported_world import Prototypes, deployed, exported, line_of, recommended
from PIL import Image
from safetensors.numpy import load_file
from scipy.special import softmax
from tiny_world import prepared, retrained

from nas_steps.calibration import HOTTEST, calibration_error
from nas_steps.config.recipe import Recipe
from nas_steps.data.store import Split, load_split, read_meta
from nas_steps.export.card import card
from nas_steps.export.check import fitted_temperature
from nas_steps.export.convert import write_onnx
from nas_steps.predict import load, predict
from nas_steps.provenance.files import read_json


def test_the_file_has_the_temperature_of_the_validation_images() -> None:
    folder = exported("resnet20")
    line, valid = line_of(folder.parent), load_split(prepared(), "valid")
    (session, properties) = opened(folder / "model.onnx")
    assert float(properties["temperature"]) == pytest.approx(line["temperature"])
    assert line["temperature"] != 1
    (logits,) = session.run(None, {"images": np.array(valid.images)})
    labels = valid.labels

    def loss(heat: float) -> float:
        return -float(np.log(softmax(logits / heat, axis=1))[np.arange(len(labels)), labels].mean())

    for other in (1.0, 0.95 * line["temperature"], min(HOTTEST, 1.05 * line["temperature"])):
        assert loss(line["temperature"]) <= loss(other) + 1e-6


def opened(path: Path) -> tuple[onnxruntime.InferenceSession, dict[str, str]]:
    session = onnxruntime.InferenceSession(str(path))
    return session, session.get_modelmeta().custom_metadata_map


def test_the_temperature_is_blind_to_the_order_of_images_and_minimal() -> None:
    network, valid = deployed(Prototypes()), load_split(prepared(), "valid")
    found = fitted_temperature(network, valid)
    assert found == pytest.approx(fitted_temperature(network, Split(valid.images[::-1], valid.labels[::-1])), rel=1e-3)
    assert found > 1  # distances of prototypes are far too sure of themselves


def test_the_calibration_errors_are_those_of_the_test_images() -> None:
    folder = exported("resnet20")
    line, test = line_of(folder.parent), load_split(prepared(), "test")
    session, _ = opened(folder / "model.onnx")
    chosen = np.linspace(0, len(test) - 1, 30).round().astype(int)
    (logits,) = session.run(None, {"images": np.array(test.images[chosen])})
    hits = logits.argmax(1) == test.labels[chosen]
    for heat, key in ((1.0, "calibration_error"), (line["temperature"], "calibrated_error")):
        assert line[key] == pytest.approx(calibration_error(softmax(logits / heat, axis=1).max(1), hits), abs=1e-5)
    saved = load_file(Path(retrained("resnet20")).with_name("predictions.safetensors"))
    right = saved["test"] == test.labels
    assert line["recall"][4] == pytest.approx(right[chosen][test.labels[chosen] == 4].mean())


@pytest.mark.parametrize(("recorded", "heat"), [("2.5", 2.5), (None, 1.0), ("0", 1.0), ("nan", 1.0), ("warm", 1.0)])
def test_predictions_divide_the_logits_by_the_temperature(tmp_path: Path, recorded: str | None, heat: float) -> None:
    properties: dict[str, Any] = {"classes": [str(digit) for digit in range(10)]}
    properties |= {} if recorded is None else {"temperature": recorded}
    write_onnx(tmp_path / "model.onnx", deployed(Prototypes()), read_meta(prepared()), 18, properties)
    pixels = np.array(load_split(prepared(), "test").images[0])
    Image.fromarray(pixels[0]).save(tmp_path / "digit.png")
    _, session = load(tmp_path / "model.onnx")
    (logits,) = session.run(None, {"images": pixels[None]})
    assert predict(session, tmp_path / "digit.png") == pytest.approx(softmax(logits[0] / heat), abs=1e-5)


def written(metrics: dict[str, Any], line: dict[str, Any], **more: Any) -> str:
    whole = recommended([metrics])
    row = whole["considered"][0] | more
    return card(row, whole, metrics, Recipe(), read_json(Path(prepared()) / "meta.json"), line, [])


def test_the_card_tells_recalls_and_calibration() -> None:
    line, metrics = line_of(exported("resnet20").parent), read_json(retrained("resnet20"))
    text = written(metrics, line)
    assert f"{100 * line['calibration_error']:.2f} % as it is" in text
    assert f"{100 * line['calibrated_error']:.2f} % with its logits divided by the temperature" in text
    assert len(re.findall(r"^\| `\d` \| \d+ \| ", text, flags=re.M)) == 10
    merged = written({**metrics, "train_on": "train+valid"}, {**line, "temperature": 1.0})
    assert "The temperature is 1: the network learnt the validation images, too" in merged


def test_the_card_of_another_metric_has_both_figures() -> None:
    line, metrics = line_of(exported("resnet20").parent), read_json(retrained("resnet20"))
    metrics |= {"metric": "balanced_accuracy", "valid_metric": 0.41, "test_metric": 0.42}
    text = written(metrics, line, valid_metric=0.43, test_metric=0.7, test_accuracy=0.8)
    assert "| images | of | balanced accuracy | accuracy |" in text
    assert "| test | mean of 1 trainings | 70.00 % [62.50, 87.50] | 80.00 % |" in text
    assert f"| test | this training, float32 | 42.00 % | {100 * metrics['test_accuracy']:.2f} % |" in text
    assert f"| validation | this training, float32 | 41.00 % | {100 * metrics['valid_accuracy']:.2f} % |" in text
