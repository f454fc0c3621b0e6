"""The predictor: its regression, and that it finds what random search does not."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from sampled_spaces import ROOMY
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.regression import RIDGES, KernelRidgeEnsemble, leave_one_out, normal_scores
from nas_steps.search.samplers.predictor import PARENTS, PredictorSearch
from nas_steps.search.sampling import round_size


def test_normal_scores_are_symmetric_and_equal_for_equals() -> None:
    scores = normal_scores([3.0, 1.0, 2.0, -50.0, 2.0])
    assert scores[2] == scores[4]
    assert scores[3] < scores[1] < scores[2] < scores[0] == pytest.approx(-scores[3])
    assert scores.sum() == pytest.approx(0)
    assert list(normal_scores([0.7, 0.7, 0.7])) == pytest.approx([0, 0, 0])


def test_the_ridge_is_the_best_of_leave_one_out() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(12, 3))
    y = x[:, 0] - x[:, 1] * x[:, 2] + random.normal(size=12) / 3
    kernel = np.exp(-((x[:, None] - x[None]) ** 2).sum(axis=2) / 6)
    errors = []
    for ridge in RIDGES:
        model = KernelRidge(alpha=ridge, kernel="rbf", gamma=1 / 6)
        errors.append(y - cross_val_predict(model, x, y, cv=LeaveOneOut()))
    least = int(np.argmin([(one**2).mean() for one in errors]))
    best = KernelRidge(alpha=RIDGES[least], kernel="rbf", gamma=1 / 6).fit(x, y)
    dual, left_out = leave_one_out(kernel, y)
    np.testing.assert_allclose(dual, best.dual_coef_, rtol=1e-6)
    np.testing.assert_allclose(left_out, errors[least], rtol=1e-6)


def test_the_ensemble_learns_and_doubts_what_is_far_from_what_it_saw() -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 2, size=(80, 10)).astype(float)
    y = x @ np.arange(10) + 6 * x[:, 0] * x[:, 1]
    ensemble = KernelRidgeEnsemble(x[:60], y[:60], 5, random)
    mean, deviation = ensemble.predict(x[60:])
    assert np.corrcoef(mean, y[60:])[0, 1] > 0.9
    assert deviation.mean() > ensemble.predict(x[:60])[1].mean()


def test_equal_architectures_are_no_reason_to_fail() -> None:
    x = np.ones((4, 3))
    mean, deviation = KernelRidgeEnsemble(x, np.zeros(4), 3, np.random.default_rng(0)).predict(x)
    assert np.all(mean == 0)
    assert np.all(deviation == 0)


def test_the_predictor_finds_more_than_random_search() -> None:
    def score(text: str) -> float:
        normal = text.split(";")[0]
        return normal.count("conv") - 2 * normal.count("pool") + text.count("skip_connect~1")

    settings = strategies.Predictor(initial=10, batch=5, rounds=4)
    best = []
    for seed in range(6):
        search = PredictorSearch(ROOMY, settings)
        scores: list[float] = []
        for number in range(settings.rounds):
            asked = list(map(str, search.ask(round_size(settings, number, 0), Random(100 * seed + number))))
            search.tell([Estimate(index, text, score(text)) for index, text in enumerate(asked)])
            scores += map(score, asked)
        best.append(max(scores))
        # what is predicted to be good is better than what was drawn
        assert np.mean(scores[10:]) > np.mean(scores[:10])
    drawn = [max(score(str(ROOMY.sample(Random(1000 * seed + n)))) for n in range(25)) for seed in range(6)]
    assert np.mean(best) > np.mean(drawn)


def test_a_failure_is_fitted_on_the_worst_seen() -> None:
    texts = list(map(str, (ROOMY.sample(Random(seed)) for seed in range(PARENTS + 4))))
    scores = [0.3, *(0.5 + index / 100 for index in range(PARENTS + 2)), 0.3]
    one, other = (PredictorSearch(ROOMY, strategies.Predictor()) for _ in range(2))
    told = [Estimate(index, text, score) for index, (text, score) in enumerate(zip(texts, scores, strict=True))]
    one.tell([*told[:-1], Estimate(PARENTS + 3, texts[-1], math.nan, status="diverged")])
    other.tell(told)
    assert one.ask(4, Random(0)) == other.ask(4, Random(0))
