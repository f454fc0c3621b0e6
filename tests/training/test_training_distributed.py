"""Two processes that train together end with what one process ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_world import CONVOLUTION, prepared, settings

from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.training.checkpoint import checkpoint_folder
from nas_steps.training.distributed import World

#: 60 images in batches of 17, 17, 17 and 9: the shares are not of one size
RECIPE = {
    "epochs": 1,
    "batch_size": 17,
    "learning_rate": 0.02,
    "warmup_epochs": 0,
    "augment": {"flip": True, "crop": 1, "cutout": 2},
    "gradient_clip": 1.0,
    "auxiliary_weight": 0.4,
}


def command(module: str, processes: int, *arguments: object) -> list[str]:
    together = ["nas_steps.training.launch", str(processes), "-m"]
    return [sys.executable, "-m", *(together if processes > 1 else []), *module.split(), *map(str, arguments)]


def ran(line: list[str]) -> str:
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def by_two(folder: Path, script: str) -> str:
    """What two processes print that run `script`; its argument is the folder of the tests."""
    file = folder / "script.py"
    file.write_text(script, encoding="utf-8")
    line = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return ran([sys.executable, "-m", *line, str(file), str(Path(__file__).parents[1])])


def retrained(folder: Path, processes: int, recipe: dict[str, Any]) -> list[str]:
    """The command that trains into `folder`."""
    folder.mkdir()
    winners = folder / "winners.csv"
    write_csv(winners, [{"entry": "mine-0", "architecture": CONVOLUTION}], ("entry", "architecture"))
    file = settings(retrain__recipe=recipe, retrain__processes=processes)["retrain"]
    given = ["--settings", file, "--data", prepared(), "--entry", "mine-0", "--kind", "searched", "--winners", winners]
    return command("nas_steps.retraining retrain", processes, *given, "--seed", 0, "--output", folder)


def test_a_final_network_is_the_same_from_two_processes(tmp_path: Path) -> None:
    ran(retrained(tmp_path / "one", 1, RECIPE))
    told = ran(retrained(tmp_path / "two", 2, RECIPE))
    assert "process 2 of 2" in told
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    assert set(one) == set(two)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)
    first, second = (read_json(tmp_path / name / "metrics.json") for name in ("one", "two"))
    for key in ("train_loss", "valid_loss", "test_loss"):
        assert second[key] == pytest.approx(first[key], rel=1e-3)
    assert read_json(tmp_path / "two" / "cost.json")["extra"] == {"processes": 2}


@pytest.mark.parametrize("kind", ["darts", "gdas", "sdarts_adv", "early_stop_eigenvalue"])
def test_a_supernet_is_the_same_from_two_processes(tmp_path: Path, kind: str) -> None:
    """Paths and disturbances are drawn alike in all processes."""
    more = {"early_stop_eigenvalue": {"window": 1}}.get(kind, {})
    for processes in (1, 2):
        darts = {
            "kind": kind,
            **more,
            "epochs": 2,
            "batch_size": 17,
            "candidates": 3,
            "processes": processes,
            "augment": RECIPE["augment"],
        }
        file = settings(search__strategies__darts=darts)["darts darts"]
        given = ["--settings", file, "--strategy", "darts", "--seed", 0, "--data", prepared()]
        ran(command("nas_steps.search darts", processes, *given, "--output", tmp_path / str(processes)))
    one, two = (read_json(tmp_path / name / "alphas.json")[-1] for name in ("1", "2"))
    for cell in one:
        # Adam's steps are about 3e-3 whatever the gradient is, so alphas show how exact the gradients are
        np.testing.assert_allclose(two[cell], one[cell], atol={"gdas": 5e-4}.get(kind, 2e-4))
        assert np.abs(np.array(one[cell])).max() > 5e-3
    first, second = ([row["architecture"] for row in read_csv(tmp_path / n / "candidates.csv")] for n in ("1", "2"))
    assert first == second
    scores = [[float(row["discrete_accuracy"]) for row in read_csv(tmp_path / n / "history.csv")] for n in ("1", "2")]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.05)


def test_a_shared_supernet_learns_from_two_processes(tmp_path: Path) -> None:
    """The step itself: how exact the gradients are is shown below, in double precision."""
    losses = []
    for processes in (1, 2):
        supernet = {"epochs": 2, "batch_size": 17, "sampling": "uniform", "processes": processes}
        estimator = {"kind": "shared_weights", "supernet": supernet}
        file = settings(search__estimator=estimator, search__strategies={"random": {"evaluations": 2}})
        given = ["--settings", file["supernet"], "--seed", 0, "--data", prepared()]
        ran(command("nas_steps.search supernet", processes, *given, "--output", tmp_path / str(processes)))
        losses += [[float(row["train_loss"]) for row in read_csv(tmp_path / str(processes) / "history.csv")]]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("1", "2"))
    assert set(one) == set(two)
    assert read_json(tmp_path / "2" / "cost.json")["extra"] == {"processes": 2}


def test_two_processes_that_are_stopped_go_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_STEPS_CHECKPOINT_SECONDS", "0")
    recipe = {**RECIPE, "epochs": 6}
    line = retrained(tmp_path / "broken", 2, recipe)
    file = checkpoint_folder(tmp_path / "broken") / "training.checkpoint"
    for number in (signal.SIGTERM, signal.SIGKILL):
        before = file.stat().st_mtime_ns if file.exists() else 0
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while not (file.exists() and file.stat().st_mtime_ns > before):
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            if number == signal.SIGTERM:
                process.send_signal(number)
            else:
                # one of the two: its fellow cannot go on alone
                os.kill(read_json(file.with_name("owner"))["pid"], number)
            process.communicate(timeout=60)
            # the signal that ended one of them is the launcher's, too: its job says so in words
            assert process.returncode == (1 if number == signal.SIGTERM else 128 + signal.SIGKILL)
        assert file.exists()
    assert "going on with training from epoch" in ran(line)
    ran(retrained(tmp_path / "whole", 2, recipe))
    broken, whole = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("broken", "whole"))
    assert broken == whole


def test_the_wrong_number_of_processes_is_refused(tmp_path: Path) -> None:
    line = retrained(tmp_path / "two", 2, RECIPE)
    alone = [sys.executable, "-m", *line[line.index("nas_steps.retraining") :]]
    refused = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "1 processes were started, but the config says processes: 2" in refused.stderr


EXACT = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
import torch.nn.functional as F
from nas_steps.models.build import build
from nas_steps.models.cells.supernet import Supernet
from nas_steps.config.space import filled
from nas_steps.config.strategies import DartsSecondOrder
from nas_steps.search.darts.learner import learner_of
from nas_steps.spaces.declare import declared
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.distributed import joined
from nas_steps.training.micro_batches import MicroBatches
from tiny_world import CONVOLUTION, tiny_config

config = tiny_config()


def model(name):
    torch.manual_seed(0)
    if name == "supernet":
        return Supernet(declared(filled(config.space)), config.search.network, inputs=1, classes=10).double()
    return build(name, config.retrain.network, inputs=1, classes=10, side=8).double()


def learnt(found, count):
    torch.manual_seed(count)
    images, labels = torch.randn(count, 1, 8, 8).double(), torch.randint(10, (count,))

    def loss(some, their):
        logits = found(some)
        mean = F.cross_entropy(logits, their)
        return mean, mean, (logits.argmax(1) == their).sum()

    sums = MicroBatches(found).backward(list(found.parameters()), images, labels, loss)
    gradients = {name: p.grad for name, p in found.named_parameters() if p.grad is not None}
    return [*sums, *gradients.values(), *(b for _, b in found.named_buffers())]


def unrolled(found, count):
    # by finite difference, on which rounding shows in float32
    torch.manual_seed(count)
    batches = [(torch.randn(count, 1, 8, 8).double(), torch.randint(10, (count,))) for _ in range(2)]

    def loss(some, their):
        logits = found(some)
        mean = F.cross_entropy(logits, their)
        return mean, mean, (logits.argmax(1) == their).sum()

    settings = DartsSecondOrder(learning_rate=0.05, momentum=0.9, weight_decay=1e-3)
    sums = learner_of(settings.kind)(found, settings).unrolled_gradients(batches[0], batches[1], loss)
    return [*sums, *(alpha.grad for alpha in found.architecture())]


cases = [(name, count) for name in ("supernet", "resnet20", CONVOLUTION) for count in (3, 4, 17)]
alone = [learnt(model(name), count) for name, count in cases]
before = [unrolled(model("supernet"), count) for count in (3, 17)]
with joined(2, torch.device("cpu")) as world:
    for (name, count), expected in zip(cases, alone):
        found = model(name)
        synchronise(found)
        for one, other in zip(expected, learnt(found, count), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-12)
    for count, expected in zip((3, 17), before):
        found = model("supernet")
        synchronise(found)
        for one, other in zip(expected, unrolled(found, count), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-7, atol=1e-12)
    if world.rank == 0:
        print("exact in", len(cases), "cases")
"""


