"""A kit for another device: what it holds, what its runner needs and writes, and a search by its table."""

from __future__ import annotations

import ast
import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from stepping import run, settings_files

from nas_steps.config.load import load
from nas_steps.config.space import filled
from nas_steps.data.store import SPLITS
from nas_steps.errors import UserError
from nas_steps.latency.__main__ import main
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.search.latency_table import read_table
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import read_costs
from nas_steps.spaces.declare import declared
from nas_steps.workflow.plan import Plan

STAGES = [{"width": [8, 16], "kernel": [3, 5]}]
RAW: dict[str, Any] = {
    "experiment": "tiny",
    "device": "cpu",
    "space": {"preset": "mobile_small", "stages": STAGES},
    "search": {
        "constraints": {"latency_ms": 100, "memory_mb": 9, "latency": {"repeats": 2, "warmup": 0, "batch": 2}},
        "strategies": {"random": {"evaluations": 2}},
    },
    "ranking": {"uniform": 0},
}
#: a Python without torch: importing it raises
BLOCKED = (
    "import runpy, sys; sys.modules['torch'] = None; sys.argv[1:] = {}; runpy.run_path('run.py', None, '__main__')"
)


def config_file(folder: Path, raw: dict[str, Any] = RAW) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


def tabled(table: Path, **latency: Any) -> dict[str, Any]:
    search = RAW["search"]
    constraints = search["constraints"]
    given = {**constraints["latency"], "table": str(table), **latency}
    return {**RAW, "search": {**search, "constraints": {**constraints, "latency": given}}}


