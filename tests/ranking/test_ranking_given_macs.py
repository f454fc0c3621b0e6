"""What a score says beyond MACs: the partial correlation, its interval, what is claimed, and the sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nas_steps.intervals import percentile_interval
from nas_steps.ranking import correlation as module
from nas_steps.ranking.correlation import correlation, resamples
from nas_steps.ranking.given_macs import (
    COLUMNS,
    FEWEST_FOR_CLAIM,
    REVERSED,
    SAME_ORDER,
    beyond_macs,
    partial,
    partial_spearman,
    sentence,
)

EXACT: dict[str, Any] = {"abs": 1e-10, "rel": 0}


def drawn(n: int, seed: int = 0, noise: float = 1.0, own: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracies, scores that follow MACs and `own` times what else makes an accuracy, and MACs."""
    dice = np.random.default_rng(seed)
    size, rest, error = dice.standard_normal((3, n))
    return size + rest, size + own * rest + noise * error, np.exp(size)


def regressed(accuracy: np.ndarray, score: np.ndarray, macs: np.ndarray) -> float:
    """Pearson's correlation of what least squares in the rank and the logarithm of MACs leave of both ranks."""
    design = np.column_stack([np.ones(len(macs)), stats.rankdata(macs), np.log(macs)])
    left = [
        ranked - design @ np.linalg.lstsq(design, ranked, rcond=1e-9)[0]
        for ranked in (stats.rankdata(accuracy), stats.rankdata(score))
    ]
    return float(stats.pearsonr(*left).statistic)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("levels", [2, 4, None])
def test_the_figure_is_that_of_a_regression_of_ranks(seed: int, levels: int | None) -> None:
    accuracy, score, macs = drawn(25, seed)
    # ties of all three; of two values of MACs, rank and logarithm are one line
    accuracy, score = np.round(3 * accuracy), np.round(2 * score)
    if levels:
        macs = np.exp(np.digitize(macs, np.quantile(macs, np.linspace(0, 1, levels + 1)[1:-1])).astype(float))
    assert partial(accuracy, score, macs).value == pytest.approx(regressed(accuracy, score, macs), **EXACT)


def test_of_evenly_spaced_macs_it_is_the_textbooks() -> None:
    """By hand: squared rank differences sum to 6, 2 and 4, so rho = 1 - sum / 35 is 29/35, 33/35 and 31/35."""
    macs, score, accuracy = [1, 2, 4, 8, 16, 32], [2, 1, 4, 3, 6, 5], [0.1, 0.2, 0.4, 0.3, 0.5, 0.6]
    found = partial(np.array(accuracy), np.array(score, dtype=float), np.array(macs, dtype=float))
    assert found.value == pytest.approx((31 * 35 - 29 * 33) / math.sqrt((35**2 - 29**2) * (35**2 - 33**2)), **EXACT)
    assert (found.low, found.n) == (None, 6)
    assert "too few for an interval" in found.note


def test_resampled_figures_are_those_of_the_written_out_samples() -> None:
    accuracy, score, macs = drawn(17)
    macs = np.ceil(2 * macs)
    counts = np.random.default_rng(1).multinomial(17, np.full(17, 1 / 17), 25).astype(float)
    expected = []
    for count in counts.astype(int):
        chosen = np.repeat(np.arange(17), count)
        expected.append(regressed(accuracy[chosen], score[chosen], macs[chosen]))
    assert partial_spearman(score, accuracy, np.log(macs), counts) == pytest.approx(np.array(expected), **EXACT)


def test_the_interval_of_the_lead_is_over_the_same_resamples_of_both() -> None:
    accuracy, score, macs = drawn(12)
    found = beyond_macs(accuracy, score, macs)["whole pool"]
    leads = []
    for count in resamples(12).astype(int)[:400]:
        chosen = np.repeat(np.arange(12), count)
        one, other = (stats.spearmanr(values[chosen], accuracy[chosen]).statistic for values in (score, macs))
        leads.append(one - other)
    assert found.lead.value == pytest.approx(
        stats.spearmanr(score, accuracy).statistic - stats.spearmanr(macs, accuracy).statistic, **EXACT
    )
    assert (found.lead.low, found.lead.high) == pytest.approx(percentile_interval(np.array(leads)), abs=0.06)
    assert found.plain == correlation(accuracy, score, "spearman")
    assert found.macs == correlation(accuracy, macs, "spearman")


