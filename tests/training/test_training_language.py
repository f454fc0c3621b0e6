"""Language models are trained for a given compute, resume bit for bit, and are judged by bits per byte."""

from __future__ import annotations

import math
from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_text
import torch
from safetensors.numpy import load_file
from tiny_text import ATTENTION, CONVOLUTION, prepared, settings

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.data.text.batches import Score
from nas_steps.data.text.store import read_text_meta
from nas_steps.errors import UserError
from nas_steps.metrics import bits_per_byte
from nas_steps.models.language.network import build_language
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.provenance.ledger import Cost
from nas_steps.provenance.task import Task
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.training.checkpoint import Checkpoints, Interrupted
from nas_steps.training.final import final_job
from nas_steps.training.language import LanguageLearner, Schedule, rates_of
from nas_steps.training.networks import load_data, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.record import Entry
from nas_steps.training.settings import TrainingSettings
from nas_steps.training.texts import FEWEST_DOCUMENTS, Texts, judge_text, score_text, units_of
from nas_steps.training.trained import Trained
from nas_steps.workflow.steps import STEPS

CPU = torch.device("cpu")
RECIPE = Recipe(
    compute=2e8, epochs=3, batch_size=4, optimizer="adamw", learning_rate=1e-2, warmup_epochs=0.2, gradient_clip=1.0
)
TRIED = RECIPE.model_copy(update={"learning_rates": [1e-4, 1e-2]})
MACS = count_architecture(parse_language(ATTENTION), 16)[1]


@pytest.fixture(scope="module")
def texts() -> Texts:
    found = load_data(prepared(), CPU)
    assert isinstance(found, Texts)
    return found


def train(texts: Texts, recipe: Recipe = RECIPE, architecture: str = ATTENTION, **how: Any) -> Trained:
    with Progress(recipe.epochs * len(rates_of(recipe)), "test") as progress:
        return train_network(architecture, Network(), recipe, texts, seed=0, progress=progress, **how)


def same(first: Trained, second: Trained) -> None:
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    for mine, other in zip(first.history, second.history, strict=True):
        assert {**mine, "seconds": 0} == {**other, "seconds": 0}


# ------------------------------------------------------------------------------------------- matched compute


@pytest.mark.parametrize("architecture", [ATTENTION, CONVOLUTION])
@pytest.mark.parametrize("compute", [2e8, 2.5e8, 1e9])
def test_every_network_spends_the_compute_to_one_context(architecture: str, compute: float) -> None:
    macs = count_architecture(parse_language(architecture), 16)[1]
    schedule = Schedule(RECIPE.model_copy(update={"compute": compute}), macs, 16)
    sizes = [schedule.size(step) for step in range(schedule.steps)]
    assert compute - 6 * macs < 6 * macs * sum(sizes) <= compute
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == schedule.largest
    assert abs(sum(sizes) / len(sizes) - 4) < 1
    bounds = [schedule.bounds(part) for part in (1, 2, 3)]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == schedule.steps
    assert all(one[1] == after[0] for one, after in pairwise(bounds))


def test_a_compute_below_one_step_is_refused_with_the_least() -> None:
    with pytest.raises(UserError) as error:
        Schedule(RECIPE.model_copy(update={"compute": 6.0 * MACS * 3.9}), MACS, 16, "x")
    words = f"{6 * MACS * 4:.4g}"
    assert f"one step of x takes {words} (4 contexts of 16 tokens)" in str(error.value)
    assert Schedule(RECIPE.model_copy(update={"compute": 6.0 * MACS * 4}), MACS, 16).contexts == 4


def test_history_says_what_was_read_and_spent(texts: Texts) -> None:
    trained = train(texts)
    assert [row["epoch"] for row in trained.history] == [1, 2, 3]
    assert trained.macs == MACS
    last = trained.history[-1]
    assert last["flops"] == 6 * MACS * last["tokens"] / 16
    assert 0 <= 2e8 - last["flops"] < 6 * MACS
    assert 0 < last["valid_accuracy"] < 1
    assert -8.5 < last["valid_metric"] < 0
    assert last["valid_metric"] > trained.history[0]["valid_metric"]
    assert last["learning_rate"] < 1e-3  # the cosine ends near 0


