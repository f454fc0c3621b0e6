"""Checkpoints: whole or not used, owned by one process, written when asked to leave."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_world import MIXED, prepared, settings

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.ledger import Cost
from nas_steps.training.checkpoint import Checkpoints, Interrupted, Interrupts, checkpoint_folder, opened

STATE = {"weights": torch.arange(6.0).view(2, 3).t(), "rows": [{"loss": 0.1, "name": "é"}], "epoch": 3, "none": None}


def checkpoints(folder: Path, **key: str) -> Checkpoints:
    known = {"code": "a", "settings": "b", **key}
    return Checkpoints(folder, {name: lambda text=text: text for name, text in known.items()}, Cost("s", "t"), 0.0)  # type: ignore[misc]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    checkpoints(tmp_path).of("training").write(STATE)
    found = checkpoints(tmp_path).of("training").read()
    assert found is not None
    assert torch.equal(found["weights"], STATE["weights"])  # type: ignore[arg-type]
    assert found["weights"].stride() == STATE["weights"].stride()  # type: ignore[attr-defined]
    assert {key: found[key] for key in ("rows", "epoch", "none")} == {k: STATE[k] for k in ("rows", "epoch", "none")}
    assert checkpoints(tmp_path).of("another").read() is None


@pytest.mark.parametrize("harm", ["truncated", "empty", "flipped", "header", "foreign file"])
def test_a_damaged_checkpoint_is_named_set_aside_and_not_loaded(
    tmp_path: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints(tmp_path).of("training").write(STATE)
    file = tmp_path / "training.checkpoint"
    data = bytearray(file.read_bytes())
    if harm == "truncated":
        data = data[:-10]
    elif harm == "empty":
        data = bytearray()
    elif harm == "flipped":
        data[-300] ^= 1
    elif harm == "header":
        data[100] ^= 1
    else:
        data = bytearray(b"PK\x03\x04 a zip of somebody else's")
    file.write_bytes(data)
    assert checkpoints(tmp_path).of("training").read() is None
    told = capsys.readouterr().out
    assert str(file) in told
    assert "training.checkpoint.damaged-1" in told
    assert (tmp_path / "training.checkpoint.damaged-1").read_bytes() == data
    assert not file.exists()


def test_a_checkpoint_of_other_settings_is_set_aside_and_says_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints(tmp_path).of("training").write(STATE)
    assert checkpoints(tmp_path, code="c", seed="1").of("training").read() is None
    told = capsys.readouterr().out
    assert "another code and another seed" in told
    assert "training.checkpoint.foreign-1" in told
    checkpoints(tmp_path).of("training").write(STATE)
    assert checkpoints(tmp_path, code="c").of("training").read() is None
    assert (tmp_path / "training.checkpoint.foreign-2").exists()


def test_a_failed_write_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = checkpoints(tmp_path)
    mine.of("training").write(STATE)

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"training\.checkpoint.*cannot be written: No space left.*make room"):
        mine.of("training").write({**STATE, "epoch": 4})
    found = mine.of("training").read()
    assert found is not None
    assert found["epoch"] == 3
    assert [file.name for file in tmp_path.iterdir()] == ["training.checkpoint"]


def test_what_earlier_attempts_spent_is_counted(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path, {}, cost := Cost("s", "t"), 0.0)
    cost.add_earlier({"seconds": 1000.0, "cpu_seconds": 900.0, "peak_memory_mb": 1e6, "attempts": 2})
    first.of("training").write(STATE)
    second = Checkpoints(tmp_path, {}, cost := Cost("s", "t"), 0.0)
    second.of("training").read()
    spent = cost.spent()
    assert spent["seconds"] > 1000
    assert spent["cpu_seconds"] > 900
    assert (spent["peak_memory_mb"], spent["attempts"]) == (1e6, 4)


def test_a_shared_cost_adds_up_to_the_whole() -> None:
    cost = Cost("s", "t")
    cost.add_earlier(
        {"seconds": 1000.0, "work_seconds": 900.0, "cpu_seconds": 800.0, "peak_memory_mb": 5.0, "attempts": 2}
    )
    before = cost.spent()
    share = cost.share_out(4)
    others = [Cost("s", "t") for _ in range(3)]
    own = [other.spent() for other in others]
    for other in others:
        other.add_earlier(share)
    for name in ("seconds", "work_seconds", "cpu_seconds"):
        assert share[name] == pytest.approx(before[name] / 4)
        given = sum(other.spent()[name] - mine[name] for other, mine in zip(others, own, strict=True))
        assert cost.spent()[name] + given == pytest.approx(before[name], abs=5)
    assert [other.spent()["attempts"] for other in others] == [1, 1, 1]
    assert cost.spent()["attempts"] == 3
    assert others[0].spent()["peak_memory_mb"] == before["peak_memory_mb"]


# -------------------------------------------------------------------------------------------------- the owner


def test_the_folder_is_gone_at_the_end_and_stays_after_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "entry-s0"

    def fail() -> None:
        with opened(target, {}, Cost("s", "t")) as mine:
            mine.of("training").write(STATE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    folder = checkpoint_folder(target)
    assert (folder / "training.checkpoint").exists()
    (folder / ".training.checkpoint.77.partial").write_bytes(b"half")
    with opened(target, {}, Cost("s", "t")) as mine:
        assert not list(folder.glob(".*.partial"))
        assert mine.of("training").read() is not None
    assert not folder.exists()


HOLD = """
import signal, sys, time
from pathlib import Path
from nas_steps.provenance.ledger import Cost
from nas_steps.training.checkpoint import opened
deaf = len(sys.argv) > 2
signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: sys.exit(143))
with opened(Path(sys.argv[1]), {}, Cost("s", "t")) as mine:
    mine.of("training").write({"who": "the first"})
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains for tmp_path/target."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "target")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "holding"
        yield process
        process.kill()


