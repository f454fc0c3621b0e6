"""What the report says of predicted latencies: a sentence, a table, a warning where they are far from measured ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, report, results_of, write

from nas_steps.config.schema import Config
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv
from nas_steps.report.latencies import RULE, foretold, latencies
from nas_steps.report.results import Results

CONSTRAINED = {"search": {"constraints": {"latency_ms": 4}, "strategies": {"random": {}, "evolution": {}}}}
AIM = {"search": {"strategies": {"random": {}, "small": {"kind": "nsga2", "objectives": ["latency"]}}}}


def results(validation: dict[str, Any], **told: Any) -> Results:
    usual = {"runtime": "torch", "batch": 32, "threads": 1, "device": "a GPU", "load": None, "processors": 2}
    validation = {"rank_correlation": None, "networks": [], **validation}
    return results_of(Config.model_validate(CONSTRAINED), {}, {}, latency={**usual, **told, "validation": validation})


@pytest.mark.parametrize(("error", "tone"), [(0.02, "plain"), (0.5, "warning")])
def test_the_page_shows_how_far_predictions_are_off(tmp_path: Path, error: float, tone: str) -> None:
    folder, settings = write(tmp_path, MadeUp(config=CONSTRAINED, latency_error=error))
    report(folder, settings)
    page = (folder / "report/report.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    mean, largest = 200 * error / 3, 100 * error
    told = (
        "No network may take more than 4 ms: one pass of 1 image by onnxruntime on cpu (x86_64), 1 thread, predicted "
        f"from its blocks. For 3 random networks the predictions were off by {mean:.1f} % in the mean, at most by "
        f"+{largest:.1f} %; Spearman&#39;s correlation with what was measured is 1.00."
    )
    assert told in page
    assert (f"<b>Caution.</b> {told}" in page) is (tone == "warning")
    assert RULE in page
    rows = read_csv(folder / "report/tables/latencies.csv")
    assert [float(row["measured_ms"]) for row in rows] == [1.25, 2.5, 5.0]
    assert [float(row["error"]) for row in rows] == pytest.approx([-error, error, 0])


def test_nothing_is_said_where_latency_played_no_part(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    report(folder, settings)
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    assert RULE not in page
    assert "Latency of random networks" not in page
    assert read_csv(folder / "report/tables/latencies.csv") == []


def test_the_mean_error_at_the_bound_is_a_warning() -> None:
    found = {"largest_error_percent": -12.0}
    below, at = (foretold(results({**found, "mean_absolute_error_percent": mean})) for mean in (9.99, 10.0))
    assert [one.tone for one in (*below, *at)] == ["plain", "warning"]
    assert "Spearman" not in at[0].text
    assert "32 images by torch on a GPU" in at[0].text


@pytest.mark.parametrize(("load", "busy"), [([2.0, 0, 0], False), ([2.1, 0, 0], True), (None, False)])
def test_a_busy_machine_is_told(load: list[float] | None, busy: bool) -> None:
    found = {"largest_error_percent": 1.0, "mean_absolute_error_percent": 1.0}
    told = foretold(results(found, load=load))[0].text
    assert ("The machine was busy meanwhile (load 2.1 on 2 processors)." in told) is busy
    assert latencies(results(found, load=load)).rows == []


def test_missing_measurements_are_refused(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp(config=CONSTRAINED))
    (folder / "search/latency.json").unlink()
    with pytest.raises(UserError, match=r"latency\.json"):
        report(folder, settings)


def test_an_objective_is_named_as_one() -> None:
    constrained = results({"largest_error_percent": 1.0, "mean_absolute_error_percent": 1.0})
    aimed = results_of(Config.model_validate(AIM), {}, {}, latency=constrained.latency)
    assert foretold(aimed)[0].text.startswith("Latency was an objective: one pass")
