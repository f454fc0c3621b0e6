"""What a finished search cost, against counted passes of its supernet and against counts by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from stepping import settings_of
from test_search_enas import SETTINGS as ENAS
from test_search_enas import SKELETON
from test_search_enas import images as bright
from test_search_enas import search as by_enas
from tiny_world import ROOT, prepared, tiny_config
from torch import Tensor

from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import load_split
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.count import count
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.search.budget import budget
from nas_steps.search.darts import loop
from nas_steps.search.darts.loop import darts
from nas_steps.search.enas import SHOWN
from nas_steps.search.halving import trainings
from nas_steps.search.settings import BudgetSettings, DartsSettings
from nas_steps.search.spent import cumulated, evaluated, seconds, supernet
from nas_steps.search.tables import HISTORY
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.training.devices import prepare
from nas_steps.training.networks import Images, load_images
from nas_steps.training.progress import Progress

TRAIN, VALID = 60, 25


class Passes:
    """Counts the images that go through supernets, three times if a backward pass follows; also those of them that go
    along single architectures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images = self.alone = 0
        forward = Supernet.forward

        def counting(network: Supernet, x: Tensor, *more: Any, **named: Any) -> Tensor:
            images = (3 if torch.is_grad_enabled() else 1) * len(x)
            self.images += images
            self.alone += images if more[0].active is not None else 0
            return forward(network, x, *more, **named)

        monkeypatch.setattr(Supernet, "forward", counting)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.search.budget.DRAWS", 4)


@pytest.fixture(scope="module")
def images() -> Images:
    """Fewer validation images than training images, and a last batch that is not full."""
    whole = load_images(prepared(), prepare("cpu", 1))
    split = load_split(prepared(), "valid")
    meta = whole.meta
    valid = DeviceImages(split.images[:VALID], split.labels[:VALID], meta.mean, meta.std, "cpu", whole.side)
    return Images(meta, whole.train, valid, whole.side)


def lines(history: Sequence[dict[str, Any]], folder: Path) -> list[dict[str, str]]:
    """The history as its file has it."""
    write_csv(folder / "history.csv", history, HISTORY)
    return read_csv(folder / "history.csv")


def counted(strategy: dict[str, Any]) -> dict[str, Any]:
    config = tiny_config(search__strategies={"random": {"evaluations": 3}, "mine": strategy})
    given = settings_of(config, "budget", BudgetSettings, ROOT.name)
    return budget(given, inputs=1, classes=10, side=8, images=TRAIN, valid=VALID)


