"""Let a job of `benchmarks.chaos` announce itself, and die within a write if it must.

Python loads this at its start if the folder is on PYTHONPATH. In the folder NAS_STEPS_CHAOS a job leaves
`<pid>.job`, its command. The file `<pid>.strike` there holds an order: `within N` to die while it writes its N-th file,
of which half is left, or `after N` to die once that file is in its place.
"""

import json
import os
import signal
import sys
from typing import Any

FOLDER = os.environ.get("NAS_STEPS_CHAOS", "")


def announce(command: list[str]) -> None:
    path = os.path.join(FOLDER, f"{os.getpid()}.job")
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(command, file)
    os.rename(f"{path}.new", path)


def obey() -> None:
    """Put the order between a file that is written and its renaming."""
    replace, order = os.replace, os.path.join(FOLDER, f"{os.getpid()}.strike")
    written = [0]

    def deadly(source: str, target: str, **more: int) -> None:
        if not os.path.exists(order):
            return replace(source, target, **more)
        with open(order, encoding="utf-8") as file:
            moment, number = file.read().split()
        written[0] += 1
        if written[0] < int(number):
            return replace(source, target, **more)
        if moment == "within":
            os.truncate(source, os.path.getsize(source) // 2)
        else:
            replace(source, target, **more)
        os.rename(order, f"{order}.done")
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    os.replace = deadly  # type: ignore[assignment]


def follow_forks() -> None:
    """Let the jobs that the fork server forks announce themselves, too: they run their module by `runpy`."""

    def in_the_child() -> None:
        import runpy

        run = runpy.run_module

        def announced(module: str, **more: Any) -> dict[str, Any]:
            announce([sys.executable, "-m", module, *sys.argv[1:]])
            obey()
            return run(module, **more)

        runpy.run_module = announced  # type: ignore[assignment]

    os.register_at_fork(after_in_child=in_the_child)


modules = [sys.orig_argv[at + 2] for at, word in enumerate(sys.orig_argv[1:-1]) if word == "-m"]
if FOLDER and "nas_steps.provenance.forkserver.server" in modules:
    follow_forks()
# a module of the steps, not Snakemake itself
elif FOLDER and any(module.startswith("nas_steps.") for module in modules):
    announce(sys.orig_argv)
    obey()
