"""The compiled kernels compute what torch's operators do; without a compiler there are none, and nothing fails."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nas_steps.models.cells.kernels import library, separable
from nas_steps.models.cells.stacked import Block, Dilated, Separable, Sources
from nas_steps.models.share import Share, sharing
from nas_steps.provenance import fingerprint

compiled = pytest.mark.skipif(not library.available(), reason="no compiler, or no processor that the kernels are for")
CLOSE = 1e-9
OPERATIONS = {"sep": Separable, "dil": Dilated}
#: two nodes that read two states, and one of the nodes alone
BLOCKS = {"all": Block((0, 1), (0, 1), None, None), "some": Block((1,), (0, 1), (2, 3), (2, 3))}


def computed(
    module: Separable | Dilated, states: list[Tensor], block: Block, *, threads: int = 1, weights: bool = True
) -> list[Tensor]:
    """Return output, gradients of states, scales and weights, and running statistics of a pass and its backward."""
    torch.set_num_threads(threads)
    for name, parameter in module.named_parameters():
        parameter.grad = None
        parameter.requires_grad_(weights)
        assert parameter.is_contiguous(), name
    for norm in (one for one in module.modules() if hasattr(one, "running_mean")):
        norm.running_mean.zero_(), norm.running_var.fill_(1)
    states = [state.clone(memory_format=torch.channels_last).requires_grad_() for state in states]
    edges = len(block.nodes) * len(block.positions)
    scale = torch.linspace(0.5, -1.5, edges, dtype=states[0].dtype).requires_grad_()
    rows = None if block.rows is None else torch.tensor(block.rows)
    output = module(Sources(states), block, scale, rows)
    generator = torch.Generator().manual_seed(7)
    slope = torch.randn(output.shape, generator=generator, dtype=torch.float64).to(output.dtype)
    (output * slope).sum().backward()
    torch.set_num_threads(1)
    found = [output.detach(), *(state.grad for state in states), scale.grad]
    if weights:
        found += [parameter.grad for parameter in module.parameters()]
    assert all(one is not None for one in found)
    return [*found, *module.buffers()]  # type: ignore[list-item]


def made(
    operation: str, channels: int, stride: int, kernel: int, dtype: torch.dtype = torch.float64
) -> Separable | Dilated:
    torch.manual_seed(3)
    return OPERATIONS[operation](4, channels, stride, kernel).to(dtype)


def images(
    channels: int, height: int, width: int, *, count: int = 3, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Return the states that two nodes read."""
    generator = torch.Generator().manual_seed(5)
    shape = (count, channels, height, width)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2)]


def apart(mine: Tensor, theirs: Tensor) -> float:
    return ((mine - theirs).abs().max() / theirs.abs().max().clamp_min(1)).item()


