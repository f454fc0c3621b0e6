"""The budget beside what was predicted and measured of the recommended network."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random
from typing import Any

from made_up import MadeUp, loaded, report, write

from nas_steps.provenance.files import read_csv
from nas_steps.report.limits import HERE, constraints

LIMITS = {"latency_ms": 4, "memory_mb": 20, "file_mb": 1, "macs": 1e7}


def config(**limits: Any) -> dict[str, Any]:
    return {"search": {"constraints": limits, "strategies": {"random": {}, "evolution": {}}}}


def test_each_constraint_has_its_budget_prediction_and_measurement(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp(config=config(**LIMITS)))
    report(folder, settings)
    rows = {row["constraint"]: row for row in read_csv(folder / "report/tables/constraints.csv")}
    assert {what: float(row["limit"]) for what, row in rows.items()} == LIMITS
    assert float(rows["latency_ms"]["measured"]) == 0.1
    assert float(rows["memory_mb"]["measured"]) == 61.2 - 49.5
    assert float(rows["file_mb"]["measured"]) == 0.301234
    assert rows["latency_ms"]["note"] == HERE
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    assert "The budget, and what the recommended network needs" in page
    assert "ms of a forward pass" in page


def test_predictions_are_those_of_the_table_of_blocks() -> None:
    results = loaded(MadeUp(config=config(memory_mb=20, file_mb=1)))
    assert results.latency is None
    assert results.blocks is not None
    drawn = results.space.sample(Random(0))
    chosen = {**(results.recommended or {}), "kind": "searched", "architecture": str(drawn)}
    costs = results.blocks.costs(drawn)
    found = {row["constraint"]: row for row in constraints(dataclasses.replace(results, recommended=chosen)).rows}
    assert found["memory_mb"]["predicted"] == costs.memory_mb
    assert found["file_mb"]["predicted"] == costs.file_mb


def test_a_baseline_has_no_prediction_and_a_table_of_another_device_is_told() -> None:
    results = loaded(MadeUp(config=config(latency_ms=4)))
    assert results.latency is not None
    baseline = {**(results.recommended or {}), "kind": "baseline"}
    elsewhere = {**results.latency, "elsewhere": True}
    (row,) = constraints(dataclasses.replace(results, recommended=baseline, latency=elsewhere)).rows
    assert row["predicted"] is None
    assert "run.py --model" in row["note"]


def test_without_constraints_or_a_recommendation_there_is_no_table() -> None:
    assert not constraints(loaded(MadeUp())).rows
    assert not constraints(loaded(MadeUp(config=config(macs=1e7), nothing_to_recommend=True))).rows
