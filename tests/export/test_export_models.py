"""ONNX files: what they compute, what they say of themselves, and how they are used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exported_world import Bessel, Prototypes, deployed, export, exported, exported_family, line_of
from stepping import run
from tiny_world import MIXED, ROOT, prepared, retrained, settings

from nas_steps.config.space import Network
from nas_steps.data.store import load_split, read_meta
from nas_steps.export.check import compare
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.export.model import best_training
from nas_steps.export.tables import EXPORTS, PERFORMANCE
from nas_steps.models.build import build
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.training.record import Entry, record


def check_file(path: Path, check: dict[str, Any]) -> None:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = load_split(prepared(), "test").images
    together = session.run(None, {"images": np.ascontiguousarray(images[:5])})[0]
    alone = [session.run(None, {"images": np.ascontiguousarray(images[i : i + 1])})[0][0] for i in range(5)]
    assert together.shape == (5, 10)
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 0
    assert (check["status"], check["images"], check["bytes"]) == ("ok", 30, path.stat().st_size)
    assert 0 <= check["largest_difference"] < 1e-3
    assert check["top1_agreement"] == 1.0
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["classes"]) == list(read_meta(prepared()).classes)
    assert properties["bits"] == "16"


@pytest.mark.parametrize("name", ["resnet20", "darts-0"])
def test_an_entry(name: str) -> None:
    check = line_of(exported(name).parent)
    assert (check["file"], check["card"]) == (f"{name}/model.onnx", f"{name}/README.md")
    check_file(exported(name) / "model.onnx", check)
    assert check["name"] == name
    assert check["test_accuracy"] == read_json(retrained(name, MIXED if name == "darts-0" else ""))["test_accuracy"]


@pytest.mark.parametrize("side", [8, 11])
def test_one_input_cells_are_exported_on_even_and_odd_sides(tmp_path: Path, side: int) -> None:
    torch.manual_seed(0)
    architecture = "|nor_conv_1x1~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"
    meta = read_meta(prepared())
    network = build(architecture, Network(channels=4, cells=1), inputs=1, classes=10, side=side)
    deployed = Deployed(network, meta, side).eval()
    write_onnx(tmp_path / "model.onnx", deployed, meta, 18, {})
    test = load_split(prepared(), "test")
    check = compare(tmp_path / "model.onnx", deployed, test.images[:30], test.labels[:30])
    assert check["largest_difference"] < 1e-4
    assert check["top1_agreement"] == 1.0


def test_a_trained_network_of_one_input_cells_is_exported(tmp_path: Path) -> None:
    architecture = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    export([retrained("staged-0", architecture)], tmp_path)
    check_file(tmp_path / "staged-0" / "model.onnx", line_of(tmp_path))


def test_a_network_that_draws_noise_is_exported_and_told_apart(tmp_path: Path) -> None:
    """Its logits are drawn anew each time, in torch as in onnxruntime: no two runs can agree."""
    export([retrained("noisy-0", "normal:|noise~0|nor_conv_1x1~1|;reduce:|noise~0|nor_conv_1x1~1|")], tmp_path)
    assert line_of(tmp_path)["status"].startswith("differs by more than")


def test_a_scaled_member_of_another_side_still_takes_stored_images() -> None:
    sound, over = read_json(exported_family() / "exports.json")
    check_file(exported_family() / "B0.onnx", sound)
    assert read_json(Path(ROOT.name) / "scaling" / "B0" / "metrics.json")["side"] == 11
    assert (over["name"], over["status"], over["file"]) == ("B1", "over budget", None)
    assert not (exported_family() / "B1.onnx").exists()


def test_the_tables_name_each_file_from_their_own_folder(tmp_path: Path) -> None:
    parts = {"export": exported("resnet20").parent, "export/scaled": exported_family()}
    for name, source in parts.items():
        (tmp_path / name).mkdir()
        for file in ("exports.json", "performance.json"):
            shutil.copy(source / file, tmp_path / name / file)
    exports, performances = (
        [tmp_path / name / file for name in parts] for file in ("exports.json", "performance.json")
    )
    run("gather_exports", exports=exports, performances=performances, output=tmp_path / "export")
    rows = read_csv(tmp_path / "export" / "exports.csv")
    assert tuple(rows[0]) == EXPORTS
    assert [(row["name"], row["file"], row["status"]) for row in rows] == [
        ("resnet20", "resnet20/model.onnx", "ok"),
        ("B0", "scaled/B0.onnx", "ok"),
        ("B1", "", "over budget"),
    ]
    assert rows[0]["int8_file"] == "resnet20/model_int8.onnx"
    assert int(rows[0]["int8_bytes"]) < int(rows[0]["bytes"])
    rows = read_csv(tmp_path / "export" / "performance.csv")
    assert tuple(rows[0]) == PERFORMANCE
    assert [(row["file"], row["precision"]) for row in rows[:3]] == [
        ("resnet20/model.onnx", "float32"),
        ("resnet20/model_int8.onnx", "int8"),
        ("scaled/B0.onnx", "float32"),
    ]
    assert all(row[column] for row in rows for column in PERFORMANCE)


def made(seed: int, valid: float | None, test: float, status: str = "ok") -> tuple[Path, dict[str, Any]]:
    figures = {"status": status, "valid_accuracy": valid, "test_accuracy": test}
    return Path(str(seed)), record(Entry("x", "searched", MIXED), seed) | figures


@pytest.mark.parametrize(
    ("trainings", "seed"),
    [
        ([made(0, 0.5, 0.9), made(1, 0.6, 0.1)], 1),
        ([made(0, 0.6, 0.1), made(1, 0.6, 0.9)], 0),
        ([made(1, None, 0.9), made(0, None, 0.1)], 0),
        ([made(0, 0.9, 0.9, "diverged"), made(1, 0.1, 0.1)], 1),
    ],
)
def test_the_best_training_is_chosen_by_validation_alone(trainings: list[Any], seed: int) -> None:
    best = best_training(trainings)
    assert best is not None
    assert best[1]["seed"] == seed
    assert best_training(trainings[::-1]) == best


def test_no_best_training_without_a_sound_one() -> None:
    assert best_training([made(0, 0.9, 0.9, "diverged")]) is None


def test_a_file_says_what_it_is_made_of() -> None:
    """The settings that it names are a file of the training's: from there everything can be made again."""
    metrics = read_json(retrained("resnet20"))
    check = line_of(exported("resnet20").parent)
    told = {}
    for name in ("model", "model_int8"):
        file = exported("resnet20") / f"{name}.onnx"
        told[name] = onnxruntime.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
        assert Path(settings()["retrain"]).name == f"retrain-{told[name]['training_settings']}.json"
        assert (told[name]["training_seed"], told[name]["trained_on"], told[name]["opset"]) == ("0", "train", "18")
        assert told[name]["resize"] == "shorter side to 8 pixels (bicubic, antialiased), then the 8 x 8 centre"
        assert onnx.load(file).opset_import[0].version == 18
    assert check["settings"] == metrics["settings"] == told["model"]["training_settings"]
    assert float(told["model"]["test_accuracy"]) == metrics["test_accuracy"]
    assert float(told["model_int8"]["test_accuracy"]) == check["int8"]["test_accuracy"]
    assert (told["model"]["precision"], told["model_int8"]["precision"]) == ("float32", "int8")


