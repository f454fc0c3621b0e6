"""The tables of the rungs, from rows as `train_rung` writes them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nas_steps.scaling.multipliers import Estimate, Multiplier
from nas_steps.scaling.rungs import CURVES, GAINS, MULTIPLIERS, Tables, gather, ladder, outcome

COMPUTE = (1e12, 4e12, 1.6e13)
SIZES = (1e5, 2e5, 4e5)
#: network -> kind, and the compute that it is worth, as a share
NETWORKS = {"winner": ("searched", 1.25), "llama": ("baseline", 1.0), "gpt2": ("baseline", 0.8)}


def rows(best: float = 2e5, **changes: Any) -> list[dict[str, Any]]:
    """Trainings whose losses follow one law, with a little noise that is the same each time."""
    made = []
    for network, (kind, worth) in NETWORKS.items():
        for rung, compute in enumerate(COMPUTE):
            for size, parameters in enumerate(SIZES):
                loss = 0.8 + 0.7 * (worth * compute / 1e12) ** -0.15
                loss += 0.03 * math.log(parameters / best) ** 2
                loss += 0.001 * math.sin(7 * rung + 5 * size + 3 * len(network))
                row = {"network": network, "kind": kind, "compute": f"{compute:g}", "size": size, "seed": 0}
                # the searched network takes 1.3 times the seconds of a baseline of its size
                seconds = (1.3 if kind == "searched" else 1.0) * compute / 1e12 * parameters**0.2
                seconds *= 1 + 0.01 * math.sin(5 * rung + 3 * size + len(network))
                row |= {"parameters": f"{parameters:g}", "loss": f"{loss:.6f}", "status": "ok"}
                row |= {"seconds": f"{seconds:.6f}"}
                made.append(row | changes)
    return made


def gathered(made: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of the curves and of the multipliers."""
    tables = gather(made, seed=0)
    return tables.curves, tables.multipliers


def test_every_pair_and_rung_has_a_multiplier() -> None:
    curves, multipliers = gathered(rows())
    assert [(row["baseline"], row["compute"]) for row in multipliers] == [
        (name, compute) for name in ("llama", "gpt2") for compute in COMPUTE
    ]
    for row in multipliers:
        truth = NETWORKS[row["baseline"]][1] / 1.25
        assert row["multiplier"] == pytest.approx(truth, rel=0.05)
        assert row["low"] < truth < row["high"]
        assert row["outcome"] == "no change found"
        assert row["note"] == ""
        assert set(row) == set(MULTIPLIERS)
    assert len(curves) == 9
    for row in curves:
        assert set(row) == set(CURVES)
        assert row["parameters"] == pytest.approx(2e5, rel=0.1)
        assert row["minimum"] == "within the sizes"
        assert row["points"] == 3
        assert row["law_points"] == 9
    assert curves[3]["loss"] == pytest.approx(1.5, abs=0.003)


@pytest.mark.parametrize(
    ("best", "where", "words"),
    [
        (5e4, "below the sizes", "smaller than the sizes tried (raise scaling.rungs.tokens_per_parameter)"),
        (8e5, "above the sizes", "larger than the sizes tried (lower scaling.rungs.tokens_per_parameter)"),
    ],
)
def test_a_minimum_outside_the_sizes_is_named(best: float, where: str, words: str) -> None:
    curves, multipliers = gathered(rows(best))
    assert {row["minimum"] for row in curves} == {where}
    assert {row["parameters"] for row in curves} == {1e5 if best < 1e5 else 4e5}
    for row in multipliers:
        wanted = f"winner and {row['baseline']} may be better {words}: the best tried size is taken"
        assert row["note"] == wanted


def test_a_network_that_lacks_trainings_is_left_out_and_named() -> None:
    made = rows()
    for row in made:
        if row["network"] == "llama" and row["compute"] == "4e+12" and row["size"] > 0:
            row["status"] = "diverged"
    curves, multipliers = gathered(made)
    assert {row["network"] for row in curves} == {"winner", "gpt2"}
    (lacking,) = (row for row in multipliers if row["baseline"] == "llama")
    assert lacking["note"] == "llama has 1 sizes with a sound training at 4e+12 FLOPs"
    assert math.isnan(lacking["multiplier"])
    assert lacking["outcome"] == "unknown"
    assert sum(row["baseline"] == "gpt2" for row in multipliers) == 3


def test_two_of_three_sizes_are_enough_beside_whole_networks() -> None:
    made = [row for row in rows() if row["network"] != "llama" or row["size"] != 2]
    _, multipliers = gathered(made)
    assert [row["multiplier"] for row in multipliers if row["baseline"] == "llama"] == pytest.approx(
        [0.8] * 3, rel=0.05
    )


def test_without_a_winner_there_are_curves_and_no_multipliers() -> None:
    curves, multipliers = gathered([row for row in rows() if row["kind"] == "baseline"])
    assert {row["network"] for row in curves} == {"llama", "gpt2"}
    assert multipliers == []


