"""What a rank correlation is worth: exact answers where there are some, and the printed table."""

from __future__ import annotations

import csv
import gzip
import math
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv
from nas_steps.ranking.noise import posterior
from nas_steps.ranking.steps import sufficiency as step
from nas_steps.ranking.sufficiency import (
    WORLDS,
    Choice,
    Simulated,
    _read,
    copula,
    empirical,
    from_pool,
    from_sample,
    from_tau,
    least_kept,
    pool,
    reach,
)

ROOT = Path(__file__).resolve().parents[2]
NASBENCH201 = ROOT.parent / "shared" / "data" / "nasbench201.csv.gz"


def near(estimate: Simulated, exact: float, errors: float = 4) -> bool:
    return abs(estimate.value - exact) <= errors * estimate.error + 1e-12


@pytest.mark.parametrize("tau", [-0.5, 0.0, 0.3, 0.8])
def test_of_two_the_pick_is_the_better_one_with_probability_half_of_one_plus_tau(tau: float) -> None:
    found = from_tau(tau, Choice(2, ks=(1, 2), repeats=20000))
    assert near(found.percentile, (1 + tau) / 2)
    # the other of the two is E|difference| / 2 from their mean: sqrt(1 / pi)
    rho = math.sin(math.pi / 2 * tau)
    assert near(found.accuracy, rho * math.sqrt(1 / math.pi))
    assert near(found.top[0].regret, (1 - rho) * math.sqrt(1 / math.pi))


@pytest.mark.parametrize(("tau", "candidates"), [(0.4, 10), (0.6, 100)])
def test_the_pick_is_worth_rho_times_the_best_of_n(tau: float, candidates: int) -> None:
    density = stats.norm.pdf
    grid = np.linspace(-9, 9, 20001)
    best = np.trapezoid(grid * candidates * density(grid) * stats.norm.cdf(grid) ** (candidates - 1), grid)
    found = from_tau(tau, Choice(candidates, ks=(1, 5)), mean=70, spread=3)
    rho = math.sin(math.pi / 2 * tau)
    assert near(found.accuracy, 70 + 3 * rho * best)
    assert near(found.top[0].regret, 3 * (1 - rho) * best)


def test_a_perfect_estimator_loses_nothing() -> None:
    found = from_tau(1.0, Choice(500, tolerance=0.0))
    assert found.percentile.value == 1
    assert all(top.regret.value == top.regret_95.value == 0 and top.holds_top.value == 1 for top in found.top)
    assert found.enough.value == 1


def test_a_useless_estimator_is_a_random_choice() -> None:
    """The chance that k of N hold one of the best m is hypergeometric; the best itself needs k = 95 % of N."""
    found = from_tau(0.0, Choice(400, ks=(1, 10, 100), tolerance=0.0, repeats=4000))
    assert near(found.percentile, 0.5)
    for top in found.top:
        assert near(top.holds_top, 1 - stats.hypergeom.pmf(0, 400, 4, top.k))
    assert abs(found.enough.value - 380) <= 4 * found.enough.error
    assert found.enough.error < 5


def test_every_figure_is_the_brute_force_one() -> None:
    generator = np.random.default_rng(0)
    accuracies = generator.integers(0, 40, (60, 150)).astype(float)
    found = _read(accuracies, Choice(150, 3.0, (1, 4, 150)))
    for row, line in enumerate(accuracies.tolist()):
        assert found["accuracy"][row] == line[0]
        others = line[1:]
        beaten = sum(1.0 if value < line[0] else 0.5 if value == line[0] else 0.0 for value in others)
        assert found["percentile"][row] == pytest.approx(beaten / 149, abs=1e-12)
        assert found["regret"][row].tolist() == [max(line) - max(line[:k]) for k in (1, 4, 150)]
        assert found["within"][row].tolist() == [max(line[:k]) >= max(line) - 3 for k in range(1, 151)]
        # the best 2 of 150, equal ones counted among them
        bar = sorted(line)[-2]
        assert found["needed_for_top"][row] == next(k for k in range(1, 151) if max(line[:k]) >= bar)


