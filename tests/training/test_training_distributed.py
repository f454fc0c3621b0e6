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
import tiny_text
from safetensors.numpy import load_file
from tiny_text import ATTENTION
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


def test_a_language_model_is_the_same_from_two_processes(tmp_path: Path) -> None:
    """They share the contexts of each step, and the windows that are scored."""
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        write_csv(folder / "winners.csv", [{"entry": "mine-0", "architecture": ATTENTION}], ("entry", "architecture"))
        changes: dict[str, Any] = {"retrain__recipe__batch_size": 5, "retrain__processes": processes}
        where = ["--settings", tiny_text.settings(**changes)["retrain"], "--data", tiny_text.prepared()]
        what = ["--entry", "mine-0", "--kind", "searched", "--winners", folder / "winners.csv", "--seed", 0]
        ran(command("nas_steps.retraining retrain", processes, *where, *what, "--output", folder))
        found.append((read_json(folder / "metrics.json"), load_file(folder / "predictions.safetensors")))
    (one, first), (two, second) = found
    for key in ("train_loss", "valid_metric", "test_metric", "test_accuracy"):
        assert two[key] == pytest.approx(one[key], rel=1e-3)
    assert two["flops"] == one["flops"]
    assert second["test_bytes"].tolist() == first["test_bytes"].tolist()
    np.testing.assert_allclose(second["test_nats"], first["test_nats"], rtol=1e-3)


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


MASKS = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
import torch.distributed as dist
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network, filled
from nas_steps.config.strategies import Darts
from nas_steps.data.batches import DeviceImages
from nas_steps.models.build import build
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.shared_norm import _Shared
from nas_steps.search.darts.learner import accuracy, learner_of
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.training import gradients, loop
from nas_steps.training.batch_norms import SynchronisedBatchNorm2d, synchronise
from nas_steps.training.distributed import joined, world
from nas_steps.training.supervised import SupervisedLearner
from tiny_world import CONVOLUTION, tiny_config

torch.set_num_threads(1)
config = tiny_config()
NOISY = CELLS["s3"].replace(operations=("sep_conv_3x3", "skip_connect", "noise"))
MIXED = {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1, "drop_path": 0.4, "ema": 0.9, "gradient_clip": 1.0}
COUNTS = (17, 8, 3, 17)
MOBILE = str(PRESETS["mobile_small"].largest())


def drawn(count, side):
    torch.manual_seed(count)
    return torch.randn(count, 1, side, side).double(), torch.randint(3, (count,))


def supervised(name, side):
    torch.manual_seed(0)
    network, auxiliary = config.retrain.network, name == CONVOLUTION
    model = build(name, network, inputs=1, classes=3, side=side, auxiliary=auxiliary).double()
    synchronise(model)
    recipe = Recipe(epochs=2, warmup_epochs=0, learning_rate=0.05, auxiliary_weight=0.4 * auxiliary, **MIXED)
    learner = SupervisedLearner(model, recipe, 4, seed=5)
    batches = [drawn(count, side) for count in COUNTS]
    torch.manual_seed(1)
    sums = [one for images, labels in batches for one in learner(images, labels, 0.5)]
    return [*sums, *model.state_dict().values(), *learner.average.state_dict().values(), torch.rand(3)]


def searched():
    torch.manual_seed(0)
    network = Supernet(NOISY, Network(channels=4, cells=3, stem_multiplier=1), inputs=1, classes=3).double()
    synchronise(network)
    learner = learner_of("darts")(network, Darts(drop_path=0.4, learning_rate=0.02))
    batches = [drawn(count, 8) for count in COUNTS]
    learner.begin(1, 0, iter(batches))
    torch.manual_seed(1)
    sums = [one for images, labels in batches for one in learner(images, labels, 0.5)]
    return [*sums, *network.state_dict().values(), torch.rand(3)]


def judged():
    torch.manual_seed(0)
    network = Supernet(NOISY, Network(channels=4, cells=3, stem_multiplier=1), inputs=1, classes=3)
    loop.EVALUATION_BATCH = 5
    images = (torch.rand(17, 1, 8, 8) * 255).to(torch.uint8).numpy()
    data = DeviceImages(images, torch.randint(3, (17,)).numpy(), [0.5], [0.5], "cpu")
    torch.manual_seed(1)
    found = [accuracy(network, network.discrete(NOISY.parse(NOISED)), data, fresh=True) for _ in range(2)]
    assert found[0] != found[1]  # other noise
    return [torch.tensor(found), torch.rand(3)]


from random import Random
random = Random(0)
NOISED = next(text for text in (str(NOISY.sample(random)) for _ in range(999)) if text.count("noise") > 3)
cases = [lambda: supervised(CONVOLUTION, 8), lambda: supervised(MOBILE, 16), searched]
alone = [case() for case in cases]
scores = judged()
sent = []
real = dist.all_reduce


def counted(*given, **named):
    sent.append(named.get("async_op", False))
    return real(*given, **named)


with joined(2, torch.device("cpu")):
    for size in (1_000_000, 100):
        gradients.BUCKET = size
        for case, expected in zip(cases, alone, strict=True):
            for one, other in zip(expected, case(), strict=True):
                torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-10)
    for one, other in zip(scores, judged(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-7)
    # messages of a step: of each norm one in each direction, of the gradients one a bucket
    gradients.BUCKET = 1_000_000
    dist.all_reduce = counted
    found = build("resnet20", Network(), inputs=1, classes=3, side=8)
    synchronise(found)
    norms = sum(isinstance(module, SynchronisedBatchNorm2d) for module in found.modules())
    learner = SupervisedLearner(found, Recipe(epochs=2), 4)
    learner(*(one.float() if one.is_floating_point() else one for one in drawn(8, 8)), 0.5)
    assert norms > 15
    assert sent == [False] * 2 * norms + [True], (norms, sent)
    # buckets are sent while the backward pass goes on
    del sent[:]
    gradients.BUCKET = 20_000
    learner(*(one.float() if one.is_floating_point() else one for one in drawn(8, 8)), 0.5)
    assert sent.index(True) < len(sent) - 1 - sent[::-1].index(False), sent
    if world().rank == 0:
        print("exact in", len(cases), "cases")
"""


def test_masks_mixtures_and_noise_are_those_of_one_process(tmp_path: Path) -> None:
    """Four steps with drop path, dropout, mixup, CutMix, label smoothing, an auxiliary head, an average and noise.

    Also: how many messages a step sends, and that gradients are summed while the backward pass goes on."""
    assert by_two(tmp_path, MASKS).count("exact in 3 cases") == 1


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
    shares = [world.share(count) for world in worlds]
    if count < 2 * size:
        assert shares == [None] * size
        return
    own = [list(range(count))[share.rows] for share in shares if share is not None]
    assert [number for numbers in own for number in numbers] == list(range(count))
    assert [len(numbers) for numbers in own] == [share.own for share in shares if share is not None]
    assert min(map(len, own)) >= 2


def test_one_process_is_left_as_it_is() -> None:
    alone = World()
    assert alone.share(1) is None
    assert alone.largest(3, 4) == [3, 4]