def test_the_order_of_units_and_of_monotone_scores_does_not_matter() -> None:
    accuracy, score, macs = drawn(30)
    found = partial(accuracy, score, macs)
    assert partial(np.exp(accuracy), score**3, 1e6 * macs).value == pytest.approx(found.value, **EXACT)


def test_of_equal_macs_it_is_the_plain_correlation_and_says_so() -> None:
    accuracy, score, _ = drawn(24, noise=0.2)
    found = beyond_macs(accuracy, score, np.full(24, 5e6))["whole pool"]
    plain = correlation(accuracy, score, "spearman")
    assert (found.partial.value, found.partial.low, found.partial.high) == (plain.value, plain.low, plain.high)
    assert "all MACs are equal" in found.partial.note
    assert (found.claim, found.macs.value, found.lead.value) == ("more", None, None)
    assert "all MACs are equal" in sentence("the score s", found.columns(), "{:.2f}".format)


@pytest.mark.parametrize(("sign", "note"), [(1, SAME_ORDER), (-1, REVERSED)])
def test_a_score_in_the_order_of_macs_adds_nothing(sign: int, note: str) -> None:
    accuracy, _, macs = drawn(24)
    found = beyond_macs(accuracy, sign * macs**2, macs)["whole pool"]
    assert (found.partial.value, found.partial.note, found.claim) == (None, note, "same order")
    said = sentence("the score params", found.columns(), "{:.2f}".format)
    assert said == f"The score params adds nothing beyond MACs: {note} on all 24 networks."


def test_accuracies_in_the_order_of_macs_leave_nothing_to_explain() -> None:
    _, score, macs = drawn(24)
    found = beyond_macs(macs, score, macs)["whole pool"]
    assert (found.partial.value, found.claim) == (None, "unknown")
    assert "nothing is left to compare" in sentence("the score s", found.columns(), "{:.2f}".format)


@pytest.mark.parametrize("swapped", range(0, 22, 3))
def test_one_swapped_pair_is_no_claim(swapped: int) -> None:
    """All that the score says beyond MACs hangs on two networks, which most resamples lack one of."""
    accuracy = np.arange(24.0)
    accuracy[[swapped, swapped + 1]] = accuracy[[swapped + 1, swapped]]
    accuracy += np.random.default_rng(swapped).normal(0, 0.1, 24)
    macs = np.exp(0.1 * np.arange(24.0))
    score = np.arange(24.0)
    score[[swapped, swapped + 1]] = score[[swapped + 1, swapped]]
    found = beyond_macs(accuracy, score, macs)["whole pool"]
    assert found.partial.value == pytest.approx(1)
    assert (found.claim, found.partial.low) == ("nothing", 0)


def test_a_noisy_copy_of_macs_seldom_adds_something_and_a_better_score_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 300)

    def count(own: float, draws: int) -> int:
        lows = [partial(*drawn(30, seed, noise=0.4, own=own)).low for seed in range(draws)]
        return sum(low > 0 for low in lows if low is not None)

    # at 3 % each, 7 or more of 60 are expected in 1 of 400 such tests
    assert count(own=0.0, draws=60) <= 6
    assert count(own=1.0, draws=20) >= 19