KINDS: dict[str, dict[str, Any]] = {
    "darts": {"warmup_epochs": 1},
    "darts_second_order": {"warmup_epochs": 1},
    "sdarts_adv": {"steps": 2, "warmup_epochs": 1},
    "pc_darts": {"parts": 2},
    "gdas": {},
    "rsws": {"evaluations": 4},
    "setn": {"evaluations": 4, "warmup_epochs": 1},
    "fair_darts": {},
    "drnas": {},
    "sdarts_rs": {"eigenvalue": True},
    "early_stop_eigenvalue": {"window": 1, "ratio": 0.99},
    "darts_plus": {"stop_skips": 1, "stop_lead": 0, "alpha_learning_rate": 0.3, "epochs": 9},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_supernet_costs_the_passes_that_its_search_took(
    images: Images, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = {"kind": kind, "epochs": 3, "batch_size": 20, **KINDS[kind]}
    config = tiny_config(search__strategies={"random": {"evaluations": 3}, "mine": strategy})
    # what is looked at after an epoch decides on nothing, and is no cost
    monkeypatch.setattr(loop, "accuracy", lambda *_, **__: (1.0, 0.5))
    passes = Passes(monkeypatch)
    with Progress(3, "supernet") as progress:
        given = settings_of(config, "darts mine", DartsSettings, ROOT.name)
        result = darts(given, images, seed=0, progress=progress)
    monkeypatch.undo()
    if kind == "darts_plus":
        assert len(result.history) < 9
    found = counted(strategy)
    prices, candidate = found["strategies"]["mine"]["prices"], found["candidate_macs"]
    # what one pass costs: of all kinds but these the whole supernet's
    whole = {"pc_darts": prices["warmup_epoch"] / 3, "gdas": prices["warmup_epoch"] / 3, "rsws": candidate}
    one_pass = whole.get(kind, found["supernet_macs"])
    # a product with the Hessian is no pass; it costs about a step of the first batch
    products = sum(row["products"] or 0 for row in result.history)
    assert (products > 0) == (kind in ("sdarts_rs", "early_stop_eigenvalue"))
    expected = (passes.images + products * 3 * 20) / TRAIN * one_pass
    if kind == "setn":
        expected -= passes.alone / TRAIN * (one_pass - candidate)
    assert supernet(lines(result.history, tmp_path), prices) == pytest.approx(expected)
    if kind not in ("darts_plus", "early_stop_eigenvalue", "sdarts_rs"):
        assert found["strategies"]["mine"]["training_macs"] == pytest.approx(expected)


def test_a_selection_costs_the_passes_of_what_is_left(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pass is counted with the operations that it computed, after whatever decisions were taken."""
    space = PRESETS["small"].replace(nodes=2)
    network = Network(channels=4, cells=3, stem_multiplier=1)
    strategy = {"kind": "darts", "epochs": 1, "batch_size": 20, "selection": "perturbation", "selection_epochs": 1}
    config = tiny_config(
        space={"preset": "small", "nodes": 2},
        search__network=network.model_dump(),
        search__strategies={"random": {"evaluations": 3}, "mine": strategy},
    )
    monkeypatch.setattr(loop, "accuracy", lambda *_, **__: (1.0, 0.5))
    forward, spent = Supernet.forward, 0.0

    @cache
    def macs(*place: Any) -> int:
        """The size with one operation of one edge alone: (kind, edge, operation), or with none."""

        class Computing(Supernet):
            def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
                active = {
                    kind: [[may and (kind, edge, column) == place for column, may in enumerate(row)]
                           for edge, row in enumerate(rows)] for kind, rows in self.weighted().items()
                }  # fmt: skip
                return forward(self, x, Mix(self.probabilities(), active))

        return count(lambda: Computing(space, network, inputs=1, classes=10), inputs=1, side=8).macs

    def passed(active: Any) -> int:
        """Sum the operations; all edges of a kind that read a cell's inputs are alike, and so are the others."""
        total = macs()
        for kind in space.kinds:
            for edge, (_, source) in enumerate(space.edges()):
                alike = 0 if source < space.inputs else space.edges().index((1, 2))
                total += sum(
                    macs(kind, alike, column) - macs()
                    for column in range(len(space.operations))
                    if active is None or active[kind][edge][column]
                )
        return total

    def counting(net: Supernet, x: Tensor, mix: Mix, *more: Any, **named: Any) -> Tensor:
        nonlocal spent
        spent += (3 if torch.is_grad_enabled() else 1) * len(x) * passed(mix.active)
        return forward(net, x, mix, *more, **named)

    monkeypatch.setattr(Supernet, "forward", counting)
    with Progress(1, "supernet") as progress:
        result = darts(settings_of(config, "darts mine", DartsSettings, ROOT.name), images, seed=0, progress=progress)
    monkeypatch.undo()
    given = settings_of(config, "budget", BudgetSettings, ROOT.name)
    mine = budget(given, inputs=1, classes=10, side=8, images=TRAIN, valid=VALID)["strategies"]["mine"]
    # the count is the mean over what can be chosen
    assert mine["training_macs"] == pytest.approx(spent / TRAIN, rel=0.2)
    assert supernet(lines(result.history, tmp_path), mine["prices"]) == pytest.approx(mine["training_macs"])
    assert mine["prices"]["selection"] > mine["prices"]["epoch"]


def test_an_early_end_costs_less_than_what_was_counted_before() -> None:
    found = counted({"kind": "darts_plus", "epochs": 9, "batch_size": 20})["strategies"]["mine"]
    of_four = [{"status": "ok", "products": "", "drawn": ""}] * 4
    assert supernet(of_four, found["prices"]) == pytest.approx(found["training_macs"] * 4 / 9)


def test_a_supernet_that_diverged_selects_nothing() -> None:
    found = counted({"kind": "darts", "epochs": 2, "batch_size": 20, "selection": "perturbation"})
    prices = found["strategies"]["mine"]["prices"]
    history = [{"status": status, "products": "", "drawn": ""} for status in ("ok", "diverged")]
    assert supernet(history, prices) == 2 * prices["epoch"]
    history[1]["status"] = "ok"
    assert supernet(history, prices) == 2 * prices["epoch"] + prices["selection"] > 5 * prices["epoch"]


def test_enas_costs_its_rewards_and_its_last_scores_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes(monkeypatch)
    result = by_enas(PRESETS["small"])
    monkeypatch.undo()
    given = {"kind": "enas", **ENAS.model_dump(mode="json", exclude={"kind"})}
    config = tiny_config(
        space={"preset": "small"},
        search__network=SKELETON.model_dump(),
        retrain__network=SKELETON.model_dump(),
        search__strategies={"random": {"evaluations": 3}, "mine": given},
    )
    settings = settings_of(config, "budget", BudgetSettings, ROOT.name)
    train, valid, calibration = len(bright(48, 0)), len(bright(24, 1)), 24
    found = budget(settings, inputs=1, classes=3, side=8, images=train, valid=valid)
    # what is looked at: some draws after each of two epochs, and the winner with its running statistics
    looked = 2 * SHOWN * (valid + calibration) + valid
    expected = (passes.images - looked) / train * found["candidate_macs"]
    mine = found["strategies"]["mine"]
    assert supernet(lines(result.history, tmp_path), mine["prices"]) == pytest.approx(expected)
    assert mine["training_macs"] == pytest.approx(expected)


# ------------------------------------------------------------------------------------------------ evaluations

#: an epoch costs 3 passes, a score a tenth of one
PRICES = {
    **{"supernet": 0.0, "macs": 50.0, "scale": 1.0, "epoch": 3.0, "score": 0.1, "scores": 1, "each_epoch": False},
    **{"untrained": 0.0, "screened": 0.0},
}


def line(architecture: str, epochs: int = 1, macs: int = 100, number: int = 0, status: str = "ok") -> dict[str, str]:
    counts = {"epochs": str(epochs or ""), "macs": str(macs or ""), "round": str(number)}
    return {"architecture": architecture, "status": status, "seconds": "2", **counts}


def test_evaluations_cost_what_they_trained_and_scored() -> None:
    history = [line("a", 2), line("b", 4, macs=10), line("c", 1, status="diverged"), line("d", 0, 0, status="failed")]
    assert cumulated(history, PRICES) == pytest.approx([610, 610 + 121, 731 + 300, 1031])
    # trainings of a mean are scored one by one, a curve after each epoch
    assert cumulated(history[:1], {**PRICES, "scores": 2}) == pytest.approx([620])
    assert cumulated(history[:1], {**PRICES, "each_epoch": True, "scores": 1}) == pytest.approx([620])


def test_a_shared_supernet_is_paid_first_and_a_size_is_scaled_to_what_was_scored() -> None:
    prices = {**PRICES, "supernet": 1000.0, "untrained": 2.0, "scale": 0.25}
    assert cumulated([line("a", 0), line("b", 0)], prices) == pytest.approx([1050, 1100])


def test_the_screening_of_a_round_is_shared_out_and_what_is_promoted_is_not_screened_again() -> None:
    rejected = [line("x", 0, 0, status="screened"), line("y", 0, 0, status="screened")]
    history = [line("a"), line("b"), *rejected, line("a", 2, number=1), line("c", number=1)]
    history.append(line("z", 0, 0, number=1, status="screened"))
    costs = cumulated(history, {**PRICES, "score": 0.0, "screened": 10.0})
    # four are screened for two evaluations, then two for two
    assert costs == pytest.approx([320, 640, 640 + 610, 1250 + 310])
    assert len(costs) == len(evaluated(history)) == 4
    # each took two seconds; the screens 4 and 2
    assert seconds(history, before=5) == pytest.approx([5 + 4, 5 + 8, 5 + 11, 5 + 14])


def test_what_is_finished_is_counted_before_and_after() -> None:
    config = tiny_config(
        search__estimator={"kind": "extrapolation", "epochs": 20, "observe": 5, "finish": 3, "warmup_epochs": 0},
        search__strategies={"random": {"evaluations": 8, "rounds": 2}},
    )
    found = budget(settings_of(config, "budget", BudgetSettings, ROOT.name), inputs=1, classes=10, side=8, images=60)
    expected = 3 * (5 * 5 + 3 * 20) * found["candidate_macs"]
    assert found["strategies"]["random"]["training_macs"] == pytest.approx(expected)
    macs = round(found["candidate_macs"])
    history = [line(str(place), 20 if place < 3 else 5, macs=macs) for place in range(8)]
    assert cumulated(history, found["evaluation"])[-1] == pytest.approx(expected, rel=1e-3)


def test_rungs_are_counted_as_the_rounds_promote() -> None:
    # three of nine go on; one of these three does, and two are new; then eleven have no fourth to promote
    assert trainings(3, 3, [9, 3, 3, 1]) == [12, 3, 1]
    assert trainings(3, 3, [27]) == [27, 0, 0]
    assert trainings(1, 0, [4, 2]) == [6]
