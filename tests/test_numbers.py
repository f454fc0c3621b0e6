"""Numbers that leave a process and are read again, in a command, a file or a name, come back as they were."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_world import TINY, tiny_config

from nas_steps.config.space import Network
from nas_steps.errors import exact
from nas_steps.provenance.files import canonical_json, number, read_csv, read_json, write_csv, write_json, write_text
from nas_steps.provenance.task import run_step
from nas_steps.retraining.fitting import HUNDREDTHS, Constraints
from nas_steps.retraining.steps import retrain
from nas_steps.scaling.compound import Design, Factors, scale
from nas_steps.scaling.winner import described, design_of
from nas_steps.search.state import load_state, save_state
from nas_steps.spaces.baselines import Baseline, parse_baseline
from nas_steps.spaces.mobile.architectures import Block, Head, MobileArchitecture, Operation, Stem, parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS
from nas_steps.workflow.wiring import spelled

#: what rounding, %g or a 32-bit float would change, and the ends of what floats can be
AWKWARD = [0.1 + 0.2, 1e-5, 1 / 3, 2 / 3, 1e-12, 5e-324, 1234567.0, 1234567.8, 2.0**53, 2.0**53 + 2, 1e22, 1.7e308]
AWKWARD += np.random.default_rng(0).uniform(0, 1, 50).tolist()
AWKWARD += (10 ** np.random.default_rng(1).uniform(-12, 12, 50)).tolist()
SHARES = [value for value in AWKWARD if 1e-9 < value < 0.9]


@pytest.mark.parametrize("value", [*AWKWARD, *(-value for value in AWKWARD), 0, 7, 2**53 + 1, np.float64(0.1)])
def test_a_number_is_read_back_as_itself(value: float) -> None:
    assert type(value)(exact(value)) == value
    assert not exact(value).endswith(".0")


def test_a_number_is_spelled_without_more_than_it_needs() -> None:
    assert [exact(value) for value in (1e6, 1234567.0, 0.25, 3, 0.1 + 0.2)] == [
        "1000000", "1234567", "0.25", "3", "0.30000000000000004",
    ]  # fmt: skip


@pytest.mark.parametrize("value", AWKWARD)
def test_a_budget_reaches_the_job_as_it_was_given(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw: dict[str, Any] = {**TINY, "retrain": {**TINY["retrain"], "budget": {"macs": value, "parameters": 1 / value}}}
    if not np.isfinite(1 / value):
        raw["retrain"]["budget"]["parameters"] = 1234567
    plan = Plan(raw, root=str(tmp_path))
    told: list[Constraints] = []

    def entry_of(*_given: object, constraints: Constraints, **_more: object) -> None:
        told.append(constraints)
        raise InterruptedError

    monkeypatch.setattr(retrain, "entry_of", entry_of)
    wildcards = {"entry": "resnet20", "seed": 0}
    files, output = {"data": plan.data()}, STEPS["retrain"].files(**wildcards)
    words = f"{plan.command('retrain', wildcards, files, output)} {spelled(plan.options(STEPS['retrain'], wildcards))}"
    python, _, package, step, *arguments = shlex.split(words)
    assert (python, package, step) == ("python", "nas_steps.retraining", "retrain")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InterruptedError):
        run_step(STEPS["retrain"], arguments)
    budget = tiny_config(retrain__budget=raw["retrain"]["budget"]).retrain.budget
    assert budget is not None
    assert told == [Constraints(budget.macs, budget.parameters)]
    assert budget.macs == value


def test_a_budget_is_told_with_all_its_digits() -> None:
    assert str(Constraints(1234567.0, 99999.5)) == "1,234,567 MACs and 99,999.5 parameters"


def test_files_keep_numbers(tmp_path: Path) -> None:
    rows = [{"a": value, "b": np.float32(value) if value < 1e38 else np.float32(1)} for value in AWKWARD]
    write_csv(tmp_path / "a.csv", rows, ("a", "b"))
    read = [{key: number(cell) for key, cell in row.items()} for row in read_csv(tmp_path / "a.csv")]
    # float() of a 32-bit number is that very number, the shortest decimal for it is another
    assert read == [{"a": row["a"], "b": float(row["b"])} for row in rows]
    write_json(tmp_path / "a.json", AWKWARD)
    assert read_json(tmp_path / "a.json") == AWKWARD
    write_text(tmp_path / "b.json", canonical_json(AWKWARD))
    assert read_json(tmp_path / "b.json") == AWKWARD
    state = {"plain": AWKWARD, "array": np.array(AWKWARD)}
    save_state(tmp_path / "state.safetensors", state)
    found = load_state(tmp_path / "state.safetensors")
    assert found["plain"] == AWKWARD
    assert np.asarray(found["array"]).tolist() == AWKWARD


@pytest.mark.parametrize("value", SHARES)
def test_the_string_of_a_mobile_network_keeps_its_numbers(value: float) -> None:
    found = parse_mobile(B0)
    operation = Operation(3, 1 + value, f"se{exact(max(value, 0.001))}")
    stages = tuple(
        tuple(Block(block.width, block.stride, operation, "relu") for block in stage) for stage in found.stages
    )
    changed = MobileArchitecture(Stem(8, epsilon=value), stages, Head(16, dropout=value))
    assert parse_mobile(str(changed)) == changed


@pytest.mark.parametrize("value", SHARES)
def test_the_name_of_a_baseline_keeps_its_factors(value: float) -> None:
    found = Baseline("resnet20", value, 1 + value)
    assert parse_baseline(str(found)) == found
    smaller = scale(Design("resnet20_x0.001", Network(), 32), Factors(1.0, value, 1.0))
    assert parse_baseline(smaller.architecture).width == 0.001 * value


def test_fitted_widths_are_the_hundredths_that_their_names_say() -> None:
    assert [parse_baseline(f"resnet20_x{n / 100:g}").width for n in range(1, HUNDREDTHS + 1)] == [
        n / 100 for n in range(1, HUNDREDTHS + 1)
    ]


@pytest.mark.parametrize("value", SHARES)
def test_a_design_is_read_back_from_its_table(value: float, tmp_path: Path) -> None:
    design = Design(B0.replace("p0.2", f"p{exact(value)}"), Network(), 32)
    assert design.dropout == value
    # no growth, no change
    assert design.with_dropout(value) == design
    for one in (design, design.with_dropout(value + 1 / 7), Design(f"resnet20_x{exact(value)}", Network(), 32)):
        row = described(one)
        write_csv(tmp_path / "a.csv", [row], tuple(row))
        again = design_of(Network(), read_csv(tmp_path / "a.csv")[0])
        assert again == one
        assert again.dropout == one.dropout
