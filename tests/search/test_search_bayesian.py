"""Bayesian optimisation: its regression and improvements against textbook forms, and what it proposes."""

from __future__ import annotations

from itertools import product
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from limited_spaces import MOBILE, SPACES, table
from sampled_spaces import ROOMY
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal

from nas_steps.config import strategies
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.search import gaussian_process
from nas_steps.search.gaussian_process import GaussianProcess, feature_matrices
from nas_steps.search.improvement import expected_hypervolume_improvement, expected_improvement
from nas_steps.search.regression import squared_distances
from nas_steps.search.samplers.bayesian import BayesianSearch
from nas_steps.search.sampling import run
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import Limited
from nas_steps.spaces.protocol import members


def data(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distances by two groups of features, and values that the first group decides."""
    random = np.random.default_rng(seed)
    groups = [random.normal(size=(count, 3)), random.normal(size=(count, 2))]
    distances = np.array([squared_distances(group, group) for group in groups])
    return distances, np.sin(groups[0].sum(axis=1))


def covariance(distances: np.ndarray, process: GaussianProcess) -> np.ndarray:
    """Matern 5/2 (Rasmussen & Williams 2006, equation 4.17) of length 1 at the weighted distance, written anew."""
    weighted = sum(w * d / s for w, d, s in zip(process.weights, distances, process.scale, strict=True))
    r = np.sqrt(np.maximum(weighted, 0))
    return (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r)


def test_the_gradient_of_the_loss_is_its_slope() -> None:
    distances, y = data(12)
    random = np.random.default_rng(1)
    for _ in range(5):
        at = random.normal(-1, 0.7, 3)
        slope = approx_fprime(at, lambda x: gaussian_process._loss(x, distances, y)[0], 1e-6)
        assert gaussian_process._loss(at, distances, y)[1] == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_the_loss_is_the_likelihood_times_the_priors() -> None:
    # at two points of the logarithms, the difference is that of the density of y, with the likeliest mean and amplitude
    distances, y = data(9)
    told = []
    for logs in ([-0.5, -0.5, -2.3], [0.3, -2.0, -1.0]):
        process = GaussianProcess.__new__(GaussianProcess)
        process.weights, process.scale = np.exp(logs[:2]), np.ones(2)
        kernel = covariance(distances, process) + (np.exp(logs[2]) + gaussian_process.JITTER) * np.eye(9)
        inverse = np.linalg.inv(kernel)
        mean = inverse.sum(axis=0) @ y / inverse.sum()
        amplitude = (y - mean) @ inverse @ (y - mean) / 9
        density = multivariate_normal(np.full(9, mean), amplitude * kernel).logpdf(y)
        prior = (((logs[0] + 0.5) / 1.5) ** 2 + ((logs[1] + 2.5) / 1.5) ** 2 + (logs[2] + 2.3) ** 2) / 2
        told.append((prior - density, gaussian_process._loss(np.array(logs), distances, y)[0]))
    assert told[0][0] - told[1][0] == pytest.approx(told[0][1] - told[1][1], rel=1e-9)


def test_predictions_are_the_conditional_normal_distribution() -> None:
    distances, y = data(30)
    process = GaussianProcess(distances[:, :20, :20], y[:20], np.array([2.0, 0.5]))
    mean, spread = process.predict(distances[:, 20:, :20], distances[:, 20:, 20:])
    whole = process.amplitude * covariance(distances, process)
    noise = process.amplitude * (process.noise + gaussian_process.JITTER)
    inverse = np.linalg.inv(whole[:20, :20] + noise * np.eye(20))
    assert mean == pytest.approx(process.mean + whole[20:, :20] @ inverse @ (y[:20] - process.mean), rel=1e-6, abs=1e-8)
    assert spread == pytest.approx(whole[20:, 20:] - whole[20:, :20] @ inverse @ whole[:20, 20:], rel=1e-5, abs=1e-8)


def test_the_group_that_decides_gets_the_weight() -> None:
    distances, y = data(60)
    process = GaussianProcess(distances, y, distances.mean(axis=(1, 2)))
    assert process.weights[0] > 20 * process.weights[1]


def test_equal_values_and_equal_features_are_no_trouble() -> None:
    distances = np.zeros((1, 5, 5))
    process = GaussianProcess(distances, np.zeros(5), np.ones(1))
    mean, spread = process.predict(distances[:, :2], distances[:, :2, :2])
    assert np.allclose(mean, 0)
    assert np.isfinite(spread).all()


def test_of_many_values_the_hyperparameters_are_fitted_to_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_process, "FITTED", 40)
    distances, y = data(120)
    process = GaussianProcess(distances[:, :100, :100], y[:100], distances.mean(axis=(1, 2)))
    mean, _ = process.predict(distances[:, 100:, :100], distances[:, 100:, 100:])
    assert np.corrcoef(mean, y[100:])[0, 1] > 0.9
    assert len(process.dual) == 100


@pytest.mark.parametrize(("mean", "deviation", "best"), [(0.0, 1.0, 0.5), (1.0, 0.2, 0.0), (-2.0, 0.7, 1.0)])
def test_expected_improvement_is_the_mean_of_improvements(mean: float, deviation: float, best: float) -> None:
    # by the trapezoid rule over 16 standard deviations
    x = np.linspace(mean - 8 * deviation, mean + 8 * deviation, 20_001)
    density = np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    expected = np.trapezoid(np.maximum(x - best, 0) * density, x)
    found = expected_improvement(np.array([mean]), np.array([deviation]), best)
    assert found[0] == pytest.approx(expected, rel=1e-3)


def test_a_known_value_improves_by_itself() -> None:
    assert expected_improvement(np.array([1.0, -1.0]), np.zeros(2), 0.25).tolist() == [0.75, 0.0]


def volume(scores: np.ndarray, costs: np.ndarray, floor: float, low: np.ndarray, high: np.ndarray) -> float:
    """The dominated volume by counting: costs and scores are whole numbers, so unit cells are dominated or not."""
    cells = product(*(range(int(a), int(b)) for a, b in zip(low, high, strict=True)))
    total = 0.0
    for cell in cells:
        within = (costs <= np.array(cell)).all(axis=1)
        total += max(scores[within].max(), floor) - floor if within.any() else 0.0
    return total


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_hypervolume_improvement_is_the_growth_of_the_counted_volume(objectives: int) -> None:
    random = np.random.default_rng(objectives)
    scores, known = random.integers(0, 9, 8).astype(float), random.integers(1, 7, (8, objectives)).astype(float)
    new, costs = random.integers(0, 12, 6).astype(float), random.integers(0, 8, (6, objectives)).astype(float)
    reference = np.full(objectives, 8.0)
    low = np.zeros(objectives)
    before = volume(scores, known, scores.min(), low, reference)
    expected = [
        volume(np.append(scores, score), np.vstack([known, cost]), scores.min(), low, reference) - before
        for score, cost in zip(new, costs, strict=True)
    ]
    found = expected_hypervolume_improvement(new, np.zeros(6), costs, scores, known, reference, scores.min())
    assert found == pytest.approx(expected)
    # of an uncertain score, the mean over its distribution
    draws = new[:, None] + 1.5 * random.normal(size=(1, 4000))
    sampled = [
        fmean(
            float(
                expected_hypervolume_improvement(
                    np.array([value]), np.zeros(1), costs[[n]], scores, known, reference, scores.min()
                )[0]
            )
            for value in draws[n, :400]
        )
        for n in range(2)
    ]
    exact = expected_hypervolume_improvement(new, np.full(6, 1.5), costs, scores, known, reference, scores.min())[:2]
    assert sampled == pytest.approx(exact, rel=0.25, abs=0.3)


def score(text: str) -> float:
    """Convolutions are good, and more so where few skip connections are."""
    return text.count("conv") - 0.6 * text.count("conv") * text.count("skip") / 3 + Random(text).random() / 5


def best_of(settings: Any, space: Any, seed: int) -> float:
    told = run(
        settings,
        space,
        24,
        seed,
        lambda asked: [Estimate(number, str(one), score(str(one))) for number, one in enumerate(asked)],
    )
    return max(one.fitness for estimates in told for one in estimates)


def test_it_finds_more_than_random_search() -> None:
    bayesian = strategies.Bayesian(initial=8, batch=4, rounds=5, candidates=50)
    random = strategies.Random(evaluations=24)
    found = [fmean(best_of(settings, ROOMY, seed) for seed in range(6)) for settings in (bayesian, random)]
    assert found[0] > found[1] + 0.3


def searched(space: Any, objectives: list[str], rounds: int, seed: int) -> list[tuple[float, ...]]:
    """(minus score, costs) of all that a search of 8 + 2 a round evaluates."""
    settings = strategies.Bayesian(initial=8, batch=2, rounds=rounds, candidates=40, objectives=objectives)

    def evaluate(asked: Any) -> list[Estimate]:
        return [Estimate(number, str(one), score_of(space, one)) for number, one in enumerate(asked)]

    told = run(settings, space, 0, seed, evaluate)
    fields = ["latency_ms" if name == "latency" else name for name in objectives]
    return [
        (-one.score, *(getattr(space.costs(space.parse(one.architecture)), field) for field in fields))
        for estimates in told
        for one in estimates
    ]


def score_of(space: Any, architecture: Any) -> float:
    return float(np.log(space.costs(architecture).parameters)) + Random(str(architecture)).random() / 10


def dominated(points: list[tuple[float, ...]], inside: np.ndarray) -> float:
    """The share of the points `inside` (n, objectives) that one of `points` dominates."""
    return float(np.any([(inside >= np.array(point)).all(axis=1) for point in points], axis=0).mean())


@pytest.mark.parametrize("objectives", [["macs"], ["parameters", "latency"]])
def test_a_front_is_found_within_constraints(objectives: list[str]) -> None:
    costs = table(MOBILE)
    every = [costs.costs(one) for one in members(MOBILE)]
    limit = sorted(one.macs for one in every)[len(every) // 2]
    space = Limited(MOBILE, costs, {"macs": limit})
    fields = ["latency_ms" if name == "latency" else name for name in objectives]
    shares = []
    for seed in range(3):
        ours = searched(space, objectives, 13, seed)
        assert len(ours) == 32
        random = Random(seed)
        drawn = [space.sample(random) for _ in range(32)]
        theirs = [
            (-score_of(space, one), *(float(getattr(space.costs(one), field)) for field in fields)) for one in drawn
        ]
        if objectives == ["macs"]:
            assert max(point[1] for point in ours) <= limit
        both = np.array(ours + theirs)
        inside = np.random.default_rng(seed).uniform(both.min(axis=0), both.max(axis=0), (4000, both.shape[1]))
        shares.append(dominated(ours, inside) - dominated(theirs, inside))
    assert min(shares) > 0
    assert fmean(shares) > 0.02


def test_objectives_need_known_costs() -> None:
    settings = strategies.Bayesian(objectives=["latency"])
    with pytest.raises(UserError, match="the latencies of the blocks of space roomy were not measured"):
        BayesianSearch(ROOMY, settings)


def test_descriptions_of_isomorphic_cells_are_equal_and_of_few_others() -> None:
    space = CellSpace("pair", ("skip_connect", "max_pool_3x3", "nor_conv_1x1"), nodes=2, edges_per_node=1)
    described: dict[str, set[str]] = {}
    for one in members(space):
        groups = repr([sorted(group.items()) for group in space.describe(one)[:-1]])
        described.setdefault(space.identity(one), set()).add(groups)
    assert len(described) < space.size()
    assert all(len(groups) == 1 for groups in described.values())
    different = {groups for every in described.values() for groups in every}
    # a skip connection of a skip connection is alike to one
    assert len(different) > 0.7 * len(described)


def test_the_labels_of_a_cell_by_hand() -> None:
    space = PRESETS["nasbench201"]
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    zero, one, two, edges = space.describe(space.parse(text))
    # node 2 leads nowhere; the output reads the pooling of the input and the 1x1 convolution of node 1
    assert dict(zero) == {
        "cell:nor_conv_3x3": 1, "cell:avg_pool_3x3": 1, "cell:nor_conv_1x1": 1, "cell:input 0": 1, "cell:output": 1,
    }  # fmt: skip
    assert one["cell:nor_conv_1x1(cell:nor_conv_3x3)"] == 1
    assert one["cell:output(cell:avg_pool_3x3,cell:nor_conv_1x1)"] == 1
    assert sum(two.values()) == 5
    assert len(edges) == 6
    assert edges["cell 1 0 none"] == 1


def test_a_changed_choice_of_a_mobile_architecture_counts_twice() -> None:
    start, middle = "stem_k3_s2_c8_relu", "mb_k3_s2_e2_c12"
    one, other, both = (
        MOBILE.parse(f"{start}/mb_k{kernel}_e1_c8/{middle}/mb_k3_e1_c8{activation}/head_c16_l12")
        for kernel, activation in ((3, ""), (5, ""), (5, "_hswish"))
    )
    choices = feature_matrices([MOBILE.describe(each) for each in (one, other, both)])[-1]
    assert squared_distances(choices, choices).tolist() == [[0, 2, 4], [2, 0, 2], [4, 2, 0]]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_all_architectures_of_a_space_have_the_same_groups(space: Any) -> None:
    random = Random(0)
    drawn = [space.describe(space.sample(random)) for _ in range(20)]
    assert len({len(groups) for groups in drawn}) == 1
    assert all(value == value for groups in drawn for group in groups for value in group.values())
