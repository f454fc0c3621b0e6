"""Compile the kernels once per machine and load them; without a compiler, torch's own operators compute the same.

Compiled code is kept in `$NAS_STEPS_CACHE`, else `~/.cache/nas-steps`. `NAS_STEPS_KERNELS=0` turns the kernels off."""

import functools
import hashlib
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

import torch

from nas_steps.provenance.files import atomic, write_text
from nas_steps.provenance.locks import hold
from nas_steps.spaces.cells.space import CellSpace

SOURCE = Path(__file__).with_name("separable.cpp")
#: torch's name of the processor's vector instructions -> the compiler's flags
FLAGS = {
    "AVX2": ["-mavx2", "-mfma"],
    "AVX512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
}
#: the symbols of OpenMP come from the library that torch has loaded, so that both share their threads
COMMON = ["-O3", "-fopenmp"]
NAME = "separable"
#: how the names of the operations begin that the kernels compute
SERVED = ("sep_conv_3", "sep_conv_5", "dil_conv_")


class NoKernelsError(Exception):
    """The reason why there are no kernels."""


@functools.cache
def available() -> bool:
    """Return whether the kernels are loaded. The first call decides for the process, prints which path it takes, and
    may compile, which takes half a minute."""
    try:
        load(cache())
    except NoKernelsError as error:
        print(f"supernet: plain torch, no compiled kernels ({error})", flush=True)
        return False
    print(f"supernet: compiled kernels ({capability()})", flush=True)
    return True


def code_for(space: object, device: torch.device) -> str:
    """Return which code trains a supernet of `space`, `compiled` or `plain`; empty if there are no kernels for it."""
    names = space.operations if isinstance(space, CellSpace) else ()
    if device.type != "cpu" or not any(name.startswith(SERVED) for name in names):
        return ""
    return "compiled" if available() else "plain"


def cache() -> Path:
    """Return the folder that keeps compiled code. Raises NoKernelsError if there is no home."""
    try:
        return Path(os.environ.get("NAS_STEPS_CACHE") or Path("~/.cache/nas-steps").expanduser())
    except RuntimeError as error:
        raise NoKernelsError(str(error)) from error


def capability() -> str:
    """Return torch's name of the processor's vector instructions."""
    return torch.backends.cpu.get_cpu_capability()


def load(folder: Path) -> None:
    """Load the kernels, compiled in `folder` if they are not there yet. Raises NoKernelsError."""
    if os.environ.get("NAS_STEPS_KERNELS") == "0":
        raise NoKernelsError("NAS_STEPS_KERNELS=0")
    if capability() not in FLAGS:
        raise NoKernelsError(f"they are for {' and '.join(FLAGS)}, this processor has {capability()}")
    try:
        library = _library(folder / _key())
        # the process that compiles has loaded them already, and a second time would end it
        if not hasattr(torch.ops.nas_steps_separable, "forward"):
            torch.ops.load_library(str(library))
    except OSError as error:
        raise NoKernelsError(str(error)) from error


def _key() -> str:
    """Name what the compiled code depends on."""
    flags = [*COMMON, *FLAGS[capability()]]
    parts = [SOURCE.read_text(encoding="utf-8"), torch.__version__, platform.machine(), *flags]
    return f"{NAME}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:16]}"


def _library(folder: Path) -> Path:
    """Return the compiled library in `folder`; one process compiles, others wait. Raises NoKernelsError, OSError."""
    library, failed = folder / f"{NAME}.so", folder / "failed.txt"
    if not library.exists():
        missing = [tool for tool in (os.environ.get("CXX", "c++"), "ninja") if shutil.which(tool) is None]
        if missing:
            raise NoKernelsError(f"{' and '.join(missing)} not found")
        folder.mkdir(parents=True, exist_ok=True)
        waiting = False
        while (held := hold(folder / "lock")) is None:
            if not waiting:
                print(f"supernet: waiting for another process that compiles the kernels in {folder}", flush=True)
                waiting = True
            time.sleep(0.5)
        with held:
            # another process may have been faster
            if not library.exists() and not failed.exists():
                _compile(library, failed)
    if not library.exists():
        raise NoKernelsError(f"they did not compile, see {failed}; delete it to try again")
    return library


def _compile(library: Path, failed: Path) -> None:
    """Make the library, or write into `failed` why it does not compile. The caller holds the lock."""
    for left in library.parent.glob("build-*"):  # of a process killed while it compiled
        shutil.rmtree(left)
    flags = [*COMMON, *FLAGS[capability()]]
    with tempfile.TemporaryDirectory(dir=library.parent, prefix="build-") as build:
        try:
            # slow, and of no use once the library is there; it needs setuptools
            from torch.utils import cpp_extension

            cpp_extension.load(
                NAME, [str(SOURCE)], extra_cflags=flags, build_directory=build, is_python_module=False, with_cuda=False
            )
        except (ImportError, RuntimeError, OSError) as error:
            write_text(failed, f"{error}\n")
            return
        with atomic(library) as temporary:
            shutil.copyfile(Path(build) / f"{NAME}.so", temporary)