@compiled
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [1, 3, 4, 8, 10, 16])
def test_outputs_gradients_and_statistics_are_those_of_torch(
    operation: str, kernel: int, stride: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = made(operation, channels, stride, kernel)
    calls: list[int] = []
    call = separable.separable

    def counted(*given: Any, **how: Any) -> Any:
        calls.append(1)
        return call(*given, **how)

    monkeypatch.setattr("nas_steps.models.cells.stacked.separable", counted)
    for block in BLOCKS.values():
        # more images than there are pieces, rows longer and shorter than the loops take at once
        for height, width, count in ((6, 13, 3), (3, 2, 18)):
            states = images(channels, height, width, count=count)
            mine = computed(module, states, block)
            with monkeypatch.context() as without:
                without.setattr(library, "available", lambda: False)
                theirs = computed(module, states, block)
            assert len(mine) == len(theirs)
            assert max(apart(one, other) for one, other in zip(mine, theirs, strict=True)) < CLOSE
    assert len(calls) == 4


@compiled
@pytest.mark.parametrize("operation", OPERATIONS)
def test_single_precision_is_as_exact_as_torch(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states = images(8, 8, 8, count=8)
    exact = computed(made(operation, 8, 1, 5), states, BLOCKS["all"])
    single = [state.float() for state in states]
    errors = []
    for there in (True, False):
        monkeypatch.setattr(library, "available", lambda there=there: there)
        found = computed(made(operation, 8, 1, 5, torch.float32), single, BLOCKS["all"])
        errors.append([apart(one.double(), other) for one, other in zip(found, exact, strict=True)])
    assert errors[0][0] < 1e-5
    assert sum(errors[0]) < 2 * sum(errors[1]) + 1e-5


@compiled
@pytest.mark.parametrize("operation", OPERATIONS)
def test_results_are_the_same_bits_in_each_run_and_with_any_threads(operation: str) -> None:
    module, states = made(operation, 8, 1, 3, torch.float32), images(8, 9, 9, count=21, dtype=torch.float32)
    first = computed(module, states, BLOCKS["all"])
    first = [one.clone() for one in first]
    for threads in (1, 2, 3):
        again = computed(module, states, BLOCKS["all"], threads=threads)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    frozen = computed(module, states, BLOCKS["all"], weights=False)
    # output and the gradients of the states and scales do not depend on what else is wanted
    assert all(torch.equal(one, other) for one, other in zip(first[:4], frozen[:4], strict=True))


@compiled
def test_what_the_kernels_do_not_serve_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def never(*_: object, **__: object) -> None:
        asked.append("kernel")
        raise AssertionError

    monkeypatch.setattr("nas_steps.models.cells.stacked.separable", never)
    block, scale = BLOCKS["all"], torch.ones(4, dtype=torch.float64)
    states = [one.contiguous(memory_format=torch.channels_last) for one in images(4, 6, 6)]

    def run(module: Separable | Dilated, dtype: torch.dtype = torch.float64) -> None:
        module.to(dtype)(Sources([one.to(dtype) for one in states]), block, scale.to(dtype), None)

    with pytest.raises(AssertionError):
        run(made("sep", 4, 1, 3))
    asked.clear()
    run(made("sep", 4, 1, 3).eval())
    run(made("sep", 4, 1, 7))
    run(made("dil", 4, 1, 3), torch.bfloat16)
    with torch.no_grad():
        run(made("dil", 4, 1, 3))
    module = made("sep", 4, 1, 3)
    module.last.twice_differentiable = True
    run(module)
    with sharing(Share(0, (len(states[0]), 1), lambda total: total)):
        run(made("sep", 4, 1, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        run(made("dil", 4, 1, 3, torch.float32), torch.float32)
    assert not asked


# --------------------------------------------------------------------------------------------------- compiling

#: a compiler that writes down that it was called and copies what was compiled before, unless it fails or waits for `go`
FAKE = """#!/bin/sh
echo "$@" >> {folder}/log
case " $* " in *" -c "*)
  [ "{how}" = waits ] && until [ -e {folder}/go ]; do sleep 0.1; done
  [ "{how}" = fails ] && echo wrong >&2 && exit 1
esac
while [ $# -gt 1 ]; do [ "$1" = -o ] && cp {compiled} "$2"; shift; done
exit 0
"""
LOAD = "from nas_steps.models.cells.kernels import library; library.available()"


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """The environment of a process with an empty cache and a compiler of ours; `log` in it names its calls."""
    if shutil.which("ninja") is None or not library.available():
        pytest.skip("no compiler")
    compiled = next(library.cache().glob(f"{library._key()}/*.so"))
    for how in ("works", "fails", "waits"):
        script = tmp_path / how
        script.write_text(FAKE.format(folder=tmp_path, how=how, compiled=compiled), encoding="utf-8")
        script.chmod(0o755)
    return {**os.environ, "NAS_STEPS_CACHE": str(tmp_path / "cache"), "CXX": str(tmp_path / "works")}


def started(environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LOAD]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload]


def compilations(folder: Path) -> int:
    return sum(" -c " in line for line in (folder / "log").read_text(encoding="utf-8").splitlines())


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache" / library._key()).iterdir())


def test_of_processes_that_start_at_once_one_compiles(fake: dict[str, str], tmp_path: Path) -> None:
    processes = [started({**fake, "CXX": str(tmp_path / "waits")}) for _ in range(3)]
    said = {process.stdout.fileno(): "" for process in processes if process.stdout is not None}

    def waiting() -> int:
        return sum("waiting for another process" in text for text in said.values())

    while waiting() < 2 and not ((tmp_path / "log").exists() and compilations(tmp_path) > 1):
        for stream in select.select(list(said), [], [], 0.1)[0]:
            said[stream] += os.read(stream, 4096).decode()
    (tmp_path / "go").touch()
    rest = [process.communicate()[0] for process in processes]
    assert waiting() == 2
    assert all("compiled kernels (" in text and "plain" not in text for text in rest), rest
    assert compilations(tmp_path) == 1
    assert kept(tmp_path) == ["lock", "separable.so"]
    assert "compiled kernels (" in started(fake).communicate()[0]
    assert compilations(tmp_path) == 1


def test_another_process_compiles_after_one_was_killed(fake: dict[str, str], tmp_path: Path) -> None:
    first = started({**fake, "CXX": str(tmp_path / "waits")})
    while not (tmp_path / "log").exists() or not compilations(tmp_path):
        assert first.poll() is None
    second = started(fake)
    assert first.stdout is not None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    (tmp_path / "go").touch()  # its compiler lives in a group of its own
    assert "compiled kernels (" in second.communicate()[0]
    assert compilations(tmp_path) == 2
    assert kept(tmp_path) == ["lock", "separable.so"]


def test_a_compiler_that_fails_is_asked_once(fake: dict[str, str], tmp_path: Path) -> None:
    broken = {**fake, "CXX": str(tmp_path / "fails")}
    for _ in range(2):
        process = started(broken)
        said = process.communicate()[0]
        assert process.returncode == 0
        assert "plain torch, no compiled kernels (they did not compile, see " in said
    assert compilations(tmp_path) == 1
    assert "wrong" in next((tmp_path / "cache").glob("*/failed.txt")).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"CXX": "no-such-compiler"}, "no-such-compiler not found"),
        ({"NAS_STEPS_KERNELS": "0"}, "NAS_STEPS_KERNELS=0"),
        ({"NAS_STEPS_CACHE": "/proc/nas-steps"}, "/proc/nas-steps"),
        ({"ATEN_CPU_CAPABILITY": "default"}, "this processor has DEFAULT"),
    ],
)
def test_without_a_compiler_a_cache_or_the_wish_torch_computes(
    change: dict[str, str], reason: str, fake: dict[str, str]
) -> None:
    process = started({**fake, **change})
    said = process.communicate()[0]
    assert process.returncode == 0
    assert "plain torch, no compiled kernels (" in said
    assert reason in said


