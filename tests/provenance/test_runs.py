"""One run of an experiment at a time, dead ones unlocked, data prepared once; who only looks claims nothing."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.exceptions import LockException, WorkflowError

from nas_steps.errors import UserError
from nas_steps.provenance import files, runs
from nas_steps.provenance.runs import Run, claim_while_executing
from nas_steps.workflow.manifest.trust import records

DATA = "results/data/x"
META = f"{DATA}/meta.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "LOOK", 0.01)
    return tmp_path


def run_of(experiment: str, data: str = DATA) -> Run:
    return Run(f"results/{experiment}", data, records)


def snakemake_lock(name: str, *names: str) -> Path:
    lock = Path(".snakemake/locks", name)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("".join(f"{file}\n" for file in names))
    return lock


def planning(*made: str) -> Any:
    """A workflow whose jobs make these files."""
    return SimpleNamespace(dag=SimpleNamespace(needrun_jobs=lambda: [SimpleNamespace(output=list(made))]))


def note(file: str, *, finished: bool) -> None:
    """Write down, as Snakemake does, that a file is begun or finished."""
    metadata, incomplete = records(file, Path(".snakemake"))
    for path in (metadata, incomplete):
        path.parent.mkdir(parents=True, exist_ok=True)
    if finished:
        metadata.touch()
        incomplete.unlink()
    else:
        incomplete.touch()


def test_a_second_run_is_told_who_holds_the_experiment() -> None:
    first, second = run_of("a"), run_of("a")
    first.begin()
    with pytest.raises(UserError, match=rf"results/a is being made by another snakemake, process {os.getpid()} on "):
        second.begin()
    second.end()
    with pytest.raises(UserError, match="wait until it ends"):
        run_of("a").begin()  # the second's end has freed nothing
    first.end()
    second.begin()
    second.end()


def test_the_locks_of_dead_runs_go_and_those_of_others_stay() -> None:
    dead, living = run_of("dead"), run_of("living")
    dead.begin()
    dead.end()
    living.begin()
    gone = [
        snakemake_lock("0.output.lock", META, "results/dead/report/report.html"),
        snakemake_lock("1.output.lock", "results/mine/report/report.html"),
    ]
    kept = [
        snakemake_lock("2.output.lock", "results/living/report/report.html", META),
        snakemake_lock("3.input.lock", META),  # of the one that lives, for all that is known
        snakemake_lock("4.output.lock", "results/unknown/report/report.html", META),
        snakemake_lock("5.output.lock", "results/dead2/report/report.html"),
        snakemake_lock("6.output.lock", "elsewhere/file"),
    ]
    run = run_of("mine")
    run.begin()
    assert [lock for lock in gone if lock.exists()] == []
    assert [lock for lock in kept if not lock.exists()] == []
    run.end()
    living.end()
    run.begin()
    assert not kept[0].exists()
    assert not kept[1].exists()
    assert kept[4].exists()
    run.end()


def test_a_prefix_of_a_name_is_another_experiment() -> None:
    first = run_of("digits")
    first.begin()
    first.end()
    other = snakemake_lock("0.output.lock", "results/digits2/report/report.html")
    first.begin()
    assert other.exists()
    first.end()


def test_data_are_waited_for_until_they_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run_of("a"), run_of("b")
    first.begin()
    second.begin()
    ready = threading.Event()

    def wait() -> None:
        second.wait_for_data()
        ready.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    old = records(META, Path(".snakemake"))
    note(META, finished=False)
    note(META, finished=True)
    os.utime(next(iter(old)), (1, 1))  # what an earlier run had made does not count
    mine, theirs = f"{DATA}/meta.json", "results/a/report/report.html"
    lock = snakemake_lock("0.output.lock", mine, theirs)
    first.planned(planning(mine, theirs))
    assert not ready.wait(0.2)
    note(META, finished=False)
    assert not ready.wait(0.2)
    note(META, finished=True)
    assert ready.wait(60)
    assert lock.read_text() == f"{theirs}\n"
    out = capsys.readouterr().out
    assert out.count("prepares the data in results/data/x, which this run needs too: waiting") == 1
    assert f"results/a (process {os.getpid()} on " in out
    first.end()
    second.end()


@pytest.mark.parametrize("other_data", [False, True])
def test_nobody_waits_for_a_run_that_does_not_prepare_the_data(
    other_data: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = run_of("a", "results/data/y" if other_data else DATA), run_of("b")
    first.begin()
    if not other_data:
        first.planned(planning("results/a/report/report.html"))
    second.begin()
    second.wait_for_data()
    assert "waiting" not in capsys.readouterr().out
    second.end()
    first.end()


def test_nobody_waits_for_a_run_that_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run_of("a"), run_of("b")
    first.begin()
    second.begin()
    first.end()
    first.begin()  # after the second: it is the one to wait
    second.wait_for_data()
    assert "waiting" not in capsys.readouterr().out
    first.end()
    second.end()


class Workflow:
    """What a run needs of Snakemake's."""

    def __init__(self, lock: bool = True, failing: Exception | None = None) -> None:
        self.execution_settings = SimpleNamespace(lock=lock)
        self.dag_settings = SimpleNamespace(forcerun=frozenset({"asked for"}))
        self.failing = failing
        self.seen: list[list[str]] = []

    def execute(self, **_: object) -> str:
        self.seen.append(sorted(path.name for path in Path(".snakemake").glob("run*")))
        if self.failing:
            raise self.failing
        return "done"