@pytest.mark.parametrize(("n", "claim"), [(0, "unknown"), (4, "few"), (8, "few"), (FEWEST_FOR_CLAIM - 1, "few")])
def test_of_few_networks_nothing_is_claimed(n: int, claim: str) -> None:
    """Not even for a score that is nearly the accuracy itself."""
    found = beyond_macs(*drawn(n, noise=0.01))["whole pool"]
    assert found.claim == claim
    said = sentence("the score s", found.columns(), "{:.2f}".format)
    assert said.startswith("Whether the score s says more than MACs alone is not known: ")
    assert (f"{n} networks are too few, 20 or more are needed" in said) is (claim == "few")
    assert beyond_macs(*drawn(FEWEST_FOR_CLAIM, noise=0.01))["whole pool"].claim == "more"


def test_the_better_half_is_that_of_the_accuracies() -> None:
    accuracy, score, macs = drawn(41)
    found = beyond_macs(accuracy, score, macs)["better half"]
    kept = np.argsort(accuracy)[20:]
    assert found.partial.n == 21
    assert found.partial.value == pytest.approx(regressed(accuracy[kept], score[kept], macs[kept]), **EXACT)
    assert found.macs.value == pytest.approx(stats.spearmanr(macs[kept], accuracy[kept]).statistic, **EXACT)


def test_what_lacks_a_training_a_score_or_macs_is_left_out() -> None:
    accuracy, score, macs = drawn(30)
    table = np.column_stack([accuracy - 0.1, accuracy + 0.1])
    table[0] = math.nan
    table[1, 0] = math.nan  # the other training counts
    lacking, unsized = score.copy(), macs.copy()
    lacking[2], unsized[3], unsized[4] = math.nan, math.nan, 0
    found = beyond_macs(table, lacking, unsized)["whole pool"].partial
    kept = [1, *range(5, 30)]
    means = accuracy.copy()
    means[1] += 0.1
    assert found.n == len(kept)
    assert found.value == pytest.approx(regressed(means[kept], score[kept], macs[kept]), **EXACT)
    unknown = beyond_macs(table, score, np.full(30, math.nan))["whole pool"]
    assert (unknown.claim, unknown.partial.note) == ("unknown", "MACs are not known")
    with pytest.raises(ValueError, match="30 architectures in the reference, MACs of shape"):
        beyond_macs(table, score, [1.0])


def test_columns_are_all_there() -> None:
    for n in (0, 3, 30):
        assert tuple(beyond_macs(*drawn(n))["whole pool"].columns()) == COLUMNS


CELLS = {"spearman": 0.9, "spearman_macs": 0.75, "partial": 0.8, "partial_low": 0.65, "partial_high": 0.89,
         "partial_n": 64, "claim": "more", "partial_note": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "The score s says more than MACs alone: Spearman's correlation given MACs 0.80 [0.65, 0.89] over 64 "
            "networks; without them 0.90, that of MACs alone 0.75.",
        ),
        (
            {"partial": 0.05, "partial_low": -0.2, "partial_high": 0.29, "claim": "nothing"},
            "The score s adds nothing beyond MACs that 64 networks could show: Spearman's correlation given MACs 0.05 "
            "[-0.20, 0.29]; without them 0.90, that of MACs alone 0.75.",
        ),
        (
            {"partial": -0.4, "partial_low": -0.6, "partial_high": -0.1, "claim": "nothing"},
            "The score s adds nothing beyond MACs that 64 networks could show: Spearman's correlation given MACs -0.40 "
            "[-0.60, -0.10]; without them 0.90, that of MACs alone 0.75; given MACs it orders the wrong way round.",
        ),
    ],
)
def test_the_sentence(changes: dict[str, object], said: str) -> None:
    assert sentence("the score s", {**CELLS, **changes}, "{:.2f}".format) == said


def test_kendalls_partial_tau_is_not_zero_without_a_direct_dependence() -> None:
    """The reason that it is not used; tau of normal variables is 2 / pi arcsin rho (Kruskal 1958)."""
    tau = [2 / math.pi * math.asin(rho) for rho in (0.9 * 0.75, 0.9, 0.75)]
    rest = math.sqrt((1 - tau[1] ** 2) * (1 - tau[2] ** 2))
    assert (tau[0] - tau[1] * tau[2]) / rest == pytest.approx(0.15, abs=0.005)
