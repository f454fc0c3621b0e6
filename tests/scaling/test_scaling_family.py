"""The grid of triples, the choice of one, the members and the steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stepping import run
from tiny_world import MIXED, settings, tiny_config

from nas_steps.config.scaling import Scaling
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import build, size
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.ranking.rank import RANKED
from nas_steps.scaling.compound import Design, Factors, scale, triples
from nas_steps.scaling.family import MEMBERS, choose, describe_members, describe_triples
from nas_steps.scaling.winner import DESIGN, described, design_of
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0


def test_triples_are_all_those_within_the_tolerance() -> None:
    scaling = Scaling()
    found = triples(scaling)
    everything = [Factors(a, b, c) for a in scaling.depth for b in scaling.width for c in scaling.resolution]
    assert found == [one for one in everything if 1.8 <= one.product <= 2.2]
    assert 0 < len(found) < len(everything)
    assert Factors(1.2, 1.1, 1.15).product == pytest.approx(1.2 * 1.21 * 1.3225)
    assert Factors(1.2, 1.1, 1.15).power(2).product == pytest.approx(Factors(1.2, 1.1, 1.15).product ** 2)


def rows(*macs: int) -> list[dict[str, str]]:
    factors = {"depth": "1.0", "width": "1.0", "resolution": "1.4", "product": "1.96", "kept": "yes"}
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
    found = choose(rows(250, 160, 190), scored(*scores), "formula")
    assert (found["depth"], found["tried"]) == (depth, tried)
    assert ("nearest to twice" in found["why"]) is (tried == 0)
    assert (found["score"] is None) is (tried == 0)


def test_a_triple_that_is_left_out_or_the_papers_own_is_not_chosen_by_its_score() -> None:
    triples = rows(250, 160, 190)
    triples[1]["kept"] = "no"
    found = choose(triples, scored(0.5, 0.9, 0.7), "formula")
    assert (found["depth"], found["tried"]) == (3, 2)
    assert found["left_out"] == [{"triple": [2.0, 1.0, 1.4], "macs_ratio": 1.6}]
    triples[0]["kept"] = "no"
    assert "the only triple" in choose(triples, [], "formula")["why"]
    published = choose(rows(192), [], "published")
    assert (published["factors"], published["score"]) == ("published", None)
    assert "no power of it" in published["why"]


def cells_squared(design: Design) -> tuple[int, int]:
    return 1, design.network.cells * design.side**2


def base(cells: int = 3, side: int = 8) -> Design:
    return Design(MIXED, Network(cells=cells), side)


def test_triples_whose_rounded_network_is_off_are_listed_as_left_out() -> None:
    scaling = Scaling(depth=[1.0, 2.0], width=[1.0], resolution=[1.0, 1.4], macs_tolerance=0.04)
    found = describe_triples(scaling, base(), cells_squared)
    # 8 * 1.4 is 11 pixels: 121 / 64
    assert [(row["depth"], round(row["macs_ratio"], 3), row["kept"]) for row in found] == [
        (1.0, 1.891, "no"),
        (2.0, 2.0, "yes"),
    ]


def test_where_no_triple_is_left_the_refusal_names_the_nearest() -> None:
    scaling = Scaling(depth=[1.0], width=[1.0], resolution=[1.4, 1.45], macs_tolerance=0.01)
    with pytest.raises(
        UserError, match=r"(?s)none of the 2 triples.*resolution 1\.4 with 1\.89\d+ times.*macs_tolerance"
    ):
        describe_triples(scaling, base(), cells_squared)


def test_members_say_whether_they_are_within_the_budget() -> None:
    scaling = Scaling(members=3, mac_budget=3 * 64 * 2)
    found = describe_members(scaling, Factors(2, 1, 1), base(), cells_squared, lambda _: 7)
    assert [(row["member"], row["phi"], row["cells"], row["within_budget"]) for row in found] == [
        ("B0", 0, 3, "yes"),
        ("B1", 1, 6, "yes"),  # exactly at the budget
        ("B2", 2, 12, "no"),
    ]
    assert {(row["factors"], row["dropout"], row["activation_bytes"]) for row in found} == {("formula", None, 7)}


def test_published_members_of_efficientnet_have_the_published_parameters() -> None:
    def parameters(design: Design) -> tuple[int, int]:
        with torch.device("meta"):
            network = build(design.architecture, design.network, inputs=3, classes=1000, side=design.side)
        return sum(parameter.numel() for parameter in network.parameters()), 1

    base = Design(B0, Network(), 224)
    found = describe_members(Scaling(factors="published"), Factors(1.2, 1.1, 1.15), base, parameters, lambda _: 0)
    assert [row["parameters"] for row in found] == [
        5_288_548, 7_794_184, 9_109_994, 12_233_232, 19_341_616, 30_389_784, 43_040_704, 66_347_960,
    ]  # fmt: skip
    assert [row["side"] for row in found] == [224, 240, 260, 300, 380, 456, 528, 600]
    assert [row["dropout"] for row in found] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]
    assert {(row["factors"], row["phi"]) for row in found} == {("published", None)}


def test_dropout_and_drop_path_of_the_formula_grow_linearly() -> None:
    scaling = Scaling(members=8, drop_path_growth=0.14)
    measure = lambda _: (1, 1)  # noqa: E731
    found = describe_members(scaling, Factors(1.2, 1.1, 1.15), Design(B0, Network(), 64), measure, lambda _: 0, 0.2)
    assert [row["dropout"] for row in found] == pytest.approx([0.2 + 0.3 * phi / 7 for phi in range(8)], abs=1e-6)
    assert [row["drop_path"] for row in found] == pytest.approx([0.2 + 0.02 * phi for phi in range(8)])
    assert parse_mobile(found[7]["architecture"]).head.dropout == 0.5


def test_members_beyond_the_published_table_are_refused() -> None:
    with pytest.raises(ValueError, match="has 8, B0 to B7"):
        Scaling(factors="published", members=9)


def test_a_row_of_the_table_gives_its_design_back(tmp_path: Path) -> None:
    network = Network(cells=8, channels=6, reductions=[2, 5])
    for design in (
        scale(Design(MIXED, network, 8), Factors(1.5, 1.4, 1.2), 2),
        scale(Design(B0, network, 64), Factors(1.5, 1.4, 1.2)),
        scale(Design("resnet20_x0.5", network, 8), Factors(1.5, 1.4, 1.2)),
    ):
        write_csv(tmp_path / "designs.csv", [described(design)], DESIGN)
        found = design_of(network, read_csv(tmp_path / "designs.csv")[0])
        assert found == design


def through(tmp_path: Path, data: str, status: str | None) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """All steps; the members' records and the family. `status` is that of the only ranked row, None for no row."""
    macs = size(MIXED, tiny_config().retrain.network, inputs=1, classes=10, side=8).macs
    files = settings(scaling__mac_budget=macs * 1.2)
    ranked = [] if status is None else [{"rank": 1, "architecture": MIXED, "status": status}]
    write_csv(tmp_path / "ranked.csv", ranked, RANKED)
    shared = {"data": data, "ranked": tmp_path / "ranked.csv"}
    run("describe_grid", settings=files["describe_grid"], **shared, output=tmp_path)
    shared["triples"] = tmp_path / "triples.csv"
    for shard in (0, 1):
        run("train_grid", settings=files["train_grid"], **shared, shard=shard, shards=2, output=tmp_path)
    scores = [tmp_path / f"grid-{shard}.csv" for shard in (0, 1)]
    run("choose_scaling", settings=files["choose_scaling"], **shared, scores=scores, output=tmp_path)
    records = []
    for member in (0, 1):
        given = {"chosen": tmp_path / "chosen.json", "members": tmp_path / "members.csv", "member": member, "seed": 0}
        run("train_member", settings=files["train_member"], data=data, **given, output=tmp_path / f"B{member}")
        records.append(tmp_path / f"B{member}" / "metrics.json")
    run("gather_family", members=tmp_path / "members.csv", trainings=records, output=tmp_path)
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


