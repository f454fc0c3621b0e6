"""What a GPU needs of a search step: no wait for the device, and parts that can be recorded and replayed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_supernets import SPACE, Batch, batch, supernet
from torch import Tensor

from nas_steps.config.strategies import (
    GRADIENT,
    Darts,
    DartsSecondOrder,
    Drnas,
    EarlyStopEigenvalue,
    Gdas,
    Gradient,
    PcDarts,
    Rsws,
    SdartsAdv,
    Setn,
)
from nas_steps.search.darts.kinds import drnas, gdas
from nas_steps.search.darts.learner import DartsLearner, learner_of
from nas_steps.search.darts.perturbation import Projection
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.training import graphs
from nas_steps.training.graphs import Replays

CPU = torch.device("cpu")
#: not all edges may have all operations
SOME = CellSpace(
    "s",
    (),
    1,
    None,
    2,
    by_edge={
        "normal": (("skip_connect", "nor_conv_1x1", "max_pool_3x3"), ("nor_conv_1x1", "sep_conv_3x3")),
        "reduce": (("skip_connect", "sep_conv_3x3"), ("max_pool_3x3", "nor_conv_1x1")),
    },
)
REPLAYED = [kind for kind in GRADIENT if kind not in (Gdas, Rsws, Setn)]


def of(kind: type[Gradient], **changes: Any) -> Gradient:
    more = {PcDarts: {"parts": 2}, EarlyStopEigenvalue: {"window": 1}, SdartsAdv: {"steps": 2}}
    return kind(**{"epochs": 4, "batch_size": 6, **more.get(kind, {}), **changes})


def made(settings: Gradient, device: str = "cpu", space: CellSpace = SPACE) -> DartsLearner:
    kind = learner_of(settings.kind)
    return kind(supernet(space, k=kind.k(settings), dtype=torch.float32).to(device), settings, 3)


def some(number: int, images: int = 6, device: str = "cpu") -> Batch:
    x, labels = batch(number, images, dtype=torch.float32)
    return x.to(device), labels.to(device)


def endless(device: str = "cpu") -> Iterator[Batch]:
    number = 100
    while True:
        number += 1
        yield some(number, device=device)


class Drawn:
    """Stands for torch's draw from a Dirichlet distribution, which the device `meta` does not have."""

    @staticmethod
    def apply(concentration: Tensor, _generator: torch.Generator) -> Tensor:
        return concentration / concentration.sum()


# ------------------------------------------------------------------------------------------------- waits


