"""What was estimated before is looked up: when it is, when it is not, and that it changes no score."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stepping import run
from tiny_world import CONVOLUTION, MIXED, settings

from nas_steps.estimation.estimates import Estimate, read_estimates
from nas_steps.estimation.proposals import Proposal, write_proposals
from nas_steps.estimation.shard import EstimateCache
from nas_steps.provenance.files import read_json, write_json
from nas_steps.provenance.fingerprint import fingerprint
from nas_steps.training.networks import train_network


def estimated(folder: Path, data: str, name: str, architectures: list[str], seed: int = 0, **changes: Any) -> Path:
    """Estimates in `folder`, whose store of settings and so whose memory is one for all calls."""
    store = folder / "results/settings"
    store.mkdir(parents=True, exist_ok=True)
    path = Path(settings(**changes)["evaluate"])
    (store / path.name).write_bytes(path.read_bytes())
    write_proposals(folder / f"{name}-proposals.csv", [Proposal(i, text) for i, text in enumerate(architectures)])
    given = {"settings": store / path.name, "data": data, "proposals": folder / f"{name}-proposals.csv"}
    run("evaluate", **given, strategy="random", seed=seed, round=0, shard=0, shards=1, output=folder / name)
    return folder / name / "shard-0.csv"


def looked_up(folder: Path, name: str) -> int:
    return read_json(folder / name / "shard-0.cost.json")["extra"].get("looked_up", 0)


def test_an_architecture_is_trained_once_whoever_proposes_it(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    train = train_network

    def spy(architecture: str, *rest: Any, **named: Any) -> Any:
        trained.append(architecture)
        return train(architecture, *rest, **named)

    monkeypatch.setattr("nas_steps.estimation.shard.train_network", spy)
    (first,) = read_estimates([estimated(tmp_path, data, "one", [MIXED])])
    new, again = read_estimates([estimated(tmp_path, data, "two", [CONVOLUTION, MIXED])])
    assert trained == [MIXED, CONVOLUTION]
    assert again == dataclasses.replace(first, index=1)
    assert new.architecture == CONVOLUTION
    assert [looked_up(tmp_path, name) for name in ("one", "two")] == [0, 1]
    assert read_json(tmp_path / "two" / "shard-0.cost.json")["extra"]["looked_up_seconds"] == first.seconds > 0


@pytest.mark.parametrize("change", [{"seed": 1}, {"search__estimator__learning_rate": 0.04}, {"threads": 2}])
def test_what_was_trained_otherwise_is_not_looked_up(tmp_path: Path, data: str, change: dict[str, Any]) -> None:
    estimated(tmp_path, data, "one", [MIXED])
    estimated(tmp_path, data, "two", [MIXED], **change)
    assert looked_up(tmp_path, "two") == 0


def test_a_failure_of_the_machine_is_not_remembered(tmp_path: Path) -> None:
    known, proposal = EstimateCache(tmp_path, {"code": "1"}), Proposal(3, MIXED)
    known.put(proposal, Estimate(3, MIXED, math.nan, "failed", "out of memory"))
    assert known.get(proposal) is None
    diverged = Estimate(3, MIXED, math.nan, "diverged", "the loss is nan", 5, 6, 0.5, 2)
    known.put(proposal, diverged)
    assert known.get(dataclasses.replace(proposal, index=7)) == dataclasses.replace(diverged, index=7)


def test_the_rung_and_the_incumbent_are_part_of_what_is_asked(tmp_path: Path) -> None:
    known = EstimateCache(tmp_path, {"code": "1"})
    known.put(Proposal(0, MIXED, epochs=2), Estimate(0, MIXED, 0.5))
    assert known.get(Proposal(1, MIXED, epochs=2, promoted=True)) == Estimate(1, MIXED, 0.5)
    assert known.get(Proposal(0, MIXED, epochs=6)) is None
    assert known.get(Proposal(0, MIXED, epochs=2, incumbent=0.4)) is None
    assert EstimateCache(tmp_path, {"code": "2"}).get(Proposal(0, MIXED, epochs=2)) is None


def test_a_record_of_another_architecture_is_not_taken(tmp_path: Path) -> None:
    known = EstimateCache(tmp_path, {"code": "1"})
    known.put(Proposal(0, MIXED), Estimate(0, MIXED, 0.5))
    (file,) = known.folder.glob("*/*.json")
    told = json.loads(file.read_text())["estimate"] | {"architecture": CONVOLUTION}
    write_json(file, {"estimate": told, "fingerprint": fingerprint(told)})
    assert known.get(Proposal(0, MIXED)) is None


@pytest.mark.parametrize("edit", [lambda text: text.replace("0.5", "0.9"), lambda text: text[:40], lambda _text: "[]"])
def test_a_record_that_was_edited_or_is_damaged_is_not_taken(tmp_path: Path, edit: Callable[[str], str]) -> None:
    known = EstimateCache(tmp_path, {"code": "1"})
    known.put(Proposal(0, MIXED), Estimate(0, MIXED, 0.5))
    (file,) = known.folder.glob("*/*.json")
    file.write_text(edit(file.read_text()))
    assert known.get(Proposal(0, MIXED)) is None
    known.put(Proposal(0, MIXED), Estimate(0, MIXED, 0.5))
    assert known.get(Proposal(0, MIXED)) == Estimate(0, MIXED, 0.5)


def test_no_folder_has_a_large_share_of_the_records(tmp_path: Path) -> None:
    """Who writes a file looks through its folder for what dead processes left: with all in one, the square of them."""
    known = EstimateCache(tmp_path, {"code": "1"})
    proposals = [Proposal(0, MIXED, epochs=epochs) for epochs in range(1, 513)]
    for proposal in proposals:
        known.put(proposal, Estimate(0, MIXED, 0.5))
    sizes = [len(list(folder.iterdir())) for folder in known.folder.iterdir()]
    assert sum(sizes) == len(proposals)
    assert max(sizes) <= 12  # two on average
