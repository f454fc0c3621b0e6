"""How each member of the family weighs operations: by its paper's definition."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_supernets import SPACE, batch, supernet
from torch import Tensor

from nas_steps.config.strategies import (
    GRADIENT,
    Darts,
    Drnas,
    EarlyStopEigenvalue,
    FairDarts,
    Gdas,
    Gradient,
    PcDarts,
    Rsws,
    SdartsAdv,
    SdartsRs,
    Setn,
)
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.discretise import most_likely
from nas_steps.search.darts.learner import DartsLearner, learner_of
from nas_steps.search.darts.sdarts import SdartsLearner, on_simplex
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace

WIDE = CellSpace("s", ("none", "skip_connect", "max_pool_3x3", "nor_conv_1x1"), 3)
#: operations of a two-input space that not all edges may have
SOME = CellSpace(
    "s",
    (),
    1,
    None,
    2,
    by_edge={
        "normal": (("skip_connect", "nor_conv_1x1", "max_pool_3x3"), ("nor_conv_1x1", "sep_conv_3x3")),
        "reduce": (("skip_connect", "sep_conv_3x3"), ("max_pool_3x3", "nor_conv_1x1", "sep_conv_3x3")),
    },
)


def made(settings: Gradient, space: CellSpace = SPACE, *, epoch: int = 1, batch: int = 0, seed: int = 0) -> Any:
    """The learner of a small supernet at the start of a batch."""
    kind = learner_of(settings.kind)
    found = kind(supernet(space, k=kind.k(settings)), settings, seed)
    found.reseed(epoch, batch)
    return found


def of(kind: type[Gradient], **changes: Any) -> Gradient:
    more = {PcDarts: {"parts": 2}, EarlyStopEigenvalue: {"window": 1}}
    return kind(**{"epochs": 5, **more.get(kind, {}), **changes})


def equal(one: Mix, other: Mix) -> bool:
    return all(torch.equal(one.weights[kind], other.weights[kind]) for kind in one.weights)


def soft(net: Supernet, kind: str) -> Tensor:
    return net.alphas[kind].masked_fill(~torch.tensor(net.space.allowed(kind)), -math.inf).softmax(-1)


# ------------------------------------------------------------------------------------------- of every kind


@pytest.mark.parametrize("kind", GRADIENT)
def test_what_is_drawn_depends_on_seed_epoch_and_batch_alone(kind: type[Gradient]) -> None:
    found = made(of(kind), WIDE)

    def mix(epoch: int, batch: int, seed: int) -> Mix:
        found.seed = seed
        found.reseed(epoch, batch)
        return found.mix_for_weights(found.draw())

    torch.manual_seed(5)
    first = mix(2, 3, 4)
    others = [mix(3, 3, 4), mix(2, 4, 4), mix(2, 3, 5)]
    torch.manual_seed(6)
    torch.rand(10)
    before = torch.get_rng_state()
    again = mix(2, 3, 4)
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(again, first)
    assert again.active == first.active
    random = kind in (SdartsRs, SdartsAdv, Gdas, Drnas, Rsws, Setn)
    assert [equal(other, first) for other in others] == [not random] * 3


@pytest.mark.parametrize("kind", GRADIENT)
def test_a_batch_learnt_in_parts_has_one_draw(kind: type[Gradient]) -> None:
    found = made(of(kind), WIDE)
    drawn = found.draw()
    assert equal(found.mix_for_weights(drawn), found.mix_for_weights(drawn))
    assert equal(found.mix(drawn), found.mix(drawn))
    other = found.draw()  # alphas and weights learn under draws of their own
    if kind in (SdartsRs, Gdas, Drnas, Rsws, Setn):
        assert not equal(found.mix_for_weights(drawn), found.mix_for_weights(other))


@pytest.mark.parametrize("kind", GRADIENT)
@pytest.mark.parametrize("space", [SOME, PRESETS["s1"]], ids=["some", "s1"])
def test_an_operation_that_an_edge_cannot_have_weighs_nothing(kind: type[Gradient], space: CellSpace) -> None:
    found = made(of(kind), space)
    for number in range(3):
        found.reseed(1, number)
        for mix in (found.mix(found.draw()), found.mix_for_weights(found.draw()), found.expected()):
            for name, weights in mix.weights.items():
                assert weights.shape == found.supernet.alphas[name].shape
                assert torch.isfinite(weights).all()
                assert not weights[~torch.tensor(space.allowed(name))].any()


@pytest.mark.parametrize("kind", GRADIENT)
def test_alphas_learn_by_gradients_unless_there_are_none_to_learn(kind: type[Gradient]) -> None:
    found: DartsLearner = made(of(kind), SOME)
    net = found.supernet
    mix = found.mix(found.draw())
    images, labels = batch(1)
    loss = F.cross_entropy(net(images, mix), labels)
    gradients = torch.autograd.grad(loss, net.architecture(), allow_unused=True)
    if not found.learns_alphas:
        assert kind is Rsws
        assert gradients == (None,) * len(gradients)
        return
    for name, gradient in zip(net.alphas, gradients, strict=False):
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.any()
        assert not gradient[~torch.tensor(SOME.allowed(name))].any()
    assert all(gradient is not None and gradient.any() for gradient in gradients)


@pytest.mark.parametrize("kind", GRADIENT)
@pytest.mark.parametrize("space", [WIDE, SOME, PRESETS["s1"], PRESETS["nasbench201"]], ids=["wide", "some", "s1", "nb"])
def test_alphas_that_are_equal_have_the_largest_entropy_and_decided_ones_none(
    kind: type[Gradient], space: CellSpace
) -> None:
    found = made(of(kind), space)
    net = found.supernet

    def entropy() -> float:
        with torch.no_grad():
            weights = found.expected().weights
        return found.entropy({name: rows.tolist() for name, rows in weights.items()})  # type: ignore[no-any-return]

    with torch.no_grad():
        for alpha in net.alphas.values():
            alpha.zero_()
    # the edges' own weights, which PC-DARTS learns, say nothing about the operations
    assert entropy() == pytest.approx(space.largest_entropy(), rel=1e-6)
    for scale in (0.1, 1.0):
        with torch.no_grad():
            for alpha in net.alphas.values():
                alpha.copy_(scale * torch.randn(alpha.shape, generator=torch.Generator().manual_seed(3)))
        assert 0.05 < entropy() < space.largest_entropy()
    with torch.no_grad():
        for name, alpha in net.alphas.items():
            alpha.fill_(-60)
            for row, allowed in zip(alpha, space.allowed(name), strict=True):
                row[max(place for place, may in enumerate(allowed) if may)] = 60
    assert entropy() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("kind", GRADIENT)
def test_what_is_expected_has_no_noise_and_can_be_made_discrete(kind: type[Gradient]) -> None:
    found = made(of(kind), WIDE)
    first = found.expected()
    found.seed = 7
    found.reseed(4, 2)
    assert equal(found.expected(), first)
    assert first.active is None
    weights = {name: rows.tolist() for name, rows in first.weights.items()}
    WIDE.check(most_likely(WIDE, weights, 1)[0][0])


# ---------------------------------------------------------------------------------------------- one by one


def test_darts_is_a_softmax() -> None:
    found = made(Darts())
    for kind, weights in found.mix(found.draw()).weights.items():
        torch.testing.assert_close(weights, found.supernet.alphas[kind].softmax(-1))
    assert found.regulariser() is None


def test_fair_darts_is_a_sigmoid_and_its_loss_parts_what_is_undecided() -> None:
    found = made(FairDarts(zero_one_weight=7.0))
    alphas = found.supernet.alphas
    for kind, weights in found.mix(None).weights.items():
        torch.testing.assert_close(weights, 1 / (1 + torch.exp(-alphas[kind])))
    loss = found.regulariser()
    values = torch.cat([alpha.flatten() for alpha in alphas.values()]).sigmoid()
    # Chu et al. 2020, equation 5
    assert loss.item() == pytest.approx(-7.0 * (values - 0.5).square().mean().item())
    loss.backward()
    for alpha in alphas.values():
        # going down, what is above 1/2 grows and what is below falls
        assert torch.equal(-alpha.grad.sign(), alpha.sign())
    with torch.no_grad():
        for alpha in alphas.values():
            alpha.zero_()
    assert found.regulariser().item() == 0


def sparse(rows: list[list[float]], space: CellSpace, threshold: float) -> list[set[tuple[str, int]]]:
    """By node the operations of a cell: of its two strongest edges the strongest operation, if it reaches the threshold
    (`threshold_sparse` in `parse` of the authors' code, whose operations have no `none`)."""
    names, nodes, start = [name for name in space.operations if name != "none"], [], 0
    strengths = [[value for value, name in zip(row, space.operations, strict=True) if name in names] for row in rows]
    for node in range(space.nodes):
        edges = range(start, start + space.inputs + node)
        best = sorted(edges, key=lambda edge: -max(strengths[edge]))[:2]
        kept = [
            (names[strengths[e].index(max(strengths[e]))], e - start) for e in best if max(strengths[e]) >= threshold
        ]
        nodes.append(set(kept))
        start = edges.stop
    return nodes


@pytest.mark.parametrize("threshold", [0.85, 0.6, 0.99])
def test_fair_darts_keeps_what_reaches_its_threshold_on_two_edges_a_node(threshold: float) -> None:
    space = PRESETS["darts"].replace(none_is_choice=True)
    found = made(FairDarts(threshold=threshold, candidates=3), space)
    sizes = []
    for seed in range(6):
        torch.manual_seed(seed)
        mix = {kind: torch.randn(14, 8).mul(1.5).sigmoid().tolist() for kind in space.kinds}
        name, *_ = found.most_likely(mix)[0]
        architecture = space.parse(name)
        for kind, cell in architecture.cells.items():
            kept = [{edge for edge in node if edge[0] != "none"} for node in cell]
            assert kept == sparse(mix[kind], space, threshold)
            assert all(len(node) == 2 for node in cell)
            sizes += map(len, kept)
    assert len(set(sizes)) > 1  # some nodes have fewer than two


def test_fair_darts_keeps_the_strongest_operation_if_none_is_no_choice() -> None:
    space = PRESETS["darts"]
    found = made(FairDarts(), space)
    mix = {
        kind: torch.rand(14, 8, generator=torch.Generator().manual_seed(1)).mul(0.8).tolist() for kind in space.kinds
    }
    assert found.most_likely(mix)[0][0] == str(most_likely(space, mix, 1)[0][0])
    # a weight at the threshold is kept; the own sigmoid of `none` says nothing
    one_node = CellSpace("s", ("none", "skip_connect", "nor_conv_1x1"), 1, none_is_choice=True)
    found = made(FairDarts(), one_node)
    mix = {kind: [[0.99, 0.85, 0.2], [0.0, 0.1, 0.84]] for kind in one_node.kinds}
    assert found.most_likely(mix)[0][0] == "normal:|skip_connect~0|none~1|;reduce:|skip_connect~0|none~1|"


def test_the_alphas_of_fair_darts_have_the_adam_of_its_code() -> None:
    assert made(FairDarts()).alpha_optimizer.defaults["betas"] == (0.9, 0.999)
    assert made(Darts()).alpha_optimizer.defaults["betas"] == (0.5, 0.999)


def test_gdas_draws_one_operation_an_edge_as_often_as_the_softmax_says() -> None:
    found = made(Gdas(), SOME)
    net = found.supernet
    counts = {kind: torch.zeros_like(alpha) for kind, alpha in net.alphas.items()}
    turns = 3000
    for number in range(turns):
        found.reseed(1, number)
        mix = found.mix(found.draw())
        for kind, weights in mix.weights.items():
            chosen = torch.tensor(mix.active[kind])
            assert (chosen.sum(1) == 1).all()
            torch.testing.assert_close(weights, chosen.to(weights), rtol=0, atol=1e-12)
            counts[kind] += chosen
    for kind, count in counts.items():
        torch.testing.assert_close(count / turns, soft(net, kind), rtol=0, atol=0.03)


def test_gdas_has_the_gradient_of_the_softened_draw() -> None:
    found = made(Gdas(epochs=10, temperature=4.0, temperature_min=1.0), epoch=4)
    assert found.temperature == pytest.approx(3.0)
    drawn = found.draw()
    mix = found.mix(drawn)
    for kind, alpha in found.supernet.alphas.items():
        softened = ((alpha.log_softmax(-1) + drawn[kind]) / 3.0).softmax(-1)
        direction = torch.randn_like(alpha)
        mine, theirs = (
            torch.autograd.grad(one, alpha, direction, retain_graph=True)[0] for one in (mix.weights[kind], softened)
        )
        torch.testing.assert_close(mine, theirs)
        assert torch.equal(mix.weights[kind].argmax(-1), softened.argmax(-1))


def test_gdas_reports_its_likeliest_path_and_not_the_mix_that_no_batch_trains() -> None:
    found = made(Gdas(), SOME)
    mix = found.reported()
    assert mix.active is not None
    for kind, alphas in found.supernet.alphas.items():
        for edge, allowed in enumerate(SOME.allowed(kind)):
            values = [value if may else -math.inf for value, may in zip(alphas[edge].tolist(), allowed, strict=True)]
            row = [float(place == values.index(max(values))) for place in range(len(values))]
            assert mix.weights[kind][edge].tolist() == row
            assert mix.active[kind][edge] == [value == 1 for value in row]
    # what is made discrete is the probabilities of the draw
    for kind, weights in found.expected().weights.items():
        torch.testing.assert_close(weights, soft(found.supernet, kind))


@pytest.mark.parametrize("kind", [kind for kind in GRADIENT if kind is not Gdas])
def test_the_others_report_the_mix_without_noise(kind: type[Gradient]) -> None:
    found = made(of(kind), WIDE)
    assert equal(found.reported(), found.expected())


def test_the_temperature_of_gdas_falls_from_the_first_epoch_to_the_last() -> None:
    temperatures = [made(Gdas(epochs=5), epoch=epoch).temperature for epoch in range(1, 6)]
    assert temperatures == pytest.approx([10.0, 7.525, 5.05, 2.575, 0.1])
    assert made(Gdas(epochs=1)).temperature == 10.0


def test_gumbel_noise_has_its_mean_and_variance() -> None:
    found = made(Gdas())
    values = []
    for number in range(600):
        found.reseed(1, number)
        values.append(torch.cat([one.flatten() for one in found.draw().values()]))
    noise = torch.cat(values)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.03)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.08)


