"""Exported files are used without torch, and what cannot be used is told in words."""

from __future__ import annotations

import csv
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from exported_world import Prototypes, deployed, exported
from PIL import Image
from tiny_world import prepared
from torch import Tensor, nn

from nas_steps.config.data import Data
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import SPLITS, Meta, load_split, read_meta
from nas_steps.errors import UserError
from nas_steps.export.convert import save, write_onnx
from nas_steps.export.model import described
from nas_steps.export.quantise import quantise
from nas_steps.predict import load, recommended
from nas_steps.predict import main as predict
from nas_steps.predict import predict as classify
from nas_steps.provenance.files import write_json

CLASSES = {"classes": [str(digit) for digit in range(10)]}


class Brightness(nn.Module):
    """Two classes of colour images: more red than blue, or not."""

    def forward(self, x: Tensor) -> Tensor:
        red, _, blue = x.mean((2, 3)).unbind(1)
        return 4 * nn.functional.pad((red - blue)[:, None], (0, 1))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prototypes of digits, in float32."""
    path = tmp_path_factory.mktemp("predict") / "model.onnx"
    write_onnx(path, deployed(Prototypes()), read_meta(prepared()), 18, CLASSES)
    return path


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("predict") / "colour.onnx"
    meta = Meta(("red", "blue"), {}, (3, 16, 16), (0.5,) * 3, (0.25,) * 3, "", {})
    write_onnx(path, deployed(Brightness(), meta), meta, 18, {"classes": ["red", "blue"]})
    return path


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    Image.fromarray(np.array(load_split(prepared(), "test").images[0, 0])).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    predict([str(argument) for argument in arguments])
    return capsys.readouterr().out


def test_classes_are_printed_the_likeliest_first(model: Path, digit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.array(load_split(prepared(), "test").images[:1])
    (logits,) = onnxruntime.InferenceSession(str(model)).run(None, {"images": image})
    expected = np.exp(logits[0]) / np.exp(logits[0]).sum()
    first, second = np.argsort(-expected)[:2]
    out = printed(capsys, model, digit, "--top", 2)
    assert out == f"{digit}: {first} {100 * expected[first]:.1f} %, {second} {100 * expected[second]:.1f} %\n"


@pytest.mark.parametrize("keys", [{}, {"crop": 0.8}, {"fit": "letterbox"}])
def test_a_picture_is_prepared_as_training_prepared_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3), np.uint8)
    for index, image in enumerate(pixels):
        (tmp_path / "photos" / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "photos" / "ab"[index % 2] / f"{index}.png")
    data = Data(source="folder", path=str(tmp_path / "photos"), resolution=16, **keys)
    prepare(DataSettings(seed=0, data=data), tmp_path / "data")
    stored = [image for name in SPLITS for image in load_split(tmp_path / "data", name).images]
    meta = read_meta(tmp_path / "data")
    metrics = dict.fromkeys(("entry", "architecture", "settings", "seed", "train_on", "valid_accuracy"), "")
    properties = described({**metrics, "side": 16, "test_accuracy": 1.0, "test_images": 2}, meta, 18)
    words = "longer side to 16 pixels" if keys.get("fit") else f"shorter side to {20 if keys else 16} pixels"
    assert properties["resize"].startswith(words)
    write_onnx(tmp_path / "model.onnx", deployed(Brightness(), meta), meta, 18, properties)
    _, session = load(tmp_path / "model.onnx")
    given: list[np.ndarray] = []
    monkeypatch.setattr(session, "run", lambda _names, feed: given.extend(feed["images"]) or [np.zeros((1, 2))])
    for file in sorted((tmp_path / "photos").rglob("*.png")):
        classify(session, file)
    assert {image.tobytes() for image in given} == {image.tobytes() for image in stored}


def test_exported_files_of_both_precisions_are_used(digit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("model.onnx", "model_int8.onnx"):
        assert printed(capsys, exported("resnet20") / name, digit).count(" %") == 3


def test_int8_names_the_same_class(
    model: Path, digit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "int8.onnx", quantise(model, np.array(load_split(prepared(), "train").images)), CLASSES)
    ours, theirs = (printed(capsys, path, digit, "--top", 1).split()[1] for path in (model, tmp_path / "int8.onnx"))
    assert ours == theirs == str(load_split(prepared(), "test").labels[0])


@pytest.mark.parametrize(
    ("mode", "colour_of", "best"), [("RGB", (200, 50, 20), "red"), ("RGBA", (20, 50, 200, 255), "blue"), ("L", 90, "")]
)
def test_colour_files_take_any_size_and_mode(
    colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, colour_of: object, best: str
) -> None:
    Image.new(mode, (120, 50), colour_of).save(tmp_path / "x.png")  # type: ignore[arg-type]
    out = printed(capsys, colour, tmp_path / "x.png")
    assert out.count(" %") == 2
    assert out.startswith(f"{tmp_path / 'x.png'}: {best}")
    if mode == "L":
        assert "red 50.0 %, blue 50.0 %" in out


def test_a_grey_file_takes_a_colour_image(model: Path, digit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open(digit) as image:
        image.convert("RGB").resize((64, 64), Image.Resampling.NEAREST).save(digit.with_name("large.jpg"), quality=100)
    assert printed(capsys, model, digit.with_name("large.jpg"), "--top", 1).count(" %") == 1


def test_predictions_are_written_as_csv_with_all_digits(
    colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (16, 16), (200, 50, 20)).save(tmp_path / "a, b.png")
    printed(capsys, colour, tmp_path / "a, b.png", "--csv", tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["rank"], row["class"]) for row in rows] == [
        (str(tmp_path / "a, b.png"), "1", "red"),
        (str(tmp_path / "a, b.png"), "2", "blue"),
    ]
    assert sum(float(row["probability"]) for row in rows) == pytest.approx(1)


def photos(folder: Path) -> Path:
    """Red and blue pictures in folders of these names, one of them wrong, and others beside them."""
    for name, colour_of in {
        "red/1.png": (200, 50, 20),
        "red/2.png": (20, 50, 200),
        "red/old/3.jpg": (210, 40, 20),
        "blue/4.png": (20, 50, 200),
        "other/5.png": (200, 50, 20),
        "6.png": (20, 50, 200),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), colour_of).save(folder / name)
    shutil.copy(folder / "blue" / "4.png", folder / "blue" / "without_suffix")
    (folder / "red" / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    return folder


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_all_pictures_of_a_folder_are_classified_and_counted_by_their_subfolders(
    colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], batch: int
) -> None:
    folder, table = photos(tmp_path / "photos"), tmp_path / "found.csv"
    *lines, last = printed(capsys, colour, folder, "--batch", batch, "--top", 1, "--csv", table).splitlines()
    names = ["6.png", "blue/4.png", "blue/without_suffix", "other/5.png", "red/1.png", "red/2.png", "red/old/3.jpg"]
    assert [line.partition(": ")[0] for line in lines] == [str(folder / name) for name in names]
    assert last == "accuracy: 80.0 %, 4 of 5 images in folders named by classes"
    with table.open(newline="", encoding="utf-8") as file:
        found = [(row["class"], row["label"]) for row in csv.DictReader(file)]
    expected = [("blue", ""), ("blue", "blue"), ("blue", "blue"), ("red", ""), ("red", "red"), ("blue", "red")]
    assert found == [*expected, ("red", "red")]


def test_a_folder_of_one_class_is_labelled_and_files_are_not(
    colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path / "photos")
    out = printed(capsys, colour, folder / "blue", folder / "red" / "1.png")
    assert out.splitlines()[-1] == "accuracy: 100.0 %, 2 of 2 images in folders named by classes"
    assert "accuracy" not in printed(capsys, colour, folder / "other", folder / "red" / "1.png")


def test_unreadable_pictures_of_a_folder_are_named_and_left_out(
    colour: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path / "photos")
    (folder / "red" / "1.png").write_text("no picture")
    with pytest.raises(UserError, match="1 of 7 images could not be classified"):
        predict([str(colour), str(folder)])
    out, told = capsys.readouterr()
    assert out.splitlines()[-1] == "accuracy: 75.0 %, 3 of 4 images in folders named by classes"
    assert told.startswith(f"error: {folder / 'red' / '1.png'} cannot be read as an image")


def test_the_temperature_of_a_file_calibrates_its_probabilities(model: Path, digit: Path, tmp_path: Path) -> None:
    plain = classify(load(model)[1], digit)
    for told, power in ((2.0, 0.5), (None, 1.0)):
        save(tmp_path / "warm.onnx", onnx.load(model), {**CLASSES, "temperature": told})
        expected = plain**power / (plain**power).sum()
        assert classify(load(tmp_path / "warm.onnx")[1], digit) == pytest.approx(expected, rel=1e-4)


# ------------------------------------------------------------------------------------- what cannot be used


def bomb(path: Path) -> Path:
    """A PNG of a few bytes that says it has 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))
    return path


