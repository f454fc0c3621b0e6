"""What a run prints in the place of Snakemake's output, and what `nas_steps.status` tells of it from outside."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import TINY, run_module, snakemake

from nas_steps.workflow.console.answer import answer_lines
from nas_steps.workflow.console.console import Console, last_lines
from nas_steps.workflow.console.progress import Job, Progress, in_words, stage_of
from nas_steps.workflow.steps import STEPS

STATS = {"all": 1, "data": 1, "evaluate": 3, "retrain": 2, "report": 1, "total": 8}


class Made:
    """A console that writes into a text, and Snakemake's records for it."""

    def __init__(self, folder: Path, *, live: bool = False) -> None:
        self.stream = io.StringIO()
        self.console = Console(folder / "told.json", self.stream, logging.Formatter("%(message)s"), live=live)
        self.place = folder / "told.json"

    def record(self, event: str, message: str = "", level: int = logging.INFO, **more: Any) -> None:
        record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
        record.__dict__.update({"event": event} if event else {}, **more)
        self.console.emit(record)

    def begin(self, jobid: int, rule: str, log: str = "", **wildcards: Any) -> None:
        self.record("job_info", jobid=jobid, rule_name=rule, wildcards=wildcards, log=[log] if log else [])

    def end(self, jobid: int) -> None:
        self.record("job_finished", job_id=jobid)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.place.read_text(encoding="utf-8")))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_the_jobs_are_counted_by_stage_and_a_stage_that_ends_is_told(made: Made) -> None:
    made.record("run_info", stats=STATS)
    assert made.lines == ["7 jobs to do: data 1, search 3, final trainings 2, export, report 1"]
    made.console.progress.began -= 100
    made.begin(1, "data")
    made.end(1)
    assert re.fullmatch(r"\[10\d s\] data: done, 1 of 1, about 10 min \d+ s left", made.lines[1])
    for jobid in (2, 3):
        made.begin(jobid, "evaluate", strategy="random", seed=0)
        made.end(jobid)
    assert len(made.lines) == 2  # nothing more within some seconds
    made.begin(4, "evaluate", strategy="random", seed=1)
    made.end(4)
    assert "search: done, 3 of 3" in made.lines[2]


def test_a_long_stage_is_told_now_and_then(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.workflow.console.console.SECONDS", 0.0)
    monkeypatch.setattr("nas_steps.workflow.console.console.SHARE", 0.0)
    made.record("run_info", stats=STATS)
    made.begin(1, "evaluate", strategy="random", seed=0)
    made.begin(2, "evaluate", strategy="random", seed=1)
    made.end(1)
    assert "search 1 of 3" in made.lines[-1]
    assert made.lines[-1].endswith("; running: evaluate strategy random seed 1")


def test_a_terminal_gets_one_line_that_is_rewritten(tmp_path: Path) -> None:
    made = Made(tmp_path, live=True)
    made.record("run_info", stats=STATS)
    for jobid in range(3):
        made.begin(jobid, "evaluate", strategy="random", seed=jobid)
    text = made.stream.getvalue()
    assert text.count("\n") == 1
    assert text.count("\r\x1b[2K") == 3
    made.end(0)
    made.record("", "Something to know")
    assert made.stream.getvalue().endswith("\r\x1b[2KSomething to know\n")


def test_a_terminals_line_of_progress_is_gone_when_the_run_ends(tmp_path: Path) -> None:
    made = Made(tmp_path, live=True)
    made.record("run_info", stats=STATS)
    made.begin(1, "report")
    made.begin(2, "all")  # no job of ours
    assert made.stream.getvalue().count("\r\x1b[2K") == 1
    made.console.end("done")
    assert made.stream.getvalue().endswith("\r\x1b[2K")
    assert made.told["ended"] == "done"


@pytest.mark.parametrize(("columns", "width"), [(0, 79), (40, 39)])
def test_a_line_of_progress_fits_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int, width: int
) -> None:
    made = Made(tmp_path, live=True)
    monkeypatch.setattr(made.stream, "fileno", lambda: 1, raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))
    made.begin(1, "evaluate", strategy="s" * 200)
    assert len(made.stream.getvalue().removeprefix("\r\x1b[2K")) == width


def test_a_pipe_gets_no_control_characters(made: Made) -> None:
    made.record("run_info", stats=STATS)
    made.begin(1, "data")
    made.end(1)
    assert "\x1b" not in made.stream.getvalue()
    assert "\r" not in made.stream.getvalue()


def test_what_snakemake_says_of_itself_is_left_out_and_all_else_is_not(made: Made) -> None:
    for text in ("Building DAG of jobs...", "Provided cores: 2", "Execute 2 jobs...", "", "Select jobs to execute..."):
        made.record("", text)
    made.record("", "Job 3 has been submitted with SLURM jobid 12 (log: x).")
    assert made.lines == []
    made.record("", "Nothing to be done (all requested files are present and up to date).")
    made.record("", "Building DAG of jobs is hard", level=logging.WARNING)
    made.record("error", "RuleException:\nCalledProcessError in file x", level=logging.ERROR)
    made.record("", "Exiting because a job execution failed. Look above", level=logging.ERROR)
    made.record("error", "a WorkflowError", level=logging.ERROR)
    assert made.lines[0].startswith("Nothing to be done")
    assert made.lines[1:] == ["Building DAG of jobs is hard", "a WorkflowError"]