def test_the_learner_has_the_betas_of_language_models_and_decays_matrices_alone() -> None:
    learner = LanguageLearner(build_language(ATTENTION), RECIPE, 10)
    decayed, others = learner.optimizer.param_groups
    assert decayed["betas"] == (0.9, 0.95)
    assert all(one.ndim > 1 for one in decayed["params"])
    assert others["weight_decay"] == 0
    assert all(one.ndim <= 1 for one in others["params"])


def test_a_loss_is_the_mean_over_all_tokens() -> None:
    learner = LanguageLearner(build_language(ATTENTION), RECIPE, 10)
    inputs, targets = torch.randint(256, (3, 16)), torch.randint(256, (3, 16))
    logits = learner.model(inputs).detach()
    loss, right = learner(inputs, targets, 0.0)
    wanted = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    assert loss.item() == pytest.approx(3 * wanted.item(), rel=1e-5)
    assert right.item() == pytest.approx((logits.argmax(-1) == targets).float().mean().item() * 3)


# ----------------------------------------------------------------------------------------- learning rates


def test_the_rate_that_validates_best_is_kept_and_the_others_count(texts: Texts) -> None:
    trained, alone = train(texts, TRIED), train(texts)
    same(trained, alone)
    assert [row["learning_rate"] for row in trained.tried] == [1e-4, 1e-2]
    figures = [row["valid_metric"] for row in trained.tried]
    assert figures[1] == trained.last("valid_metric") > figures[0]
    assert trained.seconds == pytest.approx(sum(row["seconds"] for row in trained.tried))
    assert trained.seconds > sum(row["seconds"] for row in trained.history)
    assert alone.tried == []


def test_a_rate_that_diverges_is_not_kept(texts: Texts) -> None:
    bad = RECIPE.model_copy(update={"gradient_clip": None, "warmup_epochs": 0.0})
    trained = train(texts, bad.model_copy(update={"learning_rates": [1e38, 1e-2]}))
    assert trained.status == "ok"
    assert [row["status"] for row in trained.tried] == ["diverged", "ok"]
    lost = train(texts, bad.model_copy(update={"learning_rate": 1e38}))
    assert lost.status == "diverged"
    assert math.isnan(lost.last("valid_metric"))


# --------------------------------------------------------------------------------------------------- kills


def checkpoints(folder: Path, interval: float = 0.0) -> Checkpoints:
    folder.mkdir(exist_ok=True)
    return Checkpoints(folder, {"code": lambda: "a"}, Cost("s", "t"), interval)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("recipe", [RECIPE, TRIED], ids=["one rate", "two rates"])
@pytest.mark.parametrize("after", [1, 5, 11, 16])
def test_a_killed_training_goes_on_to_the_same_bits(
    texts: Texts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, after: int
) -> None:
    steps, step = [0], LanguageLearner.__call__

    def killed(self: LanguageLearner, *batch: Any) -> Any:
        if steps[0] == after:
            raise KilledError
        steps[0] += 1
        return step(self, *batch)

    whole = train(texts, recipe)
    monkeypatch.setattr(LanguageLearner, "__call__", killed)
    with pytest.raises(KilledError):
        train(texts, recipe, checkpoint=checkpoints(tmp_path).of("training"))
    monkeypatch.setattr(LanguageLearner, "__call__", step)
    broken = train(texts, recipe, checkpoint=checkpoints(tmp_path).of("training"))
    same(whole, broken)
    assert [row["valid_metric"] for row in whole.tried] == [row["valid_metric"] for row in broken.tried]


