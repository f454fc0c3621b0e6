"""The machine that a workflow is read on, and what its jobs inherit from it. Imports no torch."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE, fingerprint

#: tells a cluster's jobs what their submitter asked for
ASKED = "NAS_STEPS_GPUS_ASKED"


def let_jobs_find_the_package(home: Path, alone: bool = True, state: Path = Path(".snakemake")) -> None:
    """Make `python -m nas_steps...` in the commands of jobs run this Python and this package, and nothing that lies in
    the working directory or beside the package: a `random.py` there is not Python's.

    `home` is the folder of the Snakefile; in a checkout the package lies there. Jobs inherit what is set here, and a
    cluster's jobs set it again, as each reads the Snakefile anew. The jobs of another workflow, whose module this is
    if it is not `alone`, may need their working directory: there Python's own rule stays. Raises UserError if jobs
    would then run another nas_steps than this one.
    """
    beside = home / PACKAGE.name
    if beside.is_dir() and beside.resolve() != PACKAGE:
        raise UserError(
            f"{home} and {PACKAGE.parent} both bring a package nas_steps, and one workflow can use one alone; "
            "take all modules from the same checkout"
        )
    if alone:
        os.environ["PYTHONSAFEPATH"] = "1"
    elif "PYTHONSAFEPATH" not in os.environ:
        _check_working_directory()
    if beside.is_dir():
        _put_first("PYTHONPATH", str(_only_the_package(beside, state)))
    # also where Snakemake was called by its full path and no environment is activated
    python = shutil.which("python")
    folder = Path(sys.executable).parent
    if python is None or Path(python).parent != folder:
        _put_first("PATH", str(folder))


def _check_working_directory() -> None:
    """Raise UserError if `python -m`, which looks in the working directory first, finds another nas_steps there."""
    for nearer in (Path.cwd() / PACKAGE.name, Path.cwd() / f"{PACKAGE.name}.py"):
        if nearer.exists() and nearer.resolve() != PACKAGE:
            raise UserError(
                f"the working directory {Path.cwd()} holds another nas_steps than the Snakefile's ({PACKAGE}), and "
                "jobs would run that one; set PYTHONSAFEPATH=1, name another --directory, or rename it"
            )


def _only_the_package(package: Path, state: Path) -> Path:
    """A folder in which the package lies and nothing else, below Snakemake's; its own where none can be made.

    What lies beside the package would be found before Python's own modules, and a checkout is where people work.
    """
    link = state.absolute() / f"nas-steps-{fingerprint(str(package))}" / package.name
    try:
        if not link.is_dir():
            link.parent.mkdir(parents=True, exist_ok=True)
            made = link.with_name(f"{os.getpid()}")
            made.symlink_to(package, target_is_directory=True)
            made.replace(link)
    except OSError:
        return package.parent
    return link.parent


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
    """How many CUDA GPUs torch sees on this machine, asked without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if (visible is not None and not visible.strip()) or not _torch_is_for_cuda():
        return 0
    uuids, parts = _listed()
    return len(uuids) if visible is None else count_visible(visible, uuids, parts)


def count_visible(visible: str, uuids: Sequence[str], parts: Sequence[str]) -> int:
    """How many GPUs CUDA_VISIBLE_DEVICES leaves, of those with these UUIDs and of these parts of them (MIG).

    As CUDA reads it: indices, or UUIDs by their beginnings; what is no device ends the list, one that is named twice
    empties it, and of parts a process sees one alone.
    """
    kind = next((kind for kind in ("GPU-", "MIG-") if visible.startswith(kind)), None)
    found: list[int] = []
    for entry in visible.split(","):
        if kind is None:
            number = re.match(r"\s*\+?(\d+)", entry)
            index = int(number[1]) if number else len(uuids)
        else:
            names = parts if kind == "MIG-" else uuids
            matching = [i for i, name in enumerate(names) if entry.startswith(kind) and name.startswith(entry.strip())]
            index = matching[0] if len(matching) == 1 else len(names)
        if index in found:
            return 0
        if index >= len(parts if kind == "MIG-" else uuids):
            break
        found.append(index)
    return min(1, len(found)) if kind == "MIG-" else len(found)


def _torch_is_for_cuda() -> bool:
    """Whether the torch that is installed here can use CUDA; also where there is none, and jobs have their own."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return True
    try:
        version = Path(torch.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True
    return re.search(r"^cuda\b.*= *None$", version, re.MULTILINE) is None


def _listed(driver: Path = Path("/proc/driver/nvidia/gpus")) -> tuple[list[str], list[str]]:
    """The UUIDs of the GPUs, and of their parts: by nvidia-smi, or by the driver's files if there is no such tool."""
    try:
        told = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        files = [file.read_text(encoding="utf-8") for file in sorted(driver.glob("*/information"))]
        return re.findall(r"^GPU UUID:\s*(\S+)", "\n".join(files), re.MULTILINE), []
    lines = told.stdout if told.returncode == 0 else ""
    return (
        re.findall(r"^GPU \d+:.*\(UUID: (\S+)\)", lines, re.MULTILINE),
        re.findall(r"^\s+MIG .*\(UUID: *(\S+)\)", lines, re.MULTILINE),
    )
