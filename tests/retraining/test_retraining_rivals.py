"""The rivals of slices of a pretrained network, and the constraints that they keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from stepping import settings_of

from nas_steps.config.schema import Config
from nas_steps.provenance.files import write_json
from nas_steps.retraining.constrained import keeps
from nas_steps.retraining.contests import contests
from nas_steps.retraining.names import rival_names
from nas_steps.retraining.recommend import Candidate, choose
from nas_steps.retraining.rivals import pretrained_entry
from nas_steps.retraining.summary import compare, network_of
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape, write_costs
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.efficientnet import LITE0
from nas_steps.training.record import Entry, record
from nas_steps.training.settings import TrainingSettings

MACS = {128: 1.26e8, 96: 7.1e7, 64: 3.2e7}


def settings(resolution: Sequence[int] | None = tuple(MACS), **constraints: float) -> TrainingSettings:
    config = {
        "weights": "none",  # the entries need none
        "space": {"preset": "efficientnet_lite", "resolution": resolution and sorted(resolution)},
        "data": {"source": "folder", "path": ".", "resolution": 128},
        "search": {"strategies": {"random": {"evaluations": 4}, "evolution": {}}, "constraints": constraints or None},
        "scaling": {"enabled": False},
    }
    with TemporaryDirectory() as folder:
        return settings_of(Config.model_validate(config), "retrain", TrainingSettings, folder)


def weights_in(folder: Path) -> Path:
    write_json(folder / "source.json", {"networks": {"space": LITE0}})
    return folder / "source.safetensors"


def blocks_in(folder: Path, given: TrainingSettings) -> Path:
    blocks = blocks_of(declared(given.space))
    write_costs(folder / "blocks.csv", blocks, Shape(3, 128, 5), {})
    return folder / "blocks.csv"


def test_each_resolution_has_a_rival() -> None:
    assert rival_names([64, 128]) == {
        "pretrained_r128": "pretrained",
        "pretrained_r64": "pretrained",
        "pretrained_probe": "pretrained",
        "winner_from_nothing": "from_nothing",
    }


def test_without_resolutions_the_pretrained_network_is_a_rival_at_the_side_of_the_images(tmp_path: Path) -> None:
    assert rival_names([]) == {
        "pretrained": "pretrained",
        "pretrained_probe": "pretrained",
        "winner_from_nothing": "from_nothing",
    }
    weights = weights_in(tmp_path)
    assert pretrained_entry("pretrained", settings(resolution=None), weights, None) == LITE0
    assert pretrained_entry("pretrained_probe", settings(resolution=None), weights, None) == LITE0
    # it shows what a budget costs, as the largest resolution does
    given = settings(resolution=None, macs=1.2e8)
    blocks = blocks_in(tmp_path, given)
    assert keeps(LITE0, given, blocks) == "broken"
    assert pretrained_entry("pretrained", given, weights, blocks) == LITE0


@pytest.mark.parametrize("name", ["pretrained", "pretrained_r64", "pretrained_probe", "winner_from_nothing"])
def test_a_strategy_may_not_be_called_like_a_rival(name: str) -> None:
    from nas_steps.config.weights import installed

    if not installed("lite0"):
        pytest.skip("the package of the weights is not installed")
    given = {
        "weights": "none",
        "space": {"preset": "efficientnet_lite"},
        "data": {"source": "cifar10", "resolution": 64},
        "search": {"strategies": {"random": {"evaluations": 4}, name: {"kind": "evolution"}}},
        "scaling": {"enabled": False},
    }
    assert Config.model_validate(given)
    with pytest.raises(ValueError, match=f"{name} has the name of an entry that no search chose, since weights is"):
        Config.model_validate({**given, "weights": "lite0"})


def test_the_pretrained_network_meets_the_budget_or_is_not_trained(tmp_path: Path) -> None:
    given = settings(macs=8e7)
    weights, blocks = weights_in(tmp_path), blocks_in(tmp_path, given)
    named = {side: pretrained_entry(f"pretrained_r{side}", given, weights, blocks) for side in MACS}
    # the largest shows what the budget costs
    assert all(f"_i{side}_" in named[side] for side in MACS)
    assert {side: keeps(one, given, blocks) for side, one in named.items()} == {128: "broken", 96: "kept", 64: "kept"}
    assert pretrained_entry("pretrained_r96", settings(macs=5e7), weights, blocks) == ""
    # the probe has the largest side on the budget
    assert pretrained_entry("pretrained_probe", given, weights, blocks) == named[96]
    assert pretrained_entry("pretrained_probe", settings(), weights, None) == named[128]


def test_constraints_of_networks_outside_the_space(tmp_path: Path) -> None:
    given = settings(macs=8e7)
    blocks = blocks_in(tmp_path, given)
    assert keeps("resnet20", given, blocks, 270_000, 10**9) == "broken"
    assert keeps("resnet20", given, blocks, 270_000, 10**6) == "kept"
    assert keeps("resnet20", given, blocks) == "unknown"
    assert keeps("resnet20", settings(), None) is None


def trained(entry: str, kind: str, architecture: str, seed: int, test: float, **more: Any) -> dict[str, Any]:
    known = {"status": "ok", "test_accuracy": test, "valid_accuracy": test, "train_seconds": 1.0, "macs": 5}
    return record(Entry(entry, kind, architecture), seed) | known | more


def test_a_rival_above_the_budget_is_no_opponent() -> None:
    rows = [
        trained(entry, kind, entry, seed, accuracy + seed / 1000, **more)
        for entry, kind, accuracy, more in (
            *((f"evolution-{search}", "searched", 0.7 + search / 100, {}) for search in range(4)),
            *((f"random-{search}", "random", 0.69 + search / 100, {}) for search in range(4)),
            ("pretrained_r128", "pretrained", 0.9, {"constraints": "broken"}),
            ("pretrained_r96", "pretrained", 0.8, {"constraints": "kept"}),
            ("pretrained_r64", "pretrained", 0.6, {"constraints": "kept"}),
        )
        for seed in range(2)
    ]
    (row,) = [row for row in contests(rows) if row["role"] == "pretrained"]
    assert (row["against"], row["outcome"]) == ("pretrained_r96", "lost")
    assert row["difference"] == pytest.approx(0.715 - 0.8)


def test_the_winner_from_nothing_meets_the_same_network_alone() -> None:
    rows = [
        trained(entry, kind, architecture, seed, accuracy + seed / 100)
        for entry, kind, architecture, accuracy in (
            ("evolution-0", "searched", "A", 0.7),
            ("evolution-1", "searched", "B", 0.72),
            ("winner_from_nothing", "from_nothing", "B", 0.5),
        )
        for seed in range(3)
    ]
    (row,) = [row for row in compare(rows) if row["role"] == "from_nothing"]
    assert (row["entry"], row["outcome"]) == ("evolution-1", "beat")
    assert row["difference"] == pytest.approx(0.22)
    # it shares no trainings with the winner
    assert len({network_of(one) for one in rows}) == 3


def test_a_network_that_starts_from_another_supernet_has_trainings_of_its_own() -> None:
    rows = [
        trained("evolution-0", "searched", "A", 0, 0.7, weights="supernet"),
        trained("random-0", "random", "A", 0, 0.7, weights="supernet"),
        trained("uniform-1", "uniform", "A", 0, 0.7, weights="supernet"),
        trained("evolution-1", "searched", "A", 0, 0.7, weights="supernet"),
        trained("pretrained_r96", "pretrained", "A", 0, 0.7, weights="lite0"),
        trained("evolution-2", "searched", "A", 0, 0.7, weights="lite0"),
    ]
    first, second, third, other, whole, plain = map(network_of, rows)
    assert first == second == third
    assert whole == plain
    assert len({first, other, whole}) == 3


def candidate(entry: str, macs: int, valid: float, constraints: str | None) -> Candidate:
    return Candidate(entry, "pretrained", "", entry, macs, macs, 1, {0: valid}, score=valid, constraints=constraints)


def test_what_breaks_the_constraints_is_not_recommended() -> None:
    given = [
        candidate("pretrained_r128", 9, 0.9, "broken"),
        candidate("mobilenet_v2", 7, 0.85, "unknown"),
        candidate("pretrained_r96", 5, 0.8, "kept"),
        candidate("uniform-0", 4, 0.7, "kept"),
    ]
    choice = choose(given, "ranking")
    assert choice.chosen is not None
    assert choice.chosen.entry == "pretrained_r96"


def test_rivals_are_entries_of_experiments_with_weights(tmp_path: Path) -> None:
    from nas_steps.config.weights import installed
    from nas_steps.workflow.plan import Plan

    if not installed("lite0"):
        pytest.skip("the package of the weights is not installed")
    config = Config.model_validate(
        {
            "weights": "lite0",
            "space": {"preset": "efficientnet_lite", "resolution": [64, 96]},
            "data": {"source": "cifar10", "resolution": 96},
            "search": {"strategies": {"random": {"evaluations": 4}, "evolution": {}}},
            "scaling": {"enabled": False},
        }
    )
    plan = Plan(config.model_dump(mode="json"), root=str(tmp_path))
    kinds = set(plan.entries.values())
    assert kinds == {"searched", "random", "uniform", "baseline", "pretrained", "from_nothing"}
    assert plan.winners("winner_from_nothing")
    assert not plan.winners("pretrained_r64")
    assert plan.pretrained() == [f"{tmp_path}/digits/weights/source.safetensors"]
