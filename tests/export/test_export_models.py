"""ONNX files: what they compute, what they say of themselves, and how they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from tiny_world import MIXED, ROOT, prepared, retrained, settings

from nas_steps.config.space import Network
from nas_steps.data.store import load_split, read_meta
from nas_steps.errors import UserError
from nas_steps.export.check import compare
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.export.model import best_training
from nas_steps.export.steps import entry, gather, scaled
from nas_steps.export.tables import EXPORTS
from nas_steps.models.build import build
from nas_steps.predict import main as predict
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.scaling.family import MEMBERS
from nas_steps.scaling.steps import train
from nas_steps.training.record import Entry, record, write_untrained


def export(trainings: list[str], output: Path, step: Any = entry) -> None:
    shared = ["--settings", settings()["export"], "--data", prepared()]
    step.main([*shared, "--trainings", *trainings, "--output", str(output)])


@cache
def exported(name: str) -> Path:
    """The folder of an entry's export, made once a session."""
    output = Path(ROOT.name) / "export" / name
    export([retrained(name, MIXED if name == "darts-0" else "")], output)
    return output


@cache
def exported_family() -> Path:
    """B0 on images of 11 pixels, and B1 that is over budget."""
    folder = Path(ROOT.name) / "scaling"
    size = {"cells": 3, "channels": 4, "side": 11, "parameters": 1, "macs": 2}
    members = [{"member": "B0", **size, "within_budget": "yes"}, {"member": "B1", **size, "within_budget": "no"}]
    write_csv(folder / "members.csv", members, MEMBERS)
    write_json(folder / "chosen.json", {"architecture": MIXED})
    for member in ("B0", "B1"):
        given = ["--chosen", str(folder / "chosen.json"), "--members", str(folder / "members.csv"), "--member", member]
        given += ["--data", prepared(), "--seed", "0", "--output", str(folder / member)]
        train.main(["--settings", settings()["scaling_members"], *given])
    output = Path(ROOT.name) / "export" / "scaled"
    export([str(folder / member / "metrics.json") for member in ("B0", "B1")], output, scaled)
    return output


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


@pytest.mark.parametrize("name", ["resnet20", "darts-0"])
def test_an_entry(name: str) -> None:
    check = read_json(exported(name) / "check.json")
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
    check_file(tmp_path / "model.onnx", read_json(tmp_path / "check.json"))


def test_a_network_that_draws_noise_is_exported_and_told_apart(tmp_path: Path) -> None:
    """Its logits are drawn anew each time, in torch as in onnxruntime: no two runs can agree."""
    export([retrained("noisy-0", "normal:|noise~0|nor_conv_1x1~1|;reduce:|noise~0|nor_conv_1x1~1|")], tmp_path)
    assert read_json(tmp_path / "check.json")["status"].startswith("differs by more than")


def test_a_scaled_member_of_another_side_still_takes_stored_images() -> None:
    sound, over = read_json(exported_family() / "exports.json")
    check_file(exported_family() / "B0.onnx", sound)
    assert read_json(Path(ROOT.name) / "scaling" / "B0" / "metrics.json")["side"] == 11
    assert (over["name"], over["status"], over["file"]) == ("B1", "over budget", None)
    assert not (exported_family() / "B1.onnx").exists()


def test_a_diverged_entry_leaves_an_empty_file_and_a_line(tmp_path: Path) -> None:
    write_untrained(tmp_path / "training", Entry("darts-1", "searched", MIXED), 0, status="diverged", reason="nan")
    export([str(tmp_path / "training" / "metrics.json")], tmp_path / "darts-1")
    assert (tmp_path / "darts-1" / "model.onnx").read_bytes() == b""
    assert read_json(tmp_path / "darts-1" / "check.json")["status"] == "diverged"
    checks = [tmp_path / "darts-1" / "check.json", exported("darts-0") / "check.json"]
    checks.append(exported_family() / "exports.json")
    performances = [str(check.with_name("performance.json")) for check in checks]
    tables = ["--output", str(tmp_path / "exports.csv"), "--performance", str(tmp_path / "performance.csv")]
    gather.main(["--checks", *map(str, checks), "--performances", *performances, *tables])
    rows = read_csv(tmp_path / "exports.csv")
    assert tuple(rows[0]) == EXPORTS
    assert [(row["name"], row["file"], row["status"]) for row in rows] == [
        ("darts-1", "", "diverged"),
        ("darts-0", "darts-0/model.onnx", "ok"),
        ("B0", "scaled/B0.onnx", "ok"),
        ("B1", "", "over budget"),
    ]


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


def test_predict_prints_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = load_split(prepared(), "test").images[0]
    Image.fromarray(np.array(image[0])).save(tmp_path / "digit.png")
    model = exported("resnet20") / "model.onnx"
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"images": image[None]})[0][0]
    capsys.readouterr()
    predict([str(model), str(tmp_path / "digit.png"), "--top", "2"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path / 'digit.png'}: {logits.argmax()} ")
    assert printed.count(" %") == 2


def test_predict_refuses_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no model"):
        predict([str(tmp_path / "none.onnx"), "x.png"])
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(UserError, match=r"is empty: .*check\.json"):
        predict([str(tmp_path / "empty.onnx"), "x.png"])
    (tmp_path / "text").write_text("no model, no image")
    with pytest.raises(UserError, match="cannot be loaded as an ONNX model"):
        predict([str(tmp_path / "text"), "x.png"])
    model = str(exported("resnet20") / "model.onnx")
    with pytest.raises(UserError, match="cannot be read as an image"):
        predict([model, str(tmp_path / "text")])
    with pytest.raises(UserError, match="there is no image"):
        predict([model, str(tmp_path / "none.png")])


def test_predict_needs_no_torch() -> None:
    code = "import sys, nas_steps.predict; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
