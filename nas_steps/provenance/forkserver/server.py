"""Fork a child for each job that a client asks for.

`Forkserver` starts it: `python -m nas_steps.provenance.forkserver.server FILE SOCKET MODULES`. It has one thread and
touches no device, so that a child is what a fresh Python would be after its imports. It takes no more jobs when its
standard input ends, that is when Snakemake ended, and leaves when its children have.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import nas_steps
from nas_steps.provenance.fingerprint import edited_since
from nas_steps.provenance.forkserver import CLIENT, SOCKET, remove
from nas_steps.provenance.task import ONE_THREAD

#: seconds in which a client must have said what it wants
PATIENCE = 10.0
#: variables that are read when Python or a library starts
EARLY = ("PYTHON", "LD_", "MALLOC_", "OMP_", "MKL_", "KMP_", "OPENBLAS_", "GOMP_", "TORCH", "PYTORCH", "CUDA_MODULE")
#: packages that start threads when they are imported; a child would wait for them without end
THREADED = ("onnxruntime",)
#: prctl's option by which the kernel kills a child whose parent died
PARENT_DEATH_SIGNAL = 1


@dataclass(frozen=True)
class Job:
    """A command to be run in a child, as its client sent it; `files` are its standard files."""

    arguments: list[str]
    python: str
    folder: str
    umask: int
    environment: dict[str, str]
    files: list[int]


def main(listener: socket.socket, path: str, modules: Mapping[str, Sequence[str]]) -> None:
    """Load `modules`, in their order, and serve at a socket and its `path`; in a child, run its job."""
    # who stops a run stops its jobs, and the server tells how they ended; a child gets what was sent to it meanwhile
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    given = dict(os.environ)
    os.environ |= ONE_THREAD
    job = Server(listener, modules, early(given)).serve()
    if job is None:
        remove(os.path.dirname(path))
        return
    # what libraries set when they are imported stays
    more = {name: text for name, text in os.environ.items() if given.get(name) != text and name not in ONE_THREAD}
    become(job, more, mask)


class Server:
    """Accepts jobs, and reports their ends. A job waits until what its command needs is loaded."""

    def __init__(self, listener: socket.socket, modules: Mapping[str, Sequence[str]], given: dict[str, str]) -> None:
        self._began = time.time() - (time.perf_counter() - nas_steps.STARTED)
        self._given = given
        self._listener = listener
        self._known = frozenset(modules)
        self._unloaded = {command: list(names) for command, names in modules.items()}
        self._waiting: list[tuple[socket.socket, Job]] = []
        self._clients: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for source in (listener, self._woken, sys.stdin):
            self._selector.register(source, selectors.EVENT_READ)

    def serve(self) -> Job | None:
        """Serve until nobody can ask and no child is left. Returns None then; in a forked child, its job."""
        accepting = True
        while accepting or self._clients or self._waiting:
            for client, job in [one for one in self._waiting if self._is_loaded(one[1])]:
                self._waiting.remove((client, job))
                if self._fork(client, job):
                    return job
            events = self._selector.select(0 if self._unloaded else None)
            if not events and self._unloaded:
                self._load()
            for key, _ in events:
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is sys.stdin:
                    accepting = False
                    for source in (sys.stdin, self._listener):
                        self._selector.unregister(source)
                    self._listener.close()
                elif key.fileobj == self._woken:
                    os.read(self._woken, 4096)
                    self._report()
                elif key.data in self._clients:
                    # a client says nothing more: it is gone, and the kernel would have taken its Python with it
                    self._selector.unregister(self._clients[key.data])
                    os.kill(key.data, signal.SIGKILL)
        return None

    def _load(self) -> None:
        """Load what the jobs of the next command need."""
        command = next(iter(self._unloaded))
        # to Python, a name without a module is not installed
        sys.modules |= dict.fromkeys(THREADED)  # type: ignore[arg-type]
        for module in self._unloaded.pop(command):
            with suppress(ImportError):  # a job that needs it loads it, or says what is missing
                import_module(module)
        for name in THREADED:
            del sys.modules[name]
        gc.freeze()  # what is loaded is never collected, so children share its memory

    def _is_loaded(self, job: Job) -> bool:
        return not self._unloaded or (
            " ".join(job.arguments[1:3]) in self._known and " ".join(job.arguments[1:3]) not in self._unloaded
        )

    def _accept(self) -> None:
        """Take the job of a new client."""
        client, _ = self._listener.accept()
        client.settimeout(PATIENCE)
        try:
            self._waiting.append((client, receive(client)))
        except (OSError, ValueError):
            client.close()

    def _fork(self, client: socket.socket, job: Job) -> bool:
        """Fork a child for a job, or let its client be a Python of its own. Returns whether this is the child."""
        alone = len(os.listdir("/proc/self/task")) == 1  # a thread is not forked, and what it locked stays locked
        fitting = alone and fits(job, self._given) and not edited_since(self._began)
        child = os.fork() if fitting else 0
        if fitting and not child:
            self._leave(client)
            return True
        close(job.files)
        client.settimeout(None)
        self._tell(client, child)
        if child:
            self._clients[child] = client
            self._selector.register(client, selectors.EVENT_READ, data=child)
        else:
            client.close()
        return False

    def _report(self) -> None:
        """Tell clients how their children ended."""
        for child in list(self._clients):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                client = self._clients.pop(child)
                if client.fileno() in self._selector.get_map():
                    self._selector.unregister(client)
                self._tell(client, os.waitstatus_to_exitcode(status))
                client.close()

    @staticmethod
    def _tell(client: socket.socket, number: int) -> None:
        with suppress(OSError):  # the client was killed, which the selector sees
            client.sendall(f"{number}\n".encode("ascii"))

    def _leave(self, client: socket.socket) -> None:
        """Close in a child what is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for end in (self._listener, client, *self._clients.values()):
            end.close()
        for other, job in self._waiting:
            other.close()
            close(job.files)
        close([self._woken, self._wake])


