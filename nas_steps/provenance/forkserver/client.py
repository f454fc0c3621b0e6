"""Let the forkserver run a Python command, and end as it ends: `python -I -S client.py -m MODULE ARGUMENTS...`.

Runs by its path and imports nothing but the smallest parts of Python's library: it is started for each job.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress

#: the signals that somebody may send to a job
FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT")


def main(arguments: list[str]) -> None:
    """Ask the server; without one, become the Python that would have run `arguments`."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of this process
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(os.environ["NAS_STEPS_FORKSERVER"])
        answers = server.makefile("r", encoding="ascii")
        _send(server, arguments)
        child = int(answers.readline() or 0)
    except OSError:  # the server has ended
        child = 0
    if not child:
        os.execv(sys.executable, [sys.executable, *arguments])
    for name in FORWARDED:
        number = getattr(signal, name)
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _: _forward(child, number))
    signal.signal(signal.SIGTSTP, lambda *_: _stop(child))
    try:
        status = answers.readline()
    except OSError:
        status = ""
    # if the server was killed, its children were, too
    _end(int(status) if status else -signal.SIGKILL)


def _send(server: socket.socket, arguments: list[str]) -> None:
    """Send the command and what it would inherit, after its length as text."""
    umask = os.umask(0)
    os.umask(umask)
    command = {
        "arguments": arguments,
        "python": os.path.dirname(sys.executable),
        "folder": os.getcwd(),
        "umask": umask,
        "environment": dict(os.environ),
    }
    message = json.dumps(command).encode("ascii")
    socket.send_fds(server, [f"{len(message)}\n".encode("ascii")], [0, 1, 2])
    server.sendall(message)


def _forward(child: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(child, number)


def _stop(child: int) -> None:
    """Let the child rest with this process, as Ctrl-Z asks; SIGCONT wakes both."""
    _forward(child, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)


def _end(status: int) -> None:
    """End with an exit status, or by the signal that ended the child if it is negative."""
    if status < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core of this process says nothing
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