def test_a_member_may_start_from_the_weights_of_the_smaller_one(tmp_path: Path, data: str) -> None:
    files = settings(scaling__mac_budget=1e9)
    write_csv(tmp_path / "ranked.csv", [{"rank": 1, "architecture": MIXED, "status": "ok"}], RANKED)
    shared = {"settings": files["train_member"], "data": data, "chosen": tmp_path / "chosen.json"}
    chosen = {"architecture": MIXED, "depth": 2.0, "width": 1.0, "resolution": 1.0}
    write_json(tmp_path / "chosen.json", chosen)
    members = describe_members(
        tiny_config().scaling, Factors(2, 1, 1), Design(MIXED, tiny_config().retrain.network, 8), lambda _: (1, 1),
        lambda _: 0,
    )  # fmt: skip
    write_csv(tmp_path / "members.csv", members, MEMBERS)

    def trained(member: int, name: str, smaller: Path | None = None) -> dict[str, Any]:
        given = {"members": tmp_path / "members.csv", "smaller": smaller, "member": member, "seed": 0}
        run("train_member", **shared, **given, output=tmp_path / name)
        return read_json(tmp_path / name / "metrics.json")

    smaller, start = trained(0, "B0"), tmp_path / "B0" / "metrics.json"
    cold, warm = trained(1, "cold"), trained(1, "warm", start)
    assert "warm_start" not in cold
    assert warm["warm_start"] == "B0"
    assert warm["train_loss"] != cold["train_loss"]
    # one that diverged is no start
    write_json(start, smaller | {"status": "diverged", "reason": "the loss is NaN"})
    again = trained(1, "again", start)
    assert "warm_start" not in again
    assert again["train_loss"] == cold["train_loss"]


@pytest.mark.parametrize("status", [None, "diverged"])
def test_without_a_winner_everything_is_missing(tmp_path: Path, data: str, status: str | None) -> None:
    records, family = through(tmp_path, data, status)
    assert [(one["entry"], one["status"]) for one in records] == [("B0", "missing"), ("B1", "missing")]
    assert all("no winner" in one["reason"] for one in records)
    assert family == read_csv(tmp_path / "triples.csv") == []
    assert read_json(tmp_path / "chosen.json")["architecture"] is None
