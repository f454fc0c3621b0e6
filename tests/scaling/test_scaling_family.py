"""Compound scaling: rounding, the choice of a triple, the members and the steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_world import MIXED, settings, tiny_config

from nas_steps.config.schema import Scaling
from nas_steps.config.space import Network
from nas_steps.models.build import size
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.ranking.rank import RANKED
from nas_steps.scaling.compound import Factors, scale
from nas_steps.scaling.family import choose, describe_members
from nas_steps.scaling.steps import choose as choose_step
from nas_steps.scaling.steps import describe, gather, grid, train


def test_triples_are_all_those_within_the_tolerance() -> None:
    scaling = Scaling()
    found = scaling.triples()
    everything = [(a, b, c) for a in scaling.depth for b in scaling.width for c in scaling.resolution]
    assert found == [one for one in everything if 1.8 <= Factors(*one).product <= 2.2]
    assert 0 < len(found) < len(everything)
    assert Factors(1.2, 1.1, 1.15).product == pytest.approx(1.2 * 1.21 * 1.3225)
    assert Factors(1.2, 1.1, 1.15).power(2).product == pytest.approx(Factors(1.2, 1.1, 1.15).product ** 2)


@pytest.mark.parametrize(("cells", "depth", "expected"), [(5, 1.2, 6), (5, 1.21, 7), (3, 1.0, 3), (10, 1.1, 11)])
def test_cells_are_rounded_up_but_not_by_a_hair(cells: int, depth: float, expected: int) -> None:
    assert scale(Network(cells=cells), 8, Factors(depth, 1, 1), 4).network.cells == expected


def test_channels_are_a_multiple_and_never_below_nine_tenths() -> None:
    for channels in range(1, 60):
        for width in (1.05, 1.1, 1.21, 1.4, 2.0):
            found = scale(Network(channels=channels), 8, Factors(1, width, 1), 8).network.channels
            assert found % 8 == 0
            assert 0.9 * channels * width <= found
            assert found <= max(8, channels * width + 8)
    # 11.2 would be rounded to 8, which is less than nine tenths of it
    assert scale(Network(channels=8), 8, Factors(1, 1.4, 1), 8).network.channels == 16


def test_factors_of_one_change_nothing() -> None:
    network = Network(channels=7, cells=5)
    found = scale(network, 9, Factors(1, 1, 1), 4)
    assert (found.network, found.side) == (network, 9)
    assert scale(network, 8, Factors(1, 1, 1.15), 4).side == 9


def test_declared_reductions_keep_their_place_in_proportion() -> None:
    network = Network(cells=8, reductions=[2, 5])
    for depth, cells, reductions in ((1.0, 8, [2, 5]), (1.5, 12, [3, 7]), (2.0, 16, [4, 10])):
        found = scale(network, 8, Factors(depth, 1, 1), 4).network
        assert (found.cells, found.reductions) == (cells, reductions)


def test_a_network_of_one_input_cells_grows_in_depth_width_and_resolution() -> None:
    architecture = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|skip_connect~2|"
    base = size(architecture, Network(channels=8, cells=2), inputs=3, classes=10, side=16)
    for factors in (Factors(1.5, 1, 1), Factors(1, 1.5, 1), Factors(1, 1, 1.5)):
        member = scale(Network(channels=8, cells=2), 16, factors, 4)
        grown = size(architecture, member.network, inputs=3, classes=10, side=member.side)
        assert 1.15 < grown.macs / base.macs < 2.5


def rows(*macs: int) -> list[dict[str, str]]:
    factors = {"depth": "1.0", "width": "1.0", "resolution": "1.4", "product": "1.96"}
    return [
        {"index": str(index), **factors, "depth": f"{1 + index}.0", "macs": str(one), "macs_ratio": str(one / 100)}
        for index, one in enumerate(macs)
    ]


def scored(*scores: float | None) -> list[dict[str, str]]:
    return [
        {"index": str(index), "score": "" if one is None else str(one), "status": "diverged" if one is None else "ok"}
        for index, one in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "depth", "tried"),
    [
        ([0.5, 0.9, 0.7], 2, 3),
        ([0.9, 0.9, 0.7], 2, 3),  # of equals, the one with fewer MACs
        ([None, 0.1, 0.7], 3, 2),
        ([None, None, None], 3, 0),  # 190 is nearest to twice 100
    ],
)
def test_the_choice(scores: list[float | None], depth: float, tried: int) -> None:
    found = choose(rows(250, 160, 190), scored(*scores))
    assert (found["depth"], found["tried"]) == (depth, tried)
    assert ("nearest to twice" in found["why"]) is (tried == 0)
    assert (found["score"] is None) is (tried == 0)


def test_members_say_whether_they_are_within_the_budget() -> None:
    def measure(network: Network, side: int) -> tuple[int, int]:
        return 1, network.cells * side**2

    scaling = Scaling(members=3, mac_budget=3 * 64 * 2)
    found = describe_members(scaling, Factors(2, 1, 1), Network(cells=3), 8, measure)
    assert [(row["member"], row["cells"], row["within_budget"]) for row in found] == [
        ("B0", 3, "yes"),
        ("B1", 6, "yes"),  # exactly at the budget
        ("B2", 12, "no"),
    ]


def through(tmp_path: Path, data: str, status: str | None) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """All steps; the members' records and the family. `status` is that of the only ranked row, None for no row."""
    base = size(MIXED, tiny_config().retrain.network, inputs=1, classes=10, side=8).macs
    files = settings(scaling__mac_budget=base * 1.2)
    ranked = [] if status is None else [{"rank": 1, "architecture": MIXED, "status": status}]
    write_csv(tmp_path / "ranked.csv", ranked, RANKED)
    shared = ["--data", data, "--ranked", str(tmp_path / "ranked.csv"), "--cost", str(tmp_path / "cost.json")]
    triples = ["--triples", str(tmp_path / "triples.csv")]
    describe.main(["--settings", files["scaling_grid"], *shared, "--output", str(tmp_path / "triples.csv")])
    scores = [str(tmp_path / f"grid-{shard}.csv") for shard in (0, 1)]
    for shard, path in enumerate(scores):
        given = ["--shard", str(shard), "--shards", "2", "--output", path]
        grid.main(["--settings", files["scaling_grid"], *shared, *triples, *given])
    members = files["scaling_members"]
    choose_step.main(["--settings", members, *shared, *triples, "--scores", *scores, "--output", str(tmp_path)])
    described = ["--members", str(tmp_path / "members.csv")]
    records = []
    for member in ("B0", "B1"):
        given = ["--chosen", str(tmp_path / "chosen.json"), *described, "--member", member, "--seed", "0"]
        train.main(["--settings", members, "--data", data, *given, "--output", str(tmp_path / member)])
        records.append(str(tmp_path / member / "metrics.json"))
    gather.main([*described, "--trainings", *records, "--output", str(tmp_path / "family.csv")])
    return [read_json(path) for path in records], read_csv(tmp_path / "family.csv")


