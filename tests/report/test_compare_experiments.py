"""Experiments beside each other: made-up trees with the manifest that a run writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, write

from nas_steps.compare import tables
from nas_steps.compare.__main__ import main
from nas_steps.compare.reading import differing, letters, read_all, seed_groups
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json, write_json
from nas_steps.provenance.fingerprint import file_hash


def finished(folder: Path, name: str, made: MadeUp, data: str = "one") -> Path:
    """A made-up experiment below a folder of its own, with its manifest; `data` tells its test set from others."""
    made.config = {**made.config, "experiment": name}
    place, settings = write(folder / name, made)
    files = {
        file.relative_to(place).as_posix(): {"bytes": file.stat().st_size, "sha256": file_hash(file)}
        for file in place.rglob("*")
        if file.is_file()
    }
    files |= {f"../data/{part}_images.npy": {"bytes": 1, "sha256": data} for part in ("train", "valid", "test")}
    files["../data/meta.json"] = {"bytes": 1, "sha256": data}
    own = read_json(settings)
    write_json(
        place / "manifest.json",
        {"config": own["config"], "rules": {"report": {"settings": settings.stem}}, "settings": {settings.stem: own},
         "code": {}, "packages": {"nas-steps": "0.2.0", "torch": "2.14.1"}, "devices": ["cpu"], "files": files},
    )  # fmt: skip
    return place


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two experiments that differ in their seed, and one with another recipe and other test images."""
    folder = tmp_path_factory.mktemp("three")
    recipe = {"retrain": {"recipe": {"epochs": 77}}}
    made = [
        finished(folder, "first", MadeUp({"seed": 0})),
        finished(folder, "second", MadeUp({"seed": 1}, means={"darts": 0.972})),
        finished(folder, "longer", MadeUp(recipe), data="another"),
    ]
    return [str(one) for one in made]


def test_figures_are_those_of_the_experiment(three: list[str]) -> None:
    row = tables.rows(read_all(three))[0]
    chosen = read_json(Path(three[0]) / "recommended.json")
    assert [row[key] for key in ("recommended", "test_mean", "test_low", "test_high", "parameters", "macs")] == [
        chosen[key] for key in ("entry", "test_accuracy", "test_low", "test_high", "parameters", "macs")
    ]
    summary = {one["entry"]: one for one in read_csv(Path(three[0]) / "retraining" / "summary.csv")}
    baselines = [one for one in summary.values() if one["kind"] == "baseline"]
    best = max(baselines, key=lambda one: float(one["valid_mean"]))
    assert (row["baseline"], row["baseline_test_mean"]) == (best["entry"], float(best["test_mean"]))
    drawn = [float(one["test_mean"]) for one in summary.values() if one["kind"] == "random" and "." not in one["entry"]]
    assert row["random_mean"] == pytest.approx(sum(drawn) / len(drawn))
    assert row["cpu_seconds"] > 0
    assert row["gpu_seconds"] == 0


def test_only_keys_that_differ_are_told_and_the_name_is_none(three: list[str]) -> None:
    found = {row["key"]: row for row in tables.config_differences(read_all(three)).rows}
    assert set(found) == {"seed", "retrain.recipe.epochs"}
    assert found["seed"]["config:second"] == "1"
    assert found["retrain.recipe.epochs"]["config:longer"] == "77"


def test_a_key_of_one_config_alone_is_told_whole() -> None:
    assert list(differing([{"a": {"b": 1}}, {"a": {"b": 1, "c": {"d": 2}}}])) == [("a.c", ["(not there)", {"d": 2}])]


def test_experiments_that_differ_in_the_seed_alone_are_a_group(three: list[str]) -> None:
    read = read_all(three)
    assert [[one.name for one in group] for group in seed_groups(read)] == [["first", "second"]]
    rows = tables.rows(read)
    table = tables.seeds(read, rows)
    mean = (rows[0]["test_mean"] + rows[1]["test_mean"]) / 2
    assert table.rows[0]["test_mean"]["mean"] == pytest.approx(mean)
    assert table.rows[0]["test_mean"]["std"] == pytest.approx(abs(rows[0]["test_mean"] - rows[1]["test_mean"]) / 2**0.5)