def test_gradients_and_statistics_are_exact_in_double_precision(tmp_path: Path) -> None:
    """Batches of 17 (shares of 9 and 8), 4 (the smallest that is shared) and 3 (learnt by both)."""
    assert by_two(tmp_path, EXACT).count("exact in 9 cases") == 1


SHARED = """
import sys
import torch
sys.path.insert(0, sys.argv[1])
from nas_steps.config.space import Network, filled
from nas_steps.config.supernet import SupernetTraining
from nas_steps.search.one_shot.networks import shared_network
from nas_steps.search.one_shot.sampling import sampling
from nas_steps.search.one_shot.training import OneShotLearner
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.distributed import joined
from tiny_world import tiny_config

MOBILE = PRESETS["mobile_small"]
CELLS = declared(filled(tiny_config().space))


def trained(space, kind, entangled):
    settings = SupernetTraining(sampling=kind, entangled=entangled, learning_rate=0.02, gradient_clip=1.0)
    torch.manual_seed(0)
    skeleton = tiny_config().search.network if space is CELLS else Network()
    network = shared_network(space, skeleton, inputs=1, classes=3, entangled=entangled).double()
    synchronise(network)
    learning = OneShotLearner(network, settings, sampling(kind, space, seed=4, between=1), 3)
    sums = []
    for count in (17, 6, 3):
        torch.manual_seed(count)
        images, labels = torch.randn(count, 1, 16, 16).double(), torch.randint(3, (count,))
        sums += learning(images, labels, 0.0)
    return [*sums, *network.state_dict().values()]


cases = [(MOBILE, "fair", False), (MOBILE, "sandwich", True), (CELLS, "uniform", False)]
alone = [trained(*case) for case in cases]
with joined(2, torch.device("cpu")) as world:
    for case, expected in zip(cases, alone):
        for one, other in zip(expected, trained(*case), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-7, atol=1e-9, check_dtype=False)
    if world.rank == 0:
        print("exact in", len(cases), "cases")
"""


