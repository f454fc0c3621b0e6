"""Prepared data are shared: between experiments of one folder, and between folders by Snakemake's own cache."""

from __future__ import annotations

from pathlib import Path

from tiny_workflow import TINY, change, finish, jobs_to_run

from nas_steps.data.store import load_split

DIGITS = change(TINY, data={"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 80})


def prepared(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "data").iterdir())


def test_another_experiment_prepares_nothing_anew_and_other_settings_do(tmp_path: Path) -> None:
    finish(tmp_path, TINY, "--until", "data")
    (first,) = prepared(tmp_path)
    assert first.name.startswith("folder-")
    other = change(TINY, experiment="other", retrain__seeds=2)
    assert jobs_to_run(tmp_path, other, "--until", "data") == []
    finish(tmp_path, change(other, data__max_train=50), "--until", "data")
    assert len(prepared(tmp_path)) == 2
    assert jobs_to_run(tmp_path, TINY, "--until", "data") == []  # the first one's are where they were


def test_a_workflow_elsewhere_takes_the_data_from_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    here, there, elsewhere = (tmp_path / name for name in ("here", "there", "elsewhere"))
    flags = ("--until", "data", "--cache")
    assert "from cache" in finish(here, DIGITS, *flags, SNAKEMAKE_OUTPUT_CACHE=str(cache))  # moved, then linked
    assert (prepared(here)[0] / "data.log").read_text().startswith("$ python -m nas_steps.data")
    other = change(DIGITS, experiment="other", search__seeds=2)
    finish(there, other, *flags, SNAKEMAKE_OUTPUT_CACHE=str(cache))
    (taken,) = prepared(there)
    assert taken.name == prepared(here)[0].name
    assert (taken / "data.log").read_text() == ""  # the command was not run
    arrays = sorted(taken.glob("*.npy"))
    assert len(arrays) == 6
    assert all(array.resolve().parent == cache.resolve() for array in arrays)
    assert len(load_split(taken, "train")) == 60
    assert jobs_to_run(there, other, "--until", "data") == []
    finish(elsewhere, change(DIGITS, data__max_train=50), *flags, SNAKEMAKE_OUTPUT_CACHE=str(cache))
    (made,) = prepared(elsewhere)
    assert (made / "data.log").read_text().startswith("$ python -m nas_steps.data")
    assert len(load_split(made, "train")) == 50
