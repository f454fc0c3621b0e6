"""A supernet of language models learns text, and its shared weights score a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stepping import run
from tiny_text import prepared, settings

from nas_steps.config.load import load
from nas_steps.config.schema import Config
from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, read_json
from nas_steps.search.one_shot.contexts import Contexts
from nas_steps.search.one_shot.networks import NO_TEXT
from nas_steps.training.texts import load_text

SUPERNET = {"sampling": "sandwich", "epochs": 2, "images": 0.2, "batch_size": 8}
CHANGES: dict[str, Any] = {
    "search__estimator": {"kind": "shared_weights", "supernet": SUPERNET},
    "space": {
        "depth": [1, 2],
        "width": [8, 16],
        "position": "rope",
        "norm": "rms",
        "order": "sequential",
        "embedding": "untied",
        "extras": "none",
        "mixer": ["attn_h2", "conv_k3"],
        "feed_forward": ["gelu_e4", "gelu_e2"],
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("supernet")
    run("supernet", settings=settings(**CHANGES)["supernet"], seed=0, data=prepared(), output=folder)
    return folder


def test_it_learns(trained: Path) -> None:
    rows = read_csv(trained / "history.csv")
    assert len(rows) == 2
    assert number(rows[1]["train_loss"]) < number(rows[0]["train_loss"])


def test_a_search_by_shared_weights_scores_minus_bits_per_byte(trained: Path, tmp_path: Path) -> None:
    where = {"settings": settings(**CHANGES)["one_shot evolution"], "data": prepared(), "output": tmp_path}
    run("one_shot", strategy="evolution", seed=0, weights=trained / "weights.safetensors", **where)
    rows = read_csv(tmp_path / "candidates.csv")
    assert len(rows) == 3
    assert all(-8.5 < number(row["score"]) < -2 for row in rows)


def test_statistics_are_of_the_metric(trained: Path, tmp_path: Path) -> None:
    where = {"settings": settings(**CHANGES)["supernet_statistics"], "data": prepared(), "output": tmp_path}
    run("supernet_statistics", seed=0, weights=trained / "weights.safetensors", **where)
    found = read_json(tmp_path / "statistics.json")
    assert -8.5 < found["running"]["least"] <= found["running"]["best"] < -2


def test_contexts_are_batches_of_what_was_asked_for() -> None:
    text = load_text(prepared(), torch.device("cpu"), "valid")
    contexts = Contexts(text, 11)
    assert len(contexts) == 11
    assert contexts.steps(4, shuffle=True) == 3
    found = list(contexts.batches(4, shuffle=True, seed=3))
    assert [len(inputs) for inputs, _ in found] == [4, 4, 3]
    assert all(torch.equal(inputs[:, 1:], targets[:, :-1]) for inputs, targets in found)
    later = list(contexts.batches(4, shuffle=True, seed=3, start=1))
    assert all(torch.equal(one, other) for one, other in zip(found[1], later[0], strict=True))
    scored = list(Contexts(text, text.windows_count).batches(5, shuffle=False))
    assert sum(int((targets != NO_TEXT).sum()) for _, targets in scored) == len(text) - text.documents
    assert sum(len(inputs) for inputs, _ in Contexts(text, 7).batches(5, shuffle=False)) == 7


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"calibration_images": 64}, ["calibration_images is 64", "no batch norms"]),
        ({"supernet": {"optimizer": "sgd"}}, ["supernet.optimizer is sgd", "adamw"]),
        ({"supernet": {"augment": {"flip": True}}}, ["supernet.augment", "images"]),
        ({"supernet": {"resolution": 8}}, ["supernet.resolution", "images"]),
        ({"supernet": {"entangled": True}}, ["entangled is true", "set false"]),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, Any], words: list[str]) -> None:
    raw: dict[str, Any] = {
        "data": {"source": "stdlib"},
        "space": CHANGES["space"],
        "search": {"estimator": {"kind": "shared_weights", **keys}},
        "ranking": {"recipe": {"compute": 1e12}},
        "retrain": {"recipe": {"compute": 1e12}},
    }
    with pytest.raises(UserError) as error:
        load(raw)
    assert all(word in str(error.value) for word in words), str(error.value)
    raw["search"]["estimator"] = {"kind": "shared_weights"}
    found: Config = load(raw)
    assert found.search.estimator.supernet.sampling == "sandwich"  # type: ignore[union-attr]