def test_a_failure_shows_the_end_of_its_log_and_how_to_go_on(made: Made, tmp_path: Path) -> None:
    log = tmp_path / "evaluate.log"
    log.write_text("\n".join(f"line {number}" for number in range(40)) + "\n\nerror: no memory\n", encoding="utf-8")
    made.record("run_info", stats=STATS)
    made.begin(7, "evaluate", str(log), strategy="random", seed=0)
    made.record("job_error", jobid=7, rule_name="evaluate", log=[str(log)], level=logging.ERROR)
    text = made.stream.getvalue()
    assert "FAILED: evaluate strategy random seed 0\n" in text
    assert "    line 39\n    error: no memory\n" in text
    assert "line 20" not in text
    assert "run the same command again: what is done is kept" in text
    made.console.tell()
    assert made.told["failed"][0]["job"] == "evaluate strategy random seed 0"
    assert made.told["running"] == []


def test_the_time_left_goes_by_the_work_and_not_by_the_number_of_jobs() -> None:
    progress = Progress(began=time.time() - 100)
    progress.plan({"evaluate": 2, "retrain": 2, "total": 4})
    progress.expect([("evaluate", {"seed": n}, 1.0) for n in (0, 1)] + [("retrain", {"seed": n}, 9.0) for n in (0, 1)])
    for rule, seed in [("evaluate", 0), ("evaluate", 1), ("retrain", 0)]:
        progress.finish(Job(rule, {"seed": seed}, [], 0.0))
    # 11 of 20 are done in 100 seconds
    assert progress.left() == pytest.approx(100 * 9 / 11, rel=0.01)


def test_nothing_is_predicted_at_the_beginning_and_at_the_end() -> None:
    progress = Progress(began=time.time() - 100)
    progress.plan({"evaluate": 100})
    assert progress.left() is None
    progress.done["search"] = 100
    assert progress.left() is None
    assert (in_words(None), in_words(0.3), in_words(200.0)) == ("", "", ", about 3 min 20 s left")


def test_every_step_has_its_stage() -> None:
    found = {name: stage_of(name) for name in STEPS}
    assert found["text"] == "data"
    assert found["train_rung"] == "scaling"
    last = {name for name, stage in found.items() if stage == "export, report"}
    assert last == {"export_networks", "export_scaled", "gather_exports", "report", "reproduce", "manifest"}


def test_a_log_is_read_as_a_terminal_shows_it(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"begun\n0%|   | 0/4\r50%|## | 2/4\r100%|####| 4/4\n\xff done\n\n")
    assert last_lines(log, 2) == ["100%|####| 4/4", "\ufffd done"]
    assert last_lines(tmp_path / "none.log") == ["(it cannot be read: No such file or directory)"]


def page(folder: Path, recommended: dict[str, Any] | None) -> Path:
    (folder / "report").mkdir(parents=True)
    text = "<html><head><title>digits: Take  darts-0. It&#39;s a tie.</title></head><body><title>x</title></body>"
    (folder / "report" / "report.html").write_text(text, encoding="utf-8")
    if recommended is not None:
        (folder / "recommended.json").write_text(json.dumps(recommended), encoding="utf-8")
    return folder / "report" / "report.html"


def test_the_end_names_the_network_with_its_interval(tmp_path: Path) -> None:
    figures = {"entry": "darts-0", "metric": "accuracy", "test_metric": 0.95, "test_low": 0.94, "test_high": 0.961}
    report = page(tmp_path / "a", figures | {"file": "export/darts-0/model.onnx"})
    assert answer_lines(report) == [
        "digits: Take darts-0. It's a tie.",
        f"darts-0: accuracy 95.0 % of the test set [94.0, 96.1]; {tmp_path}/a/export/darts-0/model.onnx",
        f"The report is at {report}",
    ]
    figures = {"entry": "x", "metric": "neg_bits_per_byte", "test_metric": -2.0, "test_low": -2.1, "test_high": -1.9}
    assert answer_lines(page(tmp_path / "b", figures))[1] == "x: 2.000 bits per byte of test text [1.900, 2.100]"
    assert len(answer_lines(page(tmp_path / "c", None))) == 2
    assert len(answer_lines(page(tmp_path / "d", {"entry": None}))) == 2


@pytest.mark.workflow
def test_a_run_is_told_in_few_lines_and_a_failure_in_its_own_words(tmp_path: Path) -> None:
    result = snakemake(tmp_path, TINY, "--until", "data", "sample", NAS_STEPS_CONSOLE="")
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert " to do: data 1" in output
    assert "data: done, 1 of 1" in output
    for noise in ("Shell command", "rule data:", "reason:", "input:"):
        assert noise not in output
    # the whole output stays in Snakemake's log
    (log,) = (tmp_path / ".snakemake" / "log").glob("*.log")
    assert "rule data:" in log.read_text(encoding="utf-8")
    told = run_module(tmp_path, "status", "results/tiny")
    assert "results/tiny: the last run is done, after" in told
    assert re.search(r"  data +1 of 1\n", told)


@pytest.mark.workflow
def test_what_cannot_be_done_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "images" / name / f"{number}.png").write_bytes(b"no picture")
    result = snakemake(tmp_path, TINY, "--until", "data", NAS_STEPS_CONSOLE="")
    output = result.stdout + result.stderr
    assert result.returncode == 1, output
    assert "FAILED: data\n  the end of results/" in output
    assert "CalledProcessError" not in output
    assert "error: " in output.split("FAILED: data")[1]
    assert "what is done is kept" in output
    told = run_module(tmp_path, "status", "results/tiny")
    assert "without all its jobs; mend their cause" in told
    assert "Failed:\n  data\n" in told


def test_a_folder_without_a_run_is_refused_in_words(tmp_path: Path) -> None:
    told = run_module(tmp_path, "status", "results/none", status=1)
    assert "results/none: no run is known there; give the folder of an experiment" in told