def test_shared_supernets_are_exact_in_double_precision(tmp_path: Path) -> None:
    """Three steps of each sampling, of batches of 17, of 6, and of 3 (learnt by both)."""
    assert by_two(tmp_path, SHARED).count("exact in 3 cases") == 1


DIFFERENT = """
import torch
from nas_steps.training.distributed import joined
with joined(2, torch.device("cpu")) as world:
    world.assert_same({"alphas": torch.zeros(3), "rows": [1]}, "at first")
    assert world.largest(world.rank, 5 - world.rank) == [1, 5]
    assert world.from_first(b"told" if world.rank == 0 else None) == b"told"
    assert world.from_first(b"" if world.rank == 0 else None) == b""
    assert world.from_first(None) is None
    try:
        world.assert_same({"alphas": torch.full((3,), 1e-30 * world.rank)}, "then")
    except RuntimeError as error:
        print(error)
"""


def test_processes_that_no_longer_agree_are_noticed(tmp_path: Path) -> None:
    assert by_two(tmp_path, DIFFERENT).count("then: processes [1] do not have the state of process 0") == 2


@pytest.mark.parametrize("count", [4, 5, 17, 60])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_shares_are_a_partition_or_the_whole(count: int, size: int) -> None:
    worlds = [World(rank, size) for rank in range(size)]
    shares = [range(*world.share(count)) for world in worlds]
    if count < 2 * size:
        assert all(list(share) == list(range(count)) for share in shares)
        assert all(world.together for world in worlds)
    else:
        assert [number for share in shares for number in share] == list(range(count))
        assert min(map(len, shares)) >= 2
        assert not any(world.together for world in worlds)


def test_one_process_is_left_as_it_is() -> None:
    alone = World()
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([0.1, 0.2])
    assert alone.share(1) == (0, 1)
    alone.sum_gradients([parameter])
    assert torch.equal(parameter.grad, torch.tensor([0.1, 0.2]))
    assert alone.largest(3, 4) == [3, 4]
