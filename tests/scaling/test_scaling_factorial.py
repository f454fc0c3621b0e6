"""The factorial: its bases, its designs at matched MACs, its trainings and tables."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stepping import run
from tiny_world import CONVOLUTION, MIXED, NETWORK, POOLS, RECIPE, settings

from nas_steps.config.load import load
from nas_steps.config.scaling import Factorial
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import size
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.ranking.rank import WINNERS
from nas_steps.scaling.compound import Design, Factors
from nas_steps.scaling.factorial import base_architectures, describe_designs, gather_cells
from nas_steps.scaling.winner import searches_of
from nas_steps.spaces.mobile import presets as mobile

TRIPLE = Factors(1.2, 1.1, 1.15)
SPACE = mobile.PRESETS["mobile_small"]


def measure(design: Design) -> tuple[int, int]:
    found = size(design.architecture, design.network, inputs=1, classes=10, side=design.side)
    return found.parameters, found.macs


def test_the_random_base_is_drawn_anew_for_each_repetition_and_the_others_stay() -> None:
    drawn = [
        base_architectures(Factorial(), "winner", SPACE, 8, seed=3, repetition=repetition) for repetition in range(6)
    ]
    assert len({one["random"] for one in drawn}) > 3
    assert {(one["searched"], one["hand_designed"]) for one in drawn} == {("winner", "resnet20")}
    assert drawn[2] == base_architectures(Factorial(), "winner", SPACE, 8, seed=3, repetition=2)
    assert SPACE.parse(drawn[0]["random"])


def test_every_cell_has_the_macs_of_its_target_or_says_by_how_much_not() -> None:
    bases = base_architectures(
        Factorial(hand_designed="resnet20_x0.3"), str(SPACE.sample(Random(1))), SPACE, 16,
        seed=0, repetition=0,
    )  # fmt: skip
    wanted = Factorial(factor=2.0, scalings=["none", "resolution", "compound"])
    rows = describe_designs(wanted, bases, TRIPLE, Network(), 16, measure)
    budget = measure(Design(bases["searched"], Network(), 16))[1]
    assert [(row["base"], row["scaling"]) for row in rows] == [
        (base, way) for base in ("searched", "random", "hand_designed") for way in ("none", "resolution", "compound")
    ]
    for row in rows:
        assert row["target_macs"] == budget * (1 if row["scaling"] == "none" else 2)
        assert row["mismatch"] == row["macs"] / row["target_macs"] - 1
        assert (row["parameters"], row["macs"]) == measure(Design(row["architecture"], Network(), row["side"]))
        assert abs(row["mismatch"]) < 0.15
    by_cell = {(row["base"], row["scaling"]): row for row in rows}
    assert by_cell["searched", "none"]["mismatch"] == 0
    assert by_cell["random", "resolution"]["architecture"] == by_cell["random", "none"]["architecture"]
    grown = by_cell["random", "compound"]
    # all three by the same power of the triple
    assert math.log(grown["depth"], 1.2) == pytest.approx(math.log(grown["width"], 1.1))
    assert math.log(grown["depth"], 1.2) == pytest.approx(math.log(grown["resolution"], 1.15))


def test_a_cell_without_a_sound_training_of_all_seeds_shows_the_failure() -> None:
    design = {"base": "random", "scaling": "none", "parameters": "5", "macs": "90", "target_macs": "100"}
    rows = [{**design, "architecture": "a", "mismatch": "-0.1"}, {**design, "architecture": "b", "mismatch": "0.02"}]
    trained = [
        {"entry": "random-none", "status": "ok", "test_accuracy": 0.5, "train_seconds": 2.0},
        {"entry": "random-none", "status": "diverged", "test_accuracy": None, "train_seconds": 1.0},
    ]
    (found,) = gather_cells(rows, trained)
    assert (found["architectures"], found["trainings"], found["status"]) == (2, 1, "diverged")
    assert (found["mismatch"], found["test_mean"], found["macs"]) == (-0.1, 0.5, 90)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bases": ["random", "hand_designed"]}, "`searched` and another"),
        ({"scalings": ["depth", "width"]}, "`none` and another"),
        ({"scalings": ["none", "none"]}, "stands twice"),
        ({"hand_designed": "mobilenet_v3_small"}, "unknown network that can be scaled"),
        ({"hand_designed": "stem_k3_s2_c8/mb_k3/head_c8"}, "mb needs e and c"),
    ],
)
def test_a_factorial_that_compares_nothing_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Factorial(**changes)


def test_a_factorial_of_nothing_scaled_is_refused() -> None:
    with pytest.raises(UserError, match="factorial is enabled, but enabled is false"):
        load({"scaling": {"enabled": False, "factorial": {"enabled": True}}})


def test_its_seeds_and_its_switch_make_no_network_stale() -> None:
    def written(**changes: Any) -> list[str]:
        files = settings(scaling__factorial={**WANTED, **changes})
        return [files[name] for name in ("describe_designs", "train_design", "gather_factorial")]

    usual = written()
    assert written(seeds=7) == usual
    assert all(one != other for one, other in zip(written(factor=3), usual, strict=True))
    assert not {"describe_designs", "train_design", "gather_factorial"} & settings().keys()


def test_a_hand_designed_base_of_too_large_a_stride_is_refused_with_the_config() -> None:
    text = "stem_k3_s2_c8_relu/mb_r2_k3_s2_e2_c8+mb_k3_s2_e2_c8+mb_k3_s2_e2_c8/head_c16"
    changes = {"enabled": True, "hand_designed": text}
    with pytest.raises(UserError, match="by 16, but they have 8 pixels"):
        load({"scaling": {"factorial": changes}})
    load({"scaling": {"factorial": changes}, "data": {"resolution": 16}})


WANTED = {
    "enabled": True,
    "bases": ["searched", "hand_designed"],
    "scalings": ["none", "compound"],
    "factor": 2,
    "hand_designed": "resnet20_x0.1",
    "recipe": RECIPE,
}


def through(tmp_path: Path, data: str, architecture: str | None) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """All steps with one seed; the cells and the effects."""
    files = settings(scaling__factorial=WANTED)
    triple = {"depth": 1.2, "width": 1.1, "resolution": 1.15} if architecture else {}
    write_json(tmp_path / "chosen.json", {"architecture": architecture, **triple})
    shared = {"data": data, "seed": 0}
    chosen, listed = tmp_path / "chosen.json", tmp_path / "designs-s0.csv"
    run("describe_designs", settings=files["describe_designs"], **shared, chosen=chosen, output=tmp_path)
    records = []
    for base in ("searched", "hand_designed"):
        for way in ("none", "compound"):
            given = {"designs": listed, "base": base, "scaling": way, "output": tmp_path / f"{base}-{way}"}
            run("train_design", settings=files["train_design"], **shared, **given)
            records.append(tmp_path / f"{base}-{way}" / "metrics.json")
    run(
        "gather_factorial",
        settings=files["gather_factorial"],
        designs=[listed],
        trainings=records,
        output=tmp_path,
    )
    return read_csv(tmp_path / "factorial.csv"), read_csv(tmp_path / "effects.csv")


def test_each_repetition_scales_the_winner_of_another_search_if_there_are_four(tmp_path: Path, data: str) -> None:
    def found(strategy: str, seed: int, architecture: str, slot: str = "") -> dict[str, Any]:
        kind = "random" if strategy == "random" else "searched"
        row = {"entry": f"{strategy}{slot}-{seed}", "kind": kind, "strategy": strategy, "search_seed": seed}
        return row | {"architecture": architecture, "score": 0.5}

    networks = [MIXED, CONVOLUTION, POOLS, MIXED]
    mine = [found("darts", seed, architecture) for seed, architecture in enumerate(networks)]
    rows = [found("random", 0, CONVOLUTION), found("random", 0, CONVOLUTION, ".2"), *reversed(mine)]
    write_csv(tmp_path / "winners.csv", rows, WINNERS)
    assert [row["entry"] for row in searches_of(CONVOLUTION, read_csv(tmp_path / "winners.csv"))] == [
        f"darts-{seed}" for seed in range(4)
    ]
    assert searches_of(CONVOLUTION, read_csv(tmp_path / "winners.csv")[:-1]) == []
    write_json(tmp_path / "chosen.json", {"architecture": CONVOLUTION, "depth": 1.2, "width": 1.1, "resolution": 1.15})
    given = {"settings": settings(scaling__factorial=WANTED)["describe_designs"], "data": data}
    given |= {"chosen": tmp_path / "chosen.json", "winners": tmp_path / "winners.csv"}
    for seed in (1, 2, 5):
        run("describe_designs", **given, seed=seed, output=tmp_path)
        designs = read_csv(tmp_path / f"designs-s{seed}.csv")
        assert {row["search"] for row in designs} == {f"darts-{seed % 4}"}
        plain = next(row for row in designs if (row["base"], row["scaling"]) == ("searched", "none"))
        assert plain["architecture"] == networks[seed % 4]
        # every base is matched to the winner of this repetition
        assert {row["target_macs"] for row in designs if row["scaling"] == "none"} == {plain["macs"]}
        assert plain["mismatch"] == "0.0"


def test_the_random_base_keeps_the_limits_of_the_search(tmp_path: Path, data: str) -> None:
    largest = size(CONVOLUTION, Network(**NETWORK), inputs=1, classes=10, side=8).parameters
    files = settings(
        search__strategies={"random": {}, "evolution": {"population": 4, "sample": 2, "children": 2, "rounds": 1}},
        search__constraints={"parameters": largest - 1},
        scaling__factorial={**WANTED, "bases": ["searched", "random"], "scalings": ["none", "width"]},
    )
    write_json(tmp_path / "chosen.json", {"architecture": MIXED, "depth": 1.2, "width": 1.1, "resolution": 1.15})
    run("measure_blocks", settings=files["measure_blocks"], data=data, output=tmp_path)
    given = {"settings": files["describe_designs"], "data": data, "chosen": tmp_path / "chosen.json"}
    with pytest.raises(UserError, match="limits of parameters"):
        run("describe_designs", **given, seed=0, output=tmp_path / "none")
    drawn = set()
    for seed in range(8):
        run("describe_designs", **given, blocks=tmp_path / "blocks.csv", seed=seed, output=tmp_path)
        listed = read_csv(tmp_path / f"designs-s{seed}.csv")
        drawn.add(next(row["base_architecture"] for row in listed if row["base"] == "random"))
    sizes = [size(one, Network(**NETWORK), inputs=1, classes=10, side=8).parameters for one in drawn]
    assert len(drawn) > 1
    assert max(sizes) < largest


def test_all_steps_with_one_seed(tmp_path: Path, data: str) -> None:
    cells, effects = through(tmp_path, data, MIXED)
    assert [(row["base"], row["scaling"], row["status"], row["trainings"]) for row in cells] == [
        (base, way, "ok", "1") for base in ("searched", "hand_designed") for way in ("none", "compound")
    ]
    record = read_json(tmp_path / "searched-compound" / "metrics.json")
    assert (record["kind"], record["entry"], record["status"]) == ("factorial", "searched-compound", "ok")
    assert record["macs"] == int(cells[1]["macs"])
    assert record["side"] > 8
    accuracy = {(row["base"], row["scaling"]): float(row["test_mean"]) for row in cells}
    both = next(row for row in effects if (row["kind"], row["effect"]) == ("gain", "both"))
    gained = accuracy["searched", "compound"] - accuracy["hand_designed", "none"]
    assert float(both["difference"]) == pytest.approx(gained)
    assert {(row["low"], row["p_value"], row["share"]) for row in effects} == {("", "", "")}
    assert all("one seed: no interval" in row["note"] for row in effects)


def test_without_a_winner_the_factorial_is_empty_and_says_why(tmp_path: Path, data: str) -> None:
    cells, effects = through(tmp_path, data, None)
    assert cells == effects == []
    assert "no winner" in read_json(tmp_path / "searched-none" / "metrics.json")["reason"]
