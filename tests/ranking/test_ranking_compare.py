"""Every estimator against the pool's accuracies: which pool, which figures, and what bad input is told as."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nas_steps.ranking.compare import COLUMNS, compare
from nas_steps.ranking.noise import noise_ceiling
from nas_steps.ranking.pool import Member


def member(
    place: int, accuracies: Sequence[float], score: float, sampled: bool = True, macs: int = 0, name: str = "s"
) -> Member:
    return Member(f"a{place}", sampled, not sampled, tuple(accuracies), 10 + place, macs or 99 - place, {name: score})


def made_up(sampled: int = 12, more: int = 6, seeds: int = 4) -> list[Member]:
    dice = np.random.default_rng(5)
    worth = dice.normal(0.9, 0.02, sampled + more)
    noisy = worth[:, None] + dice.normal(0, 0.01, (sampled + more, seeds))
    scores = worth + dice.normal(0, 0.02, sampled + more)
    return [
        member(place, row.tolist(), float(score), place < sampled)
        for place, (row, score) in enumerate(zip(noisy, scores, strict=True))
    ]


def only(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]
    return row


def test_figures_are_those_of_the_chosen_pool() -> None:
    members = made_up()
    rows = compare(members, ["s"])
    for pool, chosen in (("uniform sample", members[:12]), ("whole pool", members)):
        truth = [np.mean(one.accuracies) for one in chosen]
        scores = [one.scores["s"] for one in chosen]
        tau = only(rows, estimator="s", pool=pool, part="all", measure="kendall")
        assert tau["value"] == pytest.approx(stats.kendalltau(scores, truth).statistic)
        assert tau["low"] < tau["value"] < tau["high"]
        assert tau["n"] == len(chosen)
        assert tau["p_value"] == pytest.approx(stats.kendalltau(scores, truth).pvalue)
        rho = only(rows, estimator="s", pool=pool, part="all", measure="spearman")
        assert rho["value"] == pytest.approx(stats.spearmanr(scores, truth).statistic)
        ceiling = noise_ceiling([one.accuracies for one in chosen])
        assert (tau["ceiling"], tau["halves"]) == (ceiling.ceiling.value, ceiling.halves.value)
        best = only(rows, estimator="s", pool=pool, part="all", measure="regret", k=1)
        assert best["value"] == pytest.approx(max(truth) - truth[int(np.argmax(scores))])
        found = set(np.argsort(scores)[-3:]) & set(np.argsort(truth)[-3:])
        share = only(rows, estimator="s", pool=pool, part="all", measure="precision", k=3)
        assert share["value"] == pytest.approx(len(found) / 3)
        half = only(rows, estimator="s", pool=pool, part="better half", measure="kendall")
        assert half["n"] == len(chosen) // 2
        assert half["ceiling"] is None
        assert "holds for the whole pool only" in half["ceiling_note"]


def test_parameters_and_macs_are_compared_beside_every_score() -> None:
    rows = compare(made_up(), ["s", "t"])
    assert list(dict.fromkeys(row["estimator"] for row in rows)) == ["s", "t", "parameters", "MACs"]
    parameters, macs = (
        only(rows, estimator=name, pool="whole pool", part="all", measure="kendall") for name in ("parameters", "MACs")
    )
    assert parameters["value"] == pytest.approx(-macs["value"])  # one rises as the other falls
    nothing = only(rows, estimator="t", pool="whole pool", part="all", measure="kendall")
    assert (nothing["value"], nothing["n"]) == (None, 0)
    assert "18 architectures without a score left out" in nothing["note"]


def test_every_score_but_macs_is_compared_given_macs() -> None:
    """Scores that are accuracies say more than MACs, in the sample and in its better half; MACs are in no order."""
    dice = np.random.default_rng(7)
    members = [
        member(place, [worth, worth], worth + 0.01 * dice.normal(), macs=int(1000 * size), name="s")
        for place, (worth, size) in enumerate(zip(dice.normal(0.9, 0.02, 48), dice.uniform(1, 9, 48), strict=True))
    ]
    rows = compare(members, ["s"])
    truth, sizes = ([pick(one) for one in members] for pick in (lambda one: one.accuracies[0], lambda one: one.macs))
    for part, n in (("all", 48), ("better half", 24)):
        head = {"estimator": "s", "pool": "uniform sample", "part": part}
        given = only(rows, **head, measure="given_macs")
        assert (given["n"], given["claim"], given["k"]) == (n, "more" if given["low"] > 0 else "nothing", None)
        rho, lead = (only(rows, **head, measure=measure)["value"] for measure in ("spearman", "lead"))
        kept = [place for place, worth in enumerate(truth) if n == 48 or worth >= np.median(truth)]
        alone = stats.spearmanr([sizes[place] for place in kept], [truth[place] for place in kept]).statistic
        assert lead == pytest.approx(rho - alone)
    assert only(rows, estimator="s", pool="uniform sample", part="all", measure="given_macs")["claim"] == "more"
    assert {row["estimator"] for row in rows if row["measure"] == "given_macs"} == {"s", "parameters"}


def test_the_length_of_the_shortlist_is_one_of_the_ks() -> None:
    rows = compare(made_up(), ["s"], shortlist=5)
    assert {row["k"] for row in rows if row["measure"] == "regret"} == {1, 3, 5, 10}
    assert all(set(row) <= set(COLUMNS) for row in rows)


def test_without_a_sample_there_is_the_whole_pool_alone() -> None:
    rows = compare(made_up(sampled=0), ["s"])
    assert {row["pool"] for row in rows} == {"whole pool"}


def test_without_a_member_there_is_no_row() -> None:
    assert compare([], ["s"]) == []


BAD: dict[str, tuple[list[Member], str, str]] = {
    "one candidate": ([member(0, [0.5, 0.6], 0.5)], "kendall", "1 architecture is too few for a correlation"),
    "ties everywhere": (
        [member(place, [0.5, 0.5], 0.1 * place) for place in range(9)],
        "kendall",
        "all accuracies after separate training are equal",
    ),
    "constant scores": (
        [member(place, [0.1 * place, 0.1 * place], 0.5) for place in range(9)],
        "kendall",
        "all scores are equal, so there is no order to compare",
    ),
    "a score that is none": (
        [member(place, [0.1 * place] * 2, math.nan if place == 3 else place) for place in range(9)],
        "kendall",
        "1 architecture without a score left out",
    ),
    "fewer than k": (
        [member(place, [0.1 * place] * 2, place) for place in range(4)],
        "regret",
        "the pool has 4 architectures, fewer than k = 10",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_measured_is_told_and_never_a_silent_figure(name: str) -> None:
    members, measure, words = BAD[name]
    rows = compare(members, ["s"])
    told = [row["note"] for row in rows if row["estimator"] == "s" and row["measure"] == measure]
    assert any(words in note for note in told), told
    for row in rows:
        figures = [value for value in row.values() if isinstance(value, float)]
        assert all(map(math.isfinite, figures)), row
        assert row["value"] is not None or row["note"], row
        if row["measure"] in ("kendall", "spearman"):
            assert row["halves"] is not None or row["ceiling_note"], row


def test_one_seed_has_no_noise_ceiling_and_says_so() -> None:
    row = only(compare(made_up(seeds=1), ["s"]), estimator="s", pool="uniform sample", part="all", measure="kendall")
    assert (row["ceiling"], row["halves"]) == (None, None)
    assert row["ceiling_note"].startswith("one training seed: its noise cannot be told")
    assert row["value"] is not None
