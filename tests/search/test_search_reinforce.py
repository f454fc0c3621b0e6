"""The controller: its gradient, what it may choose, and that it learns."""

from __future__ import annotations

from random import Random
from statistics import fmean

import numpy as np
import pytest
import torch
from sampled_spaces import ONE_INPUT, ROOMY
from torch import Tensor

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.controller import Batch, Controller
from nas_steps.search.samplers.reinforce import Reinforce
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace


def controller_of(space: CellSpace, hidden: int) -> Controller:
    return Controller(space, hidden, learning_rate=0.02, baseline_decay=0.9, entropy_weight=0.1)


def started(space: CellSpace, hidden: int = 6) -> Controller:
    """A controller whose parameters are all other than zero."""
    controller = controller_of(space, hidden)
    random = np.random.default_rng(1)
    for value in controller.parameters():
        if value.requires_grad:
            value.data = torch.tensor(random.normal(0.0, 0.5, value.shape))
    return controller


def drawn(space: CellSpace, controller: Controller, count: int = 5) -> Batch:
    return controller.batch([space.decided(space.sample(Random(seed))) for seed in range(count)])


def slopes_of(controller: Controller, loss: Tensor) -> dict[str, Tensor]:
    names = [name for name, value in controller.named_parameters() if value.requires_grad]
    slopes = torch.autograd.grad(loss, [controller.get_parameter(name) for name in names])
    return dict(zip(names, slopes, strict=True))


def loss_by_hand(controller: Controller, batch: Batch, advantages: Tensor, weight: float) -> Tensor:
    """The same loss written decision by decision, with the arithmetic of an LSTM's gates."""
    steps, count = batch.tokens.shape
    state = cell = torch.zeros(count, controller.hidden, dtype=torch.float64)
    before = torch.zeros(count, dtype=torch.int64)
    total = torch.zeros((), dtype=torch.float64)
    for step in range(steps):
        gates = controller.embedding.weight[before] @ controller.cell.weight_ih.T + controller.cell.bias_ih
        gates = gates + state @ controller.cell.weight_hh.T
        enter, forget, fresh, output = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * fresh.tanh()
        state = output.sigmoid() * cell.tanh()
        logits = state @ controller.head.weight.T + controller.head.bias
        for row in range(count):
            if not batch.real[step, row]:
                continue
            allowed = (batch.masks[step, row] == 0).nonzero()[:, 0]
            choice = torch.distributions.Categorical(logits=logits[row, allowed])
            place = (allowed == int(batch.tokens[step, row])).nonzero()[0, 0]
            total = total - advantages[row] * choice.log_prob(place) - weight * choice.entropy()
        before = batch.tokens[step] + 1
    return total / count


@pytest.mark.parametrize("space", [ROOMY, ONE_INPUT, PRESETS["s1"]], ids=["roomy", "one input", "s1"])
@pytest.mark.parametrize("entropy_weight", [0.0, 0.7])
def test_the_loss_and_its_gradient_are_those_of_the_definition(space: CellSpace, entropy_weight: float) -> None:
    controller = started(space)
    batch = drawn(space, controller)
    advantages = torch.tensor(np.random.default_rng(2).normal(size=5))
    value = controller.loss(batch, advantages, entropy_weight)
    expected = loss_by_hand(controller, batch, advantages, entropy_weight)
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    slopes = slopes_of(controller, expected)
    for name, slope in slopes_of(controller, value).items():
        torch.testing.assert_close(slope, slopes[name], rtol=1e-6, atol=1e-12 * slope.abs().max().item())


def test_the_gradient_is_that_of_finite_differences() -> None:
    controller = started(ROOMY, hidden=2)
    batch, advantages = drawn(ROOMY, controller, 3), torch.tensor([0.5, -1.0, 2.0]).double()
    slopes = slopes_of(controller, controller.loss(batch, advantages, 0.3))
    for name, slope in slopes.items():
        value = controller.get_parameter(name).data.view(-1)
        place = int(slope.abs().argmax())
        ends = []
        for change in (1e-6, -2e-6):
            value[place] += change
            ends.append(controller.loss(batch, advantages, 0.3).item())
        value[place] += 1e-6
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope.view(-1)[place].item(), rel=1e-5), name


def test_architectures_of_different_lengths_are_learnt_side_by_side() -> None:
    """What stands behind an end is not there: the gradient is that of each architecture alone, averaged."""
    controller = started(ROOMY)
    choices = [ROOMY.decided(ROOMY.sample(Random(seed))) for seed in range(3)]
    short = [choices[0], choices[1][:4], choices[2][:7]]
    advantages = torch.tensor([0.5, -1.0, 2.0]).double()
    value = controller.loss(controller.batch(short), advantages, 0.3)
    alone = [controller.loss(controller.batch([one]), advantages[row : row + 1], 0.3) for row, one in enumerate(short)]
    assert value.item() == pytest.approx(fmean(one.item() for one in alone))
    slopes = [slopes_of(controller, one) for one in alone]
    for name, gradient in slopes_of(controller, value).items():
        torch.testing.assert_close(gradient, sum(one[name] for one in slopes) / 3, rtol=0, atol=1e-12)


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_only_what_is_allowed_is_drawn(space: CellSpace) -> None:
    for choices in started(space).sample(20, Random(0)):
        assert space.decision(choices) is None
        space.check(space.decode(choices))


def test_draws_follow_the_policy() -> None:
    controller = started(ONE_INPUT)
    first = [choices[0] for choices in controller.sample(3000, Random(0))]
    # the policy's probabilities of the first choice, from the loss: minus the log-probability of one decision
    expected = [
        np.exp(-controller.loss(controller.batch([[choice]]), torch.ones(1), 0.0).item()) for choice in range(3)
    ]
    assert sum(expected) == pytest.approx(1)
    assert [first.count(choice) / 3000 for choice in range(3)] == pytest.approx(expected, abs=0.03)


def test_at_first_all_choices_are_equally_likely() -> None:
    controller = controller_of(ROOMY, 8)
    choices = ROOMY.decided(ROOMY.sample(Random(0)))
    decisions = [ROOMY.decision(choices[:place]) for place in range(len(choices))]
    flat = sum(np.log(len(decision.allowed)) for decision in decisions if decision is not None)
    assert controller.loss(controller.batch([choices]), torch.ones(1), 0.0).item() == pytest.approx(flat)


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
    for value, their in zip(one.controller.parameters(), other.controller.parameters(), strict=True):
        assert torch.equal(value, their)
