"""Model cards: plain facts of the network beside them, and instructions that work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from exported_world import export, exported, line_of, recommended
from tiny_world import MIXED, prepared, retrained

from nas_steps.config.recipe import Recipe
from nas_steps.data.store import read_meta
from nas_steps.export.card import card, pretrained
from nas_steps.provenance.files import read_json, write_json
from nas_steps.provenance.fingerprint import file_hash

MEASURED = re.compile(r"[\d.e+-]+ ms \[[\d.e+-]+, [\d.e+-]+\]|[\d.]+ MB")


def text(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_a_card_says_what_the_files_say() -> None:
    folder, metrics, meta = exported("resnet20"), read_json(retrained("resnet20")), read_meta(prepared())
    found = text(folder)
    for file in ("model.onnx", "model_int8.onnx"):
        assert re.search(rf"^\| `{file}` \|.*`{file_hash(folder / file)}` \|$", found, flags=re.M)
    for fact in (
        "# resnet20\n\nAn image classifier of 10 classes.",
        "It is a hand-designed network.",
        "Architecture: `resnet20`",
        f"{metrics['parameters']:,} parameters; {metrics['macs']:,} multiply-accumulates",
        "Source: `digits`, prepared as grey images of 8 x 8 pixels.",
        "60 training, 60 validation, 60 test.",
        f"`{meta.content}`",
        f"`{meta.checksums['test_images.npy']}`",
        "seed 0 of 2 trainings, 1 of them sound",
        "epochs 1, ",
        f"`results/settings/retrain-{metrics['settings']}.json`",
        "| test | mean of 1 trainings | 75.00 % [62.50, 87.50] |",
        f"| test | this training, float32 | {100 * metrics['test_accuracy']:.2f} % |",
        f"| validation | this training, float32 | {100 * metrics['valid_accuracy']:.2f} % |",
        f"this training, INT8, on 30 images | {100 * line_of(folder.parent)['int8']['test_accuracy']:.2f} %",
        "shorter side to 8 pixels (bicubic, antialiased), then the 8 x 8 centre",
        "It is the recommended network of its experiment. The rule: The rule.",
        "the rights in those images decide",
    ):
        assert fact in found, fact
    assert len(MEASURED.findall(found)) == 6  # two batch sizes and the memory of two files
    assert not re.search(r"None|nan", re.sub(r"```python.*?```", "", found, flags=re.S))


def test_the_code_on_a_card_runs_beside_the_model() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", text(exported("darts-0")), flags=re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=exported("darts-0"), capture_output=True, text=True)
    assert done.stdout.strip() in read_meta(prepared()).classes, done.stderr


def test_a_card_is_the_same_after_the_same_export_measurements_aside(tmp_path: Path) -> None:
    export([retrained("resnet20")], tmp_path)
    assert MEASURED.sub("?", text(tmp_path / "resnet20")) == MEASURED.sub("?", text(exported("resnet20")))


def written(**changes: Any) -> str:
    """The card of darts-0 beside a recommended resnet20, with other figures of recommended.json."""
    trainings = [read_json(retrained("darts-0", MIXED)), read_json(retrained("resnet20"))]
    whole = recommended(trainings) | {key: value for key, value in changes.items() if key != "network"}
    row = whole["considered"][0] | changes.get("network", {})
    line = line_of(exported("darts-0").parent)
    return card(row, whole, trainings[0], Recipe(), read_json(Path(prepared()) / "meta.json"), line, [])


def test_another_network_says_which_one_is_recommended() -> None:
    assert "It is the winner of a search by the strategy `darts`." in written()
    assert "recommends another network, `resnet20`; this is the alternative that is smaller." in written()
    assert "recommends another network, `resnet20`." in written(alternatives=[])
    assert "recommends no network: none is sound." in written(entry=None, reason="none is sound")


@pytest.mark.parametrize("figure", ["test_low", "test_high"])
def test_what_is_not_known_is_not_shown_as_a_number(figure: str) -> None:
    found = written(network={figure: None, "valid_accuracy": None})
    assert "| test | mean of 1 trainings | 75.00 %, without an interval |" in found
    assert "| validation | mean of 1 trainings | not measured |" in found
    assert "not measured | not measured | not measured |" in found  # the speed, of which there is no row
    assert "Latency is" not in found


SOURCE = {
    "source": "lite0",
    "url": "https://example.org/lite0",
    "licence": "Apache-2.0",
    "normalisation": {"name": "lite"},
}


def pretrained_copy(folder: Path) -> str:
    """metrics.json of a copy of resnet20's training that says it started from `lite0`."""
    shutil.copytree(Path(retrained("resnet20")).parent, folder)
    write_json(folder / "metrics.json", read_json(folder / "metrics.json") | {"weights": "lite0"})
    return str(folder / "metrics.json")


