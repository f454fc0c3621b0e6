"""Differentiable searches on tiny digits: first-order DARTS, and its whole family."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from stepping import run, settings_of
from tiny_world import ROOT, prepared, settings, tiny_config

from nas_steps.config.schema import Config
from nas_steps.config.space import filled
from nas_steps.config.strategies import GRADIENT_KINDS
from nas_steps.data.batches import DeviceImages
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.provenance.ledger import Cost
from nas_steps.search.darts import loop as module
from nas_steps.search.darts import selection
from nas_steps.search.darts.discretise import most_likely
from nas_steps.search.darts.learner import DartsLearner, accuracy, learner_of
from nas_steps.search.darts.loop import DartsResult, darts
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.declare import declared
from nas_steps.training.checkpoint import Checkpoint, Checkpoints
from nas_steps.training.devices import prepare
from nas_steps.training.networks import Images, load_images
from nas_steps.training.progress import Progress


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(prepared(), prepare("cpu", 1))


def darts_step(**changes: Any) -> DartsSettings:
    return settings_in(tiny_config(**{f"search__strategies__darts__{key}": value for key, value in changes.items()}))


def settings_in(config: Config) -> DartsSettings:
    return settings_of(config, "darts darts", DartsSettings, ROOT.name)


def searched(images: Images, seed: int = 0, checkpoint: Checkpoint | None = None, **changes: Any) -> DartsResult:
    with Progress(2, "supernet") as progress:
        return darts(darts_step(**changes), images, seed=seed, progress=progress, checkpoint=checkpoint)


def timeless(result: DartsResult) -> DartsResult:
    """All but what a clock measured."""
    history = [{key: value for key, value in row.items() if key != "seconds"} for row in result.history]
    return replace(result, history=history)


def bilevel(images: Images, **changes: Any) -> tuple[DartsLearner, list[Any], list[Any]]:
    """A learner, two validation batches that it will read, two training batches."""
    torch.manual_seed(0)
    step = darts_step(**changes)
    supernet = Supernet(declared(step.space), step.network, inputs=1, classes=10)
    learner = learner_of(step.strategy.kind)(supernet, step.strategy)
    assert images.valid is not None
    valid = list(images.valid.batches(20, shuffle=True, seed=1))[:2]
    train = list(images.train.batches(20, shuffle=True, seed=2))[:2]
    learner.begin(1, 0, iter(valid))
    return learner, valid, train


def test_two_epochs_and_the_alphas_move(images: Images) -> None:
    result = searched(images)
    assert [row["step"] for row in result.history] == [1, 2]
    assert {row["status"] for row in result.history} == {"ok"}
    assert not result.reason
    first, last = (torch.tensor(alphas["normal"]) for alphas in result.alphas)
    assert first.shape == (2, 3)
    # Adam's first steps are about 3e-3 each, the alphas start at about 1e-3
    assert (first - last).abs().max() > 1e-3
    mixes = {kind: torch.tensor(rows).softmax(-1).tolist() for kind, rows in result.alphas[-1].items()}
    expected = most_likely(declared(filled(tiny_config().space)), mixes, 3)
    assert [candidate[0] for candidate in result.candidates] == [str(architecture) for architecture, _ in expected]
    assert [candidate[1] for candidate in result.candidates] == pytest.approx([score for _, score in expected])
    assert {candidate[2] for candidate in result.candidates} == {"alpha_likelihood"}
    assert result.history[-1]["architecture"] == result.candidates[0][0]


def test_a_search_can_be_repeated_bit_by_bit(images: Images) -> None:
    first = searched(images)
    torch.manual_seed(12345)
    again = searched(images)
    assert timeless(again) == timeless(first)
    assert searched(images, seed=1).alphas != first.alphas


def test_each_half_computes_its_own_gradients_and_the_alphas_the_first_order_one(images: Images) -> None:
    step, valid, train = bilevel(images)
    twin = copy.deepcopy(step.supernet).train()
    expected = torch.autograd.grad(F.cross_entropy(twin(valid[0][0]), valid[0][1]), list(twin.alphas.values()))
    alpha_step, weight_step = step.alpha_optimizer.step, step.weight_optimizer.step
    seen: list[str] = []

    def on_alphas() -> None:
        seen.append("alphas")
        assert all(weight.grad is None and not weight.requires_grad for weight in step.weights)
        for alpha, gradient in zip(step.alphas, expected, strict=True):
            torch.testing.assert_close(alpha.grad, gradient, rtol=1e-5, atol=1e-8)
        alpha_step()

    def on_weights() -> None:
        seen.append("weights")
        assert not any(alpha.requires_grad for alpha in step.alphas)
        for alpha, gradient in zip(step.alphas, expected, strict=True):  # nothing was added by the training images
            torch.testing.assert_close(alpha.grad, gradient, rtol=1e-5, atol=1e-8)
        assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in step.weights)
        weight_step()

    step.alpha_optimizer.step, step.weight_optimizer.step = on_alphas, on_weights  # type: ignore[method-assign]
    step(*train[0], 0.0)
    assert seen == ["alphas", "weights"]


def test_the_second_alpha_step_uses_the_weights_learnt_meanwhile(images: Images) -> None:
    step, valid, train = bilevel(images)
    step(*train[0], 0.0)
    twin = copy.deepcopy(step.supernet).train()
    for parameter in twin.parameters():
        parameter.requires_grad_(True)
    expected = torch.autograd.grad(F.cross_entropy(twin(valid[1][0]), valid[1][1]), list(twin.alphas.values()))
    step(*train[1], 0.5)
    for alpha, gradient in zip(step.alphas, expected, strict=True):
        torch.testing.assert_close(alpha.grad, gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("rate", "moves"), [(1e-30, False), (0.05, True)])
def test_an_alpha_step_leaves_the_weights(images: Images, rate: float, moves: bool) -> None:
    step, _, train = bilevel(images, learning_rate=rate, learning_rate_min=0, weight_decay=0)
    weights = [weight.detach().clone() for weight in step.weights]
    alphas = [alpha.detach().clone() for alpha in step.alphas]
    step(*train[0], 0.0)
    # a bias of 0 becomes about 1e-30
    pairs = zip(weights, step.weights, strict=True)
    same = all(torch.allclose(before, after, rtol=0, atol=1e-20) for before, after in pairs)
    assert same is not moves
    assert not any(torch.equal(before, after) for before, after in zip(alphas, step.alphas, strict=True))


def test_a_weight_step_leaves_the_alphas(images: Images) -> None:
    step, _, train = bilevel(images, alpha_learning_rate=1e-30, alpha_weight_decay=0)
    alphas = [alpha.detach().clone() for alpha in step.alphas]
    step(*train[0], 0.0)
    assert all(torch.equal(before, after) for before, after in zip(alphas, step.alphas, strict=True))


def test_divergence_is_recorded_not_raised(images: Images) -> None:
    result = searched(images, learning_rate=1e38)
    assert "loss is nan" in result.reason
    assert result.history == [{"step": 1, "status": "diverged"}]
    assert (result.candidates, result.alphas) == ([], [])


def test_late_divergence_keeps_the_last_sound_epoch(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = searched(images)
    call = DartsLearner.__call__

    def late(self: DartsLearner, inputs: torch.Tensor, labels: torch.Tensor, done: float) -> Any:
        loss, correct = call(self, inputs, labels, done)
        return (loss * float("nan") if done >= 0.5 else loss), correct

    monkeypatch.setattr(DartsLearner, "__call__", late)
    result = searched(images)
    assert result.alphas == sound.alphas[:1]
    assert [row["status"] for row in result.history] == ["ok", "diverged"]
    assert result.candidates[0][0] == sound.history[0]["architecture"]


def test_the_step_writes_its_files(tmp_path: Path, data: str) -> None:
    run("darts", settings=settings()["darts darts"], strategy="darts", seed=0, data=data, output=tmp_path)
    assert len(read_json(tmp_path / "alphas.json")) == 2
    assert [row["rank"] for row in read_csv(tmp_path / "candidates.csv")] == ["1", "2", "3"]
    assert {row["estimator"] for row in read_csv(tmp_path / "candidates.csv")} == {"alpha_likelihood"}
    assert [row["step"] for row in read_csv(tmp_path / "history.csv")] == ["1", "2"]
    assert (tmp_path / "cost.json").is_file()


# ------------------------------------------------------------------------------------------------ the family

KINDS = sorted(GRADIENT_KINDS)
#: what a kind needs to be quick, or to draw and to drop all that it can
QUICK: dict[str, dict[str, Any]] = {
    "pc_darts": {"parts": 2},
    "sdarts_adv": {"steps": 2},
    "rsws": {"evaluations": 5},
    "setn": {"evaluations": 5},
    "early_stop_eigenvalue": {"window": 1},
}


def of(kind: str, **changes: Any) -> dict[str, Any]:
    return {"kind": kind, **QUICK.get(kind, {}), **changes}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_searches_and_can_be_repeated_bit_by_bit(images: Images, kind: str) -> None:
    given = of(kind, drop_path=0.3, augment={"flip": True, "crop": 1})
    result = searched(images, **given)
    space = declared(filled(tiny_config().space))
    assert 1 <= len(result.candidates) <= 3
    assert len({architecture for architecture, _, _ in result.candidates}) == len(result.candidates)
    for architecture, score, estimator in result.candidates:
        assert str(space.parse(architecture)) == architecture
        assert math.isfinite(score)
        assert estimator == ("shared_weights" if kind in ("rsws", "setn") else "alpha_likelihood")
    scores = [score for _, score, _ in result.candidates]
    assert scores == sorted(scores, reverse=True)
    assert [row["step"] for row in result.history] == list(range(1, len(result.history) + 1))
    if kind not in ("darts_plus", "early_stop_eigenvalue"):  # which may stop
        assert (len(result.history), result.reason) == (2, "")
    for row in result.history:
        assert row["status"] == "ok"
        assert 0 <= row["discrete_accuracy"] <= 1
        assert 0 <= row["inherited_accuracy"] <= 1
        assert 0 <= row["score"] <= 1
        assert row["skips"] == space.parse(row["architecture"]).cells["normal"][0].count(("skip_connect", 0)) + (
            space.parse(row["architecture"]).cells["normal"][0].count(("skip_connect", 1))
        )
        assert row["entropy"] > 0
        assert (row["eigenvalue"] is None) == (kind != "early_stop_eigenvalue")
    assert sum(row["chosen"] for row in result.history) == 1
    chosen = next(row for row in result.history if row["chosen"])
    if kind not in ("rsws", "setn"):
        assert result.candidates[0][0] == chosen["architecture"]
    moved = torch.tensor(result.alphas[0]["normal"]) != torch.tensor(result.alphas[-1]["normal"])
    assert moved.any().item() == (kind != "rsws" and len(result.alphas) > 1)
    torch.manual_seed(999)
    assert timeless(searched(images, **given)) == timeless(result)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_is_cut_in_the_middle_of_an_epoch_ends_bit_by_bit_the_same(
    images: Images, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = of(kind, drop_path=0.3, augment={"flip": True, "crop": 1})
    whole = searched(images, **given)
    call = DartsLearner.__call__
    steps = [0]

    def cut(self: DartsLearner, *arguments: Any) -> Any:
        steps[0] += 1
        if steps[0] == 6:
            raise KeyboardInterrupt
        return call(self, *arguments)

    monkeypatch.setattr(DartsLearner, "__call__", cut)
    with pytest.raises(KeyboardInterrupt):
        searched(images, checkpoint=checkpoint(tmp_path), **given)
    monkeypatch.setattr(DartsLearner, "__call__", call)
    torch.manual_seed(4321)
    assert timeless(searched(images, checkpoint=checkpoint(tmp_path), **given)) == timeless(whole)
    assert "going on with supernet from epoch 2, batch 2" in capsys.readouterr().out


def checkpoint(folder: Path) -> Checkpoint:
    """One that is written after each step."""
    return Checkpoints(folder, {}, Cost("search", "t"), 0.0).of("supernet")


@pytest.mark.parametrize(
    ("kind", "preset"),
    [
        *((kind, "nasbench201") for kind in ("gdas", "drnas", "rsws", "setn", "fair_darts")),
        *((kind, "s1") for kind in ("darts", "gdas", "drnas", "sdarts_adv")),
        *((kind, "s4") for kind in ("darts", "darts_second_order")),
    ],
)
def test_a_kind_searches_any_space(images: Images, kind: str, preset: str) -> None:
    config = tiny_config(
        space={"preset": preset},
        search__network={"channels": 2, "cells": 1 if preset == "nasbench201" else 3, "stem_multiplier": 1},
        search__strategies__darts=of(kind, epochs=1, batch_size=60, candidates=2, **({"hessian": "autograd"} if kind ==
            "darts_second_order" else {})),
    )  # fmt: skip
    step = settings_in(config)
    with Progress(1, "supernet") as progress:
        result = darts(step, images, seed=0, progress=progress)
    assert result.candidates
    for architecture, _, _ in result.candidates:
        assert PRESETS[preset].parse(architecture)


def test_gdas_reports_the_accuracy_of_a_single_path(images: Images) -> None:
    # in a space that keeps every edge, the likeliest path is the architecture itself
    config = tiny_config(
        space={"preset": "nasbench201"},
        search__network={"channels": 2, "cells": 1},
        search__strategies__darts={"kind": "gdas", "epochs": 3, "batch_size": 20, "alpha_learning_rate": 0.3},
    )
    with Progress(3, "supernet") as progress:
        result = darts(settings_in(config), images, seed=0, progress=progress)
    assert [row["score"] for row in result.history] == [row["inherited_accuracy"] for row in result.history]


def test_pc_darts_searches_one_input_cells(images: Images) -> None:
    config = tiny_config(
        space={"preset": "nasbench201"},
        search__network={"channels": 4, "cells": 1},
        search__strategies__darts={"kind": "pc_darts", "epochs": 1, "parts": 2, "batch_size": 60},
    )
    step = settings_in(config)
    with Progress(1, "supernet") as progress:
        assert darts(step, images, seed=0, progress=progress).candidates


def test_the_alphas_wait_while_the_weights_warm_up(images: Images) -> None:
    result = searched(images, epochs=3, warmup_epochs=2)
    assert result.alphas[0] == result.alphas[1] != result.alphas[2]


def stopping(images: Images, checkpoint: Checkpoint | None = None) -> DartsResult:
    """DARTS+ whose alphas hardly move, and for which every lead counts."""
    given = of("darts_plus", epochs=6, batch_size=20, stop_stable=1, stop_skips=9, stop_lead=0, candidates=3)
    space = {"nodes": 1, "operations": ["skip_connect", "nor_conv_3x3", "nor_conv_1x1"]}
    config = tiny_config(space=space, search__strategies__darts={**given, "alpha_learning_rate": 1e-6})
    with Progress(6, "supernet") as progress:
        return darts(settings_in(config), images, seed=0, progress=progress, checkpoint=checkpoint)


def test_darts_plus_stops_and_keeps_its_last_epoch(images: Images) -> None:
    result = stopping(images)
    assert result.reason == "the ranking of the operations with weights did not change in 1 epochs"
    assert len(result.history) == len(result.alphas) == 2
    assert [row["chosen"] for row in result.history] == [0, 1]
    assert result.candidates[0][0] == result.history[-1]["architecture"]


def test_a_rising_eigenvalue_stops_and_the_candidates_are_those_of_the_chosen_epoch(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = iter([0.2, 0.2, 0.2, 0.2, 0.9, 0.9])
    monkeypatch.setattr(module, "_sharpness", lambda *_: (next(series), 7))
    given = of("early_stop_eigenvalue", epochs=8, window=2, alpha_learning_rate=0.5, alpha_weight_decay=0)
    result = searched(images, **given)
    assert "the largest eigenvalue rose" in result.reason
    assert len(result.history) == 5
    # three back: a window, and half a window around the epoch that is compared
    assert [row["chosen"] for row in result.history] == [0, 1, 0, 0, 0]
    assert [row["eigenvalue"] for row in result.history] == [0.2] * 4 + [0.9]
    mixes = {kind: torch.tensor(rows).softmax(-1).tolist() for kind, rows in result.alphas[1].items()}
    expected = most_likely(declared(filled(tiny_config().space)), mixes, 3)
    assert [architecture for architecture, _, _ in result.candidates] == [str(one) for one, _ in expected]
    # the last epoch's genotype is kept beside the chosen one's
    assert all(row["architecture"] for row in result.history)
    assert result.alphas[1] != result.alphas[4]


def test_a_search_that_has_stopped_does_not_go_on_from_its_checkpoint(images: Images, tmp_path: Path) -> None:
    whole = stopping(images)
    first = stopping(images, checkpoint(tmp_path))
    again = stopping(images, checkpoint(tmp_path))  # its last checkpoint is one step back
    assert timeless(first) == timeless(again) == timeless(whole)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("darts", "early_stop_eigenvalue")])
def test_every_kind_can_tell_its_eigenvalue(images: Images, kind: str) -> None:
    result = searched(images, **of(kind, epochs=1, batch_size=60, eigenvalue=True))
    assert math.isfinite(result.history[0]["eigenvalue"])


def test_the_eigenvalue_is_recorded_and_changes_nothing(images: Images) -> None:
    plain, told = searched(images), searched(images, eigenvalue=True)
    assert all(math.isfinite(row["eigenvalue"]) for row in told.history)
    assert told.alphas == plain.alphas
    assert told.candidates == plain.candidates


@pytest.mark.parametrize("kind", ["darts", "gdas", "drnas", "pc_darts"])
def test_an_alpha_that_is_no_number_ends_the_search_with_a_reason(
    images: Images, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = searched(images, **of(kind))
    call = DartsLearner.__call__

    def late(self: DartsLearner, inputs: torch.Tensor, labels: torch.Tensor, done: float) -> Any:
        found = call(self, inputs, labels, done)
        if done > 0.8:  # the last step
            with torch.no_grad():
                self.alphas[-1].view(-1)[0] = float("nan")  # of PC-DARTS, an edge's weight
        return found

    monkeypatch.setattr(DartsLearner, "__call__", late)
    result = searched(images, **of(kind))
    assert result.reason == "an alpha is no number after epoch 2"
    assert [row["status"] for row in result.history] == ["ok", "diverged"]
    assert result.history[0]["chosen"] == 1
    assert result.candidates[0][0] == sound.history[0]["architecture"]


@pytest.mark.parametrize("kind", ["darts", "gdas", "drnas", "fair_darts", "sdarts_adv", "darts_second_order", "rsws"])
def test_every_kind_that_diverges_ends_with_a_reason(images: Images, kind: str) -> None:
    result = searched(images, **of(kind, learning_rate=1e38))
    assert result.reason == "the training loss is nan in epoch 1"
    assert result.history == [{"step": 1, "status": "diverged"}]
    assert result.candidates == []


@pytest.mark.parametrize("kind", ["darts", "pc_darts", "fair_darts", "gdas"])
def test_perturbation_selects_the_first_candidate(images: Images, kind: str) -> None:
    given = of(kind, selection="perturbation", selection_epochs=1)
    result, plain = searched(images, **given), searched(images, **of(kind))
    assert result.alphas == plain.alphas
    first, *others = result.candidates
    assert first[2] == "perturbation"
    assert 0 <= first[1] <= 1
    assert {estimator for _, _, estimator in others} == {"alpha_likelihood"}
    assert len({architecture for architecture, _, _ in result.candidates}) == len(result.candidates) == 3
    assert timeless(searched(images, **given)) == timeless(result)


def test_a_selection_trains_weights_and_alphas_between_its_decisions(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"learning_rate": 0.2, "drop_path": 0.3, "batch_size": 20, "selection": "perturbation"}
    seen: list[tuple[float, bool, list[torch.Tensor], list[torch.Tensor]]] = []
    call, forward = DartsLearner.__call__, Supernet.forward
    dropped: list[float] = []

    def watched(self: DartsLearner, *arguments: Any) -> Any:
        if self.projection is not None:
            if not seen:
                dropped.clear()
            momentum = any("momentum_buffer" in state for state in self.weight_optimizer.state.values())
            before = [one.detach().clone() for one in self.weights], [one.detach().clone() for one in self.alphas]
        found = call(self, *arguments)
        if self.projection is not None:
            seen.append((self.weight_optimizer.param_groups[0]["lr"], momentum, *before))
        return found

    def passed(self: Supernet, x: torch.Tensor, mix: Any = None, drop: float = 0.0) -> torch.Tensor:
        dropped.append(drop)
        return forward(self, x, mix, drop)

    monkeypatch.setattr(DartsLearner, "__call__", watched)
    monkeypatch.setattr(Supernet, "forward", passed)
    result = searched(images, **given)
    assert result.candidates[0][2] == "perturbation"
    # the tiny space has two edges and no node that chooses among them: two rounds, five epochs of three batches between
    assert len(seen) == 5 * 3
    # the authors' code: a tenth of the learning rate, kept constant, and an optimiser that starts anew
    assert [rate for rate, *_ in seen] == pytest.approx([0.02] * len(seen))
    assert [momentum for _, momentum, *_ in seen] == [False] + [True] * (len(seen) - 1)
    # judging drops nothing; both steps of a batch drop as in the last epoch
    assert [drop for drop in dropped if drop] == [0.3] * (2 * 5 * 3)
    for _, _, weights, alphas in seen[1:]:
        for before, after in ((seen[0][2], weights), (seen[0][3], alphas)):
            assert not all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_selection_judges_by_the_statistics_of_the_images_at_hand(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running statistics that are spoilt change no decision and no accuracy."""
    judged: list[float] = []
    decide = selection.Projection.decide

    def watched(self: Any, number: int, mix: Mix, accuracy: Any) -> Any:
        def noted(one: Mix) -> float:
            judged.append(accuracy(one))
            return judged[-1]

        return decide(self, number, mix, noted)

    monkeypatch.setattr(selection.Projection, "decide", watched)
    given = {"selection": "perturbation", "selection_epochs": 0}
    sound = searched(images, **given)
    first, judged[:] = list(judged), []
    tune = DartsLearner.tune

    def spoilt(self: DartsLearner, projection: Any) -> None:
        for name, buffer in self.supernet.named_buffers():
            if "running" in name:
                buffer.fill_(7.0)
        tune(self, projection)

    monkeypatch.setattr(DartsLearner, "tune", spoilt)
    assert timeless(searched(images, **given)).candidates == sound.candidates
    assert judged == first
    assert len(set(first)) > 2


