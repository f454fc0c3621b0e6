"""Scores of language models: short trainings, and proxies on tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stepping import run
from tiny_text import ATTENTION, CONVOLUTION, prepared, settings

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import read_estimates
from nas_steps.estimation.proposals import Proposal, write_proposals
from nas_steps.estimation.zero_cost import Minibatch, zero_cost
from nas_steps.models.language.network import build_language
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language

CPU = torch.device("cpu")


def batch() -> Minibatch:
    return Minibatch(prepared(), 4, CPU, 0)


def test_a_batch_has_the_token_after_each_as_its_label() -> None:
    found = batch()
    assert found.images.shape == found.labels.shape == (4, 16)
    assert torch.equal(found.images[:, 1:], found.labels[:, :-1])
    assert torch.equal(found.images, batch().images)


def test_proxies_of_a_language_model() -> None:
    counts = count_architecture(parse_language(ATTENTION), 16)
    for proxy, wanted in zip(("params", "macs"), counts, strict=True):
        assert batch().score(ATTENTION, Network(), proxy, seed=0)[0].score == wanted
    model = build_language(ATTENTION)
    found, tokens = zero_cost(model, batch().images, batch().labels, ["grad_norm", "snip"]), batch()
    loss = torch.nn.functional.cross_entropy(model(tokens.images).flatten(0, 1), tokens.labels.flatten())
    weights = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    slopes = torch.autograd.grad(loss, weights)
    assert found["grad_norm"].score == pytest.approx(sum(slope.norm().item() for slope in slopes), rel=1e-4)
    snip = sum((weight * slope).abs().sum().item() for weight, slope in zip(weights, slopes, strict=True))
    assert found["snip"].score == pytest.approx(snip, rel=1e-4)


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(UserError, match="next token of each token"):
        zero_cost(build_language(ATTENTION), torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2), ["snip"])


def evaluated(folder: Path, proposals: list[Proposal], **changes: Any) -> list[Any]:
    write_proposals(folder / "proposals.csv", proposals)
    where = {"settings": settings(**changes)["evaluate"], "data": prepared(), "output": folder}
    run("evaluate", strategy="random", seed=0, round=0, shard=0, shards=1, proposals=folder / "proposals.csv", **where)
    return read_estimates([folder / "shard-0.csv"])


def test_a_candidate_scores_minus_its_bits_per_byte(tmp_path: Path) -> None:
    found = evaluated(tmp_path, [Proposal(0, ATTENTION), Proposal(1, CONVOLUTION)])
    assert [one.status for one in found] == ["ok", "ok"]
    assert all(-8.5 < one.score < -2 for one in found)
    assert [one.epochs for one in found] == [1, 1]
    for one in found:
        assert (one.parameters, one.macs) == count_architecture(parse_language(one.architecture), 16)


def test_a_rung_trains_a_share_of_the_compute(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "search__estimator": {"compute": 4e8, "batch_size": 2, "epochs": 4, "halving": {"epochs": 1, "eta": 4}},
        "search__strategies__random": {"rounds": 2, "evaluations": 4},
    }
    (rung,) = evaluated(tmp_path, [Proposal(0, ATTENTION, epochs=1)], **changes)
    (whole,) = evaluated(tmp_path, [Proposal(0, ATTENTION)], search__estimator={"compute": 1e8, "batch_size": 2})
    assert rung.epochs == 1
    assert rung.score == whole.score
