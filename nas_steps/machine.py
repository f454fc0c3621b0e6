"""The machine that a workflow is read on, and what its jobs inherit from it. Imports no torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE

#: tells a cluster's jobs what their submitter asked for
ASKED = "NAS_STEPS_GPUS_ASKED"


def let_jobs_find_the_package(home: Path) -> None:
    """Make `python -m nas_steps...` in the commands of jobs run this Python and this package.

    `home` is the folder of the Snakefile; in a checkout the package lies there. Jobs inherit what is set here, and a
    cluster's jobs set it again, as each reads the Snakefile anew. Raises UserError where they would still run another
    nas_steps than this one.
    """
    beside = home / PACKAGE.name
    if beside.is_dir() and beside.resolve() != PACKAGE:
        raise UserError(
            f"{home} and {PACKAGE.parent} both bring a package nas_steps, and one workflow can use one alone; "
            "take all modules from the same checkout"
        )
    # `python -m` looks in the working directory first
    nearer = Path.cwd() / PACKAGE.name
    if nearer.is_dir() and nearer.resolve() != PACKAGE:
        raise UserError(
            f"the working directory {Path.cwd()} holds another nas_steps than the Snakefile's ({PACKAGE}), and jobs "
            "would run that one; name another --directory, or the Snakefile that lies there"
        )
    if beside.is_dir():
        _put_first("PYTHONPATH", str(home))
    # also where Snakemake was called by its full path and no environment is activated
    python = shutil.which("python")
    folder = Path(sys.executable).parent
    if python is None or Path(python).parent != folder:
        _put_first("PATH", str(folder))


def _put_first(variable: str, folder: str) -> None:
    folders = [name for name in os.environ.get(variable, "").split(os.pathsep) if name and name != folder]
    os.environ[variable] = os.pathsep.join([folder, *folders])


def gpus_of_a_job(device: str, cluster: bool, submitted: bool = False) -> int:
    """How many GPUs (0 or 1) a training job asks for, by the config's `device`.

    `auto` asks for one where this machine has one. The login node of a cluster has none whatever its nodes have:
    there `auto` asks always, and `device: cpu` is for a cluster without GPUs. A `submitted` job, which reads the
    workflow anew on its node, repeats what it was submitted with.
    """
    if submitted and ASKED in os.environ:
        return int(os.environ[ASKED])
    count = (1 if cluster else min(1, count_gpus())) if device == "auto" else int(device == "cuda")
    os.environ[ASKED] = str(count)
    return count


def count_gpus() -> int:
    """How many CUDA GPUs this machine offers, asked without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return 0
    return len(listed.stdout.splitlines()) if listed.returncode == 0 else 0