def receive(client: socket.socket) -> Job:
    """Return the job that a client asks for. Raises OSError or ValueError if it does not say so."""
    message, files, _, _ = socket.recv_fds(client, 1 << 16, 3)
    while b"\n" not in message or len(message.split(b"\n", 1)[1]) < int(message.split(b"\n", 1)[0]):
        more = client.recv(1 << 16)
        if not more:
            close(files)
            raise ValueError("the client has gone")
        message += more
    return Job(**json.loads(message.split(b"\n", 1)[1]), files=files)


def early(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that are read when Python or a library starts."""
    return {name: text for name, text in environment.items() if name.startswith(EARLY) and name not in ONE_THREAD}


def fits(job: Job, given: dict[str, str]) -> bool:
    """Return whether a child would do what a fresh Python does: the same Python, folder and early environment."""
    return (
        job.arguments[:1] == ["-m"]
        and len(job.arguments) > 1
        and job.python == os.path.dirname(sys.executable)
        and job.folder == os.getcwd()
        and early(job.environment) == given
    )


def become(job: Job, more: dict[str, str], mask: set[int | signal.Signals]) -> None:
    """Run a job's module in this process, as `python -m` does, with its environment, `more` and blocked signals."""
    nas_steps.STARTED = time.perf_counter()
    os.setpgid(0, 0)  # a signal to the terminal's group reaches the client, which forwards it
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    for number, file in enumerate(job.files):
        os.dup2(file, number)
    close(job.files)
    sys.stdin = _stream(0, sys.stdin, "rb")
    sys.stdout, sys.stderr = _stream(1, sys.stdout, "wb"), _stream(2, sys.stderr, "wb")
    os.umask(job.umask)
    os.environ.clear()
    os.environ.update({name: text for name, text in job.environment.items() if name not in (SOCKET, CLIENT)} | more)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    module = job.arguments[1]
    sys.argv = [module, *job.arguments[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _stream(number: int, like: Any, mode: str) -> TextIOWrapper:
    """Return a standard file of this process as Python opened the server's; a terminal's lines are shown at once."""
    raw = os.fdopen(number, mode, buffering=0 if like.write_through else -1, closefd=False)
    lines = like.line_buffering or (os.isatty(number) and not like.write_through)
    return TextIOWrapper(raw, like.encoding, like.errors, line_buffering=lines, write_through=like.write_through)


def close(files: Sequence[int]) -> None:
    """Close files by their numbers."""
    for file in files:
        os.close(file)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], json.loads(sys.argv[3]))