def test_drnas_draws_from_dirichlet_distributions() -> None:
    found = made(Drnas(), SOME)
    turns = 1500
    sums = {kind: torch.zeros_like(alpha) for kind, alpha in found.supernet.alphas.items()}
    squares = {kind: torch.zeros_like(alpha) for kind, alpha in found.supernet.alphas.items()}
    for number in range(turns):
        found.reseed(1, number)
        with torch.no_grad():
            mix = found.mix(found.draw())
        for kind, weights in mix.weights.items():
            torch.testing.assert_close(weights.sum(1), torch.ones(2, dtype=torch.float64))
            assert (weights >= 0).all()
            sums[kind] += weights
            squares[kind] += weights.square()
    for kind, weights in found.expected().weights.items():
        allowed = torch.tensor(SOME.allowed(kind))
        concentrations = (F.elu(found.supernet.alphas[kind]) + 1) * allowed
        total = concentrations.sum(1, keepdim=True)
        torch.testing.assert_close(weights, concentrations / total)
        torch.testing.assert_close(sums[kind] / turns, weights, rtol=0, atol=0.04)
        variances = weights * (1 - weights) / (total + 1)
        found_variances = squares[kind] / turns - (sums[kind] / turns).square()
        torch.testing.assert_close(found_variances, variances, rtol=0, atol=0.02)