def test_with_noise_the_best_measured_of_the_first_k_is_picked() -> None:
    generator = np.random.default_rng(0)
    accuracies = generator.integers(0, 40, (60, 30)).astype(float)
    luck = 8 * generator.standard_normal((60, 30))
    found = _read(accuracies, Choice(30, 3.0, (1, 4, 30)), luck)
    for row, line in enumerate(accuracies.tolist()):
        measured = (accuracies[row] + luck[row]).tolist()
        picks = [line[measured.index(max(measured[:k]))] for k in range(1, 31)]
        assert found["within"][row].tolist() == [pick >= max(line) - 3 for pick in picks]
        assert found["regret"][row].tolist() == [max(line) - picks[k - 1] for k in (1, 4, 30)]


def best_of(candidates: int) -> float:
    """The expected largest of normal draws, by integration."""
    grid = np.linspace(-9, 9, 20001)
    density = candidates * stats.norm.pdf(grid) * stats.norm.cdf(grid) ** (candidates - 1)
    return float(np.trapezoid(grid * density, grid))


@pytest.mark.parametrize(("noise", "seeds"), [(0.5, 1), (1.0, 3), (2.0, 2)])
def test_of_all_candidates_the_pick_is_worth_the_root_of_the_reliability(noise: float, seeds: int) -> None:
    """The pick among all is the best of N by a measure whose correlation with the truth is that root."""
    found = from_tau(0.4, Choice(20, ks=(1, 20), repeats=20000, seeds=seeds), spread=3, noise=3 * noise)
    first, every = found.top
    assert near(first.regret, 3 * (1 - math.sin(math.pi * 0.2)) * best_of(20))
    assert near(every.regret, 3 * (1 - 1 / math.sqrt(1 + noise**2 / seeds)) * best_of(20))


def test_of_two_trained_the_better_is_picked_by_the_arcsine_law() -> None:
    found = from_tau(0.3, Choice(2, tolerance=0.0, ks=(1, 2), repeats=20000, seeds=2), noise=1.5)
    wrong = math.acos(1 / math.sqrt(1 + 1.5**2 / 2)) / math.pi
    assert near(found.top[1].within, 1 - wrong)
    assert near(found.top[0].within, (1 + 0.3) / 2)


def test_noise_without_end_is_a_random_choice_of_the_k() -> None:
    found = from_tau(0.0, Choice(30, 0.4, ks=(1, 5, 30), repeats=20000), noise=1e6)
    for top in found.top[1:]:
        assert abs(top.within.value - found.top[0].within.value) <= 6 * top.within.error


def test_more_seeds_are_never_worse_and_more_candidates_may_be() -> None:
    by_seeds = [from_tau(0.7, Choice(25, 0.5, (1, 4, 25), seeds=s), noise=1.0) for s in (1, 2, 3, 5, 10)]
    for place in (1, 2):
        within = [found.top[place].within.value for found in by_seeds]
        regrets = [found.top[place].regret.value for found in by_seeds]
        assert within == sorted(within)
        assert regrets == sorted(regrets, reverse=True)
    # the pick of one trained does not depend on its accuracy
    assert len({found.top[0].regret.value for found in by_seeds}) == 1
    assert by_seeds[0].top[2].within.value < by_seeds[0].top[1].within.value - 0.02
    assert math.isnan(by_seeds[0].enough.value)


def test_the_least_that_is_kept() -> None:
    assert least_kept([0.9, 0.95, 0.94]) == 2
    assert least_kept([0.9, 0.94]) is None
    assert least_kept([0.99]) == 1