def test_without_a_third_size_there_is_nothing_to_say() -> None:
    curves, multipliers = gathered([row for row in rows() if row["size"] < 2])
    assert curves == []
    assert {row["note"] for row in multipliers} == {"no network has three sizes with a sound training at every rung"}


def test_seeds_of_a_size_are_one_point() -> None:
    other = [row | {"loss": f"{float(row['loss']) + 0.01 * (-1) ** row['size']}"} for row in rows(seed=1)]
    made = rows() + other
    assert all(len(one.losses) == 2 for one in ladder(made).points)
    # 27 pairs of seeds differ more than sizes do, so that the degrees of both are pooled
    assert gathered(rows())[0][0]["degrees"] == 6
    assert gathered(made)[0][0]["degrees"] == 27 + 6


def test_a_multiplier_of_time_is_that_of_compute_times_the_ratio_of_seconds() -> None:
    for row in gathered(rows())[1]:
        assert row["time"] == pytest.approx(1.3 * row["multiplier"], rel=0.02)
        truth = 1.3 * NETWORKS[row["baseline"]][1] / 1.25
        assert row["time_low"] < truth < row["time_high"]
        # two sources of noise are more than one
        assert row["time_high"] / row["time_low"] > row["high"] / row["low"]


def test_without_seconds_there_is_no_multiplier_of_time() -> None:
    _, multipliers = gathered(rows(seconds=""))
    assert all(math.isnan(row["time"]) and math.isnan(row["time_low"]) for row in multipliers)
    assert all(row["low"] < row["multiplier"] < row["high"] for row in multipliers)


def effects_of(tables: Tables, baseline: str) -> dict[str, dict[str, Any]]:
    return {row["effect"]: row for row in tables.effects if row["baseline"] == baseline}


def test_search_and_scaling_add_up_to_the_gain() -> None:
    tables = gather(rows(), seed=0)
    assert [row["effect"] for row in tables.effects] == ["both", "search", "scaling", "interaction"] * 2
    for name, worth in (("llama", 1.0), ("gpt2", 0.8)):
        found = effects_of(tables, name)
        best = {times: 0.7 * times**-0.15 for times in (worth, 16 * worth, 1.25, 20)}
        search = (best[worth] - best[1.25] + best[16 * worth] - best[20]) / 2
        assert found["both"]["difference"] == pytest.approx(best[worth] - best[20], abs=0.002)
        assert found["search"]["difference"] == pytest.approx(search, abs=0.002)
        parts = found["search"]["difference"] + found["scaling"]["difference"]
        assert parts == pytest.approx(found["both"]["difference"])
        assert found["search"]["share"] + found["scaling"]["share"] == pytest.approx(1)
        assert math.isnan(found["interaction"]["share"])
        assert all(row["low"] < row["difference"] < row["high"] for row in found.values())
        assert {(row["compute"], row["scaled"]) for row in found.values()} == {(1e12, 1.6e13)}
        assert all(set(row) == set(GAINS) for row in found.values())


def test_a_search_that_takes_from_the_gain_has_no_share() -> None:
    made = rows()
    for row in made:
        row["kind"] = "searched" if row["network"] == "gpt2" else "baseline"
    found = effects_of(gather(made, seed=0), "llama")
    assert found["search"]["difference"] < 0 < found["scaling"]["difference"]
    assert all(math.isnan(row["share"]) for row in found.values())


def multiplier(first: tuple[float, float], last: tuple[float, float], change: float, p_holm: float) -> Multiplier:
    def estimate(low: float, high: float) -> Estimate:
        return Estimate(math.sqrt(low * high), low, high)

    rungs = (estimate(*first), estimate(0.8, 1.2), estimate(*last))
    return Multiplier(0, 1, rungs, estimate(change / 1.1, change * 1.1), p_holm, p_holm, ())


@pytest.mark.parametrize(
    ("first", "last", "change", "p_holm", "word"),
    [
        ((0.5, 0.7), (0.9, 1.1), 1.7, 0.01, "shrinks"),
        ((0.9, 1.1), (1.5, 1.7), 1.6, 0.01, "rises"),
        ((0.9, 1.1), (0.5, 0.7), 0.6, 0.01, "grows"),
        ((1.6, 1.9), (0.9, 1.1), 0.6, 0.01, "falls"),
        ((0.5, 0.7), (0.9, 1.1), 1.7, 0.06, "no change found"),
        ((0.5, 0.7), (0.5, 0.7), 1.05, 0.01, "no change found"),
        ((0.5, 0.7), (0.9, 1.1), 1.7, math.nan, "unknown"),
    ],
)
def test_an_outcome_needs_a_change_and_an_advantage(
    first: tuple[float, float], last: tuple[float, float], change: float, p_holm: float, word: str
) -> None:
    assert outcome(multiplier(first, last, change, p_holm)) == word