def test_a_scaled_member_says_that_it_enlarges_by_itself() -> None:
    session = onnxruntime.InferenceSession(str(exported_family() / "B0.onnx"))
    assert session.get_modelmeta().custom_metadata_map["resize"].endswith("enlarges that to 11 x 11 (bilinear)")
    assert session.get_inputs()[0].shape[1:] == [1, 8, 8]


def bessel_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was trained, the network of `name` has an operator that ONNX lacks; the others are prototypes."""
    monkeypatch.setattr(
        "nas_steps.export.model.trained_network",
        lambda metrics, *_: deployed(Bessel() if metrics["entry"] == name else Prototypes()),
    )


def of_an_earlier_run(folder: Path) -> None:
    folder.mkdir()
    for name in ("model.onnx", "model_int8.onnx", "README.md"):
        (folder / name).write_bytes(b"of an earlier run")


def test_an_operator_that_onnx_lacks_is_named_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bessel_for("resnet20", monkeypatch)
    of_an_earlier_run(tmp_path / "resnet20")
    export([retrained("resnet20")], tmp_path)
    check = line_of(tmp_path)
    assert check["status"] == "not exported: ONNX has no operator for torch's prims.bessel_j1"
    assert (check["name"], check["file"], check["int8"]) == ("resnet20", None, None)
    assert "resnet20 cannot be exported: ONNX has no operator for torch's prims.bessel_j1" in capsys.readouterr().out
    assert list((tmp_path / "resnet20").iterdir()) == []
    assert read_json(tmp_path / "performance.json") == []


def test_the_other_members_are_exported_where_one_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bessel_for("resnet20", monkeypatch)
    export([retrained("resnet20"), retrained("darts-0", MIXED)], tmp_path, "export_scaled")
    lost, sound = read_json(tmp_path / "exports.json")
    assert (lost["name"], lost["file"]) == ("resnet20", None)
    assert "bessel_j1" in lost["status"]
    assert (sound["name"], sound["status"], sound["int8"]["status"]) == ("darts-0", "ok", "ok")
    made = {"darts-0.onnx", "darts-0_int8.onnx"}
    assert {file.name for file in tmp_path.glob("*.onnx")} == made
    assert {line["file"] for line in read_json(tmp_path / "performance.json")} == made


def test_what_is_switched_off_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bessel_for("nobody", monkeypatch)
    of_an_earlier_run(tmp_path / "resnet20")
    of_an_earlier_run(tmp_path / "darts-7")
    changes: dict[str, Any] = {
        "export__int8": {"enabled": False},
        "export__performance": {"repeats": 0},
        "export__images": None,
    }
    export([retrained("resnet20")], tmp_path, **changes)
    check = line_of(tmp_path)
    assert (check["status"], check["int8"]) == ("ok", None)
    assert check["images"] == len(load_split(prepared(), "test")) == 60
    assert {file.name for file in (tmp_path / "resnet20").iterdir()} == {"model.onnx", "README.md"}
    assert list((tmp_path / "darts-7").iterdir()) == []
    assert read_json(tmp_path / "performance.json") == []


def test_no_int8_file_of_one_that_does_not_agree_with_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bessel_for("nobody", monkeypatch)
    monkeypatch.setattr("nas_steps.export.model.compare", lambda *given: compare(*given) | {"largest_difference": 0.5})
    export([retrained("resnet20")], tmp_path)
    check = line_of(tmp_path)
    assert check["status"].startswith("differs by more than")
    assert check["int8"]["status"].startswith("not quantised")
    assert not (tmp_path / "resnet20" / "model_int8.onnx").exists()