def test_a_finished_rate_is_not_trained_again(texts: Texts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = checkpoints(tmp_path).of("training")
    whole = train(texts, TRIED, checkpoint=checkpoint)

    def never(*_: Any) -> Any:
        raise KilledError

    monkeypatch.setattr(LanguageLearner, "__call__", never)
    again = train(texts, TRIED, checkpoint=checkpoints(tmp_path).of("training"))
    same(whole, again)
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_signal_saves_and_the_next_attempt_goes_on(
    texts: Texts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    step = LanguageLearner.__call__

    def signalled(self: LanguageLearner, *batch: Any) -> Any:
        if self.steps == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *batch)

    monkeypatch.setattr(LanguageLearner, "__call__", signalled)
    with pytest.raises(Interrupted):
        train(texts, checkpoint=checkpoints(tmp_path, 1e9).of("training"))
    monkeypatch.setattr(LanguageLearner, "__call__", step)
    same(train(texts), train(texts, checkpoint=checkpoints(tmp_path).of("training")))


# ------------------------------------------------------------------------------------------------ judging


def test_the_metric_is_minus_the_bits_per_byte_of_every_token(texts: Texts) -> None:
    model = build_language(ATTENTION)
    model.train()
    assert texts.valid is not None
    score = score_text(model, texts.valid)
    assert model.training
    judged = judge_text(score)
    assert judged.value == -bits_per_byte(score.document_nats, score.document_bytes)
    # each byte is a token, and is predicted once
    assert score.tokens == score.document_bytes.sum()
    assert judged.loss == pytest.approx(-judged.value * math.log(2))


def test_units_are_documents_or_blocks_of_windows() -> None:
    def score(documents: int, windows: int) -> Score:
        each, sizes = np.full(documents, 2.0), np.full(documents, 3)
        return Score(each, sizes, np.full(windows, 1.0), np.full(windows, 4), 9, 3)

    nats, sizes = units_of(score(FEWEST_DOCUMENTS, 100))
    assert len(nats) == FEWEST_DOCUMENTS
    assert sizes.tolist() == [3] * FEWEST_DOCUMENTS
    nats, sizes = units_of(score(FEWEST_DOCUMENTS - 1, 95))
    assert len(nats) == 31
    assert nats.sum() == 95
    assert len(units_of(score(2, 7))[0]) == 7


def test_a_final_training_writes_what_units_of_text_cost(tmp_path: Path) -> None:
    data = prepared()
    step = TrainingSettings(
        seed=0,
        threads=1,
        metric="neg_bits_per_byte",
        space=tiny_text.tiny_config().space,
        network=Network(),
        recipe=TRIED,
    )
    given = Namespace(settings=settings()["retrain"], data=data, output=tmp_path, seed=0, device="cpu")
    final_job(Task(STEPS["retrain"], given, Cost("retraining", "made up")), Entry("mine", "searched", ATTENTION), step)
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["status"] == "ok"
    assert metrics["side"] == 16
    assert metrics["test_file"]["name"] == "test_tokens.npy"
    assert len(metrics["tried"]) == 2
    found = load_file(tmp_path / "predictions.safetensors")
    assert set(found) == {"valid_nats", "valid_bytes", "test_nats", "test_bytes"}
    for part in ("valid", "test"):
        assert found[f"{part}_bytes"].sum() == read_text_meta(data).parts[part].bytes
        bits = bits_per_byte(found[f"{part}_nats"], found[f"{part}_bytes"])
        assert metrics[f"{part}_metric"] == pytest.approx(-bits, abs=1e-12)
    rows = read_csv(tmp_path / "history.csv")
    assert float(rows[-1]["flops"]) == metrics["flops"]
    assert float(rows[-1]["valid_metric"]) == metrics["valid_metric"]


def test_all_parts_may_be_learnt_but_the_test_part() -> None:
    merged = load_data(prepared(), CPU, merged=True)
    assert isinstance(merged, Texts)
    assert merged.valid is None
    parts = read_text_meta(prepared()).parts
    assert len(merged.train) == parts["train"].tokens + parts["valid"].tokens
