"""Say which signal ended a step, for its job's shell: `python -m nas_steps.provenance.died STATUS COMMAND...`."""

import signal
import sys
from collections.abc import Sequence

#: the beginning of every job's shell: `python` runs in the foreground, where signals reach it; if one ends it, this
#: module speaks, and the exit status stays
SHELL = (
    "set -euo pipefail; "
    "python() { local status=0; "
    'command python ${NAS_STEPS_FORKSERVER:+-I -S "$NAS_STEPS_FORKSERVER_CLIENT"} "$@" || status=$?; '
    'if [ "$status" -gt 128 ]; then command python -m nas_steps.provenance.died "$status" "$@" >&2 || true; fi; '
    'return "$status"; };'
)
#: by the name of the signal, what it usually means and what helps
KILLED = (
    "something outside of it killed it. Mostly that is the kernel or the queue, because memory ran out (`dmesg` or "
    "`sacct` say so); else somebody's `kill -9`"
)
MORE_MEMORY = (
    "it needs more memory or must take less: a smaller batch_size, fewer jobs at once (--cores), or on a cluster "
    "--set-resources RULE:mem_mb=MEGABYTES"
)
NATIVE = "a fault in native code (torch, a library under it, a driver) or in the machine, not in the config"
REPORT = "report it with this log: where it says `Fatal Python error`, the lines that were running follow"
MEANINGS = {
    "SIGKILL": (KILLED, MORE_MEMORY),
    "SIGSEGV": (NATIVE, REPORT),
    "SIGABRT": (f"{NATIVE}, found by the C library or by native code itself", REPORT),
    "SIGBUS": (f"{NATIVE}; or the disk or /dev/shm is full", REPORT),
    "SIGILL": (f"{NATIVE}; or it was built for another processor", REPORT),
    "SIGFPE": (NATIVE, REPORT),
    "SIGTERM": ("it was asked to leave, by `kill`, by the queue or at the end of its wall time", ""),
    "SIGINT": ("it was interrupted, mostly by Ctrl-C", ""),
    "SIGHUP": ("its terminal was closed", "start snakemake where that does no harm: in tmux or screen, or by nohup"),
    "SIGXCPU": ("its limit of processor time was reached", "raise the limit (`ulimit -t`)"),
    "SIGXFSZ": ("its limit of a file's size was reached", "raise the limit (`ulimit -f`)"),
}
OTHER = ("something outside of it sent that signal", "")


def words(status: int, command: Sequence[str]) -> str | None:
    """Say how `command`, python's arguments, ended, by the `status` that a shell saw; None if no signal ended it."""
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        return None
    meaning, again = MEANINGS.get(name, OTHER)
    text = f"error: {step(command)} ended by {name} (signal {status - 128}, exit status {status}): {meaning}. "
    text += "Run snakemake again: what is finished stays, and a training goes on from its last checkpoint."
    return f"{text} If it ends like this again, {again}." if again else text


def step(command: Sequence[str]) -> str:
    """Return the step's name in python's arguments: the module, and the next word if it is no option."""
    for place, argument in enumerate(command):
        module = command[place + 1 : place + 2]
        # of a step in several processes, not the module that starts them
        if argument == "-m" and module != ["nas_steps.training.launch"]:
            return " ".join([*module, *(word for word in command[place + 2 : place + 3] if not word.startswith("-"))])
    return f"python {' '.join(command)}".strip()


if __name__ == "__main__":
    said = words(int(sys.argv[1]), sys.argv[2:])
    if said is not None:
        print(said)
