"""Searches and rankings without the test set: its files are deleted before they begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_workflow import TINY, change, finish

WINNERS = "results/tiny/ranking/winners.csv"


@pytest.mark.parametrize("train_on", ["train", "train+valid"])
def test_searches_and_ranking_find_the_same_winners_with_the_test_files_missing(
    finished: Path, tmp_path: Path, train_on: str
) -> None:
    config = change(TINY, retrain__train_on=train_on)
    (prepared,) = (finished / "results" / "data").glob("*/meta.json")
    data = prepared.parent.relative_to(finished)
    finish(tmp_path, config, f"{data}/meta.json")
    for name in ("test_images.npy", "test_labels.npy"):
        (tmp_path / data / name).unlink()
    told = finish(tmp_path, config, WINNERS)
    assert "rule rank:" in told
    assert "rule data:" not in told  # which would make them anew
    assert (tmp_path / WINNERS).read_bytes() == (finished / WINNERS).read_bytes()
    assert not list((tmp_path / data).glob("test_*"))
