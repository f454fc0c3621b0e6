"""A job that the forkserver runs: it is what a fresh Python would be, and nobody's death leaves it behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas_steps.provenance.died import SHELL
from nas_steps.provenance.fingerprint import PACKAGE, transitive_imports
from nas_steps.provenance.forkserver import Forkserver
from nas_steps.workflow.steps import STEPS

#: a job that writes what its second argument computes into the file that its first names, and waits for `go`
JOB = """
import os, random, sys, time
from pathlib import Path

name, expression = sys.argv[1:]
there = Path(name)
there.with_suffix(".pid").write_text(str(os.getpid()))
print("it prints", flush=True)
print("it complains", file=sys.stderr)
there.with_suffix(".tmp").write_text(repr(eval(expression)))
there.with_suffix(".tmp").replace(there)
"""
#: loaded by the server alone: no job imports it
MARK = "colorsys"
FORKED = f"{MARK!r} in sys.modules"
WAIT = "time.sleep(60)"
BASH = ["bash", "-c"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the job's module, and this Python as `python`."""
    (tmp_path / "made_up.py").write_text(JOB, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(PACKAGE.parent)]))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.delenv("NAS_STEPS_FORKSERVER", raising=False)
    return tmp_path


@pytest.fixture
def server(place: Path) -> Iterator[Forkserver]:
    assert place == Path.cwd()
    forkserver = Forkserver({"made_up job": [MARK]})
    yield forkserver
    forkserver.close()


def command(name: str, expression: str) -> str:
    return f"{SHELL} python -m made_up {name} {shlex.quote(expression)} > {name}.log 2>&1"


def value(name: str, expression: str, **environment: str) -> str:
    """What a job computes, with some variables more."""
    subprocess.run([*BASH, command(name, expression)], env=os.environ | environment, check=True)
    return Path(name).read_text(encoding="utf-8")


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition; a minute is for machines that are very busy."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("a minute has gone by")


def child(name: str) -> int:
    """The process that computes, once it does."""
    file = Path(name).with_suffix(".pid")
    until(lambda: file.exists() and file.read_text())
    return int(file.read_text())


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def started(name: str) -> subprocess.Popen[bytes]:
    shell = subprocess.Popen([*BASH, command(name, WAIT)], start_new_session=True)
    child(name)
    return shell