def on_device(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", BLOCKED.format(list(options))]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unzipped kit with the table that its runner wrote."""
    folder = tmp_path_factory.mktemp("kit")
    results = str(folder / "results")
    main(["kit", str(config_file(folder)), "--output", str(folder / "kit.zip"), "--results", results])
    with zipfile.ZipFile(folder / "kit.zip") as archive:
        archive.extractall(folder / "device")
    done = on_device(folder / "device")
    assert done.returncode == 0, done.stderr
    assert "turn 2 of 2, about 0 s left" in done.stdout
    return folder / "device"


def table_of(kit: Path, to: Path, change: Any = lambda rows: rows) -> Path:
    """A copy of the kit's table with other rows."""
    with (kit / "latency.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    with to.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(change(rows))
    return to


def test_the_runner_is_python_of_3_8_and_imports_onnxruntime_and_numpy_alone(kit: Path) -> None:
    tree = ast.parse((kit / "run.py").read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others == {"numpy", "onnxruntime"}


def test_the_table_has_every_block_and_twenty_networks_and_says_where_it_was_measured(kit: Path) -> None:
    table = read_table(kit / "latency.csv")
    described = read_json(kit / "kit.json")
    names = [one["name"] for one in described["measured"] if one["kind"] == "block"]
    assert list(table.blocks) == names
    assert len(names) > 5
    assert len(table.networks) == 20
    assert all(value > 0 for value in table.blocks.values())
    assert {"processor", "system", "onnxruntime", "threads", "load_before"} <= set(table.facts)
    assert [table.facts[name] for name in ("inputs", "side", "classes", "batch")] == ["1", "8", "10", "2"]


def test_one_file_can_be_measured_and_wrong_options_are_told(kit: Path) -> None:
    done = on_device(kit, "--model", "networks/00.onnx", "--repeats", "3")
    assert done.returncode == 0
    assert "networks/00.onnx: " in done.stdout
    assert "ms, batch 2, 1 thread(s)" in done.stdout
    for options, words in (
        (["--model", "nothing.onnx"], "there is no file nothing.onnx"),
        (["--repeats", "0"], "--repeats is 0; it must be 1 or more"),
        (["--provider", "Abacus"], "no provider Abacus here; it has"),
    ):
        done = on_device(kit, *options)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_files_that_do_not_fit_are_measured_in_groups(kit: Path) -> None:
    done = on_device(kit, "--megabytes", "0.1", "--output", "grouped.csv", "--repeats", "1")
    assert done.returncode == 0, done.stderr
    assert "group 2: turn 1 of 1" in done.stdout
    assert list(read_table(kit / "grouped.csv").blocks) == list(read_table(kit / "latency.csv").blocks)


def prepared(folder: Path, side: int = 8) -> Path:
    meta = {
        "classes": [str(one) for one in range(10)],
        "counts": {split: {"0": 1} for split in SPLITS},
        "shape": [1, side, side],
        "mean": [0.5],
        "std": [0.2],
        "content": "",
        "checksums": {f"{split}_{what}.npy": "" for split in SPLITS for what in ("images", "labels")},
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    return folder


def test_a_search_reads_the_table_and_measures_nothing(
    kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(tabled(kit / "latency.csv"))
    files = settings_files(config, tmp_path / "results")
    given = {"settings": files["measure_blocks"], "data": prepared(tmp_path), "latencies": kit / "latency.csv"}
    run("measure_blocks", **given, output=tmp_path / "search")
    assert "as measured on" in capsys.readouterr().out
    space = declared(filled(config.space))
    table = read_costs(tmp_path / "search/blocks.csv", blocks_of(space))
    record = read_json(tmp_path / "search/latency.json")
    assert table.has_latency
    assert record["elsewhere"] is True
    assert record["batch"] == 2
    # the networks that the sums were not fitted to
    measured = [milliseconds for _, milliseconds in read_table(kit / "latency.csv").networks]
    assert [one["measured_ms"] for one in record["validation"]["networks"]] == measured[8:]
    for one in record["validation"]["networks"]:
        assert table.costs(space.parse(one["architecture"])).latency_ms == pytest.approx(one["predicted_ms"])
    # twice the images take twice the activations
    single = load({**RAW, "search": {**RAW["search"], "constraints": {"memory_mb": 9}}})
    run(
        "measure_blocks",
        settings=settings_files(single, tmp_path / "one")["measure_blocks"],
        data=tmp_path,
        output=tmp_path / "single",
    )
    one = read_costs(tmp_path / "single/blocks.csv", blocks_of(space))
    sample = space.parse(record["validation"]["networks"][0]["architecture"])
    assert table.costs(sample).activations_mb == pytest.approx(2 * one.costs(sample).activations_mb)
    profile = {"settings": files["profile_space"], "data": tmp_path, "blocks": tmp_path / "search/blocks.csv"}
    run("profile_space", **profile, output=tmp_path / "search")
    rows = read_csv(tmp_path / "search/profile.csv")
    assert [row["cost"] for row in rows] == ["parameters", "macs", "latency_ms", "memory_mb", "file_mb", "all"]
    assert read_json(tmp_path / "search/profile.json")["within"]["within"] == int(rows[-1]["within"])
    with pytest.raises(UserError, match="was measured with 8 pixels a side, not 16"):
        run("measure_blocks", **{**given, "data": prepared(tmp_path, 16)}, output=tmp_path / "search")


def test_the_content_of_the_table_is_a_setting_and_its_path_is_none(kit: Path, tmp_path: Path) -> None:
    def settings(raw: dict[str, Any]) -> str:
        return settings_files(load(raw), tmp_path / "results")["measure_blocks"]

    same = table_of(kit, tmp_path / "same.csv")
    slower = table_of(kit, tmp_path / "slower.csv", lambda rows: [*rows[:-1], [*rows[-1][:2], "99.0"]])
    assert settings(tabled(kit / "latency.csv")) == settings(tabled(same)) != settings(tabled(slower))
    assert settings(RAW) != settings(tabled(same))
    plan = Plan(tabled(same), root=str(tmp_path / "results"))
    command = plan.command("measure_blocks", {}, {"data": ["d/meta.json"]}, plan_outputs(plan))
    assert f"--latencies={same}" in command
    assert not plan.measures_on_device
    untabled = Plan(RAW, root=str(tmp_path / "results"))
    assert "--latencies" not in untabled.command(
        "measure_blocks", {}, {"data": ["d/meta.json"]}, plan_outputs(untabled)
    )


def plan_outputs(plan: Plan) -> dict[str, str]:
    return {name: plan.file("measure_blocks", name) for name in ("blocks", "latency", "cost")}


DAMAGED: dict[str, tuple[Any, str]] = {
    "other columns": (lambda rows: [["block", "ms"], *rows[1:]], "has the columns block, ms, not kind, name, value"),
    "no number": (lambda rows: [*rows[:-1], [*rows[-1][:2], "fast"]], r"line \d+ is damaged: 'network,stem.*fast'"),
    "no time": (lambda rows: [*rows[:-1], [*rows[-1][:2], "-1"]], "is damaged"),
    "a cell too few": (lambda rows: [*rows[:-1], rows[-1][:2]], "is damaged"),
    "cut off": (lambda rows: rows[:-3], r"is cut off or edited: it has \d+ measurements, and says that it has \d+"),
    "empty": (lambda rows: rows[:0], "has the columns none"),
    "of another space": (
        lambda rows: [[*row[:2], "0" * 16] if row[1] == "space" else row for row in rows],
        "was measured for another space than this experiment's; make a kit",
    ),
}


@pytest.mark.parametrize(("change", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_table_that_is_damaged_or_of_another_space_is_refused_before_any_job(
    kit: Path, tmp_path: Path, change: Any, words: str
) -> None:
    table = table_of(kit, tmp_path / "table.csv", change)
    with pytest.raises(UserError, match=words) as caught:
        Plan(tabled(table), root=str(tmp_path / "results"))
    assert "\n" not in str(caught.value)


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "side": ({"data": {"resolution": 16}}, "8 pixels a side, not 16"),
    "channels": ({"data": {"channels": 3}}, "1 channels, not 3"),
    "classes": ({"data": {"source": "cifar100", "resolution": 8, "channels": 1}}, "10 classes, not 100"),
    "space": ({"space": {"preset": "mobile_small", "stages": [{"width": 8, "kernel": [3, 5]}]}}, "another space"),
}


@pytest.mark.parametrize(("other", "words"), OTHERS.values(), ids=OTHERS)
def test_a_table_of_other_images_is_refused_before_any_job(
    kit: Path, tmp_path: Path, other: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        Plan({**tabled(kit / "latency.csv"), **other}, root=str(tmp_path / "results"))


def test_a_table_of_another_batch_a_missing_one_and_another_runtime_are_refused(kit: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 images in a pass, not 1"):
        Plan(tabled(kit / "latency.csv", batch=1), root=str(tmp_path / "results"))
    with pytest.raises(
        UserError, match=r"search\.constraints\.latency\.table: there is no file .*nas_steps\.latency kit"
    ):
        load(tabled(tmp_path / "nothing.csv"))
    with pytest.raises(UserError, match="runtime is torch, but a table holds what onnxruntime took"):
        load(tabled(kit / "latency.csv", runtime="torch"))


def test_what_is_not_known_of_the_images_is_asked_for(tmp_path: Path) -> None:
    images = tmp_path / "images"
    for name in ("a", "b"):
        (images / name).mkdir(parents=True)
    raw = {**RAW, "data": {"source": "folder", "path": str(images), "resolution": 32}}
    given = ["kit", str(config_file(tmp_path, raw)), "--results", str(tmp_path / "results")]
    with pytest.raises(
        UserError, match=r"does not tell their classes; give --classes, or run `snakemake --until data`"
    ):
        main([*given, "--output", str(tmp_path / "kit.zip")])
    with pytest.raises(UserError, match=r"--side is 7, but the config says 32; leave it out"):
        main([*given, "--classes", "2", "--side", "7"])
    with pytest.raises(UserError, match=r"--classes is 0; it must be 1 or more"):
        main([*given, "--classes", "0"])
    assert not (tmp_path / "kit.zip").exists()