@pytest.mark.parametrize("space", [SPACE, SOME], ids=["small", "some"])
@pytest.mark.parametrize("kind", GRADIENT)
def test_a_step_does_not_wait_for_the_device(
    kind: type[Gradient], space: CellSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the device `meta` nothing can be read: `item`, `nonzero`, masks as indices and copies to the CPU raise."""
    made_there, waits = torch.Generator, 0

    def told(hards: dict[str, Tensor]) -> dict[str, Any]:
        nonlocal waits
        waits += 1
        return {name: F.one_hot(torch.zeros(len(one), dtype=torch.int64), one.shape[1]) for name, one in hards.items()}

    monkeypatch.setattr(torch, "Generator", lambda *_: made_there())
    monkeypatch.setattr(drnas, "_Sample", Drawn)
    monkeypatch.setattr(gdas, "computed", told)
    learner = made(of(kind, warmup_epochs=1) if kind is not Rsws else of(kind), "meta", space)
    for epoch in (1, 2):
        learner.begin(epoch, 0, endless("meta"))
        loss, hits = learner(*some(1, device="meta"), 0.5)
        assert loss.device.type == hits.device.type == "meta"
    # what GDAS computes next depends on what it drew: it waits once for each draw, one in the first epoch, then two
    assert waits == (3 if kind is Gdas else 0)


def test_the_device_meta_finds_waits() -> None:
    x = torch.ones(3, device="meta")
    for wait in (x.sum().item, x.nonzero, x.cpu, x.tolist, lambda: x[x > 0], lambda: bool(x.sum() > 0)):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait()


def test_the_draws_of_all_kinds_of_cells_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hards = {"normal": torch.eye(3)[:2], "reduce": torch.eye(3)[1:]}
    wanted = {name: (one > 0).tolist() for name, one in hards.items()}
    reads, read = [], Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", lambda one: reads.append(one) or read(one))
    assert gdas.computed(hards) == wanted
    assert len(reads) == 1


def test_the_host_knows_what_is_allowed() -> None:
    net = supernet()
    kept = torch.tensor([[False, True, False, True, False]] * len(net.space.edges()))
    kind = net.space.kinds[0]
    assert net.places[kind] == tuple(
        tuple(place for place, may in enumerate(row) if may) for row in net.space.allowed(kind)
    )
    net.allow(kind, kept)
    assert net.places[kind] == ((1, 3),) * len(kept)


# ------------------------------------------------------------------------------------------------ replays


def learnt(learner: DartsLearner, epochs: int = 3) -> list[Tensor]:
    """The loss, hits and all weights after epochs whose last batch is smaller; the alphas learn from the second on."""
    told = []
    for epoch in range(1, epochs + 1):
        torch.manual_seed(epoch)
        learner.begin(epoch, 0, endless())
        for number in range(3):
            told += learner(*some(10 * epoch + number, 6 if number < 2 else 4), (epoch - 1 + number / 3) / epochs)
    return [*told, *(one.detach().clone() for one in learner.supernet.state_dict().values())]


@pytest.mark.parametrize("kind", REPLAYED)
def test_replayed_steps_are_the_steps(kind: type[Gradient]) -> None:
    settings = of(kind, warmup_epochs=1)
    usual, replayed = made(settings), made(settings)
    assert usual.replays is None
    assert replayed.can_replay()
    replayed.replays = Replays(CPU, replayed.generators())
    for one, other in zip(learnt(usual), learnt(replayed), strict=True):
        assert torch.equal(one, other)
    recorded = replayed.replays.parts
    assert set(recorded) == {"_alpha_step", "_weight_step"}
    # of the last epoch, in which the strength of SDARTS-ADV is another one, or of all that learn alphas
    assert {one.calls for one in recorded.values()} == {2 if kind is SdartsAdv else 4}


def test_a_part_reads_tensors_that_stay() -> None:
    seen, replays = [], Replays(CPU)

    def part(x: Tensor, more: dict[str, Tensor]) -> tuple[Tensor]:
        seen.append((x, more["y"]))
        return (x + more["y"],)

    told = [replays.run("sum", part, (torch.full((2,), float(one)), {"y": torch.ones(2)}), "same") for one in range(3)]
    assert [one[0].tolist() for one in told if one is not None] == [[1, 1], [2, 2], [3, 3]]
    assert len({(x.data_ptr(), y.data_ptr()) for x, y in seen}) == 1
    assert replays.parts["sum"].calls == 3
    kept = replays.parts["sum"]
    replays.run("sum", part, (torch.zeros(2), {"y": torch.ones(2)}), "other")
    assert replays.parts["sum"] is not kept
    for wrong in (torch.zeros(3), torch.zeros(2, dtype=torch.float64)):
        with pytest.raises(ValueError, match="was recorded as"):
            replays.run("sum", part, (wrong, {"y": torch.ones(2)}), "other")


def test_what_a_recording_keeps_begins_it_anew() -> None:
    adversarial = made(of(SdartsAdv))
    adversarial.reseed(1, 0)
    first = adversarial.kept()
    adversarial.reseed(4, 0)
    assert adversarial.kept() != first
    staged = made(Drnas(batch_size=6, stages=[{"epochs": 1}, {"epochs": 1, "operations": 2}]))
    first = staged.kept()
    staged.begin(2, 0, endless())
    assert staged.kept() != first
    # a decision of a selection by perturbation replaces tensors
    learner = made(of(Darts))
    learner.replays = Replays(CPU)
    learner.begin(1, 0, endless())
    learner(*some(1), 0.0)
    recorded = learner.replays.parts["_weight_step"]
    projection = Projection(learner.supernet, 0)
    learner.tune(projection)
    learner(*some(2), 0.0)
    after = learner.replays.parts["_weight_step"]
    assert after is not recorded
    projection.decide(0, learner.expected(), lambda _: 0.0)
    learner(*some(3), 0.0)
    assert learner.replays.parts["_weight_step"] is not after


def test_a_restored_learner_records_anew() -> None:
    learner = made(of(Darts))
    learner.replays = Replays(CPU)
    learner.begin(1, 0, endless())
    learner(*some(1), 0.0)
    assert learner.replays.parts
    learner.restore(learner.state())
    assert not learner.replays.parts


def test_steps_are_replayed_if_what_they_launch_depends_on_no_value() -> None:
    assert [kind for kind in GRADIENT if made(of(kind)).can_replay()] == REPLAYED
    assert not made(of(Darts, graphs=False)).can_replay()
    assert not made(of(Darts, drop_path=0.2)).can_replay()
    assert not made(of(DartsSecondOrder, hessian="autograd")).can_replay()
    noisy = CellSpace("s", ("none", "noise", "nor_conv_1x1"), 1, None)
    assert made(of(Darts), space=noisy).can_replay()
    assert not made(of(DartsSecondOrder), space=noisy).can_replay()


def test_a_failed_recording_is_told_and_steps_go_on_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> tuple[Tensor, ...]:
        raise graphs.RecordingError("operation not permitted when stream is capturing")

    usual, replayed = made(of(Drnas)), made(of(Drnas))
    replayed.replays = Replays(CPU, replayed.generators())
    monkeypatch.setattr(graphs.Recorded, "_run", fails)
    for one, other in zip(learnt(usual, 1), learnt(replayed, 1), strict=True):
        assert torch.equal(one, other)
    told = capsys.readouterr().out
    assert told.count("not recorded as CUDA graphs") == 1
    assert "not permitted" in told
    assert replayed.replays.off
    assert not replayed.replays.parts


def test_an_error_of_a_step_is_raised() -> None:
    """A step that failed half-way must not be done again."""

    def fails(_: Tensor) -> tuple[Tensor, ...]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Replays(CPU).run("same", fails, (torch.ones(1),), 0)


def test_precision_is_that_of_the_supernet_alone() -> None:
    settings = of(Darts, precision="bfloat16")
    learner, exact = made(settings), made(of(Darts))
    types = []
    learner.supernet.classifier.register_forward_hook(lambda _, __, output: types.append(output.dtype))
    losses = []
    for one in (learner, exact):
        one.begin(1, 0, endless())
        losses.append(one(*some(1), 0.0)[0])
    assert types == [torch.bfloat16] * 2
    torch.testing.assert_close(*losses, rtol=0.03, atol=0)
    assert losses[0] != losses[1]
    assert {one.dtype for one in (*learner.supernet.parameters(), *learner.supernet.buffers())} == {
        torch.float32,
        torch.int64,
        torch.bool,
    }