def plugin(*, dry: bool) -> Any:
    return SimpleNamespace(common_settings=SimpleNamespace(dryrun_exec=dry))


@pytest.mark.parametrize(
    ("dry", "lock", "seen"), [(False, True, ["run-results-a.lock", "runs.lock"]), (True, True, []), (False, False, [])]
)
def test_only_what_executes_jobs_claims_the_experiment(dry: bool, lock: bool, seen: list[str]) -> None:
    workflow = Workflow(lock)
    claim_while_executing(workflow, run_of("a"))
    assert workflow.execute(executor_plugin=plugin(dry=dry), others=1) == "done"
    assert workflow.seen == [seen]
    run = run_of("a")
    run.begin()  # it is free again
    run.end()


@pytest.mark.parametrize("lock", [True, False])
def test_what_begins_with_a_run_does_not_begin_with_a_dry_run(lock: bool) -> None:
    begun: list[str] = []
    workflow = Workflow(lock)
    claim_while_executing(workflow, run_of("a"), ["doubtful.csv"], lambda: begun.append("begun"))
    workflow.execute(executor_plugin=plugin(dry=True))
    assert begun == []
    assert workflow.dag_settings.forcerun == {"asked for", "doubtful.csv"}  # so that a dry run shows it
    workflow.execute(executor_plugin=plugin(dry=False))
    assert begun == ["begun"]


def test_a_run_that_must_not_begin_stops_in_words_and_is_over() -> None:
    def refuse() -> None:
        raise UserError("run snakemake again")

    workflow = Workflow()
    claim_while_executing(workflow, run_of("a"), begun=refuse)
    with pytest.raises(WorkflowError, match="run snakemake again"):
        workflow.execute(executor_plugin=plugin(dry=False))
    assert workflow.seen == []
    run = run_of("a")
    run.begin()  # it is free again
    run.end()


def test_a_dry_run_beside_a_run_takes_nothing_away() -> None:
    run = run_of("a")
    run.begin()
    lock = snakemake_lock("0.output.lock", "results/a/report/report.html")
    workflow = Workflow()
    claim_while_executing(workflow, run_of("a"))
    workflow.execute(executor_plugin=plugin(dry=True))
    assert lock.exists()
    with pytest.raises(WorkflowError, match="is being made by another snakemake"):
        workflow.execute(executor_plugin=plugin(dry=False))
    assert lock.exists()
    run.end()