def test_all_steps_with_one_member_within_the_budget(tmp_path: Path, data: str) -> None:
    (first, second), family = through(tmp_path, data, "ok")
    triples = read_csv(tmp_path / "triples.csv")
    assert [tuple(float(row[key]) for key in ("depth", "width", "resolution")) for row in triples] == [
        (1, 1, 1.4),
        (1, 1.4, 1),
        (2, 1, 1),
    ]
    assert [(row["cells"], row["channels"], row["side"]) for row in triples] == [
        ("3", "4", "11"),
        ("3", "6", "8"),
        ("6", "4", "8"),
    ]
    shards = [read_csv(tmp_path / f"grid-{shard}.csv") for shard in (0, 1)]
    assert [[row["index"] for row in shard] for shard in shards] == [["0", "2"], ["1"]]
    assert {row["status"] for shard in shards for row in shard} == {"ok"}
    chosen = read_json(tmp_path / "chosen.json")
    assert chosen["architecture"] == MIXED
    assert chosen["score"] == max(float(row["score"]) for shard in shards for row in shard)
    assert (first["status"], first["kind"], first["side"]) == ("ok", "scaled", 8)
    assert 0 <= first["test_accuracy"] <= 1
    assert (second["status"], second["test_accuracy"]) == ("over budget", None)
    assert "scaling.mac_budget" in second["reason"]
    assert second["macs"] > first["macs"] > 0
    assert [(row["member"], row["status"], row["trainings"], row["within_budget"]) for row in family] == [
        ("B0", "ok", "1", "yes"),
        ("B1", "over budget", "0", "no"),
    ]
    assert float(family[0]["test_mean"]) == first["test_accuracy"]


@pytest.mark.parametrize("status", [None, "diverged"])
def test_without_a_winner_everything_is_missing(tmp_path: Path, data: str, status: str | None) -> None:
    records, family = through(tmp_path, data, status)
    assert [(one["entry"], one["status"]) for one in records] == [("B0", "missing"), ("B1", "missing")]
    assert all("no winner" in one["reason"] for one in records)
    assert family == read_csv(tmp_path / "triples.csv") == []
    assert read_json(tmp_path / "chosen.json")["architecture"] is None