def test_the_divergence_of_drnas_pulls_to_the_flat_distribution() -> None:
    found = made(Drnas(divergence_weight=0.5))
    loss = found.regulariser()
    alphas = list(found.supernet.alphas.values())
    gradients = torch.autograd.grad(loss, alphas)
    assert loss.item() > 0
    rate = 0.05
    with torch.no_grad():
        for alpha, gradient in zip(alphas, gradients, strict=True):
            alpha.sub_(gradient, alpha=rate)
    assert found.regulariser().item() < loss.item()
    with torch.no_grad():
        for alpha in alphas:
            alpha.zero_()  # concentrations of 1
    flat = found.regulariser()
    assert flat.item() == pytest.approx(0, abs=1e-12)
    assert all(gradient.abs().max() < 1e-9 for gradient in torch.autograd.grad(flat, alphas))
    # KL from Dirichlet(2, 1, ..., 1) of 5 operations to the flat one, by its formula, on one edge of four
    with torch.no_grad():
        alphas[0][0, 0] = 1.0
    by_hand = math.lgamma(6) - math.lgamma(2) - math.lgamma(5) + (1 - 0.5772156649) - (math.fsum(
        1 / k for k in range(1, 6)) - 0.5772156649)  # fmt: skip
    assert found.regulariser().item() == pytest.approx(0.5 * by_hand)


