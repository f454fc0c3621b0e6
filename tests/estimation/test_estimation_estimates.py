"""The file that estimates travel in, and the step that makes them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from stepping import run
from tiny_world import CONVOLUTION, MIXED, POOLS, settings

from nas_steps.estimation.estimates import Estimate, by_round, read_estimates, write_estimates
from nas_steps.provenance.files import write_csv
from nas_steps.training.networks import train_network

ARCHITECTURES = [MIXED, CONVOLUTION, POOLS]


def estimated(tmp_path: Path, data: str, shard: int, shards: int, stage: str = "search", seed: int = 0) -> Path:
    proposals = tmp_path / "proposals.csv"
    write_csv(
        proposals,
        [{"index": index, "architecture": text} for index, text in reversed(list(enumerate(ARCHITECTURES)))],
        ("index", "architecture"),
    )
    output = tmp_path / f"{stage}-{seed}-{shard}-of-{shards}"
    # a store of settings of its own for each call, so that nothing is known from an earlier one
    own = tmp_path / f"{len(list(tmp_path.iterdir()))}" / "settings" / "evaluate.json"
    own.parent.mkdir(parents=True)
    own.write_bytes(Path(settings()["evaluate"]).read_bytes())
    given = {"settings": own, "data": data, "proposals": proposals, "seed": seed, "shard": shard, "shards": shards}
    if stage == "ranking":
        run("train_shortlist", **given, output=output)
        return output / f"seed-{seed}-shard-{shard}.csv"
    run("evaluate", **given, strategy="random", round=0, output=output)
    return output / f"shard-{shard}.csv"


def without_seconds(estimates: list[Estimate]) -> list[Estimate]:
    return [dataclasses.replace(estimate, seconds=0.0) for estimate in estimates]


def test_a_round_trip_keeps_every_digit(tmp_path: Path) -> None:
    sound = Estimate(3, MIXED, 1 / 3, parameters=1234, macs=56789, seconds=0.125)
    bad = Estimate(1, POOLS, math.nan, "diverged", 'a "loss", that is\nno number', 5, 6, 0.5)
    write_estimates(tmp_path / "one.csv", [sound])
    write_estimates(tmp_path / "two.csv", [bad])
    first, second = read_estimates([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert second == sound
    assert math.isnan(first.score)
    assert dataclasses.replace(first, score=0.0) == dataclasses.replace(bad, score=0.0)


@pytest.mark.parametrize(
    ("score", "status", "fitness"),
    [
        (0.25, "ok", 0.25),
        (0.0, "ok", 0.0),
        (0.9, "diverged", -math.inf),
        (math.nan, "diverged", -math.inf),
        (math.nan, "ok", -math.inf),
        (math.inf, "ok", -math.inf),
    ],
)
def test_fitness(score: float, status: str, fitness: float) -> None:
    assert Estimate(0, MIXED, score, status).fitness == fitness


def test_rounds_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    shards = []
    for number, indices in [("round-0", [2, 0]), ("round-1", [1]), ("round-10", [0])]:
        for shard, index in enumerate(indices):
            shards.append(str(tmp_path / number / f"shard-{shard}.csv"))
            write_estimates(shards[-1], [Estimate(index, f"{number}/{index}", 0.5)])
    assert [[one.architecture for one in estimates] for estimates in by_round(shards)] == [
        ["round-0/0", "round-0/2"],
        ["round-1/1"],
        ["round-10/0"],
    ]
    assert by_round([]) == []


def test_shards_share_the_work_and_change_no_score(tmp_path: Path, data: str) -> None:
    whole = read_estimates([estimated(tmp_path, data, 0, 1)])
    assert [(one.index, one.architecture) for one in whole] == list(enumerate(ARCHITECTURES))
    assert all(one.status == "ok" and 0 <= one.score <= 1 and one.parameters > 0 and one.macs > 0 for one in whole)
    parts = [read_estimates([estimated(tmp_path, data, shard, 2)]) for shard in (0, 1)]
    assert [[one.index for one in part] for part in parts] == [[0, 2], [1]]
    together = sorted(parts[0] + parts[1], key=lambda one: one.index)
    assert without_seconds(together) == without_seconds(whole)
    # a shard without work writes an empty file
    assert read_estimates([estimated(tmp_path, data, 3, 4)]) == []


def test_a_divergence_is_recorded_and_the_others_go_on(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = train_network

    def unstable(architecture: str, network: Any, recipe: Any, *rest: Any, **named: Any) -> Any:
        if architecture == CONVOLUTION:
            recipe = recipe.model_copy(update={"learning_rate": 1e38, "gradient_clip": None})
        return train(architecture, network, recipe, *rest, **named)

    calm = read_estimates([estimated(tmp_path, data, 0, 1)])
    monkeypatch.setattr("nas_steps.estimation.shard.train_network", unstable)
    first, second, third = read_estimates([estimated(tmp_path, data, 0, 1)])
    assert (second.status, second.fitness) == ("diverged", -math.inf)
    assert math.isnan(second.score)
    assert "loss" in second.reason
    assert second.macs == calm[1].macs > 0
    assert without_seconds([first, third]) == without_seconds([calm[0], calm[2]])


def test_the_seed_of_a_training_depends_on_stage_seed_and_architecture(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    train = train_network

    def spy(*given: Any, seed: int, **named: Any) -> Any:
        seeds.append(seed)
        return train(*given, seed=seed, **named)

    monkeypatch.setattr("nas_steps.estimation.shard.train_network", spy)
    estimated(tmp_path, data, 0, 3)
    estimated(tmp_path, data, 1, 3)
    estimated(tmp_path, data, 0, 3, seed=1)
    estimated(tmp_path, data, 0, 3, stage="ranking")
    estimated(tmp_path, data, 0, 5)
    assert len(set(seeds[:4])) == 4
    assert seeds[4] == seeds[0]