def client_of(shell: subprocess.Popen[bytes]) -> int:
    """The only process that a job's shell has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(shell.pid)], capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.usefixtures("server")
def test_a_job_is_forked_and_its_words_are_in_its_log() -> None:
    assert value("one", FORKED) == "True"
    assert sorted(Path("one.log").read_text().splitlines()) == ["it complains", "it prints"]


def test_without_a_server_a_job_is_a_python_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert value("one", FORKED) == "False"
    monkeypatch.setenv("NAS_STEPS_FORKSERVER", "off")
    monkeypatch.setenv("NAS_STEPS_FORKSERVER_CLIENT", str(PACKAGE / "provenance" / "forkserver" / "client.py"))
    assert value("two", FORKED) == "False"


#: what a process finds at its start, each an expression
SURROUNDINGS = [
    "sys.argv[0]",
    "__name__",
    "__spec__.name",
    "os.getcwd()",
    "os.umask(0)",
    "sys.path",
    "sys.flags",
    "sys.stdin.read()",
    "(sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering, sys.stdout.write_through)",
    "(sys.stderr.encoding, sys.stderr.errors, sys.stderr.line_buffering, sys.stderr.write_through)",
    '{name: text for name, text in os.environ.items() if name not in ("_", "SHLVL")}',
    '[__import__("signal").getsignal(number) for number in range(1, 32)]',
    '__import__("signal").pthread_sigmask(0, [])',
    'len(os.listdir("/proc/self/fd"))',
    '__import__("resource").getrusage(0).ru_utime < 1',
]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_child_is_what_a_fresh_python_is(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    expression = f"[{', '.join(SURROUNDINGS)}]"
    outcomes = []
    forkserver = Forkserver({"made_up job": [MARK]})
    for server in (forkserver, None):
        if server is None:
            forkserver.close()
        line = f"umask 027; {command('same', expression)} < /dev/null"
        subprocess.run([*BASH, line], env=os.environ | {"ASKED": "more"}, check=True)
        outcomes.append(Path("same").read_text(encoding="utf-8"))
    assert outcomes[0].split(", ") == outcomes[1].split(", ")


def test_no_module_of_a_step_starts_a_thread_that_a_child_would_miss() -> None:
    (Path.cwd() / "threaded.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=(5,)).start()"
    )
    loaded = sorted(transitive_imports(*(step.module for step in STEPS.values())))
    for modules, forked in ((loaded, "True"), (["threaded"], "False")):
        forkserver = Forkserver({"made_up job": [MARK, *modules]})
        assert value("one", FORKED) == forked
        forkserver.close()


@pytest.mark.usefixtures("server")
def test_children_do_not_draw_the_same() -> None:
    assert value("one", "random.random()") != value("two", "random.random()")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("changed", ["PYTHONHASHSEED", "LD_LIBRARY_PATH", "MKL_CBWR"])
def test_what_is_read_at_the_start_of_a_process_asks_for_a_fresh_one(changed: str) -> None:
    assert value("one", FORKED, **{changed: "0"}) == "False"
    assert value("two", FORKED, OMP_NUM_THREADS="2", SOMETHING="0") == "True"  # the first is set to 1 by every step


@pytest.mark.usefixtures("server")
def test_another_folder_asks_for_a_fresh_process(place: Path) -> None:
    (place / "elsewhere").mkdir()
    subprocess.run([*BASH, f"cd elsewhere; {command('one', FORKED)}"], check=True)
    assert (place / "elsewhere" / "one").read_text() == "False"


def test_code_that_is_edited_after_the_start_of_the_server_asks_for_a_fresh_process(place: Path) -> None:
    package = place / "nas_steps"
    subprocess.run(["cp", "-r", str(PACKAGE), str(package)], check=True)
    forkserver = Forkserver({"made_up job": [MARK, "nas_steps.intervals"]})
    assert value("one", FORKED) == "True"
    (package / "intervals.py").touch()
    assert value("two", FORKED) == "False"
    forkserver.close()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("expression", "status"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("1 / 0", 1), ('sys.exit("no")', 1)]
)
def test_the_exit_status_is_the_childs(expression: str, status: int) -> None:
    assert subprocess.run([*BASH, command("one", expression)]).returncode == status
    if status == 1:
        assert any(word in Path("one.log").read_text() for word in ("ZeroDivisionError: division by zero", "no\n"))


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM])
def test_a_signal_that_ends_the_child_is_named_in_the_log(number: signal.Signals) -> None:
    shell = started("one")
    os.kill(child("one"), number)
    assert shell.wait(60) == 128 + number
    assert f"made_up one ended by {number.name}" in Path("one.log").read_text()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_jobs_process_reaches_the_child(number: signal.Signals) -> None:
    shell = started("one")
    os.kill(client_of(shell), number)
    shell.wait(60)
    until(lambda: gone(child("one")))
    assert ("KeyboardInterrupt" if number == signal.SIGINT else number.name) in Path("one.log").read_text()


@pytest.mark.usefixtures("server")
def test_a_job_that_is_stopped_rests_and_goes_on() -> None:
    shell = started("one")
    client = client_of(shell)

    def state(process: int) -> str:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]

    os.kill(client, signal.SIGTSTP)
    until(lambda: state(child("one")) == "T" and state(client) == "T")
    os.kill(client, signal.SIGCONT)
    until(lambda: state(child("one")) != "T" and state(client) != "T")
    os.kill(client, signal.SIGTERM)
    shell.wait(60)


@pytest.mark.usefixtures("server")
def test_a_killed_job_takes_its_child_with_it() -> None:
    shell = started("one")
    os.kill(client_of(shell), signal.SIGKILL)
    assert shell.wait(60) == 128 + signal.SIGKILL
    until(lambda: gone(child("one")))
    assert value("two", FORKED) == "True"  # the server lives


def test_a_killed_server_takes_its_children_with_it_and_jobs_go_on_without(server: Forkserver) -> None:
    shell = started("one")
    assert server._process is not None
    server._process.kill()
    assert shell.wait(60) == 128 + signal.SIGKILL
    until(lambda: gone(child("one")))
    assert value("two", FORKED) == "False"


STARTS = """
import subprocess, sys, time
from nas_steps.provenance.forkserver import Forkserver
from nas_steps.workflow.steps import STEPS

server = Forkserver({"made_up job": []})
shell = subprocess.Popen(["bash", "-c", sys.argv[1]])
print(server._process.pid, server._folder, flush=True)
time.sleep(60)
"""


def test_a_killed_snakemake_leaves_the_job_to_its_end_and_no_server() -> None:
    """Jobs outlive a killed Snakemake, whose next run waits for their locks."""
    line = command("one", '[time.sleep(0.01) for _ in iter(Path("go").exists, True)]')
    main = subprocess.Popen([sys.executable, "-c", STARTS, line], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    process, folder = main.stdout.readline().split()
    child("one")
    main.kill()
    main.wait()
    time.sleep(0.2)
    assert not gone(child("one"))
    Path("go").touch()
    until(Path("one").exists)
    until(lambda: gone(int(process)) or Path(f"/proc/{process}/stat").read_text().split()[2] == "Z")
    assert not Path(folder).exists()


def test_nothing_is_left_of_a_server_that_is_closed(server: Forkserver) -> None:
    folder = Path(server._folder)
    assert folder.exists()
    server.close()
    assert not folder.exists()
    assert "NAS_STEPS_FORKSERVER" not in os.environ
    assert value("one", FORKED) == "False"
