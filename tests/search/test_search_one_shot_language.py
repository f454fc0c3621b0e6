"""The supernet of language models as the one-shot search sees it."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas_steps.config.space import Network
from nas_steps.config.supernet import SupernetTraining
from nas_steps.metrics import bits_per_byte
from nas_steps.search.one_shot.networks import NO_TEXT, LanguagePaths, shared_network
from nas_steps.search.one_shot.sampling import sampling
from nas_steps.search.one_shot.training import OneShotLearner
from nas_steps.spaces.language.space import LanguageSpace

KEYS = {
    "vocabulary": 20,
    "depth": [1, 2],
    "width": [8, 16],
    "mixer": ["attn_h2", "attn_h4", "attn_h4_kv2"],
    "feed_forward": ["relu2_e2", "relu2_e4"],
}
SPACE = LanguageSpace.declare("elastic", KEYS)


def paths(bytes_of: Tensor | None = None) -> LanguagePaths:
    torch.manual_seed(0)
    found = shared_network(SPACE, Network(), inputs=1, classes=20)
    assert isinstance(found, LanguagePaths)
    with torch.no_grad():
        for parameter in found.weights():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    found.bytes_of = bytes_of
    return found


def batch_of(seed: int, count: int = 3, length: int = 6) -> tuple[Tensor, Tensor]:
    """A sequence that counts up from anywhere: inputs and targets."""
    first = torch.randint(20, (count, 1), generator=torch.Generator().manual_seed(seed))
    whole = (first + torch.arange(length + 1)) % 20
    return whole[:, :-1], whole[:, 1:].clone()


@pytest.mark.parametrize("sizes", [None, torch.arange(1, 21)])
def test_a_score_is_minus_the_bits_per_byte_of_a_network_of_its_own(sizes: Tensor | None) -> None:
    network = paths(sizes).train()
    architectures = [SPACE.sample(Random(seed)) for seed in range(4)]
    one, other = batch_of(0), batch_of(1)
    other[1][:, -2:] = NO_TEXT
    found = network.accuracies(architectures, lambda: [one, other])
    assert network.training
    for architecture, score in zip(architectures, found, strict=True):
        alone = network.supernet.standalone(architecture)
        nats, count = 0.0, 0
        for inputs, targets in (one, (other[0][:, :-2], other[1][:, :-2])):
            logits = alone(inputs).detach()
            nats += float(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
            count += targets.numel() if sizes is None else int(sizes[targets].sum())
        assert score == pytest.approx(-bits_per_byte(np.array(nats), np.array(count)), rel=1e-5)
    assert len(set(found)) > 1


def test_the_sandwich_has_the_deepest_and_the_shallowest() -> None:
    largest, smallest, *between = sampling("sandwich", SPACE, seed=0, between=2).paths(0)
    assert str(largest) == "lm_v20_d16_rope_rms/2x_attn_h2+relu2_e4"
    assert str(smallest) == "lm_v20_d8_rope_rms/attn_h4_kv2+relu2_e2"
    assert len(between) == 2


def test_a_space_without_a_largest_network_has_no_sandwich() -> None:
    sizes = LanguageSpace.declare("sizes", {**KEYS, "depth": None, "width": None, "sizes": [[1, 16], [2, 8]]})
    with pytest.raises(ValueError, match="no network of 2 layers and width 16, which would be its largest; give depth"):
        sampling("sandwich", sizes, seed=0)
    frames = LanguageSpace.declare("frames", {**KEYS, "norm": ["rms", "ln"]})
    with pytest.raises(ValueError, match=r"differ in norm \(rms, ln\).*give norm one value"):
        sampling("sandwich", frames, seed=0)


@pytest.mark.parametrize("name", ["uniform", "fair", "sandwich"])
def test_a_step_learns_the_sum_of_its_paths(name: str) -> None:
    settings = SupernetTraining(sampling=name, optimizer="adamw", learning_rate=1e-2, weight_decay=0.0, warmup_epochs=0)
    network = paths().train()
    drawn = sampling(name, SPACE, seed=0)
    learner = OneShotLearner(network, settings, drawn, 10)
    inputs, targets = batch_of(2)
    loss, right = learner.gradients(inputs, targets, drawn.paths(0))
    assert 0 <= float(right) <= len(inputs)
    found = {key: None if one.grad is None else one.grad.clone() for key, one in network.named_parameters()}
    network.zero_grad()
    teacher: Tensor | None = None
    losses = []
    for path in drawn.paths(0):
        logits = network(inputs, path)
        if name == "sandwich" and teacher is not None:
            value = F.cross_entropy(logits, teacher, reduction="sum") / targets.numel()
        else:
            value = F.cross_entropy(logits, targets)
            teacher = logits.detach().softmax(1)
        losses.append(float(value.detach()) * len(inputs))
        value.backward()
    expected = losses[0] if name == "sandwich" else sum(losses) / len(losses)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    for key, parameter in network.named_parameters():
        if parameter.grad is None:
            assert found[key] is None, key
        else:
            torch.testing.assert_close(found[key], parameter.grad, rtol=1e-4, atol=1e-7, msg=key)


def test_all_networks_of_the_space_learn() -> None:
    settings = SupernetTraining(
        sampling="sandwich", optimizer="adamw", learning_rate=1e-2, weight_decay=0.0, epochs=1, warmup_epochs=0
    )
    network = paths()
    learner = OneShotLearner(network, settings, sampling("sandwich", SPACE, seed=0), 60)
    held = [batch_of(999)]
    architectures = [SPACE.largest(), SPACE.smallest(), SPACE.sample(Random(5))]
    before = network.accuracies(architectures, lambda: held)
    for step in range(60):
        learner(*batch_of(step, count=8), step / 60)
    for old, new in zip(before, network.accuracies(architectures, lambda: held), strict=True):
        assert new > old + 1