@pytest.mark.parametrize("kind", [SdartsRs, SdartsAdv])
def test_sdarts_disturbs_the_mix_of_the_weights_alone_within_its_radius(kind: type[Gradient]) -> None:
    for epoch, radius in ((1, 0.1), (3, 0.2), (5, 0.3)):
        found = made(of(kind, radius=0.3, radius_min=0.1), epoch=epoch)
        assert found.radius == pytest.approx(radius)
        drawn = found.draw()
        largest = max(one.abs().max().item() for one in drawn.values())
        assert 0.7 * radius < largest <= radius
        mix = found.mix_for_weights(drawn)
        for name, weights in mix.weights.items():
            before = soft(found.supernet, name)
            torch.testing.assert_close(weights.sum(1), torch.ones(2, dtype=torch.float64))
            assert (weights >= 0).all()
            moved = (before + drawn[name]).clamp(0, 1)
            torch.testing.assert_close(weights, moved / moved.sum(1, keepdim=True))
            assert not torch.equal(weights, before)
            torch.testing.assert_close(found.mix(drawn).weights[name], before)
            torch.testing.assert_close(found.expected().weights[name], before)


def test_a_disturbed_mix_goes_back_to_the_simplex() -> None:
    allowed = torch.tensor([[True] * 3] * 3 + [[False, True, True]] * 2)
    moved = torch.tensor([[1.2, -0.1, 0.1], [0.2, 0.3, 0.5], [-0.2, -0.1, -0.3], [0.9, 0.3, 0.1], [0.2, -0.3, -0.2]])
    # clamped to 0 and 1 and divided by the sum; if all are below 0, the largest is 1
    by_hand = [[1 / 1.1, 0, 0.1 / 1.1], [0.2, 0.3, 0.5], [0, 1, 0], [0, 0.75, 0.25], [0, 0, 1]]
    torch.testing.assert_close(on_simplex(moved, allowed), torch.tensor(by_hand))