def test_the_kernels_source_is_part_of_the_code_of_a_search_and_of_no_other_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "nas_steps.models.cells.kernels"
    assert name in fingerprint.module_hashes("nas_steps.search.steps.darts")
    assert name not in fingerprint.module_hashes("nas_steps.training.final")
    package = tmp_path / "nas_steps"
    shutil.copytree(library.SOURCE.parent, package / "models/cells/kernels")
    monkeypatch.setattr(fingerprint, "PACKAGE", package)
    before = fingerprint._parsed.__wrapped__(name).hash
    with (package / "models/cells/kernels" / library.SOURCE.name).open("a", encoding="utf-8") as file:
        file.write("// edited\n")
    assert fingerprint._parsed.__wrapped__(name).hash != before


def test_the_code_that_trains_is_named_for_the_spaces_that_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas_steps.spaces.cells.presets import PRESETS

    cpu = torch.device("cpu")
    for there, code in ((True, "compiled"), (False, "plain")):
        monkeypatch.setattr(library, "available", lambda there=there: there)
        assert library.code_for(PRESETS["darts"], cpu) == code
    assert not library.code_for(PRESETS["nasbench201"], cpu)
    assert not library.code_for(PRESETS["darts"], torch.device("meta"))
    assert separable.KERNELS == (3, 5)
