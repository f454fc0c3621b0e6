"""Effects of made-up factorials: what is computed, and what is said where it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from scipy import stats

from nas_steps.scaling.effects import effects

BASES = ("searched", "random", "hand_designed")
WAYS = ("none", "depth", "width", "resolution", "compound")


def trainings(
    accuracy: Callable[[str, str, int], float], seeds: int = 5, missing: Iterable[tuple[str, str, int]] = ()
) -> list[dict[str, Any]]:
    return [
        {
            "entry": f"{base}-{way}",
            "seed": seed,
            "status": "diverged" if (base, way, seed) in missing else "ok",
            "test_accuracy": accuracy(base, way, seed),
        }
        for base in BASES
        for way in WAYS
        for seed in range(seeds)
    ]


def noise(base: str, way: str, seed: int) -> float:
    """Small and fixed, with a mean of 0 over five seeds in every cell."""
    turn = BASES.index(base) * 5 + WAYS.index(way)
    return 0.00002 * (1 + turn) ** 2 * math.sin(2 * math.pi * (seed + turn) / 5)


def additive(base: str, way: str, seed: int) -> float:
    """Search is worth 3 points over random and 1 over hand-designed; depth 2, width 1, resolution 3, compound 6."""
    of_base = {"searched": 0.83, "random": 0.80, "hand_designed": 0.82}[base]
    of_way = {"none": 0.0, "depth": 0.02, "width": 0.01, "resolution": 0.03, "compound": 0.06}[way]
    return of_base + of_way + noise(base, way, seed)


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(row["kind"], row["effect"], row["base"]): row for row in rows}


def test_effects_that_add_up_are_found_each_with_its_interval() -> None:
    found = by_name(effects(BASES, WAYS, trainings(additive)))
    expected = {
        ("search", "searched minus random", "random"): 0.03,
        ("search", "searched minus hand_designed", "hand_designed"): 0.01,
        ("scaling", "depth minus none", "all"): 0.02,
        ("scaling", "width minus none", "all"): 0.01,
        ("scaling", "resolution minus none", "all"): 0.03,
        ("scaling", "compound minus none", "all"): 0.06,
        ("scaling", "compound minus one dimension", "all"): 0.04,
        ("interaction", "compound scaling of searched minus of random", "random"): 0.0,
        ("interaction", "compound scaling of searched minus of hand_designed", "hand_designed"): 0.0,
        ("gain", "both", "random"): 0.09,
        ("gain", "search", "random"): 0.03,
        ("gain", "scaling", "random"): 0.06,
        ("gain", "both", "hand_designed"): 0.07,
        ("gain", "search", "hand_designed"): 0.01,
        ("gain", "scaling", "hand_designed"): 0.06,
    }
    assert {key: row["difference"] for key, row in found.items()} == pytest.approx(expected, abs=1e-12)
    for key, value in expected.items():
        assert found[key]["low"] <= value <= found[key]["high"]
        assert found[key]["p_holm"] >= found[key]["p_value"]
    assert found["gain", "search", "random"]["share"] == pytest.approx(1 / 3)
    assert found["gain", "scaling", "random"]["share"] == pytest.approx(2 / 3)


def test_the_interval_is_that_of_the_paired_t_test_of_the_seeds() -> None:
    row = by_name(effects(BASES, WAYS, trainings(additive)))["gain", "both", "random"]
    differences = [additive("searched", "compound", seed) - additive("random", "none", seed) for seed in range(5)]
    known = stats.ttest_1samp(differences, 0.0)
    assert (row["low"], row["high"]) == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert row["p_value"] == pytest.approx(known.pvalue)


def test_an_interaction_goes_half_to_search_and_half_to_scaling() -> None:
    def synergy(base: str, way: str, seed: int) -> float:
        return additive(base, way, seed) + (0.02 if (base, way) == ("searched", "compound") else 0)

    found = by_name(effects(BASES, WAYS, trainings(synergy)))
    key = "compound scaling of searched minus of random"
    assert found["interaction", key, "random"]["difference"] == pytest.approx(0.02)
    both, search, scaling = (found["gain", effect, "random"]["difference"] for effect in ("both", "search", "scaling"))
    assert (both, search, scaling) == pytest.approx((0.11, 0.04, 0.07))


def test_one_seed_gives_no_interval_and_says_so() -> None:
    for row in effects(BASES, WAYS, trainings(additive, seeds=1)):
        assert row["seeds"] == 1
        assert all(math.isnan(row[key]) for key in ("low", "high", "p_value", "p_holm", "share"))
        assert row["note"] == "one seed: no interval"


def test_two_seeds_give_an_interval_and_a_caution() -> None:
    row = by_name(effects(BASES, WAYS, trainings(additive, seeds=2)))["gain", "both", "random"]
    assert row["low"] < row["high"]
    assert "2 of the 3 seeds" in row["note"]


def test_seeds_without_a_sound_training_are_left_out_where_they_are_needed_and_only_there() -> None:
    found = by_name(effects(BASES, WAYS, trainings(additive, missing=[("random", "depth", 3)])))
    assert found["search", "searched minus random", "random"]["seeds"] == 4
    assert found["search", "searched minus hand_designed", "hand_designed"]["seeds"] == 5
    assert found["scaling", "depth minus none", "all"]["seeds"] == 4
    assert found["gain", "both", "random"]["seeds"] == 5
    assert "1 of 5 seeds lack a sound training" in found["scaling", "depth minus none", "all"]["note"]


def test_nothing_sound_is_no_figure_and_no_number() -> None:
    everything = [(base, way, seed) for base in BASES for way in WAYS for seed in range(2)]
    for row in effects(BASES, WAYS, trainings(additive, seeds=2, missing=everything)):
        assert row["seeds"] == 0
        assert math.isnan(row["difference"])
        assert "2 of 2 seeds" in row["note"]


def test_differences_without_spread_are_told_not_tested() -> None:
    rows = effects(BASES, WAYS, trainings(lambda base, way, _seed: additive(base, way, 0), seeds=3))
    assert all("cannot be estimated" in row["note"] and math.isnan(row["p_value"]) for row in rows)


def test_each_search_is_one_value_however_often_its_winner_is_scaled() -> None:
    searches = {seed: f"darts-{seed % 4}" for seed in range(8)}
    rows = effects(BASES, WAYS, trainings(additive, seeds=8), searches)
    assert {(row["unit"], row["seeds"]) for row in rows} == {("search", 4)}
    row = by_name(rows)["gain", "both", "random"]
    single = [additive("searched", "compound", seed) - additive("random", "none", seed) for seed in range(8)]
    known = stats.ttest_1samp([(single[seed] + single[seed + 4]) / 2 for seed in range(4)], 0.0)
    assert (row["low"], row["high"]) == pytest.approx(tuple(known.confidence_interval(0.95)))
    assert row["note"] == ""
    few = effects(BASES, WAYS, trainings(additive, seeds=3), searches)
    assert all(row["note"] == "3 of the 4 searches that a claim needs" for row in few)
    assert {row["unit"] for row in effects(BASES, WAYS, trainings(additive))} == {"network"}


def test_a_smaller_factorial_has_the_effects_that_it_can_have() -> None:
    rows = effects(("searched", "random"), ("none", "width"), trainings(additive))
    assert [(row["kind"], row["effect"]) for row in rows] == [
        ("search", "searched minus random"),
        ("scaling", "width minus none"),
        ("interaction", "width scaling of searched minus of random"),
        ("gain", "both"),
        ("gain", "search"),
        ("gain", "scaling"),
    ]
