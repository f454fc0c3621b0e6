"""Bits per byte, their contributions by document, and which way each metric points."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest

from nas_steps.facts import NEG_BITS_PER_BYTE, Metric
from nas_steps.intervals import mean_interval
from nas_steps.metrics import (
    METRICS,
    OF_BITS,
    WORDS,
    bits_contributions,
    bits_per_byte,
    in_blocks,
)


def drawn(documents: int, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Nats and bytes of documents whose sizes are skewed, and of which longer ones are easier."""
    sizes = dice.lognormal(8, 1, documents).astype(int) + 20
    return sizes * (1.2 + 0.2 * dice.standard_normal(documents) - 0.05 * (np.log(sizes) - 8)), sizes


def test_bits_are_divided_by_bytes_of_all_text() -> None:
    nats, sizes = np.array([math.log(2) * 30, math.log(2) * 10]), np.array([10, 30])
    assert bits_per_byte(nats, sizes) == pytest.approx(1.0)
    assert bits_contributions(nats, sizes).mean() == pytest.approx(1.0)


def test_contributions_have_the_metric_as_their_mean_and_its_error_as_their_spread() -> None:
    dice = np.random.default_rng(0)
    population = drawn(100_000, dice)
    figures, errors = [], []
    for _ in range(1500):
        chosen = dice.integers(100_000, size=200)
        nats, sizes = population[0][chosen], population[1][chosen]
        figures.append(bits_per_byte(nats, sizes))
        contributions = bits_contributions(nats, sizes)
        assert contributions.mean() == pytest.approx(figures[-1], abs=1e-12)
        errors.append(contributions.var() / 200)
    assert np.mean(errors) == pytest.approx(np.var(figures), rel=0.15)


def test_the_interval_covers_the_truth() -> None:
    dice = np.random.default_rng(1)
    population = drawn(100_000, dice)
    truth = bits_per_byte(*population)
    inside = 0
    for _ in range(600):
        chosen = dice.integers(100_000, size=60)
        found = mean_interval(bits_contributions(population[0][chosen], population[1][chosen]).tolist())
        inside += found["low"] <= truth <= found["high"]
    assert 0.90 < inside / 600 < 0.98


def test_two_networks_are_compared_on_the_same_documents() -> None:
    dice = np.random.default_rng(2)
    nats, sizes = drawn(100, dice)
    first, second = bits_contributions(nats, sizes), bits_contributions(1.01 * nats, sizes)
    paired = mean_interval((second - first).tolist())
    assert paired["mean"] == pytest.approx(bits_per_byte(1.01 * nats, sizes) - bits_per_byte(nats, sizes))
    alone = mean_interval(first.tolist())
    assert paired["high"] - paired["low"] < 0.1 * (alone["high"] - alone["low"])
    assert paired["low"] > 0


def test_blocks_of_neighbours() -> None:
    values = np.arange(11.0)
    assert in_blocks(values, 3).tolist() == [3, 12, 6 + 7 + 8 + 9 + 10]
    assert in_blocks(values, 1).tolist() == values.tolist()
    assert in_blocks(values, 11).tolist() == [55]
    with pytest.raises(ValueError, match="11 values have no block of 12"):
        in_blocks(values, 12)


def test_files_have_minus_the_bits_per_byte_so_that_the_larger_is_better() -> None:
    assert set(WORDS) == {*METRICS, NEG_BITS_PER_BYTE}
    assert get_args(Metric) == (*METRICS, NEG_BITS_PER_BYTE)
    better, worse = np.array([1.0, 2.0]), np.array([1.5, 2.0])
    sizes = np.array([1, 1])
    assert -bits_per_byte(better, sizes) > -bits_per_byte(worse, sizes)
    assert OF_BITS == (0, 0)
