"""Published sizes, shapes, the supernet against a discrete network, drop path, counting."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from torch import nn

from benchmarks.textbook import MixedOperation, Textbook, copy
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import build, is_baseline, size
from nas_steps.models.cells.networks import AuxiliaryHead, CellNetwork, OneInputCell, ResidualReduction, drop_path
from nas_steps.models.cells.operations import FactorizedReduce, build_operation
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.count import count
from nas_steps.spaces.baselines import baseline_names
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace, parse_architecture
from nas_steps.spaces.mobile.efficientnet import B0

V1 = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_3x3', 1), "
    "('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], reduce_concat=range(2, 6))"
)
V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
#: all but the largest, which take long
BASELINES = [name for name in baseline_names() if name not in {f"efficientnet_b{number}" for number in range(2, 8)}]
ONE_INPUT = "|{0}~0|+|{0}~0|{0}~1|+|{0}~0|{0}~1|{0}~2|"
PAPER = Network(channels=36, cells=20, stem_multiplier=3)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("genotype", "plain", "with_head", "macs"),
    [(V1, 3_169_414, 3_645_840, 500_987_520), (V2, 3_349_342, 3_825_768, 528_359_040)],
    ids=["V1", "V2"],
)
def test_darts_has_the_published_size(genotype: str, plain: int, with_head: int, macs: int) -> None:
    found = size(genotype, PAPER, inputs=3, classes=10, side=32)
    assert (found.parameters, found.macs) == (plain, macs)
    with torch.device("meta"):
        assert parameters(build(genotype, PAPER, inputs=3, classes=10, side=32, auxiliary=True)) == with_head


NASBENCH201 = Network(channels=16, cells=5)


@pytest.mark.parametrize(
    ("operation", "parameters", "macs"),
    [
        # Dong & Yang 2020: 1.53 M and 0.073 M parameters, 220.12 M and 7.78 M multiply-accumulates
        ("nor_conv_3x3", 1_531_546, 220_119_680),
        ("nor_conv_1x1", 241_306, 31_376_000),
        ("none", 73_306, 7_783_040),
        ("skip_connect", 73_306, 7_783_040),
        ("avg_pool_3x3", 73_306, 7_783_040),
    ],
)
def test_nasbench201_has_the_published_size(operation: str, parameters: int, macs: int) -> None:
    found = size(ONE_INPUT.format(operation), NASBENCH201, inputs=3, classes=10, side=32)
    assert (found.parameters, found.macs) == (parameters, macs)


@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_every_space_gives_networks_that_learn(space: CellSpace) -> None:
    torch.manual_seed(0)
    random = Random(1)
    for side in (8, 9):
        architecture = str(space.sample(random))
        model = build(architecture, Network(channels=4, cells=3), inputs=1, classes=3, side=side, auxiliary=True)
        model.drop_path = 0.2
        main, second = model(torch.randn(2, 1, side, side))
        assert main.shape == second.shape == (2, 3)
        (main.sum() + second.sum()).backward()
        assert model.classifier.weight.grad is not None
        assert model.eval()(torch.randn(2, 1, side, side)).shape == (2, 3)


@pytest.mark.parametrize("side", [2, 7, 8, 9])
def test_a_residual_reduction_halves_the_side_rounded_up(side: int) -> None:
    reduction = ResidualReduction(3, 5).eval()
    x = torch.randn(2, 3, side, side)
    assert reduction(x).shape == (2, 5, math.ceil(side / 2), math.ceil(side / 2))
    pooled = reduction.shortcut[0](torch.ones(1, 1, side, side))
    assert torch.equal(pooled, torch.ones_like(pooled))  # what lies outside counts for nothing


def test_a_one_input_cell_is_the_sum_at_its_last_node() -> None:
    architecture = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    cell = OneInputCell(parse_architecture(architecture).cells["cell"], 4)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(cell(x, 0.0), 3 * x)


def test_a_cell_concatenates_the_nodes_of_its_space() -> None:
    whole = PRESETS["small"]
    cells = str(whole.sample(Random(0)))
    part = cells.replace(";", "concat=0,2;") + "concat=1"
    network = Network(channels=4, cells=3, stem_multiplier=1)
    model = build(part, network, inputs=1, classes=3, side=8)
    assert [cell.outputs for cell in model.cells] == [8, 8, 16]  # normal, reduce, reduce
    assert build(cells, network, inputs=1, classes=3, side=8).classifier.in_features == 48
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_reductions_stand_where_they_are_declared() -> None:
    network = Network(channels=4, cells=4, reductions=[1])
    model = build(str(PRESETS["small"].sample(Random(0))), network, inputs=1, classes=3, side=8)
    assert [cell.outputs for cell in model.cells] == [12, 24, 24, 24]
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_noise_is_standard_normal_and_reads_nothing() -> None:
    torch.manual_seed(0)
    x = torch.full((4, 8, 32, 32), 7.0, requires_grad=True)
    noise = build_operation("noise", 8, 2)(x)
    assert noise.shape == (4, 8, 16, 16)
    assert not noise.requires_grad
    assert noise.mean().item() == pytest.approx(0, abs=0.05)
    assert noise.std().item() == pytest.approx(1, abs=0.05)


def test_the_supernet_of_darts_has_the_published_size() -> None:
    with torch.device("meta"):
        net = Supernet(PRESETS["darts"], Network(channels=16, cells=8, stem_multiplier=3), inputs=3, classes=10)
    assert sum(weight.numel() for weight in net.weights()) == 1_930_618
    assert {kind: tuple(alpha.shape) for kind, alpha in net.alphas.items()} == {"normal": (14, 8), "reduce": (14, 8)}
    assert len(net.weights()) + 2 == len(list(net.parameters()))


def test_efficientnet_b0_has_the_published_size() -> None:
    assert size("efficientnet_b0", PAPER, inputs=3, classes=1000, side=224).parameters == 5_288_548


@pytest.mark.parametrize("side", [7, 8, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_divides_the_side_by_its_stride_rounded_up(name: str, stride: int, side: int) -> None:
    for affine in (True, False):
        module = build_operation(name, 4, stride, affine)
        out = module(torch.randn(2, 4, side, side))
        assert out.shape == (2, 4, math.ceil(side / stride), math.ceil(side / stride))
        assert torch.isfinite(out).all()
        learns = OPERATIONS[name] or (name == "skip_connect" and stride == 2)
        assert (parameters(module) > 0) == learns
        affine_parts = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d) and m.affine]
        assert bool(affine_parts) == (affine and learns)


def test_none_is_zero_and_skip_is_the_input() -> None:
    x = torch.randn(2, 4, 5, 5)
    assert not build_operation("none", 4, 2)(x).any()
    assert torch.equal(build_operation("skip_connect", 4, 1)(x), x)


def test_a_factorized_reduction_reads_pixels_of_both_diagonals() -> None:
    reduce = FactorizedReduce(1, 2).eval()
    x = torch.rand(1, 1, 4, 4).add(1).requires_grad_()
    reduce(x).sum().backward()
    assert x.grad is not None
    used = x.grad[0, 0] != 0
    assert torch.equal(used, torch.tensor([[i % 2 == j % 2 for j in range(4)] for i in range(4)]))
    assert FactorizedReduce(3, 5)(torch.randn(2, 3, 5, 5)).shape == (2, 5, 3, 3)


@pytest.mark.parametrize("name", [*BASELINES, "mobilenet_v2_x0.5", "resnet20_x0.5", "efficientnet_b0_x0.5"])
def test_a_baseline_takes_small_images(name: str) -> None:
    for side, inputs in ((8, 1), (32, 3)):
        model = build(name, PAPER, inputs=inputs, classes=7, side=side)
        model.train()
        logits = model(torch.randn(2, inputs, side, side))
        assert logits.shape == (2, 7)
        assert torch.isfinite(logits).all()


def test_half_the_width_is_a_smaller_network() -> None:
    for name in BASELINES:
        full = size(name, PAPER, inputs=3, classes=10, side=32)
        half = size(f"{name}_x0.5", PAPER, inputs=3, classes=10, side=32)
        assert half.parameters < 0.6 * full.parameters
        assert half.macs < 0.7 * full.macs


def test_resnets_have_their_sizes() -> None:
    # He et al. 2016, table 6: 0.27, 0.46, 0.85 M; torchvision's resnet18 for ImageNet
    for name, millions in (("resnet20", 0.27), ("resnet32", 0.46), ("resnet56", 0.85)):
        assert size(name, PAPER, inputs=3, classes=10, side=32).parameters / 1e6 == pytest.approx(millions, abs=0.01)
    assert size("resnet18", PAPER, inputs=3, classes=1000, side=224).parameters == 11_689_512


def test_a_string_that_is_no_architecture_is_a_user_error() -> None:
    for text in ("resnet", "vgg16", "", "normal:|", "stem", "stem_k3_c8/head_c8_q3"):
        assert not is_baseline(text)
        with pytest.raises(UserError):
            build(text, PAPER, inputs=3, classes=10, side=32)


def test_a_mobile_string_is_built_whatever_the_skeleton_of_cells() -> None:
    shape = {"inputs": 3, "classes": 1000, "side": 224}
    assert not is_baseline(B0)
    assert size(B0, PAPER, **shape).parameters == size("efficientnet_b0", PAPER, **shape).parameters == 5_288_548
    assert type(build(B0, PAPER, **shape)).__name__ == "MobileNetwork"
    with pytest.raises(UserError, match="divide the side by 32"):
        build(B0, PAPER, inputs=3, classes=10, side=16)


@pytest.mark.parametrize("text", ["resnet200", "resnet18_x99", "mobilenet_v2_half"])
def test_a_string_that_only_begins_like_a_baseline_is_a_user_error(text: str) -> None:
    with pytest.raises(UserError):
        build(text, PAPER, inputs=3, classes=10, side=32)


def test_a_supernet_of_one_hot_alphas_is_the_discrete_network() -> None:
    space = CellSpace("s", ("none", "skip_connect", "sep_conv_3x3", "nor_conv_1x1", "max_pool_3x3"), nodes=2)
    # pools are left out: in a supernet they have a batch norm behind them
    normal = "|sep_conv_3x3~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~2|"
    reduce = "|skip_connect~0|nor_conv_1x1~1|+|sep_conv_3x3~1|sep_conv_3x3~2|"
    architecture = space.parse(f"normal:{normal};reduce:{reduce}")
    network = Network(channels=4, cells=4, stem_multiplier=2)
    torch.manual_seed(0)
    net = Supernet(space, network, inputs=2, classes=3)
    textbook = Textbook(space, network, inputs=2, classes=3)
    discrete = CellNetwork(architecture, network, inputs=2, classes=3)
    state = discrete.state_dict()
    kept = {}
    with torch.no_grad():
        for kind in space.kinds:
            textbook.alphas[kind].zero_()
            chosen = {(n, s): op for n, node in enumerate(architecture.cells[kind]) for op, s in node}
            for row, edge in enumerate(space.edges()):
                column = space.operations.index(chosen.get(edge, "none"))
                textbook.alphas[kind][row, column] = 1e4
                if edge in chosen:
                    place = [s for _, s in architecture.cells[kind][edge[0]]].index(edge[1])
                    kept[kind, row, column] = f"nodes.{edge[0]}.{place}."
    source = textbook.state_dict()
    copied = set()
    for name in state:
        if name.endswith(("norm.weight", "norm.bias")) or name in source:
            if name in source:
                state[name] = source[name]
            copied.add(name)
    for index, cell in enumerate(textbook.cells):
        for (kind, row, column), prefix in kept.items():
            if cell.kind != kind:
                continue
            for name, value in cell.edges[row].operations[column].state_dict().items():
                state[f"cells.{index}.{prefix}{name}"] = value
                copied.add(f"cells.{index}.{prefix}{name}")
    learned = {n for n, p in discrete.named_parameters() if p.ndim > 1}
    assert learned <= copied  # what is not copied are the affine parts, which begin as 1 and 0
    discrete.load_state_dict(state)
    copy(net, textbook)
    x = torch.randn(3, 2, 9, 9)
    torch.testing.assert_close(net(x), discrete(x), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        net.alphas["normal"].zero_()
    assert not torch.allclose(net(x), discrete(x), atol=1e-3)


def test_an_edge_mixes_its_operations_by_the_weights() -> None:
    space = CellSpace("s", ("none", "skip_connect", "nor_conv_3x3"), nodes=1)
    edge = MixedOperation(space, space.operations, 4, 1)
    x = torch.randn(2, 4, 4, 4)
    mixed = edge(x, torch.tensor([0.5, 0.2, 0.3]))
    torch.testing.assert_close(mixed, 0.2 * x + 0.3 * edge.operations[2](x))


def test_drop_path_drops_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = drop_path(torch.ones(5000, 2, 3, 3), 0.3)
    flat = out.flatten(1)
    assert (flat == flat[:, :1]).all()
    values = flat[:, 0]
    assert ((values == 0) | torch.isclose(values, torch.tensor(1 / 0.7))).all()
    assert values.mean().item() == pytest.approx(1, abs=0.04)
    assert (values == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)


def test_drop_path_is_for_training_alone() -> None:
    torch.manual_seed(0)
    cells = parse_architecture("normal:|nor_conv_1x1~0|nor_conv_1x1~1|;reduce:|nor_conv_1x1~0|nor_conv_1x1~1|")
    model = CellNetwork(cells, Network(channels=2, cells=3, stem_multiplier=1), inputs=1, classes=2)
    x = torch.randn(8, 1, 8, 8)
    model.drop_path = 0.5
    model.train()
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_the_auxiliary_head_answers_in_training_alone() -> None:
    architecture = "normal:|nor_conv_1x1~0|nor_conv_1x1~1|;reduce:|nor_conv_1x1~0|nor_conv_1x1~1|"
    network = Network(channels=4, cells=4, stem_multiplier=1)
    model = build(architecture, network, inputs=1, classes=5, side=8, auxiliary=True)
    main, second = model(torch.randn(2, 1, 8, 8))
    assert main.shape == second.shape == (2, 5)
    assert model.eval()(torch.randn(2, 1, 8, 8)).shape == (2, 5)
    for side in (1, 2, 7, 8, 16):
        assert AuxiliaryHead(3, 5)(torch.randn(2, 3, side, side)).shape == (2, 5)


@pytest.mark.parametrize("cells", [3, 4, 5, 7])
def test_any_depth_and_side_gives_logits(cells: int) -> None:
    network = Network(channels=2, cells=cells, stem_multiplier=1)
    architecture = "normal:|skip_connect~0|sep_conv_3x3~1|;reduce:|max_pool_3x3~0|skip_connect~1|"
    for side in (4, 9):
        assert build(architecture, network, inputs=1, classes=3, side=side)(torch.randn(2, 1, side, side)).shape == (
            2,
            3,
        )


def test_counting_draws_no_random_number_and_counts_by_hand() -> None:
    torch.manual_seed(4)
    before = torch.get_rng_state()
    found = count(
        lambda: nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.Flatten(), nn.Linear(5 * 36, 4)), inputs=2, side=6
    )
    size(V1, Network(channels=4, cells=3), inputs=3, classes=10, side=8)
    for name in BASELINES:
        size(name, PAPER, inputs=1, classes=10, side=8)
    assert torch.equal(before, torch.get_rng_state())
    assert found.parameters == (2 * 5 * 9 + 5) + (180 * 4 + 4)
    assert found.macs == 36 * 5 * 2 * 9 + 180 * 4


@pytest.mark.parametrize("name", BASELINES)
def test_all_baselines_average_their_statistics_as_searched_networks_do(name: str) -> None:
    model = build(name, PAPER, inputs=3, classes=10, side=32)
    assert {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)} == {0.1}
