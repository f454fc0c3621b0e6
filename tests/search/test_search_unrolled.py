"""The second-order gradient of the alphas is that of the validation loss one step of the weights ahead."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_supernets import NETWORK, SPACE, Batch, batch, loss_of, supernet
from torch import Tensor
from torch.func import functional_call

from benchmarks.textbook import Textbook, pairs
from nas_steps.config.strategies import DartsSecondOrder
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.learner import learner_of
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.training.batch_norms import same_statistics

XI, MOMENTUM, DECAY = 0.1, 0.9, 0.03
TRAIN, VALID = batch(1), batch(2)


def optimiser(net: Supernet, *, momentum: float, steps: int = 2) -> torch.optim.SGD:
    """One that has taken steps on other batches, if any, and so has a buffer."""
    found = torch.optim.SGD(net.weights(), lr=XI, momentum=momentum, weight_decay=DECAY)
    for seed in range(steps):
        images, labels = batch(10 + seed)
        found.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        found.step()
    net.zero_grad(set_to_none=True)
    return found


def second_order(net: Supernet, optimizer: torch.optim.SGD, *, exact: bool) -> Any:
    """The learner, with this optimiser of the weights."""
    settings = DartsSecondOrder(hessian="autograd" if exact else "finite_difference")
    learner = learner_of(settings.kind)(net, settings)
    learner.weight_optimizer = optimizer
    return learner


def unrolled(net: Supernet, optimizer: torch.optim.SGD, *, exact: bool) -> list[Tensor]:
    second_order(net, optimizer, exact=exact).unrolled_gradients(TRAIN, VALID, loss_of(net))
    return [alpha.grad for alpha in net.architecture() if alpha.grad is not None]


def by_brute_force(net: Supernet, optimizer: torch.optim.SGD) -> list[Tensor]:
    """Autograd through the step, on the textbook's network with the same weights."""
    textbook = Textbook(net.space, NETWORK, inputs=1, classes=3).double()
    give(net, textbook)
    alphas = {name: one for name, one in textbook.named_parameters() if name.startswith("alphas")}
    weights = {name: one for name, one in textbook.named_parameters() if name not in alphas}
    buffers = momentum_buffers(net, optimizer)

    def loss(values: dict[str, Tensor], given: Batch) -> Tensor:
        logits = functional_call(textbook, {**alphas, **values}, (given[0],))
        return F.cross_entropy(logits, given[1])

    gradients = torch.autograd.grad(loss(weights, TRAIN), list(weights.values()), create_graph=True)
    ahead = {
        name: weight - XI * (gradient + optimizer.param_groups[0]["momentum"] * buffers[name] + DECAY * weight)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
    return list(torch.autograd.grad(loss(ahead, VALID), list(alphas.values())))


def give(net: Supernet, textbook: Textbook) -> None:
    """Give the textbook what the supernet has."""
    with torch.no_grad():
        for mine, theirs in pairs(net, textbook):
            theirs.copy_(mine)


def momentum_buffers(net: Supernet, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    """The optimiser's buffers as the textbook's parameters: put in as weights, and taken out of a twin."""
    twin = supernet(net.space)
    with torch.no_grad():
        for place, weight in enumerate(net.weights()):
            buffer = optimizer.state.get(weight, {}).get("momentum_buffer")
            twin.weights()[place].copy_(torch.zeros_like(weight) if buffer is None else buffer)
    holder = Textbook(net.space, NETWORK, inputs=1, classes=3).double()
    give(twin, holder)
    return {name: one.detach() for name, one in holder.named_parameters()}


def relative(mine: list[Tensor], theirs: list[Tensor]) -> float:
    one, other = (torch.cat([piece.flatten() for piece in pieces]) for pieces in (mine, theirs))
    return ((one - other).norm() / other.norm()).item()


@pytest.mark.parametrize(("momentum", "steps"), [(0.0, 0), (0.0, 2), (MOMENTUM, 0), (MOMENTUM, 2)])
def test_the_exact_gradient_is_that_through_the_step_of_the_weights(momentum: float, steps: int) -> None:
    net = supernet()
    optimizer = optimiser(net, momentum=momentum, steps=steps)
    wanted = by_brute_force(net, optimizer)
    assert relative(unrolled(net, optimizer, exact=True), wanted) < 1e-7
    # the look ahead matters: the first-order gradient is another one
    net.zero_grad(set_to_none=True)
    first = torch.autograd.grad(F.cross_entropy(net(VALID[0]), VALID[1]), net.architecture())
    assert relative(list(first), wanted) > 0.01


@pytest.mark.parametrize("momentum", [0.0, MOMENTUM])
def test_the_finite_difference_comes_near(momentum: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # so near that no ReLU switches between: what one contributes is no part of the exact gradient
    monkeypatch.setattr("nas_steps.search.darts.kinds.darts_second_order.STEP", 1e-6)
    net = supernet()
    optimizer = optimiser(net, momentum=momentum)
    exact = unrolled(net, optimizer, exact=True)
    assert relative(unrolled(net, optimizer, exact=False), exact) < 1e-6


#: S4's operations: one of them draws noise in every pass
NOISY = CellSpace("noisy", ("none", "noise", "max_pool_3x3", "nor_conv_1x1", "sep_conv_3x3"), 1, None)
#: (space, probability of drop path): what makes a pass random
RANDOM = [(SPACE, 0.4), (NOISY, 0.0), (NOISY, 0.4)]


def random_loss(net: Supernet, drop: float) -> Any:
    def loss(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = net(images, None, drop)
        found = F.cross_entropy(logits, labels)
        return found, found, (logits.detach().argmax(1) == labels).sum()

    return loss


def randomly_unrolled(
    net: Supernet, optimizer: torch.optim.SGD, drop: float, seed: int, *, exact: bool
) -> list[Tensor]:
    torch.manual_seed(seed)
    second_order(net, optimizer, exact=exact).unrolled_gradients(TRAIN, VALID, random_loss(net, drop))
    return [alpha.grad.clone() for alpha in net.architecture() if alpha.grad is not None]


def product(net: Supernet, whole: list[Tensor], drop: float, seed: int, optimizer: torch.optim.SGD) -> list[Tensor]:
    """What the look ahead adds to the gradient at the weights of the step, under the masks of `seed`."""
    before = [weight.detach().clone() for weight in net.weights()]
    torch.manual_seed(seed)
    gradients = torch.autograd.grad(random_loss(net, drop)(*TRAIN)[0], net.weights())
    with torch.no_grad():
        for weight, gradient in zip(net.weights(), gradients, strict=True):
            buffer = optimizer.state[weight]["momentum_buffer"]
            weight.sub_(XI * (gradient + MOMENTUM * buffer + DECAY * weight))
    torch.manual_seed(seed)
    first = torch.autograd.grad(random_loss(net, drop)(*VALID)[0], net.architecture())
    with torch.no_grad():
        for weight, old in zip(net.weights(), before, strict=True):
            weight.copy_(old)
    return [one - other for one, other in zip(first, whole, strict=True)]


def cosine(mine: list[Tensor], theirs: list[Tensor]) -> float:
    one, other = (torch.cat([piece.flatten() for piece in pieces]) for pieces in (mine, theirs))
    return F.cosine_similarity(one, other, dim=0).item()


@pytest.mark.parametrize(("space", "drop"), RANDOM)
@pytest.mark.parametrize("seed", [0, 1])
def test_all_passes_of_a_step_draw_the_same_masks_and_noise(
    space: CellSpace, drop: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so near that no ReLU switches between, as above
    monkeypatch.setattr("nas_steps.search.darts.kinds.darts_second_order.STEP", 1e-6)
    net = supernet(space)
    optimizer = optimiser(net, momentum=MOMENTUM)
    exact = randomly_unrolled(net, optimizer, drop, seed, exact=True)
    wanted = product(net, exact, drop, seed, optimizer)
    near = product(net, randomly_unrolled(net, optimizer, drop, seed, exact=False), drop, seed, optimizer)
    assert cosine(near, wanted) > 0.999
    # under other masks the gradient is another one, so that the agreement says something
    assert cosine(randomly_unrolled(net, optimizer, drop, seed + 10, exact=True), exact) < 0.99


@pytest.mark.parametrize(("space", "drop"), [(SPACE, 0.0), *RANDOM])
def test_the_exact_gradient_is_the_slope_of_the_unrolled_loss_in_an_alpha(space: CellSpace, drop: float) -> None:
    net = supernet(space)
    optimizer = optimiser(net, momentum=MOMENTUM)
    found = randomly_unrolled(net, optimizer, drop, 0, exact=True)
    before = [weight.detach().clone() for weight in net.weights()]
    buffers = [optimizer.state[weight]["momentum_buffer"].clone() for weight in net.weights()]

    def unrolled_loss() -> float:
        torch.manual_seed(0)
        gradients = torch.autograd.grad(random_loss(net, drop)(*TRAIN)[0], net.weights())
        with torch.no_grad():
            for weight, gradient, buffer in zip(net.weights(), gradients, buffers, strict=True):
                weight.sub_(XI * (gradient + MOMENTUM * buffer + DECAY * weight))
            torch.manual_seed(0)
            loss = random_loss(net, drop)(*VALID)[0].item()
            for weight, old in zip(net.weights(), before, strict=True):
                weight.copy_(old)
        return loss

    step = 1e-5
    for alpha, gradient in zip(net.architecture(), found, strict=True):
        for place in ((0, 1), (1, 4), (0, 3)):
            sides = []
            for sign in (1, -2, 1):
                with torch.no_grad():
                    alpha[place] += sign * step
                sides.append(unrolled_loss())
            assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(gradient[place].item(), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("exact", [False, True])
def test_weights_optimiser_and_statistics_are_as_before(exact: bool) -> None:
    net = supernet()
    optimizer = optimiser(net, momentum=MOMENTUM)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    buffers = [entry["momentum_buffer"].clone() for entry in optimizer.state.values()]
    with same_statistics(net):
        unrolled(net, optimizer, exact=exact)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    after = [entry["momentum_buffer"] for entry in optimizer.state.values()]
    assert all(torch.equal(one, other) for one, other in zip(after, buffers, strict=True))
    assert all(weight.grad is None and weight.requires_grad for weight in net.weights())
    assert not any(getattr(module, "twice_differentiable", False) for module in net.modules())


def test_it_reports_the_validation_batch_with_the_weights_of_the_step_ahead() -> None:
    net = supernet()
    optimizer = optimiser(net, momentum=MOMENTUM)
    loss, correct = second_order(net, optimizer, exact=False).unrolled_gradients(TRAIN, VALID, loss_of(net))
    optimizer.zero_grad()
    F.cross_entropy(net(TRAIN[0]), TRAIN[1]).backward()
    optimizer.step()
    logits = net(VALID[0])
    assert loss.item() == pytest.approx(F.cross_entropy(logits, VALID[1], reduction="sum").item(), rel=1e-9)
    assert correct.item() == (logits.argmax(1) == VALID[1]).sum().item()
