"""Final trainings on text: baselines of a fitted size, intervals over units of text, gains of a metric below 0."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_text import ATTENTION, prepared, tiny_config

from nas_steps.config.space import Network
from nas_steps.data.text.store import chance_level, read_text_meta
from nas_steps.errors import UserError
from nas_steps.metrics import OF_BITS, bits_contributions, bits_per_byte
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining.comparison import accuracy, contrast
from nas_steps.retraining.contests import contests
from nas_steps.retraining.entries import entry_of
from nas_steps.retraining.fitting import Constraints
from nas_steps.retraining.names import takes_a_budget
from nas_steps.retraining.predictions import read_trainings
from nas_steps.retraining.steps.recommend import validated_texts
from nas_steps.retraining.summary import chance_trainings, compare, pool_of, side_of, summarise
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.training.settings import TrainingSettings

UNITS = 60


def settings() -> TrainingSettings:
    config = tiny_config()
    return TrainingSettings(seed=0, threads=1, space=config.space, network=Network(), recipe=config.retrain.recipe)


def winners(folder: Path) -> str:
    path = folder / "winners.csv"
    row = {"entry": "evolution-0", "kind": "searched", "strategy": "evolution", "search_seed": 0, "score": -3.0}
    write_csv(path, [row | {"architecture": ATTENTION}], WINNERS)
    return str(path)


def test_a_baseline_has_the_winner_s_macs(tmp_path: Path) -> None:
    assert takes_a_budget("llama")
    assert not takes_a_budget("llama_d16_l2")
    assert not takes_a_budget("random-0")
    found = entry_of("llama", "baseline", settings(), prepared(), winners=winners(tmp_path))
    macs = [count_architecture(parse_language(one), 16)[1] for one in (ATTENTION, found.architecture)]
    assert abs(math.log(macs[1] / macs[0])) < 0.3  # few sizes are this small
    assert found.budget == {"of": "evolution-0", "macs": macs[0], "parameters": None}


def test_a_size_in_the_name_stays_and_is_refused_above_a_budget() -> None:
    found = entry_of("gpt2_d16_l2", "baseline", settings(), prepared())
    assert found.architecture == "lm_v256_d16_pos16_ln_tied_bias/2x_attn_h2+gelu_e4"
    with pytest.raises(UserError, match=r"budget is 1,000 MACs, but gpt2_d16_l2 has .* by the name gpt2"):
        entry_of("gpt2_d16_l2", "baseline", settings(), prepared(), constraints=Constraints(macs=1e3))


def test_the_largest_network_is_that_of_the_space() -> None:
    found = entry_of("largest", "largest", settings(), prepared())
    architecture = parse_language(found.architecture)
    assert (architecture.depth, architecture.frame.width) == (2, 16)
    assert "gelu_e4" in found.architecture


# ------------------------------------------------------------------------------------------------ statistics


def trainings(folder: Path, seed: int = 0) -> tuple[list[Path], list[Path]]:
    """Records and predictions of two searched networks, 3 uniform ones and a baseline; the first is 0.2 bits better."""
    dice = np.random.default_rng(seed)
    sizes = dice.integers(200, 900, UNITS)
    hard = dice.normal(2.5, 0.3, UNITS)
    records, files = [], []
    entries = {"evolution-0": -0.2, "random-0": 0.0, "uniform-0": 0.1, "uniform-1": 0.0, "uniform-2": 0.05, "gpt2": 0.0}
    for entry, shift in entries.items():
        kind = {"evolution-0": "searched", "random-0": "random", "gpt2": "baseline"}.get(entry, "uniform")
        for number in range(3):
            own = dice.normal(shift, 0.01)
            bits_of = {part: hard + own + dice.normal(0, 0.05, UNITS) for part in ("valid", "test")}
            each = {part: bits * math.log(2) * sizes for part, bits in bits_of.items()}
            path = folder / f"{entry}-s{number}"
            path.mkdir(parents=True, exist_ok=True)
            tensors: dict[str, np.ndarray] = {f"{part}_nats": nats for part, nats in each.items()}
            save_file(tensors | {"valid_bytes": sizes, "test_bytes": sizes}, path / "predictions.safetensors")
            bits = {part: bits_per_byte(nats, sizes) for part, nats in each.items()}
            metrics: dict[str, Any] = {
                "entry": entry, "kind": kind, "architecture": f"network of {entry}", "seed": number, "status": "ok",
                "parameters": 100, "macs": 1000, "metric": "neg_bits_per_byte", "valid_metric": -bits["valid"],
                "test_metric": -bits["test"], "valid_accuracy": 0.4, "test_accuracy": 0.4, "test_loss": 2.0,
                "test_images": UNITS, "train_seconds": 1.0, "train_on": "train",
            }  # fmt: skip
            write_json(path / "metrics.json", metrics)
            records.append(path / "metrics.json")
            files.append(path / "predictions.safetensors")
    return records, files


def test_contributions_of_units_have_the_figure_as_their_mean(tmp_path: Path) -> None:
    found = read_trainings(*trainings(tmp_path), prepared())
    for one in found:
        assert one["correct"].mean() == pytest.approx(one["test_metric"], abs=1e-12)
        assert one["smoothing"] == OF_BITS
    level = found[0]["chance_level"]
    assert level == chance_level(read_text_meta(prepared()), "test") == pytest.approx(-8.0)
    assert chance_trainings(found[:3]) == 0


def test_intervals_are_below_zero_and_not_cut_off(tmp_path: Path) -> None:
    rows = summarise(read_trainings(*trainings(tmp_path), prepared()))
    for row in rows:
        assert -8 < row["test_low"] < row["test_mean"] < row["test_high"] < 0
        assert row["chance"] == 0


def test_a_network_of_fewer_bits_beats_the_others(tmp_path: Path) -> None:
    found = read_trainings(*trainings(tmp_path), prepared())
    (row,) = [row for row in compare(found) if row["role"] == "baseline"]
    assert row["outcome"] == "beat"
    assert row["low"] < 0.2 < row["high"]
    assert row["high"] - row["low"] < 0.2


def test_an_improvement_over_uniform_networks_is_positive_if_bits_fall(tmp_path: Path) -> None:
    found = [dict(one) for one in read_trainings(*trainings(tmp_path), prepared())]
    more = []
    for number in range(1, 4):  # a claim needs 4 searches
        for one in found[:3]:
            more.append({**one, "entry": f"evolution-{number}", "architecture": f"network {number}"})
    rows = contests([*found, *more])
    (row,) = [row for row in rows if row["role"] == "uniform"]
    assert row["difference"] > 0
    assert 0 < row["ri_low"] < row["relative_improvement"] < row["ri_high"] < 1
    assert row["relative_improvement"] == pytest.approx(row["difference"] / 2.55, rel=0.1)


def test_validation_texts_are_read_for_the_recommendation(tmp_path: Path) -> None:
    records, files = trainings(tmp_path)
    found = read_trainings(records, files, prepared())
    correct = validated_texts(found, files)
    assert len(correct) == len(found)
    assert all(one.shape == (UNITS,) for one in correct.values())
    assert correct["gpt2", 0].mean() == pytest.approx(found[-3]["valid_metric"], abs=1e-12)


def made_up(dice: np.random.Generator, shift: float, hard: np.ndarray, sizes: np.ndarray) -> list[dict[str, Any]]:
    """Three trainings of a network that costs `shift` bits more, on units of text with `hard` bits each."""
    found = []
    for seed in range(3):
        bits = hard + shift + dice.normal(0, 0.02) + dice.normal(0, 0.1, len(sizes))
        correct = -bits_contributions(bits * math.log(2) * sizes, sizes)
        entry = {"entry": str(shift), "architecture": str(shift), "kind": "baseline", "seed": seed, "status": "ok"}
        figures = {"correct": correct, "smoothing": OF_BITS, "image_df": len(sizes) - 1, "test_images": len(sizes)}
        found.append(
            entry | figures | {"metric": "neg_bits_per_byte", "test_metric": correct.mean(), "chance_level": -8}
        )
    return found


def test_intervals_over_few_units_cover_the_truth() -> None:
    """Units differ in size and in how hard they are, and the networks in what is hard for them."""
    dice = np.random.default_rng(0)
    differences = figures = 0
    repeats, units = 600, 30
    for _ in range(repeats):
        sizes = dice.lognormal(6, 0.5, units).astype(int) + 20
        hard, own = dice.normal(2.5, 0.4, units), dice.normal(0, 0.15, units)
        first, second = made_up(dice, 0.0, hard, sizes), made_up(dice, 0.1, hard + own, sizes)
        pool = pool_of([*first, *second])
        sides = [side_of(one, pool) for one in (first, second)]
        found = contrast(*sides)
        differences += found.low <= 0.1 <= found.high
        low, high = accuracy(sides[0], OF_BITS)
        figures += low <= -2.5 <= high
    assert 0.92 < differences / repeats < 0.98
    assert 0.92 < figures / repeats < 0.98