@pytest.mark.parametrize("kind", ["darts", "pc_darts", "drnas", "darts_second_order"])
def test_a_selection_that_is_cut_ends_bit_by_bit_the_same(
    images: Images, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = of(kind, drop_path=0.3, selection="perturbation", selection_epochs=2, augment={"flip": True, "crop": 1})
    given["epochs"] = 1
    whole = searched(images, **given)
    call = DartsLearner.__call__
    steps = [0]

    def cut(self: DartsLearner, *arguments: Any) -> Any:
        steps[0] += self.projection is not None
        if steps[0] == 5:
            raise KeyboardInterrupt
        return call(self, *arguments)

    monkeypatch.setattr(DartsLearner, "__call__", cut)
    with pytest.raises(KeyboardInterrupt):
        searched(images, checkpoint=checkpoint(tmp_path), **given)
    monkeypatch.setattr(DartsLearner, "__call__", call)
    torch.manual_seed(4321)
    capsys.readouterr()
    assert timeless(searched(images, checkpoint=checkpoint(tmp_path), **given)) == timeless(whole)
    told = capsys.readouterr().out
    assert "going on with selection from epoch 2, batch 1" in told
    # what was decided before the cut is not decided again
    assert "selection 1 of" not in told
    assert "selection 2 of" in told


def test_a_selection_that_diverges_leaves_the_decision_to_the_alphas(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = searched(images)
    call = DartsLearner.__call__

    def late(self: DartsLearner, *arguments: Any) -> Any:
        loss, correct = call(self, *arguments)
        return (loss * float("nan") if self.projection is not None else loss), correct

    monkeypatch.setattr(DartsLearner, "__call__", late)
    result = searched(images, selection="perturbation", selection_epochs=1)
    assert "the training loss is nan in epoch 1" in result.reason
    assert "the alphas decide instead" in result.reason
    assert result.candidates == plain.candidates


def test_a_selection_starts_from_the_alphas_of_the_chosen_epoch(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = iter([0.2, 0.2, 0.2, 0.2, 0.9, 0.9])
    monkeypatch.setattr(module, "_sharpness", lambda *_: (next(series), 7))
    started: list[dict[str, Any]] = []
    tune = DartsLearner.tune

    def watched(self: DartsLearner, projection: Any) -> None:
        started.append({kind: alphas.tolist() for kind, alphas in self.supernet.alphas.items()})
        tune(self, projection)

    monkeypatch.setattr(DartsLearner, "tune", watched)
    more = {"alpha_learning_rate": 0.5, "selection": "perturbation", "selection_epochs": 0}
    result = searched(images, **of("early_stop_eigenvalue", epochs=8, window=2, **more))
    # with k = 2, the mean of epochs 2 and 3 / that of epochs 4 and 5 is .2 / .55: epoch 2 is chosen
    assert [row["chosen"] for row in result.history] == [0, 1, 0, 0, 0]
    assert started == [result.alphas[1]] != [result.alphas[4]]


def test_rsws_ranks_what_it_drew_by_the_shared_weights(images: Images) -> None:
    step, _, _ = bilevel(images, kind="rsws", evaluations=6, candidates=10**3)
    assert images.valid is not None
    net = step.supernet
    ranked = step.candidates({}, images.valid, 3)
    assert len({architecture for architecture, _, _ in ranked}) == 6
    scores = [score for _, score, _ in ranked]
    assert scores == sorted(scores, reverse=True)
    for architecture, score, _ in ranked:
        assert accuracy(net, net.discrete(net.space.parse(architecture)), images.valid, fresh=True)[1] == score
    # a space with fewer is drawn whole
    step, _, _ = bilevel(images, kind="rsws", evaluations=10**3, candidates=10**3)
    assert len(step.candidates({}, images.valid, 3)) == net.space.size()


def test_asking_for_an_accuracy_changes_nothing(images: Images) -> None:
    step, _, _ = bilevel(images)
    assert images.valid is not None
    net = step.supernet.train()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    for fresh in (False, True):
        accuracy(net, Mix(net.probabilities()), images.valid, fresh=fresh)
        assert net.training
        assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_a_last_batch_of_one_image_is_evaluated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_steps.training.loop.EVALUATION_BATCH", 4)
    raw = np.random.default_rng(0).integers(256, size=(5, 1, 4, 4), dtype=np.uint8)  # of side 1 in the last cell
    five = DeviceImages(raw, np.zeros(5, dtype=np.int64), (0.5,), (0.25,), "cpu")
    step = darts_step()
    net = Supernet(declared(step.space), step.network, inputs=1, classes=3)
    assert math.isfinite(accuracy(net, net.discrete(net.space.sample(Random(0))), five, fresh=True)[0])


def test_the_dropped_share_of_edges_grows_with_the_epochs(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    forward = Supernet.forward

    def watched(self: Supernet, x: torch.Tensor, mix: Any = None, drop: float = 0.0) -> torch.Tensor:
        if self.training and torch.is_grad_enabled():
            seen.append(drop)
        return forward(self, x, mix, drop)

    monkeypatch.setattr(Supernet, "forward", watched)
    searched(images, drop_path=0.6)
    # three batches an epoch, each for the alphas and for the weights
    assert seen == pytest.approx([0.6 * batch / 6 for batch in range(6) for _ in range(2)])


def test_the_second_order_step_learns_other_alphas_than_the_first_order_one(images: Images) -> None:
    first = searched(images)
    paper, exact = (searched(images, **of("darts_second_order", hessian=how)) for how in
                    ("finite_difference", "autograd"))  # fmt: skip
    assert first.alphas != paper.alphas != exact.alphas != first.alphas


def test_the_step_of_a_kind_writes_its_files(tmp_path: Path, data: str) -> None:
    strategy = {"kind": "rsws", "epochs": 1, "batch_size": 20, "candidates": 2, "evaluations": 4}
    file = settings(search__strategies__mine=strategy)["darts mine"]
    run("darts", settings=file, strategy="mine", seed=0, data=data, output=tmp_path)
    assert {row["estimator"] for row in read_csv(tmp_path / "candidates.csv")} == {"shared_weights"}
    (row,) = read_csv(tmp_path / "history.csv")
    assert (row["chosen"], row["step"], row["status"]) == ("1", "1", "ok")
    assert all(row[name] for name in ("discrete_accuracy", "entropy", "skips", "seconds"))
