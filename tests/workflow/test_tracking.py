"""Finished trainings are logged to MLflow and TensorBoard, once, and never at the cost of a run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tiny_text
from tiny_workflow import change, finish, jobs_to_run

from nas_steps.config.tracking import Tracking
from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.workflow import tracking
from nas_steps.workflow.console.progress import Job
from nas_steps.workflow.tracking import Tracker, check_tracking, client_of, curves, logged


def job(folder: Path) -> Job:
    """A final training with its files."""
    write_csv(folder / "history.csv", [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.5}], ("epoch", "loss"))
    record = {"entry": "gpt2", "architecture": "lm_v256", "test_metric": -2.5, "reason": "", "sound": True}
    write_json(folder / "metrics.json", record)
    outputs = [str(folder / name) for name in ("history.csv", "metrics.json", "weights.safetensors")]
    return Job("retrain", {"entry": "gpt2", "seed": 0}, [], 0.0, outputs)


WANTED = [("loss", 2.5, 1), ("loss", 1.5, 2), ("final/test_metric", -2.5, 0)]


def test_curves_and_final_figures_come_from_the_files(tmp_path: Path) -> None:
    parameters, figures = logged(job(tmp_path)) or ({}, [])
    assert figures == WANTED
    assert parameters == {"rule": "retrain", "entry": "gpt2", "seed": "0", "architecture": "lm_v256"}


def test_text_and_empty_cells_are_no_figures() -> None:
    rows = [{"index": "3", "score": "0.5", "architecture": "a|b", "low": ""}, {"index": "4", "score": "", "low": "nan"}]
    assert list(curves(rows)) == [("score", 0.5, 3)]
    # without a step, the row is it
    assert list(curves([{"a": "1"}, {"a": "2"}])) == [("a", 1.0, 0), ("a", 2.0, 1)]


def test_a_job_that_trains_nothing_is_not_logged(tmp_path: Path) -> None:
    assert logged(Job("data", {}, [], 0.0, [str(tmp_path / "meta.json")])) is None
    # files that are gone, as with a remote storage
    assert logged(Job("retrain", {}, [], 0.0, [str(tmp_path / "history.csv")])) is None


def test_mlflow_gets_a_run_for_each_job(tmp_path: Path) -> None:
    client = client_of(Tracking(kind="mlflow", uri=str(tmp_path / "store")), "digits")
    told = logged(job(tmp_path))
    assert told is not None
    client.log("retrain entry gpt2 seed 0", *told)
    from mlflow.tracking import MlflowClient

    theirs = MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    experiment = theirs.get_experiment_by_name("digits")
    assert experiment is not None
    (run,) = theirs.search_runs([experiment.experiment_id])
    assert run.info.run_name == "retrain entry gpt2 seed 0"
    assert run.info.status == "FINISHED"
    assert run.data.params["architecture"] == "lm_v256"
    assert run.data.metrics == {"loss": 1.5, "final/test_metric": -2.5}
    assert [(one.step, one.value) for one in theirs.get_metric_history(run.info.run_id, "loss")] == [(1, 2.5), (2, 1.5)]
    # the experiment is known by now
    client_of(Tracking(kind="mlflow", uri=str(tmp_path / "store")), "digits").log("again", *told)
    assert len(theirs.search_runs([experiment.experiment_id])) == 2


def test_tensorboard_gets_a_folder_for_each_job(tmp_path: Path) -> None:
    told = logged(job(tmp_path))
    assert told is not None
    client_of(Tracking(kind="tensorboard", uri=str(tmp_path / "runs")), "digits").log("retrain gpt2", *told)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path / "runs" / "digits" / "retrain gpt2"))
    found.Reload()
    assert [(one.step, one.value) for one in found.Scalars("loss")] == [(1, 2.5), (2, 1.5)]
    (text,) = found.Tensors("parameters")
    assert b"| architecture | lm_v256 |" in text.tensor_proto.string_val[0]


class Failing:
    """A client whose server goes away after the first job."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def log(self, name: str, *_told: Any) -> None:
        if self.names:
            raise ConnectionError("no route to host\nand a long trace")
        self.names.append(name)


def test_a_server_that_goes_away_gives_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Failing()
    monkeypatch.setattr(tracking, "client_of", lambda *_: client)
    tracker = Tracker(Tracking(kind="mlflow", uri="http://127.0.0.1:9"), "digits")
    for _ in range(4):
        tracker(job(tmp_path))
    tracker.close()
    assert client.names == ["retrain entry gpt2 seed 0"]
    told = capsys.readouterr().err
    assert told == (
        "warning: tracking stops, since mlflow at http://127.0.0.1:9 failed: ConnectionError: no route to host; the "
        "results are not concerned\n"
    )


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"tracking.kind is mlflow, but mlflow cannot be imported; run `pip install -e"):
        check_tracking(Tracking(kind="mlflow", uri="x"))
    check_tracking(None)


@pytest.mark.workflow
def test_a_run_is_logged_and_no_result_depends_on_it(tmp_path: Path) -> None:
    tiny = copy.deepcopy(tiny_text.TINY)
    tiny["data"]["path"] = "text"
    tiny_text.write_text(tmp_path / "text")
    target = ("--until", "gather_search")
    config = change(tiny, tracking={"kind": "tensorboard", "uri": str(tmp_path / "runs")})
    finish(tmp_path, config, *target)
    names = {path.name for path in (tmp_path / "runs" / "tiny").iterdir()}
    searches = {name.partition(" round")[0] for name in names if name.startswith("evaluate")}
    assert searches == {f"evaluate strategy {name} seed 0" for name in ("random", "evolution")}
    # neither without it, nor elsewhere
    assert jobs_to_run(tmp_path, tiny, *target) == []
    assert jobs_to_run(tmp_path, change(config, tracking__uri="elsewhere"), *target) == []
