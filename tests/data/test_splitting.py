from __future__ import annotations

import numpy as np
import pytest

from nas_steps.data.splitting import apportion, deal, subsample
from nas_steps.errors import UserError

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (10, [0.6, 0.2, 0.2], [6, 2, 2]),
        (11, [0.6, 0.2, 0.2], [7, 2, 2]),
        (3, [0.6, 0.2, 0.2], [1, 1, 1]),
        (4, [0.9, 0.05, 0.05], [2, 1, 1]),
        (7, [1, 1, 1], [3, 2, 2]),
        (35, [0.8, 0.2], [28, 7]),
        (5, [1000, 1], [4, 1]),
    ],
)
def test_largest_remainder(total: int, weights: list[float], parts: list[int]) -> None:
    assert apportion(total, weights) == parts


def test_parts_are_within_one_of_their_quota() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        weights = random.uniform(0.1, 1, int(random.integers(2, 6))).tolist()
        total = int(random.integers(60, 500))
        parts = apportion(total, weights)
        assert sum(parts) == total
        assert all(abs(part - total * w / sum(weights)) < 1 for part, w in zip(parts, weights, strict=True))


def test_too_little_to_divide() -> None:
    with pytest.raises(ValueError, match="2 cannot be divided into 3"):
        apportion(2, [1, 1, 1])


@pytest.mark.parametrize("seed", range(5))
def test_a_deal_is_disjoint_exhaustive_and_in_proportion(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(4), [3, 10, 57, 130]))
    dealt = deal(labels, list("abcd"), SHARES, seed)
    assert sorted(np.concatenate(list(dealt.values())).tolist()) == list(range(len(labels)))
    for split, chosen in dealt.items():
        assert np.all(np.diff(chosen) > 0)
        counts = np.bincount(labels[chosen], minlength=4)
        assert np.all(counts >= 1)
        assert np.all(np.abs(counts - SHARES[split] * np.array([3, 10, 57, 130])) < 1)


def test_a_deal_depends_on_the_seed_alone() -> None:
    labels = np.repeat(np.arange(3), 20)
    first, again, other = (deal(labels, list("abc"), SHARES, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[split], again[split]) for split in SHARES)
    assert not np.array_equal(first["test"], other["test"])
    # the order in which a class is dealt is random: test is not simply its last images
    assert set(first["test"].tolist()) != {16, 17, 18, 19, 36, 37, 38, 39, 56, 57, 58, 59}


def test_a_deal_is_the_same_in_every_version() -> None:
    dealt = deal(np.repeat(np.arange(2), 8), list("ab"), SHARES, 7)
    assert [part.tolist() for part in dealt.values()] == [[0, 2, 3, 4, 6, 9, 10, 11, 12, 13], [5, 7, 14, 15], [1, 8]]


def test_classes_with_too_few_images_are_named() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    with pytest.raises(UserError, match=r"class dog has 2; class cow has 1 .*each class needs 3") as caught:
        deal(labels, ["cat", "dog", "cow"], SHARES, 0)
    assert "cat has" not in str(caught.value)


def test_subsampling_is_stratified_and_seeded() -> None:
    labels = np.repeat(np.arange(3), [100, 50, 2])
    chosen = subsample(labels, list("abc"), 30, 0, "max_train")
    counts = np.bincount(labels[chosen])
    assert counts.sum() == 30
    assert np.abs(counts - np.array([19.7, 9.9, 0.4])).max() < 1
    assert np.array_equal(chosen, subsample(labels, list("abc"), 30, 0, "max_train"))
    assert not np.array_equal(chosen, subsample(labels, list("abc"), 30, 1, "max_train"))
    for limit in (None, 152, 1000):
        assert np.array_equal(subsample(labels, list("abc"), limit, 0, "max_train"), np.arange(152))
    with pytest.raises(UserError, match=r"data\.max_test is 2, but there are 3 classes.*set it to 3"):
        subsample(labels, list("abc"), 2, 0, "max_test")