def properties_of(file: Path) -> dict[str, str]:
    return {one.key: one.value for one in onnx.load(file).metadata_props}


def test_a_card_and_its_files_name_the_pretrained_weights_that_the_network_started_from(tmp_path: Path) -> None:
    training = pretrained_copy(tmp_path / "training")
    write_json(tmp_path / "source.json", SOURCE)
    export([training], tmp_path, source=tmp_path / "source.json")
    found = text(tmp_path / "resnet20")
    assert "- It started from pretrained weights: `lite0` (https://example.org/lite0)." in found
    assert "- They started from `lite0`, whose licence is Apache-2.0." in found
    assert "- They went on learning from the images above: the rights in those images decide" in found
    meta = read_meta(prepared())
    spelled = f"lite: mean {meta.mean[0]:.6g}, std {meta.std[0]:.6g}"
    assert f"The file normalises them itself ({spelled})." in found
    for name in ("model.onnx", "model_int8.onnx"):
        told = properties_of(tmp_path / "resnet20" / name)
        assert (told["weights"], told["weights_licence"], told["weights_normalisation"]) == (
            "lite0",
            "Apache-2.0",
            spelled,
        )


def test_weights_of_a_file_are_called_so(tmp_path: Path) -> None:
    write_json(tmp_path / "source.json", SOURCE | {"source": "file", "url": "", "licence": None})
    export([pretrained_copy(tmp_path / "training")], tmp_path, source=tmp_path / "source.json")
    assert "- It started from pretrained weights: a file of the user's.\n" in text(tmp_path / "resnet20")
    assert "whose licence is unknown." in text(tmp_path / "resnet20")


def test_the_licence_of_a_file_is_what_its_user_says_and_of_a_named_source_its_own(tmp_path: Path) -> None:
    training = pretrained_copy(tmp_path / "training")
    write_json(tmp_path / "source.json", SOURCE | {"source": "file", "url": "", "licence": None})
    export([training], tmp_path, source=tmp_path / "source.json", weights={"licence": "CC-BY-4.0"})
    assert "whose licence is CC-BY-4.0." in text(tmp_path / "resnet20")
    assert properties_of(tmp_path / "resnet20" / "model.onnx")["weights_licence"] == "CC-BY-4.0"
    write_json(tmp_path / "source.json", SOURCE)
    export([training], tmp_path, source=tmp_path / "source.json", weights={"licence": "CC-BY-4.0"})
    assert "whose licence is Apache-2.0." in text(tmp_path / "resnet20")


def test_a_supernet_that_started_from_nothing_is_no_pretrained_network(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    metrics = read_json(pretrained_copy(folder)) | {"weights": "supernet"}
    write_json(folder / "metrics.json", metrics)
    assert pretrained(metrics, None) is None
    assert pretrained(metrics, SOURCE) == pretrained({**metrics, "weights": "lite0"}, SOURCE)
    export([str(folder / "metrics.json")], tmp_path)
    assert "pretrained weights" not in text(tmp_path / "resnet20")


def test_pretrained_weights_without_facts_are_named_and_their_licence_is_unknown(tmp_path: Path) -> None:
    export([pretrained_copy(tmp_path / "training")], tmp_path)
    assert "- They started from `lite0`, whose licence is unknown." in text(tmp_path / "resnet20")
    told = properties_of(tmp_path / "resnet20" / "model.onnx")
    assert {key: value for key, value in told.items() if key.startswith("weights")} == {"weights": "lite0"}


def test_a_network_from_nothing_has_no_facts_of_weights_that_others_started_from(tmp_path: Path) -> None:
    write_json(tmp_path / "source.json", SOURCE)
    export([retrained("resnet20")], tmp_path, source=tmp_path / "source.json")
    found = text(tmp_path / "resnet20")
    assert "lite0" not in found
    assert MEASURED.sub("?", found) == MEASURED.sub("?", text(exported("resnet20")))
    assert not [key for key in properties_of(tmp_path / "resnet20" / "model.onnx") if key.startswith("weights")]
