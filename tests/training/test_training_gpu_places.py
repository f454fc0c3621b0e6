"""Trainings share GPUs: who joins whom, what is told of memory, and how time and energy are shared out."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nas_steps.errors import UserError
from nas_steps.provenance.locks import Held
from nas_steps.training import gpu_places
from nas_steps.training.gpu_places import MOST, VARIABLE, Gpu, Place, Sharing, asked_for, claim, place, takes

GB = 10**9
TWO = [Gpu("GPU-a", 80 * GB), Gpu("GPU-b", 80 * GB)]
OTHER = """
import sys, time
from pathlib import Path
from nas_steps.training.gpu_places import Gpu, claim
sharing = sys.argv[2] if sys.argv[2] == "auto" else int(sys.argv[2])
gpus = [Gpu(name, 80 * 10**9) for name in sys.argv[3].split()]
with claim(Path(sys.argv[1]), gpus, sharing, 0.02) as place:
    if len(sys.argv) > 4:
        place.measured(int(sys.argv[4]))
    print(place.number, flush=True)
    time.sleep(60)
"""


@contextmanager
def another(
    folder: Path, sharing: Sharing, *memory: int, gpus: list[Gpu] = TWO
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A process that holds a place, and the number of its GPU."""
    names = " ".join(gpu.name for gpu in gpus)
    given = [sys.executable, "-c", OTHER, str(folder), str(sharing), names, *map(str, memory)]
    with subprocess.Popen(given, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


def is_full(folder: Path, gpus: list[Gpu], sharing: Sharing) -> bool:
    found = gpu_places._choose(folder, gpus, sharing)
    if found is not None:
        found[1].close()
    return found is None


def test_a_gpu_is_one_trainings_own_until_that_ends(tmp_path: Path) -> None:
    with another(tmp_path, 1) as (number, other):
        assert number == 0
        with claim(tmp_path, TWO) as mine:
            assert mine.number == 1
            assert is_full(tmp_path, TWO, 1)
            other.kill()
            other.wait()
            with claim(tmp_path, TWO, wait=0.05) as freed:
                assert freed.number == 0


def test_the_gpu_with_the_fewest_trainings_is_taken(tmp_path: Path) -> None:
    with ExitStack() as stack:
        numbers = [stack.enter_context(another(tmp_path, 2))[0] for _ in range(4)]
        assert sorted(numbers) == [0, 0, 1, 1]
        assert numbers[0] != numbers[1]
        assert is_full(tmp_path, TWO, 2)
        assert not is_full(tmp_path, TWO, 3)
        assert is_full(tmp_path, TWO, 1), "who wants a GPU to itself joins nobody"


def test_nobody_joins_a_training_that_wants_its_gpu_to_itself(tmp_path: Path) -> None:
    with another(tmp_path, 1):
        assert is_full(tmp_path, TWO[:1], 8)
        assert is_full(tmp_path, TWO[:1], "auto")
        assert not is_full(tmp_path, TWO, "auto")


def test_by_memory_one_waits_for_the_first_epoch_of_the_others(tmp_path: Path) -> None:
    one = TWO[:1]
    with claim(tmp_path, one, "auto") as mine:
        assert is_full(tmp_path, one, "auto")
        mine.measured(30 * GB)
        assert not is_full(tmp_path, one, "auto")
        with another(tmp_path, "auto", gpus=one):
            assert is_full(tmp_path, one, "auto"), "the second has told nothing"
        with another(tmp_path, "auto", 10 * GB, gpus=one):
            assert not is_full(tmp_path, one, "auto"), "30 + 10 and another 30 are below 72"
        with another(tmp_path, "auto", 13 * GB, gpus=one):
            assert is_full(tmp_path, one, "auto")
        mine.measured(1 * GB)
        with another(tmp_path, "auto", 13 * GB, gpus=one):
            assert is_full(tmp_path, one, "auto"), "the largest of its epochs counts"


@pytest.mark.parametrize(
    ("holders", "sharing", "joins"),
    [
        ([], 1, True),
        ([{"alone": False}], 1, False),
        ([{"alone": False}], 2, True),
        ([{"alone": False}] * 2, 2, False),
        ([{}], 2, False),  # its lock is being written
        ([{"alone": False, "memory": GB}] * (MOST - 1), "auto", True),
        ([{"alone": False, "memory": GB}] * MOST, "auto", False),
        ([{"alone": False, "memory": 36 * GB}], "auto", True),
        ([{"alone": False, "memory": 37 * GB}], "auto", False),
    ],
)
def test_who_joins_whom(holders: list[dict[str, Any]], sharing: Sharing, joins: bool) -> None:
    assert takes(TWO[0], holders, sharing) is joins


def test_many_that_choose_at_once_take_no_place_twice(tmp_path: Path) -> None:
    found: list[tuple[int, Held]] = []

    def take() -> None:
        while (one := gpu_places._choose(tmp_path, TWO, 4)) is None:
            time.sleep(0.01)
        found.append(one)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    try:
        assert sorted(number for number, _ in found) == [0] * 4 + [1] * 4
        assert len({lock.path for _, lock in found}) == 8
        assert is_full(tmp_path, TWO, 4)
    finally:
        for _, lock in found:
            lock.close()


def test_time_and_energy_are_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, joules = [100.0], [7.0]
    monkeypatch.setattr("nas_steps.training.gpu_places.time.perf_counter", lambda: now[0])

    def pass_by(seconds: float, energy: float) -> None:
        now[0] += seconds
        joules[0] += energy

    with claim(tmp_path, TWO[:1], 3, joules=lambda _number: joules[0]) as mine:
        assert place() is mine
        assert mine.share == 1
        pass_by(10, 100)
        mine.account()
        assert (mine.share, mine.energy) == (1, 100)
        with another(tmp_path, 3, gpus=TWO[:1]), another(tmp_path, 3, gpus=TWO[:1]):
            assert mine.sharers() == 3
            pass_by(30, 300)
            mine.measured(GB)
        assert mine.energy == pytest.approx(200)
        assert mine.share == pytest.approx((10 + 30 / 3) / 40)
        pass_by(10, 50)
        mine.account()
        assert mine.sharers() == 1
        assert (mine.share, mine.energy) == (pytest.approx(30 / 50), pytest.approx(250))
    assert place() is None


def test_a_gpu_that_counts_no_energy_has_none(tmp_path: Path) -> None:
    with claim(tmp_path, TWO) as mine:
        mine.account()
        assert mine.energy is None


def test_waiting_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with another(tmp_path, 1) as (_number, other):
        threading.Timer(0.5, other.kill).start()
        with claim(tmp_path, TWO[:1], wait=0.02):
            pass
    assert capsys.readouterr().out.count("all 1 GPUs are taken by other steps") == 1


@pytest.mark.parametrize(("text", "found"), [(None, 1), ("auto", "auto"), ("4", 4)])
def test_the_environment_says_how_many_share(text: str | None, found: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert asked_for() == found


@pytest.mark.parametrize("text", ["0", "-1", "many", ""])
def test_a_bad_number_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UserError, match=f"{VARIABLE}={text}: write auto"):
        asked_for()


def test_a_place_that_ended_is_free_at_once(tmp_path: Path) -> None:
    with claim(tmp_path, TWO[:1], 2) as mine, another(tmp_path, 2, gpus=TWO[:1]) as (_number, other):
        assert mine.sharers() == 2
        other.kill()
        other.wait()
        until = time.monotonic() + 30
        while mine.sharers() > 1 and time.monotonic() < until:
            time.sleep(0.02)
        assert mine.sharers() == 1
        assert isinstance(mine, Place)