def test_an_orphan_is_asked_to_leave_and_gone_on_from(
    tmp_path: Path, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path / "target", {}, Cost("s", "t")) as mine:
        assert holder.wait(120) == 143
        assert mine.of("training").read() == {"who": "the first"}
    assert f"process {holder.pid} on {socket.gethostname()} already trains for" in capsys.readouterr().out


def test_another_job_with_the_same_training_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = HOLD.replace('Cost("s", "t")', 'Cost("s", "t"), "seed 0"').replace("sleep(60)", "sleep(1)")
    command = [sys.executable, "-c", script, str(tmp_path / "target")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline().strip() == "holding"
        with opened(tmp_path / "target", {}, Cost("s", "t"), "seed 1") as mine:
            assert mine.of("training").read() is None  # it has ended
    assert first.returncode == 0
    assert "seed 0: waiting" in capsys.readouterr().out


def test_a_process_on_another_machine_is_left_alone(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    owner = checkpoint_folder(tmp_path / "target") / "owner"
    owner.write_text(json.dumps({"host": "node7", "pid": 1}), encoding="utf-8")
    with (
        pytest.raises(UserError, match="process 1 on node7 already trains"),
        opened(tmp_path / "target", {}, Cost("s", "t")),
    ):
        pass
    assert holder.poll() is None


def test_a_lock_dies_with_its_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with opened(tmp_path / "target", {}, Cost("s", "t")) as mine:
        assert mine.of("training").read() == {"who": "the first"}


@pytest.mark.parametrize("given", ["soon", "-1", "nan"])
def test_a_bad_interval_is_refused(tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STEPS_CHECKPOINT_SECONDS", given)
    with (
        pytest.raises(UserError, match=f"NAS_STEPS_CHECKPOINT_SECONDS is '{given}'"),
        opened(tmp_path / "x", {}, Cost("s", "t")),
    ):
        pass


# ---------------------------------------------------------------------------------------------------- signals


def interrupted_at_once(interrupts: Interrupts) -> None:
    with interrupts.at_once():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_a_signal_waits_unless_nothing_can_be_harmed() -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.caught == signal.SIGTERM
        with pytest.raises(Interrupted) as left, interrupts.at_once():
            raise AssertionError("the signal came before")
        assert left.value.code == 143
    with Interrupts() as interrupts:
        with pytest.raises(Interrupted) as left:
            interrupted_at_once(interrupts)
        assert left.value.code == 130


LONG = {"epochs": 40, "batch_size": 10, "learning_rate": 0.02, "drop_path": 0.2, "warmup_epochs": 0}


def retraining(output: Path, world: Path) -> list[str]:
    winners = world / "winners.csv"
    write_csv(winners, [{"entry": "mine-0", "architecture": MIXED}], ("entry", "architecture"))
    file = settings(retrain__recipe=LONG)["retrain"]
    return [
        sys.executable, "-m", "nas_steps.retraining", "retrain", "--settings", file,
        "--data", prepared(), "--entry", "mine-0", "--kind", "searched", "--winners", str(winners), "--seed", "0",
        "--output", str(output),
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_asked_to_leave_saves_and_goes_on(
    tmp_path: Path, number: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_STEPS_CHECKPOINT_SECONDS", "0.1")
    file = checkpoint_folder(tmp_path / "broken") / "training.checkpoint"
    command = retraining(tmp_path / "broken", tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not file.exists():
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(120) == status
        assert f"interrupted by {number.name}" in process.stderr.read()
    assert file.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "going on with training from epoch" in again.stdout
    subprocess.run(retraining(tmp_path / "whole", tmp_path), capture_output=True, check=True)
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    assert (broken / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    rows = [[{**row, "seconds": ""} for row in read_csv(folder / "history.csv")] for folder in (broken, whole)]
    assert rows[0] == rows[1]
    assert read_json(tmp_path / "broken" / "cost.json")["attempts"] == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_harms_nothing(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_STEPS_CHECKPOINT_SECONDS", "0")
    (small_disk / "ballast").write_bytes(b"0" * 180_000)
    command = retraining(small_disk / "broken", tmp_path)
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("error: the checkpoint ")
    assert "No space left on device; make room" in last
    assert not list(small_disk.rglob("*.partial"))
    (small_disk / "ballast").unlink()
    subprocess.run(command, capture_output=True, check=True)
    monkeypatch.delenv("NAS_STEPS_CHECKPOINT_SECONDS")
    subprocess.run(retraining(tmp_path / "whole", tmp_path), capture_output=True, check=True)
    assert (small_disk / "broken" / "weights.safetensors").read_bytes() == (
        tmp_path / "whole" / "weights.safetensors"
    ).read_bytes()


def test_a_file_that_may_not_grow_is_told_as_a_full_disk_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STEPS_CHECKPOINT_SECONDS", "0")
    failed = subprocess.run(
        retraining(tmp_path / "broken", tmp_path),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert failed.returncode == 1
    assert "cannot be written: File too large; make room" in failed.stderr
    assert not list(tmp_path.rglob("*.partial"))
