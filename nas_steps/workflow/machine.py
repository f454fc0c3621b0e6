"""The machine that a workflow is read on, and what its jobs inherit from it. Imports no torch."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE, fingerprint

#: the number of GPUs that the submitter of a cluster's jobs asked for
ASKED = "NAS_STEPS_GPUS_ASKED"


def let_jobs_find_the_package(
    home: Path, alone: bool = True, state: Path = Path(".snakemake"), *, elsewhere: bool = False
) -> None:
    """Make `python -m nas_steps...` of jobs, which inherit this environment, run this Python and this package alone.

    A `random.py` in the working directory or beside the package is not imported. `home` is the folder of the Snakefile.
    If this workflow is a module of another one (not `alone`), jobs may need their working directory: Python's own rule
    stays. `elsewhere`: jobs run in an environment of their own, in which an installed package is not. Raises UserError
    if jobs would run another nas_steps.
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
    if beside.is_dir() or elsewhere:
        _put_first("PYTHONPATH", str(_only_the_package(PACKAGE, state)))
    # Snakemake may be called by its full path without an activated environment
    python = shutil.which("python")
    folder = Path(sys.executable).parent
    if python is None or Path(python).parent != folder:
        _put_first("PATH", str(folder))


def check_conda(settings: Any) -> None:
    """Raise UserError if jobs would run in a conda environment of their own, where no path leads to the package.

    `settings` are Snakemake's of how software is deployed.
    """
    methods = {str(method) for method in settings.deployment_method}
    if "conda" in methods and not settings.conda_not_block_search_path_envvars:
        raise UserError(
            "with --software-deployment-method conda, jobs find the package nas_steps by PYTHONPATH, which Snakemake "
            "takes from them; add --conda-not-block-search-path-envvars to the command, or "
            "`conda-not-block-search-path-envvars: true` to the profile"
        )


def _check_working_directory() -> None:
    """Raise UserError if `python -m`, which looks in the working directory first, finds another nas_steps there."""
    for nearer in (Path.cwd() / PACKAGE.name, Path.cwd() / f"{PACKAGE.name}.py"):
        if nearer.exists() and nearer.resolve() != PACKAGE:
            raise UserError(
                f"the working directory {Path.cwd()} holds another nas_steps than the Snakefile's ({PACKAGE}), and "
                "jobs would run that one; set PYTHONSAFEPATH=1, name another --directory, or rename it"
            )


def _only_the_package(package: Path, state: Path) -> Path:
    """Return a folder with a link to the package alone, whose neighbours hide no module; else the package's own."""
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
    """Return the GPUs (0 or 1) of a training job; `auto` asks for one on a cluster always, a `submitted` job again."""
    if submitted and ASKED in os.environ:
        return int(os.environ[ASKED])
    count = (1 if cluster else min(1, count_gpus())) if device == "auto" else int(device == "cuda")
    os.environ[ASKED] = str(count)
    return count


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_gpus() -> int:
    """Count the CUDA GPUs that torch sees on this machine, without loading torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if (visible is not None and not visible.strip()) or not _torch_is_for_cuda():
        return 0
    uuids, parts = _listed()
    return len(uuids) if visible is None else count_visible(visible, uuids, parts)


def count_visible(visible: str, uuids: Sequence[str], parts: Sequence[str]) -> int:
    """Count the GPUs that CUDA_VISIBLE_DEVICES leaves: indices, or UUIDs of GPUs or parts (MIG) by their beginnings.

    Any other word ends the list, a repeated device empties it, and a process sees one part alone.
    """
    kind = next((kind for kind in ("GPU-", "MIG-") if visible.startswith(kind)), None)
    names = parts if kind == "MIG-" else uuids
    found: list[int] = []
    for entry in visible.split(","):
        if kind is None:
            number = re.match(r"\s*\+?(\d+)", entry)
            index = int(number[1]) if number else len(names)
        else:
            matching = [i for i, name in enumerate(names) if entry.startswith(kind) and name.startswith(entry.strip())]
            index = matching[0] if len(matching) == 1 else len(names)
        if index in found:
            return 0
        if index >= len(names):
            break
        found.append(index)
    return min(1, len(found)) if kind == "MIG-" else len(found)


def _torch_is_for_cuda() -> bool:
    """Return whether the installed torch can use CUDA; true if there is none here, since jobs may have their own."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return True
    try:
        version = Path(torch.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True
    return re.search(r"^cuda\b.*= *None$", version, re.MULTILINE) is None


def _listed(driver: Path = Path("/proc/driver/nvidia/gpus")) -> tuple[list[str], list[str]]:
    """List the UUIDs of the GPUs and of their parts by nvidia-smi, or without it by the driver's files."""
    try:
        told = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        files = [file.read_text(encoding="utf-8") for file in sorted(driver.glob("*/information"))]
        return re.findall(r"^GPU UUID:\s*(\S+)", "\n".join(files), re.MULTILINE), []
    lines = told.stdout if told.returncode == 0 else ""
    gpus, parts = r"^GPU \d+:.*\(UUID: (\S+)\)", r"^\s+MIG .*\(UUID: *(\S+)\)"
    return re.findall(gpus, lines, re.MULTILINE), re.findall(parts, lines, re.MULTILINE)
