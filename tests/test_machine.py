"""How many GPUs torch would see, told without torch; what jobs inherit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE
from nas_steps.workflow import machine
from nas_steps.workflow.machine import count_gpus, count_visible, let_jobs_find_the_package

UUIDS = ["GPU-8932f937-d72c", "GPU-8932f937-aaaa", "GPU-f0000000-0001"]
PARTS = ["MIG-c6d4f1ef-42e4", "MIG-cdf1f1ef-42e4"]
VISIBLE = {
    "0": 1,
    "0,2": 2,
    "2,1,0": 3,
    " 1 , 2 ": 2,
    "1gpu2,2ampere": 2,
    "+1": 1,
    "3": 0,
    "7": 0,
    "0,7,1": 1,
    "0,-1,1": 1,
    "-1": 0,
    "": 0,
    ",0": 0,
    "0,": 1,
    "0,0": 0,
    "1,0,1": 0,
    "none": 0,
    "NoDevFiles": 0,
    "void": 0,
    "0,none": 1,
    "GPU-8932f937-d72c": 1,
    "GPU-f": 1,
    "GPU-8932f937": 0,  # of two
    "GPU-8932f937-d,GPU-f": 2,
    "GPU-f,GPU-f": 0,
    "GPU-f,GPU-f0": 0,  # the same one
    "GPU-f,0": 1,
    "GPU-stale": 0,
    "GPU-f,GPU-stale,GPU-8932f937-d": 1,
}


def of_torch(monkeypatch: pytest.MonkeyPatch) -> int:
    """What torch would count of these GPUs, by its own reading of the variable."""
    monkeypatch.setattr(torch.cuda, "_raw_device_uuid_nvml", lambda: UUIDS)
    monkeypatch.setattr(torch.cuda, "_raw_device_count_nvml", lambda: len(UUIDS))
    return torch.cuda._device_count_nvml()


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_listed", lambda: (UUIDS, PARTS))
    monkeypatch.setattr(machine, "_torch_is_for_cuda", lambda: True)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(("visible", "count"), VISIBLE.items())
def test_the_variable_is_read_as_torch_reads_it(visible: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == count
    assert of_torch(monkeypatch) == count


@pytest.mark.usefixtures("listed")
def test_without_the_variable_all_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert count_gpus() == 3 == of_torch(monkeypatch)


@pytest.mark.parametrize(
    ("visible", "count"), [("MIG-c6", 1), ("MIG-c6,MIG-cd", 1), ("MIG-c", 0), ("MIG-x", 0), ("MIG-c6,MIG-c6", 0)]
)
def test_a_process_sees_one_part_of_a_gpu(visible: str, count: int) -> None:
    assert count_visible(visible, UUIDS, PARTS) == count


SMI = """#!/bin/sh
echo 'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-8932f937-d72c)'
echo '  MIG 1g.5gb      Device  0: (UUID: MIG-c6d4f1ef-42e4)'
echo '  MIG 1g.5gb      Device  1: (UUID: MIG-cdf1f1ef-42e4)'
echo 'GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-f0000000-0001)'
"""


def test_nvidia_smi_lists_gpus_and_their_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert machine._listed() == (["GPU-8932f937-d72c", "GPU-f0000000-0001"], PARTS)
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert machine._listed() == ([], [])


def test_without_nvidia_smi_the_driver_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine._listed(tmp_path / "nowhere") == ([], [])
    for number in (0, 1):
        place = tmp_path / f"0000:0{number}:00.0"
        place.mkdir()
        text = f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 1\nGPU UUID: \t GPU-{number}\nDevice Minor: \t {number}\n"
        (place / "information").write_text(text)
    assert machine._listed(tmp_path) == (["GPU-0", "GPU-1"], [])


@pytest.mark.parametrize(
    ("version", "seen"),
    [("cuda: Optional[str] = '13.0'", True), ("cuda = '12.4'", True), ("cuda: Optional[str] = None", False)],
)
def test_a_torch_without_cuda_sees_no_gpu(
    version: str, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_listed", lambda: (UUIDS, PARTS))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('it is not to be loaded')")
    (tmp_path / "torch" / "version.py").write_text(f"debug = False\n{version}\nhip: Optional[str] = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    assert count_gpus() == (3 if seen else 0)


#: loads torch once and asks it in a new child for each value, since it remembers its answer
ASKED = """
import os, sys, torch
from nas_steps.workflow.machine import count_gpus

for visible in (None, "", "0", "none", "0,0"):
    if not os.fork():
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        if visible is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible
        print(count_gpus(), torch.cuda.device_count(), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def test_here_it_is_as_torch_says() -> None:
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)
    answers = [line.split() for line in done.stdout.splitlines()]
    assert len(answers) == 5
    assert all(ours == torchs for ours, torchs in answers)


# ------------------------------------------------------------------------------------------------ what jobs inherit


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.delenv("PYTHONSAFEPATH")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("environment")
def test_jobs_find_the_package_and_nothing_beside_it(tmp_path: Path) -> None:
    let_jobs_find_the_package(PACKAGE.parent)
    first = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])
    assert [path.name for path in first.iterdir()] == ["nas_steps"]
    assert (first / "nas_steps").resolve() == PACKAGE
    assert os.environ["PYTHONSAFEPATH"] == "1"
    (tmp_path / "nas_steps.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong one')")
    code = ["-m", "nas_steps.data", "--help"]
    subprocess.run([sys.executable, *code], check=True, capture_output=True)


@pytest.mark.usefixtures("environment")
def test_where_no_link_can_be_made_jobs_look_beside_the_package(tmp_path: Path) -> None:
    (tmp_path / ".snakemake").touch()
    let_jobs_find_the_package(PACKAGE.parent)
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == str(PACKAGE.parent)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("name", ["nas_steps", "nas_steps.py"])
def test_as_a_module_another_package_in_the_working_directory_is_refused(name: str, tmp_path: Path) -> None:
    let_jobs_find_the_package(PACKAGE.parent, alone=False)
    assert "PYTHONSAFEPATH" not in os.environ  # the other workflow's jobs may need what lies there
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="holds another nas_steps than"):
        let_jobs_find_the_package(PACKAGE.parent, alone=False)
    os.environ["PYTHONSAFEPATH"] = "1"
    let_jobs_find_the_package(PACKAGE.parent, alone=False)


def test_a_command_that_is_pasted_takes_pythons_own_modules(tmp_path: Path) -> None:
    for name in ("random", "copy", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "nas_steps.why", "--help"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage: python -m nas_steps.why" in done.stdout