def test_other_test_sets_have_another_letter_and_are_not_compared(three: list[str]) -> None:
    read = read_all(three)
    assert letters(read, "test") == {"first": "A", "second": "A", "longer": "B"}
    told = [one.text for one in tables.sentences(read)]
    assert any("Comparable are only: first and second; longer." in text for text in told)
    assert any(text.startswith("Nothing is claimed about a difference between two experiments") for text in told)
    assert any(text.startswith("If you pick the best of 2 experiments by its test figure") for text in told)


def test_one_experiment_alone_is_warned_of_nothing(three: list[str]) -> None:
    assert list(tables.sentences(read_all(three[:1]))) == []


def test_the_page_holds_everything_and_loads_nothing(
    three: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.stat().st_mtime_ns for one in three for file in Path(one).rglob("*")}
    page, figures = tmp_path / "compare.html", tmp_path / "compare.csv"
    main([*three, "--output", str(page), "--csv", str(figures)])
    assert {file: file.stat().st_mtime_ns for one in three for file in Path(one).rglob("*")} == before
    text = page.read_text(encoding="utf-8")
    for part in ("retrain.recipe.epochs", "first, second", "Test accuracy of the recommended networks on test set A"):
        assert part in text
    assert "src=" not in text
    assert text.count("<svg") == 1
    rows = read_csv(figures)
    assert [row["experiment"] for row in rows] == ["first", "second", "longer"]
    assert [row["config:seed"] for row in rows] == ["0", "1", "0"]
    assert "Keys of the configs that differ" in capsys.readouterr().out


def test_language_models_are_spelled_in_bits_and_never_beside_accuracies(three: list[str], tmp_path: Path) -> None:
    text = finished(tmp_path, "text", MadeUp(text=True), data="text")
    read = read_all([three[0], str(text)])
    assert read[1].problem == ""
    table = tables.figures(read, tables.rows(read)).spelled()
    assert "bits per byte" in " ".join(table[1])
    assert "%" in " ".join(table[0])
    told = [one.text for one in tables.sentences(read)]
    assert "The networks are judged by several metrics: first by accuracy and text by bits per byte." in told
    assert not any("Nothing is claimed" in text for text in told)


def copied(one: str, folder: Path) -> Path:
    shutil.copytree(Path(one).parents[1], folder / "copy")
    return next(path for path in (folder / "copy" / "results").iterdir() if (path / "manifest.json").is_file())


def test_an_unfinished_experiment_is_a_marked_row(three: list[str], tmp_path: Path) -> None:
    copy = copied(three[0], tmp_path)
    (copy / "manifest.json").unlink()
    (read,) = read_all([str(copy)])
    assert read.problem == "not finished: there is no manifest.json; run snakemake to its end"
    assert [one.text for one in tables.sentences([read])] == [f"first has no figures here: {read.problem}."]


def test_files_of_another_run_than_the_manifest_are_a_marked_row(three: list[str], tmp_path: Path) -> None:
    copy = copied(three[0], tmp_path)
    with (copy / "retraining" / "summary.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    (read,) = read_all([str(copy)])
    assert read.problem == "retraining/summary.csv is not the file of its manifest; run snakemake to the end"


def test_a_config_of_another_version_is_a_marked_row_with_its_config(three: list[str], tmp_path: Path) -> None:
    copy = copied(three[0], tmp_path)
    manifest: dict[str, Any] = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    (settings,) = manifest["settings"].values()
    settings["config"]["of_tomorrow"] = 1
    write_json(copy / "manifest.json", manifest)
    read = read_all([str(copy), three[1]])
    assert read[0].problem == "made by nas-steps 0.2.0: this version cannot read config.of_tomorrow of its config"
    assert "seed" in {row["key"] for row in tables.config_differences(read).rows}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["{0}", "{0}/../first"], "is the same folder as .*; name each experiment once"),
        (["{0}", "{0}/nothing"], "nothing does not exist; name folders such as results/digits"),
        (["{0}/../data"], "data holds no experiment; name folders such as results/digits"),
        (["{0}", "--output", "{0}/compare.html"], "compare.html lies in .*first, a folder of results; name a file out"),
    ],
)
def test_what_cannot_be_compared_is_one_message(three: list[str], given: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        main([one.format(three[0]) for one in given])