def test_other_images_are_classified_where_some_cannot_be(
    model: Path, digit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "half.png").write_bytes(digit.read_bytes()[:-30])
    (tmp_path / "folder").mkdir()
    bad = [tmp_path / name for name in ("text.png", "half.png", "folder", "none.png")] + [bomb(tmp_path / "bomb.png")]
    capsys.readouterr()
    with pytest.raises(UserError, match="5 of 7 images could not be classified"):
        predict([str(model), str(digit), *map(str, bad), str(digit), "--csv", str(tmp_path / "found.csv")])
    out, told = capsys.readouterr()
    assert out.count(str(digit)) == 2
    text, half, folder, none, large = told.splitlines()
    assert text.startswith(f"error: {tmp_path / 'text.png'} cannot be read as an image: its content is of no known")
    assert half.startswith(f"error: {tmp_path / 'half.png'} cannot be read as an image: ")
    assert folder == f"error: {tmp_path / 'folder'} is a folder without a picture"
    assert none == f"error: there is no image {tmp_path / 'none.png'}"
    assert large.endswith("bomb.png has 40000 x 40000 pixels, more than are decoded (200,000,000); shrink it")
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 1 + 2 * 3


def test_a_pipe_and_a_device_are_not_read(model: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(UserError, match="the model .* is a pipe, a socket or a device"):
        load(tmp_path / "pipe.onnx")
    session = load(model)[1]
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(UserError, match="is a pipe, a socket or a device, no file"):
            classify(session, path)


def test_pictures_of_12_bits_of_16_are_scaled_as_those_that_were_learnt_from(
    model: Path, digit: Path, tmp_path: Path
) -> None:
    save(tmp_path / "deep.onnx", onnx.load(model), {**CLASSES, "bits": 12})
    with Image.open(digit) as image:
        values = np.asarray(image).astype(np.int64)
    Image.fromarray((values * 4095 // 255).astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray((values * 257).astype(np.uint16)).save(tmp_path / "bright.png")
    session = load(tmp_path / "deep.onnx")[1]
    assert np.array_equal(classify(session, tmp_path / "deep.png"), classify(session, digit))
    with pytest.raises(UserError, match="values of 16 bits, but the pictures that this network learnt from have 12"):
        classify(session, tmp_path / "bright.png")
    usual = load(model)[1]
    assert np.array_equal(classify(usual, tmp_path / "bright.png"), classify(usual, digit))


def test_an_image_whose_name_is_no_utf8_is_told_and_listed(model: Path, digit: Path, tmp_path: Path) -> None:
    image = os.fsencode(tmp_path) + b"/caf\xe9.png"
    shutil.copy(digit, os.fsdecode(image))
    command = [sys.executable, "-m", "nas_steps.predict", str(model), image, "--csv", str(tmp_path / "found.csv")]
    done = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True)
    name = f"{tmp_path}/caf\\xe9.png"
    assert done.stdout.decode("ascii").splitlines()[1].startswith(f"{name}: ")
    assert (tmp_path / "found.csv").read_text(encoding="utf-8").splitlines()[1].startswith(f"{name},1,")


def test_what_is_no_model_of_ours_is_refused(model: Path, digit: Path, tmp_path: Path) -> None:
    def refused(path: Path, words: str) -> None:
        with pytest.raises(UserError, match=words):
            predict([str(path), str(digit)])

    refused(
        tmp_path / "none.onnx", r"there is no model .*; name the folder of a finished experiment, .* or an ONNX file"
    )
    refused(tmp_path, r"is a folder without recommended\.json; .* or an ONNX file, such as .*model\.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    refused(tmp_path / "text.onnx", "cannot be loaded as an ONNX model")
    for properties, words in (
        ({}, "holds no class names"),
        ({"classes": ["a", "b"]}, "as many classes as it names"),
        ({"classes": "not JSON"}, "as many classes as it names"),
    ):
        save(tmp_path / "other.onnx", onnx.load(model), properties)
        refused(tmp_path / "other.onnx", words)
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 10]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    save(tmp_path / "other.onnx", other, CLASSES)
    refused(tmp_path / "other.onnx", "does not take square uint8 images")


@pytest.mark.parametrize("top", ["0", "-1", "many"])
def test_a_number_of_classes_that_is_none_is_refused(
    model: Path, digit: Path, top: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict([str(model), str(digit), f"--top={top}"])
    assert f"{top!r} is no number; give 1 or more" in capsys.readouterr().err


#: imports as if nothing else were installed than what the module's documentation names, and what these need
ALONE = """
import runpy, sys

ALLOWED = {"nas_steps", "numpy", "PIL", "onnxruntime", "flatbuffers", "google", "packaging", *sys.stdlib_module_names}


class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Nothing())
for name in ("torch", "pandas", "pydantic", "scipy", "onnx", "safetensors"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} could be imported")
runpy.run_module("nas_steps.predict", run_name="__main__", alter_sys=True)
"""


def test_pillow_numpy_and_onnxruntime_are_enough(model: Path, digit: Path, tmp_path: Path) -> None:
    given = [sys.executable, "-c", ALONE, str(model), str(digit), str(tmp_path / "none.png")]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    told, label = done.stderr.splitlines(), load_split(prepared(), "test").labels[0]
    assert told == [
        f"error: there is no image {tmp_path / 'none.png'}",
        "error: 1 of 2 images could not be classified; they are named above",
    ]
    header, line = done.stdout.splitlines()
    assert header.startswith("$ python -m nas_steps.predict ")
    assert line.startswith(f"{digit}: {label} ")


def test_the_folder_of_an_experiment_means_its_recommended_network(tmp_path: Path, model: Path, digit: Path) -> None:
    target = tmp_path / "export" / "darts-1" / "model.onnx"
    target.parent.mkdir(parents=True)
    shutil.copy(model, target)
    write_json(tmp_path / "recommended.json", {"entry": "darts-1", "file": "export/darts-1/model.onnx"})
    assert recommended(tmp_path) == target
    assert recommended(tmp_path / "recommended") == target
    assert recommended(tmp_path / "darts-1") == target
    assert recommended(tmp_path / "darts-2") == tmp_path / "darts-2"
    assert recommended(model) == model
    predict([str(tmp_path), str(digit), "--top", "1"])
    write_json(tmp_path / "recommended.json", {"entry": None, "file": None, "reason": "every training diverged"})
    with pytest.raises(UserError, match=r"recommends no network: every training diverged; name an ONNX file"):
        recommended(tmp_path)