def refused(failing: Exception) -> str:
    workflow = Workflow(failing=failing)
    claim_while_executing(workflow, run_of("a"))
    with pytest.raises(WorkflowError) as error:
        workflow.execute(executor_plugin=plugin(dry=False))
    run = run_of("a")
    run.begin()
    run.end()
    return str(error.value)


def test_the_advice_to_unlock_is_not_given_beside_a_run_that_lives() -> None:
    assert "--unlock" in refused(LockException())
    other = run_of("b")
    other.begin()
    other.planned(planning())
    message = refused(LockException())
    assert f"on files that results/a needs: results/b (process {os.getpid()} on " in message
    assert "--unlock" not in message
    other.end()


def test_a_full_disk_is_one_message() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", ".snakemake/metadata/x")
    assert refused(error).startswith("No space left on device (.snakemake/metadata/x); make room")


def test_settings_that_could_not_be_written_stop_a_run_and_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "unwritten", {})
    Path("results").write_text("a file, so that no folder can be made")
    files.write_for_jobs("results/settings/data-1.json", "{}")
    workflow = Workflow()
    claim_while_executing(workflow, run_of("a"))
    workflow.execute(executor_plugin=plugin(dry=True))
    with pytest.raises(
        WorkflowError, match=r"results/settings/data-1\.json cannot be written: Not a directory; make room"
    ):
        workflow.execute(executor_plugin=plugin(dry=False))
    Path("results").unlink()
    files.write_for_jobs("results/settings/data-1.json", "{}")
    workflow.execute(executor_plugin=plugin(dry=False))


@pytest.fixture
def read_only(folder: Path) -> Iterable[None]:
    """The working directory may be looked at only; that binds root no less where it is asked as here."""
    Path(".snakemake/metadata").mkdir(parents=True)
    Path(".snakemake/metadata/known").touch()
    Path("results").mkdir()
    (folder / "results" / "file").write_text("all")
    folder.chmod(0o555)
    yield
    folder.chmod(0o755)


@pytest.mark.usefixtures("read_only")
def test_a_dry_run_looks_where_nothing_may_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may = os.access

    def looks(path: Path, mode: int) -> bool:
        return may(path, mode) and not (mode == os.W_OK and path.is_relative_to(".snakemake"))

    monkeypatch.setattr(os, "access", looks)
    seen = []

    class Looking(Workflow):
        def execute(self, **_: object) -> str:
            seen.append((Path("results/file").read_text(), Path(".snakemake/metadata/known").exists()))
            Path(".snakemake/iocache").mkdir()
            return super().execute()

    workflow = Looking()
    claim_while_executing(workflow, run_of("a"))
    assert workflow.execute(executor_plugin=plugin(dry=True)) == "done"
    assert seen == [("all", True)]
    assert Path.cwd() == folder
    assert not Path(".snakemake/iocache").exists()


@pytest.mark.usefixtures("read_only")
def test_records_that_cannot_be_read_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: not Path(path).is_relative_to(".snakemake"))
    workflow = Workflow()
    claim_while_executing(workflow, run_of("a"))
    with pytest.raises(
        WorkflowError, match=r"\.snakemake/metadata cannot be read, .*chmod -R go\+rX \.snakemake/metadata"
    ):
        workflow.execute(executor_plugin=plugin(dry=True))
    assert workflow.seen == []


def test_the_records_can_be_read_by_whom_the_umask_lets() -> None:
    record = Path(".snakemake/metadata/@part/x")
    record.parent.mkdir(parents=True)
    record.touch()
    record.chmod(0o660)
    before = os.umask(0o022)
    try:
        run = run_of("a")
        run.begin()
        run.end()
    finally:
        os.umask(before)
    assert record.stat().st_mode & 0o777 == 0o664


def test_a_name_of_any_length_has_a_lock() -> None:
    long = [run_of("n" * 238), run_of("n" * 300), run_of("n" * 299 + "m")]
    places = {runs.lock_file(run.folder, run.state) for run in long}
    assert len(places) == 3
    assert max(len(place.name) for place in places) <= 255
    assert runs.lock_file("results/a", Path(".snakemake")) == Path(".snakemake/run-results-a.lock")
