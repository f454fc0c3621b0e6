"""One process that has loaded what steps import, and forks a child for each job of a run on this machine.

A step's command stays what its rule prints. The shell of a job (`died.SHELL`) hands it to `client`, which asks `server`
to fork a child that runs it, and stands for the child: its files, its environment, its signals, its exit status. If
there is no server, or if a fresh Python could behave differently, `client` becomes that Python.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

#: the environment variables by which a job's shell finds the server's socket and the client's file
SOCKET, CLIENT = "NAS_STEPS_FORKSERVER", "NAS_STEPS_FORKSERVER_CLIENT"
#: bytes of the path of a socket, as far as Linux takes them
LONGEST = 107


class Forkserver:
    """A server that shells which this process starts from now on find. It ends with this process.

    `modules` are those to load, by the command whose jobs need them.
    """

    def __init__(self, modules: Mapping[str, Sequence[str]]) -> None:
        self._folder = mkdtemp(prefix="nas-steps-")
        path = os.path.join(self._folder, "socket")
        self._process: subprocess.Popen[bytes] | None = None
        if len(os.fsencode(path)) > LONGEST:
            self.close()
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen(128)  # jobs may ask before the server has started
            file = listener.fileno()
            command = [sys.executable, "-m", f"{__name__}.server", str(file), path, json.dumps(modules)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[file])
        os.environ |= {SOCKET: path, CLIENT: str(Path(__file__).with_name("client.py"))}

    def close(self) -> None:
        """Let the server end after its last child."""
        for name in (SOCKET, CLIENT):
            os.environ.pop(name, None)
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        remove(self._folder)


def remove(folder: str) -> None:
    """Delete a server's folder; the server and the process that started it both do, whoever is left."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, "socket"))
    with suppress(FileNotFoundError):
        os.rmdir(folder)