def projected(weights: Tensor) -> Tensor:
    """An edge at a time, as `clip` of the authors' code is written."""
    rows = weights.clone()
    for row in rows:
        largest = int(row.argmax())
        row.clamp_(0, 1)
        if row.sum() == 0:
            row[largest] = 1
        row /= row.sum()
    return rows


def attacked(net: Supernet, images: Tensor, labels: Tensor, start: dict[str, Tensor], radius: float, steps: int) -> Any:
    """Projected gradient ascent from `start` (Chen & Hsieh 2020, section 3.2, as in the authors' `Linf_PGD_alpha`):
    the weights of the mix, their loss, and the loss without disturbance."""
    net.eval()
    with torch.no_grad():
        soft = {kind: alphas.softmax(-1) for kind, alphas in net.alphas.items()}
    before = F.cross_entropy(net(images, Mix(soft)), labels).item()
    weights = {kind: projected(one + start[kind]) for kind, one in soft.items()}
    for _ in range(steps):
        leaves = {kind: one.clone().requires_grad_() for kind, one in weights.items()}
        loss = F.cross_entropy(net(images, Mix(leaves)), labels)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        for (kind, one), gradient in zip(weights.items(), gradients, strict=True):
            difference = (one + 2 * radius / steps * gradient.sign() - soft[kind]).clamp(-radius, radius)
            weights[kind] = projected(soft[kind] + difference)
    with torch.no_grad():
        after = F.cross_entropy(net(images, Mix(weights)), labels).item()
    net.train()
    return weights, after, before


