"""The steps of the rungs, on a little made-up text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from stepping import run
from tiny_text import prepared, settings

from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv, read_json, write_csv
from nas_steps.scaling.ladder import TRAINED
from nas_steps.scaling.rungs import CURVES, GAINS, MULTIPLIERS
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.training.checkpoint import Checkpoint

RECIPE = {"batch_size": 2, "epochs": 2}
RUNGS: dict[str, Any] = {
    "scaling__rungs": {"enabled": True, "compute": 1e8, "spread": 2, "tokens_per_parameter": 0.2, "recipe": RECIPE},
    "retrain__baselines": ["gpt2", "llama"],
}


def winner(strategy: str, seed: int, layer: str, score: float) -> dict[str, Any]:
    kind = "random" if strategy == "random" else "searched"
    row = {"entry": f"{strategy}-{seed}", "strategy": strategy, "kind": kind, "architecture": "", "score": ""}
    return row | {"architecture": f"lm_v256_d8/{layer}+gelu_e4", "score": score} if layer else row


WINNERS = [
    winner("random", 0, "attn_h2", -3.0),
    winner("evolution", 0, "", 0.0),
    winner("evolution", 1, "conv_k3", -4.0),
    winner("evolution", 2, "gru_e1", -5.0),
]


def trained(folder: Path, network: str, factor: str = "1", seed: int = 0, **more: Any) -> list[dict[str, str]]:
    output = folder / "scaling" / "rungs"
    where = {"settings": settings(**RUNGS)["train_rung"], "data": prepared(), "output": output}
    run("train_rung", network=network, factor=factor, seed=seed, **where, **more)
    return read_csv(output / f"{network}-x{factor}-s{seed}.csv")


def winners(folder: Path, rows: list[dict[str, Any]] = WINNERS) -> Path:
    write_csv(folder / "winners.csv", rows, list(WINNERS[0]))
    return folder / "winners.csv"


def test_a_baseline_is_trained_at_each_size_with_the_compute_of_the_rung(tmp_path: Path) -> None:
    rows = trained(tmp_path, "gpt2", "4")
    assert [row["size"] for row in rows] == ["0", "1", "2"]
    assert {(row["kind"], row["status"], number(row["compute"])) for row in rows} == {("baseline", "ok", 4e8)}
    for row in rows:
        parameters, macs = count_architecture(parse_language(row["architecture"]), 16)
        assert int(row["parameters"]) == parameters
        assert number(row["flops_per_token"]) == 2 * macs / 16
        assert number(row["tokens"]) == pytest.approx(4e8 / 3 / (2 * macs / 16), abs=1)
        assert 1 < number(row["loss"]) < 8.5
    assert number(rows[0]["parameters"]) < number(rows[2]["parameters"])
    assert read_json(tmp_path / "scaling" / "rungs" / "gpt2-x4-s0.cost.json")["stage"] == "scaling"


@pytest.mark.parametrize(("network", "part"), [("winner", "conv_k3"), ("evolution", "conv_k3"), ("random", "attn_h")])
def test_a_searched_block_is_that_of_the_best_ranked_winner(tmp_path: Path, network: str, part: str) -> None:
    rows = trained(tmp_path, network, winners=winners(tmp_path))
    assert {row["kind"] for row in rows} == {"searched"}
    assert all(part in row["architecture"] for row in rows)


def test_without_a_winner_nothing_is_trained(tmp_path: Path) -> None:
    assert trained(tmp_path, "winner", winners=winners(tmp_path, [WINNERS[1]])) == []


def test_seeds_differ_and_each_is_repeatable(tmp_path: Path) -> None:
    first, again, other = (
        trained(tmp_path / name, "llama", seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert [row["loss"] for row in first] == [row["loss"] for row in again]
    assert all(one["loss"] != two["loss"] for one, two in zip(first, other, strict=True))


def test_an_interrupted_rung_goes_on_to_the_same_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(tmp_path / "whole", "gpt2")
    written, write = [0], Checkpoint.write

    def failing(self: Checkpoint, state: Any) -> None:
        write(self, state)
        written[0] += 1
        if written[0] in (1, 2):  # after the first and the second size
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "write", failing)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "broken", "gpt2")
        assert not (tmp_path / "broken" / "scaling" / "rungs" / "gpt2-x1-s0.csv").exists()
    resumed = trained(tmp_path / "broken", "gpt2")
    kept = [name for name in TRAINED if name != "seconds"]
    assert [[row[name] for name in kept] for row in resumed] == [[row[name] for name in kept] for row in whole]


def test_a_compute_below_one_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"compute is 1e\+05 FLOPs, but one step of lm_\S+ takes \S+"):
        trained(tmp_path, "gpt2", "0.001")


def rows_of(network: str, kind: str, worth: float) -> list[dict[str, Any]]:
    return [
        dict.fromkeys(TRAINED, "")
        | {"network": network, "kind": kind, "compute": 1e12 * factor, "size": size, "seed": 0, "status": "ok"}
        | {"parameters": 10**5 * 2**size, "loss": 0.8 + 0.7 * (worth * factor) ** -0.15 + 0.03 * (size - 1) ** 2}
        for factor in (1, 4, 16)
        for size in range(3)
    ]


def test_the_tables_are_made_of_all_trainings(tmp_path: Path) -> None:
    files = []
    for name, kind, worth in (("winner", "searched", 2.0), ("gpt2", "baseline", 1.0)):
        files.append(tmp_path / f"{name}.csv")
        write_csv(files[-1], rows_of(name, kind, worth), TRAINED)
    run("gather_rungs", settings=settings(**RUNGS)["gather_rungs"], trained=files, output=tmp_path / "scaling")
    names = ("rungs", "rung_curves", "multipliers", "rung_effects")
    tables = {name: read_csv(tmp_path / "scaling" / f"{name}.csv") for name in names}
    assert len(tables["rungs"]) == 18
    assert list(tables["rung_curves"][0]) == list(CURVES)
    assert list(tables["multipliers"][0]) == list(MULTIPLIERS)
    assert list(tables["rung_effects"][0]) == list(GAINS)
    assert [number(row["multiplier"]) for row in tables["multipliers"]] == pytest.approx([0.5] * 3, rel=0.05)


def test_tables_without_a_winner_are_there(tmp_path: Path) -> None:
    write_csv(tmp_path / "winner.csv", [], TRAINED)
    write_csv(tmp_path / "gpt2.csv", rows_of("gpt2", "baseline", 1.0), TRAINED)
    files = [tmp_path / "winner.csv", tmp_path / "gpt2.csv"]
    run("gather_rungs", settings=settings(**RUNGS)["gather_rungs"], trained=files, output=tmp_path / "scaling")
    assert read_csv(tmp_path / "scaling" / "multipliers.csv") == []
    curves = read_csv(tmp_path / "scaling" / "rung_curves.csv")
    assert len(curves) == 3
    assert all(math.isnan(number(row["low"])) for row in curves)
