"""Trained networks are loaded into one's own code, with the preprocessing of their evaluation."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exported_world import exported, recommended
from language_world import language_training
from PIL import Image
from tiny_world import MIXED, prepared, retrained

import nas_steps
from nas_steps.data.photos import decode
from nas_steps.data.store import Meta, load_split
from nas_steps.errors import UserError
from nas_steps.export.convert import save
from nas_steps.loading import MAX_PIXELS, Preprocess
from nas_steps.predict import load as load_onnx
from nas_steps.predict import predict
from nas_steps.provenance.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how_to" / "use_the_network.md").read_text(encoding="utf-8")


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """results/tiny with two trainings of resnet20 and one of darts-0, which is recommended, and their meta.json."""
    folder = tmp_path / "results" / "tiny"
    records = [retrained("resnet20"), retrained("resnet20", seed=1), retrained("darts-0", MIXED)]
    for record in records:
        shutil.copytree(Path(record).parent, folder / "retraining" / Path(record).parent.name)
    data = tmp_path / "results" / "data" / "digits-0"
    data.mkdir(parents=True)
    shutil.copy(Path(prepared()) / "meta.json", data)
    write_json(folder / "recommended.json", recommended([read_json(records[0]), read_json(records[2])]))
    return folder


def test_a_loaded_network_computes_what_its_training_and_its_export_did(experiment: Path) -> None:
    network, test = nas_steps.load(str(experiment / "recommended")), load_split(prepared(), "test")
    assert not network.model.training
    assert network.architecture == MIXED
    assert network.classes == tuple(map(str, range(10)))
    with torch.no_grad():
        logits = network.model(network.preprocess.normalised(test.images)).numpy()
    assert np.mean(logits.argmax(1) == test.labels) == pytest.approx(network.metrics["test_accuracy"])
    session = onnxruntime.InferenceSession(str(exported("darts-0") / "model.onnx"))
    (theirs,) = session.run(None, {"images": np.array(test.images)})
    assert np.abs(logits - theirs).max() < 1e-4


def test_names_of_one_network(experiment: Path) -> None:
    for path, entry, seed, name in (
        (experiment, None, None, "darts-0-s0"),
        (experiment / "recommended", None, None, "darts-0-s0"),
        (experiment / "recommended.json", None, None, "darts-0-s0"),
        (experiment, "resnet20", None, "resnet20-s0"),
        (experiment, "resnet20", 1, "resnet20-s1"),
        (experiment / "retraining" / "resnet20-s1", None, None, "resnet20-s1"),
    ):
        metrics = nas_steps.load(str(path), entry=entry, seed=seed).metrics
        assert f"{metrics['entry']}-s{metrics['seed']}" == name


def test_a_network_that_is_not_there_is_refused_in_words(experiment: Path, tmp_path: Path) -> None:
    def refused(words: str, path: Path = experiment, **given: object) -> None:
        with pytest.raises(UserError, match=words):
            nas_steps.load(str(path), **given)  # type: ignore[arg-type]

    refused("unknown entry 'resnet21'; did you mean 'resnet20'?", entry="resnet21")
    refused(r"resnet20-s7/metrics\.json does not exist; name the folder of an experiment", entry="resnet20", seed=7)
    refused("leave out entry and seed", experiment / "retraining" / "resnet20-s0", seed=0)
    refused("the run has not ended; name the folder of an experiment", tmp_path)
    (experiment / "retraining" / "resnet20-s1" / "weights.safetensors").unlink()
    refused("copy the whole folder of the training", entry="resnet20", seed=1)
    record = experiment / "retraining" / "resnet20-s0" / "metrics.json"
    write_json(record, read_json(record) | {"status": "diverged", "reason": "the loss is NaN"})
    refused("has no usable network: diverged the loss is NaN", entry="resnet20")
    write_json(experiment / "recommended.json", {"entry": None, "reason": "every training diverged"})
    refused("recommends no network: every training diverged; name an entry")
    shutil.rmtree(tmp_path / "results" / "data")
    refused("the prepared data of .* are not there", experiment / "retraining" / "darts-0-s0")


def test_a_language_model_is_refused_in_words() -> None:
    with pytest.raises(UserError, match="is of a language model, but nas_steps.load reads classifiers of images; cont"):
        nas_steps.load(Path(language_training()).parent)


def test_of_several_prepared_data_the_manifest_names_the_right_one(experiment: Path) -> None:
    data = experiment.parent / "data"
    meta = read_json(data / "digits-0" / "meta.json")
    write_json(data / "digits-1" / "meta.json", meta | {"mean": [0.125]})
    with pytest.raises(UserError, match="several prepared data with the test images"):
        nas_steps.load(str(experiment))
    write_json(experiment / "manifest.json", {"files": {"../data/digits-1/meta.json": {}}})
    assert nas_steps.load(str(experiment)).preprocess.meta.mean == (0.125,)


def test_probabilities_are_those_of_the_exported_file(experiment: Path, tmp_path: Path) -> None:
    """With its temperature; a training that was not exported has none."""
    file = tmp_path / "digit.png"
    Image.fromarray(np.array(load_split(prepared(), "test").images[0, 0])).save(file)
    lines = [{"name": "darts-0", "seed": 0, "temperature": 2.5}, {"name": None, "seed": None}]
    write_json(experiment / "export" / "exports.json", lines)
    onnx_file = onnx.load(exported("darts-0") / "model.onnx")
    told = {one.key: one.value for one in onnx_file.metadata_props} | {"temperature": 2.5}
    save(tmp_path / "warm.onnx", onnx_file, told)
    classes, session = load_onnx(tmp_path / "warm.onnx")
    found = nas_steps.load(str(experiment)).predict(file)
    expected = dict(zip(classes, predict(session, file).tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-5)
    assert list(found) == sorted(found, key=lambda name: -found[name])
    assert nas_steps.load(str(experiment), entry="resnet20").temperature == 1


def test_a_picture_is_prepared_as_the_training_s_were(tmp_path: Path) -> None:
    """As a path, a Pillow image and an array, upright by EXIF; the side of the network may be another one."""
    pixels = np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8)
    picture, exif = Image.fromarray(pixels), Image.Exif()
    exif[274] = 6
    picture_of = tmp_path / "turned.png"
    picture.save(picture_of, exif=exif)
    meta = Meta(("a", "b"), {}, (3, 16, 16), (0.5, 0.4, 0.3), (0.25, 0.2, 0.1), "", {})
    preprocess = pickle.loads(pickle.dumps(Preprocess(meta, 16)))
    with (tmp_path / "turned.png").open("rb") as stream:
        stored = torch.tensor(decode(stream, 16, 3, MAX_PIXELS).pixels).float() / 255
    expected = (stored - torch.tensor(meta.mean)[:, None, None]) / torch.tensor(meta.std)[:, None, None]
    found = preprocess(tmp_path / "turned.png")
    assert (found.dtype, found.shape) == (torch.float32, (3, 16, 16))
    assert torch.allclose(found, expected, atol=1e-5)
    for changes in ({"crop": 0.5}, {"fit": "letterbox"}):
        with (tmp_path / "turned.png").open("rb") as stream:
            pixels_of = decode(stream, 16, 3, MAX_PIXELS, **changes).pixels  # type: ignore[arg-type]
        assert np.array_equal(Preprocess(replace(meta, **changes), 16).pixels(picture_of), pixels_of)  # type: ignore[arg-type]
    with Image.open(tmp_path / "turned.png") as opened:
        assert torch.equal(preprocess(opened), found)
        assert torch.equal(preprocess(opened.convert("RGB")), found)  # as torchvision's ImageFolder hands it over
    assert torch.equal(preprocess(np.rot90(pixels, 3)), found)
    assert torch.equal(preprocess(pixels[..., :1]), preprocess(Image.fromarray(pixels[..., 0])))
    assert preprocess(picture.convert("CMYK")).shape == (3, 16, 16)
    assert Preprocess(meta, 24)(picture).shape == (3, 24, 24)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), r"must be uint8 of shape .*, given float32 \(4, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), r"given uint8 \(4, 4, 2\)"),
        (Image.new("F", (4, 4)), "mode F has no known range of values"),
        ("none.png", "the image none.png does not exist"),
        (7, "given int"),
    ],
)
def test_what_is_no_picture_is_refused(given: object, words: str) -> None:
    meta = Meta(("a", "b"), {}, (3, 16, 16), (0.5,) * 3, (0.25,) * 3, "", {})
    with pytest.raises(UserError, match=words):
        Preprocess(meta, 16)(given)  # type: ignore[arg-type]


def test_the_lines_of_the_page_go_on_training(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment.rename(experiment.with_name("own_images"))
    dice = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(3):
            pixels = dice.integers(0, 256, (20, 30, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    three, more = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.S | re.M)
    assert len(three.split("\n")) == 5  # an empty line after the imports, and the end
    names: dict[str, object] = {}
    exec(three, names)
    network = names["network"]
    before = [one.detach().clone() for one in network.model.parameters()]  # type: ignore[attr-defined]
    exec(more, names)
    after = list(network.model.parameters())  # type: ignore[attr-defined]
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert network.model.training  # type: ignore[attr-defined]
    assert capsys.readouterr().out.count(":") == 10


def test_the_page_names_what_there_is(experiment: Path) -> None:
    network = nas_steps.load(str(experiment))
    attributes = re.findall(r"^\| `(\w+)(?:\(picture\))?` \|", PAGE, flags=re.M)
    assert len(attributes) == 7
    assert all(hasattr(network, name) for name in attributes)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, nas_steps; sys.exit(bool({'torch', 'numpy', 'PIL', 'pydantic'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
