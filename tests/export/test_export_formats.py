"""Further formats of exported networks: made, checked against torch, listed; refused in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported_world import Prototypes, deployed, export, line_of
from tiny_world import MIXED, prepared, retrained, tiny_config

from nas_steps.data.store import Meta, load_split, read_meta
from nas_steps.errors import UserError
from nas_steps.export import formats
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.export.formats import export_format, to_litert, to_openvino
from nas_steps.export.packages import FORMATS, check_installed, packages_of
from nas_steps.export.tables import flat
from nas_steps.models.mobile.network import build_mobile
from nas_steps.provenance.fingerprint import file_hash
from nas_steps.workflow.manifest.write import missing_files

MOBILE = "stem_k3_s2_c8_relu6/mb_k3_e1_c8/mb_r2_k5_s2_e4_c12_se0.25/head_c32"


def needs(name: str) -> None:
    for module in FORMATS[name].modules:
        pytest.importorskip(module)


def mobile() -> tuple[Deployed, Meta]:
    """A mobile network of RGB images whose batch norms have seen some."""
    meta = Meta(("a", "b", "c"), {}, (3, 24, 24), (0.5, 0.4, 0.3), (0.25, 0.2, 0.1), "", {})
    torch.manual_seed(0)
    network = Deployed(build_mobile(MOBILE, inputs=3, classes=3, side=24), meta, 24)
    with torch.no_grad():
        network(torch.randint(0, 256, (32, 3, 24, 24), dtype=torch.uint8))
    return network.eval(), meta


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_converted_mobile_network_computes_what_torch_does(name: str, tmp_path: Path) -> None:
    needs(name)
    network, meta = mobile()
    write_onnx(tmp_path / "model.onnx", network, meta, 18, {"classes": ["a", "b", "c"]})
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 24, 24), np.uint8)
    record = export_format(name, tmp_path / "model.onnx", network, images, 1e-3)
    assert (record["status"], record["images"], record["top1_agreement"]) == ("ok", 9, 1.0)
    assert record["largest_difference"] < 1e-4
    assert [one["file"] for one in record["files"]] == [f"model{suffix}" for suffix in FORMATS[name].suffixes]
    for one in record["files"]:
        assert one["sha256"] == file_hash(tmp_path / one["file"])


def test_an_openvino_file_is_open_in_its_batch_and_keeps_the_class_names(tmp_path: Path) -> None:
    needs("openvino")
    import openvino

    network, meta = mobile()
    write_onnx(tmp_path / "model.onnx", network, meta, 18, {"classes": ["a", "b", "c"]})
    to_openvino(tmp_path / "model.onnx", network, tmp_path / "made.onnx")
    model = openvino.Core().read_model(str(tmp_path / "made.xml"))
    assert (model.inputs[0].any_name, str(model.inputs[0].partial_shape)) == ("images", "[?,3,24,24]")
    assert model.get_rt_info(["framework", "classes"]).value == '["a", "b", "c"]'
    assert str(tmp_path) not in (tmp_path / "made.xml").read_text()


def test_a_litert_file_takes_pixels_with_the_channels_last(tmp_path: Path) -> None:
    needs("litert")
    from ai_edge_litert.interpreter import Interpreter

    network, _ = mobile()
    to_litert(tmp_path / "model.onnx", network, tmp_path / "made.onnx")
    entry = Interpreter(str(tmp_path / "made.tflite")).get_input_details()[0]
    assert (entry["shape"].tolist(), entry["dtype"]) == ([1, 24, 24, 3], np.uint8)


def pretend(monkeypatch: pytest.MonkeyPatch, error: float = 0.0, problem: str = "") -> None:
    """A converter of both formats that needs no package: torch's own logits, off by `error`."""

    def convert(_source: Path, network: Deployed, target: Path, suffixes: Sequence[str]) -> formats.Runner:
        if problem:
            raise RuntimeError(problem)
        for suffix in suffixes:
            target.with_suffix(suffix).write_text(suffix)

        @torch.no_grad()
        def run(images: np.ndarray) -> np.ndarray:
            return network(torch.from_numpy(images)).numpy() + error

        return run

    def converter(name: str) -> Any:
        return lambda source, network, target: convert(source, network, target, FORMATS[name].suffixes)

    monkeypatch.setattr(formats, "CONVERTERS", {name: converter(name) for name in FORMATS})
    monkeypatch.setattr(formats, "check_installed", lambda _names: None)


def test_files_of_all_formats_lie_beside_the_onnx_file_and_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch)
    both: dict[str, Any] = {"export__formats": ["openvino", "litert"], "export__int8": {"enabled": False}}
    export([retrained("darts-0", MIXED)], tmp_path, **both)
    line = line_of(tmp_path)
    names = ["darts-0/model.xml", "darts-0/model.bin", "darts-0/model.tflite"]
    assert [one["file"] for made in line["formats"] for one in made["files"]] == names
    assert flat(line)["formats"] == "openvino: ok; litert: ok"
    assert missing_files(tmp_path / "exports.json") == []
    card = (tmp_path / "darts-0" / "README.md").read_text(encoding="utf-8")
    for made in line["formats"]:
        for one in made["files"]:
            assert f"`{Path(one['file']).name}`" in card
            assert f"`{one['sha256']}`" in card
    assert "`model.tflite` takes one image at a time, (1, 8, 8, 1)" in card
    (tmp_path / names[2]).unlink()
    assert missing_files(tmp_path / "exports.json") == [str(tmp_path / names[2])]
    # switched off again, nothing of it stays
    export([retrained("darts-0", MIXED)], tmp_path, export__int8={"enabled": False})
    assert {file.name for file in (tmp_path / "darts-0").iterdir()} == {"model.onnx", "README.md"}
    assert line_of(tmp_path)["formats"] == []


def test_a_member_of_the_family_has_files_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    given: dict[str, Any] = {"export__formats": ["openvino"], "export__int8": {"enabled": False}}
    export([retrained("darts-0", MIXED)], tmp_path, "export_scaled", **given)
    assert {file.suffix for file in tmp_path.glob("darts-0.*")} == {".onnx", ".xml", ".bin"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"error": 0.5}, "refused: differs by more than 0.001"),
        ({"problem": "no such operator\nat line 7"}, "not converted: RuntimeError: no such operator"),
    ],
)
def test_a_file_that_is_wrong_or_cannot_be_made_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], words: str
) -> None:
    pretend(monkeypatch, **given)
    network = deployed(Prototypes())
    write_onnx(tmp_path / "model.onnx", network, read_meta(prepared()), 18, {})
    images = load_split(prepared(), "test").images[:9]
    record = export_format("openvino", tmp_path / "model.onnx", network, images, 1e-3)
    assert (record["status"], record["files"]) == (words, [])
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.export.packages.find_spec", lambda _module: None)
    with pytest.raises(
        UserError, match=r"has litert, but litert_torch and ai_edge_litert .* `pip install -e '.\[litert"
    ):
        check_installed(["litert"])
    check_installed([])
    assert packages_of(["openvino"]) == ("openvino",)


def test_an_unknown_format_and_one_named_twice_are_refused() -> None:
    with pytest.raises(UserError, match=r"export\.formats"):
        tiny_config(export__formats=["coreml"])
    with pytest.raises(UserError, match="name each format once"):
        tiny_config(export__formats=["openvino", "openvino"])


def test_each_format_is_an_extra() -> None:
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for name, one in FORMATS.items():
        assert f'\n{name} = ["{one.packages[0]}>=' in text