def measured(n: int, rho: float, noise: float, seeds: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores, other = generator.standard_normal((2, n))
    accuracies = rho * scores + math.sqrt(1 - rho * rho) * other
    return scores, accuracies[:, None] + noise * generator.standard_normal((n, seeds))


def test_a_large_sample_foretells_as_the_truth_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.ranking.sufficiency.RESAMPLES", 2)  # no interval is checked
    scores, reference = measured(20000, math.sin(math.pi * 0.25), 1.0, 2)
    choice = Choice(25, 1.0, (1, 3, 10), 20000, seeds=2)
    true = from_tau(0.5, choice, noise=1.0)
    for found in (from_sample(scores, reference, choice), from_pool(scores, reference, choice)[0]):
        assert found.tau == pytest.approx(0.5, abs=0.02)
        for one, other in zip(found.top, true.top, strict=True):
            assert one.within.value == pytest.approx(other.within.value, abs=0.02)
            assert one.regret.value == pytest.approx(other.regret.value, abs=0.05)


def test_noise_that_is_taken_for_spread_foretells_too_much() -> None:
    """As it was: accuracies of one training each, as if they were expected ones."""
    scores, reference = measured(400, 0.9, 1.5, 2)
    choice = Choice(25, 1.0, (10, 25), seeds=2)
    blind = from_pool(scores, reference.mean(1), choice, 0.0)[1]
    seeing = from_pool(scores, reference, choice)[1]
    assert blind.top[1].within.value == 1
    assert seeing.top[1].within.value < 0.95


def test_other_numbers_of_seeds_are_those_of_the_sample() -> None:
    scores, reference = measured(20, 0.7, 0.8, 3)
    choice = Choice(25, 2.0, (1, 2, 10), seeds=3)
    found = from_sample(scores, reference, choice)
    again = Choice(25, 2.0, (1, 2, 10), found.repeats)
    reached = reach(posterior(scores, reference, WORLDS), again, 10, (1, 3, 9))
    assert reached.shape == (WORLDS, 3, 10)
    mean = reached.mean(0)
    assert [mean[1, k - 1] for k in (1, 2, 10)] == pytest.approx([top.within.value for top in found.top], abs=1e-12)
    assert (np.diff(mean, axis=0) >= -1e-12).all()
    for top in found.top:
        assert top.within.low <= top.within.value <= top.within.high  # type: ignore[operator]
    assert found == from_sample(scores, reference, choice)


def test_a_small_sample_promises_less() -> None:
    """The same figures of a sample, seen on more architectures."""
    scores, reference = measured(8, 0.9, 0.3, 2, seed=4)
    choice = Choice(25, 0.6, (2,), seeds=2)
    few = from_sample(scores, reference, choice)
    many = from_sample(np.tile(scores, 8), np.tile(reference, (8, 1)), choice)
    assert few.top[0].within.value < many.top[0].within.value - 0.02
    widths = [found.top[0].within.high - found.top[0].within.low for found in (few, many)]  # type: ignore[operator]
    assert widths[1] < widths[0] / 2


def test_draws_of_the_copula_have_its_tau_and_distribution() -> None:
    generator = np.random.default_rng(0)
    z, noise = generator.standard_normal((2, 4000))
    known = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    drawn = copula(0.5, empirical(known))(z, noise)
    latent = copula(0.5, lambda values: values)(z, noise)
    assert stats.kendalltau(z, latent).statistic == pytest.approx(0.5, abs=0.02)
    places = np.clip(stats.norm.cdf(latent) * 5 - 0.5, 0, 4)
    assert drawn == pytest.approx(np.interp(places, np.arange(5), known), abs=1e-12)


def test_draws_of_a_pool_are_its_pairs_and_equal_scores_are_drawn_equally_often() -> None:
    generator = np.random.default_rng(0)
    z, noise = generator.standard_normal((2, 60000))
    scores, accuracies = np.array([3.0, 1.0, 2.0, 2.0, 2.0]), np.array([0.5, 0.1, 0.9, 0.2, 0.6])
    order = np.argsort(-z)
    drawn = pool(scores, accuracies)(z[order], noise)
    assert set(drawn) == set(accuracies)
    for value in accuracies:
        assert np.mean(drawn == value) == pytest.approx(0.2, abs=0.01)
    # best scored first
    assert set(drawn[:10000]) == {0.5}
    assert set(drawn[-10000:]) == {0.1}
    # where in the tie does not depend on the place
    assert np.mean(drawn[13000:20000] == 0.9) == pytest.approx(1 / 3, abs=0.03)


def test_the_predictors_agree_on_a_large_pool_of_the_copula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.ranking.sufficiency.RESAMPLES", 2)  # no interval is checked
    generator = np.random.default_rng(0)
    scores = generator.standard_normal(100000)
    accuracies = math.sin(math.pi * 0.25) * scores + math.cos(math.pi * 0.25) * generator.standard_normal(100000)
    by_copula, by_pool = from_pool(scores, accuracies, Choice(50, ks=(1, 10)))
    normal = from_tau(0.5, Choice(50, ks=(1, 10)))
    assert by_pool.tau == pytest.approx(0.5, abs=0.01)
    for one, two, three in zip(by_copula.top, by_pool.top, normal.top, strict=True):
        assert one.regret.value == pytest.approx(three.regret.value, abs=0.05)
        assert two.regret.value == pytest.approx(three.regret.value, abs=0.05)
    assert "read `pool`" in by_pool.note


def test_intervals_hold_the_figure_and_shrink_with_the_pool() -> None:
    generator = np.random.default_rng(0)
    scores = generator.standard_normal(400)
    accuracies = scores + generator.standard_normal(400)
    small, _ = from_pool(scores[:50], accuracies[:50], Choice(100, ks=(1,)))
    large, _ = from_pool(scores, accuracies, Choice(100, ks=(1,)))
    widths = []
    for found in (small, large):
        for figure in (found.percentile, found.accuracy, found.top[0].regret, found.top[0].holds_top):
            assert figure.low <= figure.value <= figure.high  # type: ignore[operator]
        widths.append(found.percentile.high - found.percentile.low)  # type: ignore[operator]
    assert widths[1] < 0.6 * widths[0]
    assert "read `copula`" in small.note
    assert from_pool(scores[:50], accuracies[:50], Choice(100, ks=(1,)))[0] == small


def test_the_interval_of_tau_gives_every_figure_one() -> None:
    found = from_tau(0.4, Choice(100), interval=(0.2, 0.6))
    worse, better = from_tau(0.2, Choice(100)), from_tau(0.6, Choice(100))
    assert (found.top[1].regret.low, found.top[1].regret.high) == (
        better.top[1].regret.value,
        worse.top[1].regret.value,
    )
    assert (found.enough.low, found.enough.high) == (better.enough.value, worse.enough.value)
    assert (found.percentile.low, found.percentile.high) == (worse.percentile.value, better.percentile.value)


def test_many_candidates_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.ranking.sufficiency.CHUNK", 5000)
    found = from_tau(0.0, Choice(50, repeats=1234))
    assert found.repeats == 1234
    assert near(found.percentile, 0.5)


@pytest.mark.parametrize(
    ("tau", "choice", "copula", "words"),
    [
        (1.2, {}, {}, "tau is 1.2"),
        (math.nan, {}, {}, "tau is nan"),
        (0.2, {"candidates": 1}, {}, "no choice"),
        (0.2, {"ks": (11,)}, {}, "k is 11"),
        (0.2, {}, {"spread": -1.0}, "spread is -1.0"),
        (0.2, {"tolerance": math.inf}, {}, "tolerance is inf"),
        (0.2, {}, {"noise": -0.1}, "noise is -0.1"),
        (0.2, {"seeds": 0}, {}, "seeds is 0"),
        (0.2, {}, {"interval": (0.3, None)}, "does not lie in its interval"),
    ],
)
def test_impossible_questions_are_told(tau: float, choice: dict[str, Any], copula: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_tau(tau, Choice(**{"candidates": 10, "ks": (1,), **choice}), **copula)


@pytest.mark.parametrize(
    "pairs", [([1.0, 2.0], [0.1, 0.2]), ([1.0] * 4, [0.1, 0.2, 0.3, 0.4]), ([1.0, 2.0, 3.0], [0.5] * 3)]
)
def test_a_pool_without_an_order_is_refused(pairs: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="a pool of"):
        from_pool(*pairs, Choice(10, ks=(1,)))


@pytest.mark.skipif(not NASBENCH201.is_file(), reason="the table is not there")
def test_nasbench201_is_foretold_by_its_own_pool() -> None:
    """12 epochs against 200; the true regrets are those of 1,000 drawn without replacement."""
    with gzip.open(NASBENCH201, "rt") as file:
        rows = list(csv.DictReader(file))
    early, late = (
        np.array([float(row[name]) for row in rows]) for name in ("c10valid_val_acc12", "cifar10_test_acc200")
    )
    generator = np.random.default_rng(0)
    ks = np.array([1, 3, 10, 30])
    lost = []
    for _ in range(800):
        drawn = generator.choice(len(rows), 1000, replace=False)
        ordered = late[drawn[np.argsort(-early[drawn], kind="stable")]]
        lost.append(ordered.max() - np.maximum.accumulate(ordered)[ks - 1])
    _, by_pool = from_pool(early, late, Choice(1000))
    assert by_pool.tau == pytest.approx(0.594, abs=5e-4)
    for top, true in zip(by_pool.top, np.mean(lost, axis=0), strict=True):
        assert top.regret.low <= true <= top.regret.high  # type: ignore[operator]


# ------------------------------------------------------------------------------------------- the command


def test_the_command_without_a_step_prints_a_table_and_a_sentence() -> None:
    done = run(
        [sys.executable, "-m", "nas_steps.ranking", "--tau", "0.4", "--candidates", "1000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "$ python -m nas_steps.ranking sufficiency --tau 0.4 --candidates 1000"
    assert [line.split()[0] for line in lines[5:9]] == ["1", "3", "10", "30"]
    assert lines[-1].startswith("To be within 0.5 of the best of 1000 with a probability of 95 %, train the ")


def test_the_command_reads_a_pool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    rows = [{"score": value, "accuracy": 90 + value + generator.standard_normal()} for value in generator.random(40)]
    write_csv(tmp_path / "pool.csv", [*rows, {"score": "", "accuracy": 1.0}], ("score", "accuracy"))
    step.main(["--pool", str(tmp_path / "pool.csv"), "--candidates", "20", "--repeats", "200"])
    told = capsys.readouterr().out
    assert "copula: tau" in told
    assert "pool: tau" in told
    assert "40 architectures for 20 candidates" in told
    assert "\n     20  0.000 [0.000, 0.000]" in told
    step.main(["--pool", str(tmp_path / "pool.csv"), "--candidates", "20", "--repeats", "200", "--noise", "0.5"])
    noisy = capsys.readouterr().out
    assert "\n     20  0.000" not in noisy


def test_the_command_says_whether_the_score_adds_to_macs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    rows = [
        {"macs": round(1e6 * size), "score": size + own, "accuracy": 90 + size + own}
        for size, own in generator.random((60, 2))
    ]
    write_csv(tmp_path / "pool.csv", [*rows, {"score": 1.0, "accuracy": ""}], ("score", "accuracy", "macs"))
    step.main(["--pool", str(tmp_path / "pool.csv"), "--candidates", "20", "--repeats", "200"])
    lines = capsys.readouterr().out.splitlines()
    whole, half = lines[-2:]
    assert whole.startswith("The score, on the whole pool, says more than MACs alone: Spearman's")
    assert "over 60 networks" in whole
    assert half.startswith("The score, on the better half, says more than MACs alone")
    assert "over 30 networks" in half


def test_the_command_counts_noise_and_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--tau", "0.5", "--candidates", "25", "--noise", "1", "--k", "1", "4", "25"]
    step.main(given)
    once = capsys.readouterr().out
    assert "No number of candidates trained once each gives a pick within 0.5 of the best of 25" in once
    assert "4 comes closest" in once
    assert "raise --seeds" in once
    step.main([*given, "--seeds", "40"])
    assert "best scored 40 times each" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--candidates", "10"], "give either --tau"),
        (["--tau", "2"], "tau is 2, .* give --tau"),
        (["--tau", "0.2", "--noise", "-1"], "noise is -1.0"),
        (["--tau", "0.2", "--seeds", "0"], "seeds is 0"),
        (["--tau", "0.3", "--repeats", "5"], "--repeats is 5"),
        (["--pool", "empty.csv"], "no lines"),
        (["--pool", "other.csv"], "no column 'accuracy'"),
        (["--pool", "words.csv"], "could not convert"),
    ],
)
def test_the_command_tells_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "empty.csv", [], ("score", "accuracy"))
    write_csv(tmp_path / "other.csv", [{"score": 1}], ("score",))
    write_csv(tmp_path / "words.csv", [{"score": "good", "accuracy": 1}], ("score", "accuracy"))
    with pytest.raises(UserError, match=told):
        step.main(arguments)