def test_the_worst_disturbance_is_that_of_projected_gradient_ascent_kept_if_the_loss_rises() -> None:
    net = supernet()
    settings = SdartsAdv(epochs=2, radius=0.2, radius_min=0.2, steps=3)
    step = learner_of(settings.kind)(net, settings)
    assert isinstance(step, SdartsLearner)
    images, labels = batch(3, images=16)
    net.train()
    for _ in range(40):  # so that the running statistics are those of these images
        net(images)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    for number in range(4):
        step.reseed(1, number)
        start = step.draw()
        step.reseed(1, number)
        worst = step.worked_out(step.draw(), images, labels, 0.5)
        assert net.training
        assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
        assert all(one.grad is None for one in (*step.alphas, *step.weights))
        weights, after, before = attacked(net, images, labels, start, 0.2, 3)
        assert after > before
        for kind, one in step.mix_for_weights(worst).weights.items():
            torch.testing.assert_close(one, weights[kind])
    # a single step across a wide range can lower the loss; then there is no disturbance
    kept = []
    for seed in range(12):
        images, labels = batch(seed)
        one = learner_of("sdarts_adv")(net, SdartsAdv(epochs=2, radius=1.0, radius_min=1.0, steps=1), seed)
        one.reseed(1, 0)
        start = one.draw()
        one.reseed(1, 0)
        worst = one.worked_out(one.draw(), images, labels, 0.0)
        weights, after, before = attacked(net, images, labels, start, 1.0, 1)
        kept.append(after >= before)
        for kind, value in worst.items():
            if kept[-1]:
                torch.testing.assert_close(one.mix_for_weights(worst).weights[kind], weights[kind])
            else:
                assert not value.any()
    assert 0 < sum(kept) < len(kept)


def test_the_edge_weights_of_pc_darts_sum_to_one_a_node() -> None:
    found = made(PcDarts(parts=2), WIDE)
    net = found.supernet
    mix = found.mix(None)
    assert mix.around is not None
    for kind, around in mix.around.items():
        start = 0
        for node in range(3):
            edges = slice(start, start + 2 + node)
            torch.testing.assert_close(around[edges], net.betas[kind][edges].softmax(0))
            assert around[edges].sum().item() == pytest.approx(1)
            # Xu et al. 2020, equation 4: operations are weighed by both
            torch.testing.assert_close(mix.weights[kind][edges], soft(net, kind)[edges] * around[edges].unsqueeze(1))
            start += 2 + node


def test_rsws_trains_one_architecture_of_the_space_a_batch() -> None:
    found = made(Rsws(), WIDE)
    drawn = set()
    for number in range(40):
        found.reseed(1, number)
        mix = found.mix_for_weights(found.draw())
        assert mix.active is not None
        for kind, weights in mix.weights.items():
            assert torch.equal(weights > 0, torch.tensor(mix.active[kind]))
            assert set(weights.flatten().tolist()) == {0.0, 1.0}
            # two edges a node are kept
            assert [weights[edges].sum().item() for edges in (slice(0, 2), slice(2, 5), slice(5, 9))] == [2.0] * 3
            assert not weights[:, 0].any()  # none is no choice of an architecture
        drawn.add(str(mix.active))
    assert len(drawn) == 40


def test_rsws_never_changes_an_alpha() -> None:
    net = supernet()
    step = learner_of("rsws")(net, Rsws(epochs=2))
    step.begin(1, 0, iter([batch(seed) for seed in range(4)]))
    alphas = [alpha.detach().clone() for alpha in net.architecture()]
    weights = [weight.detach().clone() for weight in net.weights()]
    for number in range(4):
        step(*batch(10 + number), number / 4)
    assert all(torch.equal(one, old) for one, old in zip(net.architecture(), alphas, strict=True))
    assert not all(torch.equal(one, old) for one, old in zip(net.weights(), weights, strict=True))


@pytest.mark.parametrize("k", [1, 2])
def test_a_discrete_mix_has_one_where_an_architecture_has_an_edge(k: int) -> None:
    net = supernet(WIDE, k=k)
    architecture = WIDE.sample(Random(3))
    mix = net.discrete(architecture)
    for kind, cell in architecture.cells.items():
        kept = {(node, source): name for node, edges in enumerate(cell) for name, source in edges}
        for place, edge in enumerate(WIDE.edges()):
            row = [float(name == kept.get(edge)) for name in WIDE.operations]
            assert mix.weights[kind][place].tolist() == row
            if k > 1:
                assert mix.around is not None
                assert mix.around[kind][place].item() == float(edge in kept)
    assert (mix.around is None) == (k == 1)
