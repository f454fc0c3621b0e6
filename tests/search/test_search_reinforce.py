"""The controller: its gradient, what it may choose, and that it learns."""

from __future__ import annotations

from random import Random
from statistics import fmean

import numpy as np
import pytest
import torch
from sampled_spaces import ONE_INPUT, ROOMY

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.controller import Adam, Array, Batch, Controller
from nas_steps.search.samplers.reinforce import Reinforce
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace


def started(space: CellSpace, hidden: int = 6) -> Controller:
    """A controller whose parameters are all other than zero."""
    controller = Controller(space, hidden)
    random = np.random.default_rng(1)
    for name, value in controller.parameters.items():
        controller.parameters[name] = random.normal(0.0, 0.5, value.shape)
    return controller


def drawn(space: CellSpace, controller: Controller, count: int = 5) -> Batch:
    return controller.batch([space.decided(space.sample(Random(seed))) for seed in range(count)])


def loss_in_torch(
    controller: Controller, batch: Batch, advantages: Array, weight: float
) -> tuple[float, dict[str, Array]]:
    """The same loss written with torch's own LSTM cell arithmetic and differentiated by autograd."""
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in controller.parameters.items()}
    steps, count = batch.tokens.shape
    state = cell = torch.zeros(count, controller.hidden, dtype=torch.float64)
    before = torch.zeros(count, dtype=torch.int64)
    total = torch.zeros((), dtype=torch.float64)
    for step in range(steps):
        gates = parameters["embedding"][before] @ parameters["input_weight"]
        gates = gates + state @ parameters["hidden_weight"] + parameters["gate_bias"]
        enter, forget, output, fresh = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * fresh.tanh()
        state = output.sigmoid() * cell.tanh()
        logits = state @ parameters["head_weight"] + parameters["head_bias"]
        for row in range(count):
            if not batch.real[step, row]:
                continue
            allowed = torch.tensor(np.flatnonzero(batch.masks[step, row] == 0))
            choice = torch.distributions.Categorical(logits=logits[row, allowed])
            place = (allowed == int(batch.tokens[step, row])).nonzero()[0, 0]
            total = total - advantages[row] * choice.log_prob(place) - weight * choice.entropy()
        before = torch.tensor(batch.tokens[step]) + 1
    (total / count).backward()
    return float(total.detach()) / count, {name: value.grad.numpy() for name, value in parameters.items()}  # type: ignore[union-attr]


@pytest.mark.parametrize("space", [ROOMY, ONE_INPUT, PRESETS["s1"]], ids=["roomy", "one input", "s1"])
@pytest.mark.parametrize("entropy_weight", [0.0, 0.7])
def test_the_gradient_is_that_of_autograd(space: CellSpace, entropy_weight: float) -> None:
    controller = started(space)
    batch = drawn(space, controller)
    advantages = np.random.default_rng(2).normal(size=5)
    value, gradients = controller.loss(batch, advantages, entropy_weight)
    expected, slopes = loss_in_torch(controller, batch, advantages, entropy_weight)
    assert value == pytest.approx(expected, rel=1e-12)
    assert gradients.keys() == slopes.keys() == controller.parameters.keys()
    for name, slope in slopes.items():
        np.testing.assert_allclose(gradients[name], slope, rtol=1e-6, atol=1e-12 * np.abs(slope).max(), err_msg=name)


def test_architectures_of_different_lengths_are_learnt_side_by_side() -> None:
    """What stands behind an end is not there: the gradient is that of each architecture alone, averaged."""
    controller = started(ROOMY)
    choices = [ROOMY.decided(ROOMY.sample(Random(seed))) for seed in range(3)]
    short = [choices[0], choices[1][:4], choices[2][:7]]
    advantages = np.array([0.5, -1.0, 2.0])
    value, gradients = controller.loss(controller.batch(short), advantages, 0.3)
    alone = [controller.loss(controller.batch([one]), advantages[row : row + 1], 0.3) for row, one in enumerate(short)]
    assert value == pytest.approx(fmean(one for one, _ in alone))
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, sum(slopes[name] for _, slopes in alone) / 3, atol=1e-12)


def test_adam_is_torchs() -> None:
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=(3, 4)), random.normal(size=(5, 3, 4))
    parameters = {"weight": start.copy()}
    adam = Adam(parameters, learning_rate=0.1)
    theirs = torch.nn.Parameter(torch.tensor(start))
    optimiser = torch.optim.Adam([theirs], lr=0.1)
    for gradient in gradients:
        adam.step({"weight": gradient})
        theirs.grad = torch.tensor(gradient)
        optimiser.step()
    np.testing.assert_allclose(parameters["weight"], theirs.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_only_what_is_allowed_is_drawn(space: CellSpace) -> None:
    for choices in started(space).sample(20, Random(0)):
        assert space.decision(choices) is None
        space.check(space.decode(choices))


def test_draws_follow_the_policy() -> None:
    controller = started(ONE_INPUT)
    first = [choices[0] for choices in controller.sample(3000, Random(0))]
    # the policy's probabilities of the first choice, from the loss: minus the log-probability of one decision
    expected = [np.exp(-controller.loss(controller.batch([[choice]]), np.ones(1), 0.0)[0]) for choice in range(3)]
    assert sum(expected) == pytest.approx(1)
    assert [first.count(choice) / 3000 for choice in range(3)] == pytest.approx(expected, abs=0.03)


def test_at_first_all_choices_are_equally_likely() -> None:
    controller = Controller(ROOMY, 8)
    choices = ROOMY.decided(ROOMY.sample(Random(0)))
    decisions = [ROOMY.decision(choices[:place]) for place in range(len(choices))]
    flat = sum(np.log(len(decision.allowed)) for decision in decisions if decision is not None)
    assert controller.loss(controller.batch([choices]), np.ones(1), 0.0)[0] == pytest.approx(flat)


def test_the_controller_learns_what_pays() -> None:
    space = PRESETS["darts"]
    search = Reinforce(space, strategies.Reinforce(batch=10, rounds=20))
    counts = []
    for number in range(20):
        asked = list(map(str, search.ask(10, Random(number))))
        search.tell([Estimate(index, text, text.count("sep_conv_3x3") / 16) for index, text in enumerate(asked)])
        counts.append(fmean(text.count("sep_conv_3x3") for text in asked))
    # one in seven edges at first
    assert fmean(counts[-3:]) > 2 * 16 / 7


def test_a_failure_is_worth_as_much_as_the_worst() -> None:
    texts = list(map(str, (ROOMY.sample(Random(seed)) for seed in range(4))))
    one, other = (Reinforce(ROOMY, strategies.Reinforce(hidden=4)) for _ in range(2))
    one.tell([Estimate(0, texts[0], 0.3), Estimate(1, texts[1], 0.5), Estimate(2, texts[2], 0.9, status="diverged")])
    other.tell([Estimate(0, texts[0], 0.3), Estimate(1, texts[1], 0.5), Estimate(2, texts[2], 0.3)])
    for name, value in one.controller.parameters.items():
        np.testing.assert_array_equal(value, other.controller.parameters[name])
