"""The stages of DrNAS: what they prune and widen, and that a search that is cut goes on as if it were not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_supernets import batch, supernet
from stepping import settings_of
from test_search_darts import checkpoint, timeless
from tiny_world import ROOT, prepared, tiny_config
from torch import Tensor

from nas_steps.config.space import Network
from nas_steps.config.strategies import Drnas
from nas_steps.errors import UserError
from nas_steps.models.cells.mixed_cell import EdgeGroup, Mix, MixedCell
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.cells.widening import widen
from nas_steps.search.darts.kinds import drnas
from nas_steps.search.darts.learner import DartsLearner
from nas_steps.search.darts.loop import DartsResult, darts
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.devices import prepare
from nas_steps.training.networks import Images, load_images
from nas_steps.training.progress import Progress

OPERATIONS = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3", "nor_conv_3x3", "nor_conv_1x1"]
#: three batches an epoch; in the first epoch of each stage only the weights learn
STAGES = [{"epochs": 2, "parts": 4}, {"epochs": 2, "operations": 4, "parts": 2}, {"epochs": 2, "operations": 2}]


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(prepared(), prepare("cpu", 1))


def searched(images: Images, checkpoint: Checkpoint | None = None, **changes: Any) -> DartsResult:
    strategy = {"kind": "drnas", "batch_size": 20, "candidates": 3, "warmup_epochs": 1, "stages": STAGES}
    config = tiny_config(
        space={"nodes": 1, "operations": OPERATIONS},
        search__strategies__darts={**strategy, "alpha_learning_rate": 0.1, **changes},
    )
    settings = settings_of(config, "darts darts", DartsSettings, ROOT.name)
    with Progress(6, "supernet") as progress:
        return darts(settings, images, seed=0, progress=progress, checkpoint=checkpoint)


def learner(stages: list[dict[str, Any]], space: CellSpace = PRESETS["darts"], **changes: Any) -> Any:
    settings = Drnas(stages=stages, **changes)
    torch.manual_seed(0)
    network = Network(channels=8, cells=3, stem_multiplier=1)
    net = Supernet(space, network, inputs=1, classes=3, k=drnas.Learner.k(settings), edge_weights=False).double()
    with torch.no_grad():
        for alphas in net.alphas.values():
            alphas.normal_()
    return drnas.Learner(net, settings)


def largest(alphas: list[list[float]], count: int) -> list[set[int]]:
    return [set(sorted(range(len(row)), key=lambda place: -row[place])[:count]) for row in alphas]


# ----------------------------------------------------------------------------------------------- the search


def test_each_stage_keeps_the_operations_with_the_largest_alphas(images: Images) -> None:
    result = searched(images)
    assert len(result.history) == 6
    assert not result.reason
    for before, after, count in ((1, 2, 4), (3, 4, 2)):
        for kind, rows in result.alphas[before].items():
            # those that were pruned earlier have alphas of 0 and take no part
            alive = [[value if value else -math.inf for value in row] for row in rows]
            kept = largest(alive, count)
            for epoch in (after, after + 1):
                for row, some in zip(result.alphas[epoch][kind], kept, strict=True):
                    assert {place for place, value in enumerate(row) if value != 0} == some
    # the genotype is the likeliest of what is left: two operations an edge, of which `none` is no choice
    final = result.alphas[-1]
    space = PRESETS["darts"].replace(nodes=1, operations=tuple(OPERATIONS), edges_per_node=2)
    architecture = space.parse(result.candidates[0][0])
    for kind, ((*edges,),) in architecture.cells.items():
        for operation, source in edges:
            concentrations = {
                name: F.elu(torch.tensor(value)).item() + 1
                for name, value in zip(OPERATIONS, final[kind][source], strict=True)
                if value != 0 and name != "none"
            }
            assert operation == max(concentrations, key=concentrations.__getitem__)
    for name, _, _ in result.candidates:
        for kind, ((*edges,),) in space.parse(name).cells.items():
            assert all(final[kind][source][OPERATIONS.index(operation)] != 0 for operation, source in edges)


def test_the_alphas_wait_in_the_first_epoch_of_each_stage(images: Images) -> None:
    result = searched(images)
    for first in (2, 4):
        for kind, rows in result.alphas[first].items():
            for row, before in zip(rows, result.alphas[first - 1][kind], strict=True):
                assert all(value in (0, old) for value, old in zip(row, before, strict=True))
    for second in (1, 3, 5):
        assert result.alphas[second] != result.alphas[second - 1]


@pytest.mark.parametrize("step", [2, 6, 7, 9, 12, 13, 17])
def test_a_search_that_is_cut_in_any_stage_ends_bit_by_bit_the_same(
    images: Images, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = searched(images)
    call, done = DartsLearner.__call__, [0]

    def cut(self: DartsLearner, *arguments: Any) -> Any:
        done[0] += 1
        if done[0] == step + 1:
            raise KeyboardInterrupt
        return call(self, *arguments)

    monkeypatch.setattr(DartsLearner, "__call__", cut)
    with pytest.raises(KeyboardInterrupt):
        searched(images, checkpoint(tmp_path))
    monkeypatch.setattr(DartsLearner, "__call__", call)
    torch.manual_seed(step)
    assert timeless(searched(images, checkpoint(tmp_path))) == timeless(whole)


def test_one_input_cells_have_stages_too(images: Images) -> None:
    config = tiny_config(
        space={"preset": "nasbench201"},
        search__network={"channels": 4, "cells": 1},
        search__strategies__darts={
            **{"kind": "drnas", "batch_size": 60, "eigenvalue": True},
            "stages": [{"epochs": 1, "parts": 4}, {"epochs": 1, "operations": 3, "parts": 2}],
        },
    )
    settings = settings_of(config, "darts darts", DartsSettings, ROOT.name)
    with Progress(2, "supernet") as progress:
        result = darts(settings, images, seed=0, progress=progress)
    assert [sum(value != 0 for value in row) for row in result.alphas[1]["cell"]] == [3] * 6
    assert all(math.isfinite(row["eigenvalue"]) for row in result.history)


# -------------------------------------------------------------------------------------------------- pruning


def test_the_draw_after_pruning_is_the_papers_masked_and_renormalised() -> None:
    found = learner([{"epochs": 1}, {"epochs": 1, "operations": 3}], CellSpace("s", tuple(OPERATIONS), 1))
    alphas = {kind: one.detach().clone() for kind, one in found.supernet.alphas.items()}
    found.begin(2, 0, iter(()))
    turns = 3000
    mixes = []
    for number in range(turns):
        found.reseed(2, number)
        with torch.no_grad():
            mixes.append(found.mix(found.draw()))
    torch.manual_seed(1)
    for kind, before in alphas.items():
        mine = torch.stack([mix.weights[kind] for mix in mixes])
        for edge, row in enumerate(before):
            mask = torch.zeros(len(row), dtype=torch.bool)
            mask[row.topk(3).indices] = True
            # the authors' `process_step_vector`: pruned alphas are 0, so their concentrations 1
            sampled = torch.distributions.Dirichlet(F.elu(row * mask) + 1).sample((turns,)) * mask
            theirs = sampled / sampled.sum(1, keepdim=True)
            torch.testing.assert_close(mine[:, edge].mean(0), theirs.mean(0), rtol=0, atol=0.03)
            torch.testing.assert_close(mine[:, edge].var(0), theirs.var(0), rtol=0, atol=0.02)
            assert not mine[:, edge, ~mask].any()
        assert torch.tensor(mixes[0].active[kind]).sum() == 2 * 3


def test_operations_that_are_pruned_are_not_computed_and_never_come_back() -> None:
    found = learner([{"epochs": 1}, {"epochs": 1, "operations": 3}], batch_size=6)
    found.begin(1, 0, iter([batch(seed) for seed in range(3)]))
    for number in range(3):
        found(*batch(10 + number), number / 6)
    found.begin(2, 0, iter([batch(seed) for seed in range(3)]))
    pruned = {kind: ~found.supernet.allowed(kind) for kind in found.supernet.alphas}
    assert all(mask.sum() == 14 * 5 for mask in pruned.values())
    frozen = {name: one.clone() for name, one in found.supernet.named_parameters()}
    for number in range(3):
        found(*batch(20 + number), 0.5)
    for kind, mask in pruned.items():
        assert not found.supernet.alphas[kind][mask].any()
        assert not torch.equal(found.supernet.alphas[kind], frozen[f"alphas.{kind}"])
    # an operation with weights that no edge of its group keeps gets no gradient
    for cell in found.supernet.cells:
        for group in cell.stages:
            for name, edges in group.edges_of.items():
                column = cell.space.operations.index(name)
                kept = [bool(found.supernet.allowed(cell.kind)[group.places[edge], column]) for edge in edges]
                gradients = [one.grad for one in group.operations[name].parameters()]
                if not any(kept):
                    assert all(gradient is None or not gradient.any() for gradient in gradients)


# -------------------------------------------------------------------------------------------------- widening


def groups(net: Supernet) -> list[EdgeGroup]:
    return [group for cell in net.cells if isinstance(cell, MixedCell) for group in cell.stages]


def copies(wide: Tensor, narrow: Tensor) -> list[int]:
    """Which row of `narrow` each row of `wide` is."""
    return [next(place for place, one in enumerate(narrow) if torch.equal(one, row)) for row in wide]


@pytest.mark.parametrize("preset", ["darts", "nasbench201", "s4"])
def test_wider_operations_are_the_learnt_ones_with_copied_channels(preset: str) -> None:
    space = PRESETS[preset]
    network = Network(channels=8, cells=3 if space.inputs == 2 else 1, stem_multiplier=1)
    torch.manual_seed(0)
    net = Supernet(space, network, inputs=1, classes=3, k=4, edge_weights=False)
    for seed in range(3):
        net(*batch(seed, side=8, dtype=torch.float32)[:1])
    before = groups(net)
    state = torch.get_rng_state()
    grown = widen(net, 2, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert net.k == 2
    fresh = Supernet(space, network, inputs=1, classes=3, k=2, edge_weights=False)
    shapes = {name: one.shape for name, one in fresh.state_dict().items()}
    assert {name: one.shape for name, one in net.state_dict().items()} == shapes
    assert {id(one.new) for one in grown} <= {id(one) for one in net.parameters()}
    for old, new in zip(before, groups(net), strict=True):
        assert (old.sources, old.places, old.edges_of) == (new.sources, new.places, new.edges_of)
        for name in old.operations:
            first, wide = (dict(group.operations[name].named_parameters()) for group in (old, new))
            norms = [one for one in first if one.endswith("weight") and first[one].ndim == 3]
            if name.startswith(("sep_conv", "dil_conv")):
                depth = "first" if name.startswith("sep_conv") else "depthwise"
                edges, channels = first[norms[0]].shape[:2]
                kernels = first[depth].unflatten(0, (edges, channels)).flatten(2)
                index = copies(wide[depth].unflatten(0, (edges, 2 * channels)).flatten(2)[0], kernels[0])
                assert index[:channels] == list(range(channels))
                for edge in range(edges):
                    for out in range(2 * channels):
                        for into in range(2 * channels):
                            expected = first[norms[0]][edge, index[out], index[into]]
                            assert wide[norms[0]][edge, out, into] == expected
    momentum = {id(one.old): torch.randn_like(one.old) for one in grown}
    for one in grown:
        # what widens a weight widens its momentum alike
        assert torch.equal(one.widen(one.old), one.new)
        assert one.widen(momentum[id(one.old)]).shape == one.new.shape
    assert torch.isfinite(net(batch(1, side=8, dtype=torch.float32)[0])).all()
    with pytest.raises(ValueError, match="fewer than"):
        widen(net, 4, seed=3)


def test_the_optimiser_goes_on_with_widened_momentum() -> None:
    found = learner([{"epochs": 1, "parts": 4}, {"epochs": 1, "parts": 2}], batch_size=6)
    found.begin(1, 0, iter([batch(seed, side=8) for seed in range(3)]))
    for number in range(3):
        found(*batch(10 + number, side=8), number / 6)
    old = {name: (one.detach().clone(), one) for name, one in found.supernet.named_parameters()}
    momentum = {name: found.weight_optimizer.state[one]["momentum_buffer"].clone() for name, (_, one) in old.items()
                if one in found.weight_optimizer.state}  # fmt: skip
    found.begin(2, 0, iter([batch(seed, side=8) for seed in range(3)]))
    checked = 0
    for name, new in found.supernet.named_parameters():
        if name not in momentum:
            continue
        kept = found.weight_optimizer.state[new]["momentum_buffer"]
        weight = old[name][0]
        if new.shape == weight.shape:
            assert torch.equal(kept, momentum[name])
        else:
            # the place of each weight among the learnt ones is the place of its momentum
            places = {value: place for place, value in enumerate(weight.flatten().tolist())}
            picked = [places[value] for value in new.flatten().tolist()]
            assert kept.flatten().tolist() == momentum[name].flatten()[picked].tolist()
            checked += 1
    assert checked > 20
    assert [one for group in found.weight_optimizer.param_groups for one in group["params"]] == found.supernet.weights()
    found(*batch(20, side=8), 0.5)


def test_edges_have_no_weights_of_their_own() -> None:
    found = learner([{"epochs": 1, "parts": 2}])
    net = found.supernet
    assert not net.betas
    weights = {kind: torch.rand(14, 8, dtype=torch.float64) for kind in net.space.kinds}
    ones = {kind: torch.ones(14, dtype=torch.float64) for kind in net.space.kinds}
    x = batch(1, side=8)[0]
    torch.testing.assert_close(net.eval()(x, Mix(weights)), net(x, Mix(weights, around=ones)))
    # of an architecture the edges that it keeps alone let channels around
    architecture = net.space.parse(found.most_likely({kind: one.tolist() for kind, one in weights.items()})[0][0])
    mix = net.discrete(architecture)
    assert mix.around is not None
    for kind, cell in architecture.cells.items():
        kept = [float(source in [one for _, one in cell[node]]) for node, source in net.space.edges()]
        assert mix.around[kind].tolist() == kept


# ---------------------------------------------------------------------------------------------- regulariser


def test_the_divergence_is_the_only_regulariser_of_the_alphas() -> None:
    found = learner([])
    assert found.alpha_optimizer.defaults["weight_decay"] == 0
    assert (Drnas().divergence_weight, Drnas().alpha_weight_decay) == (1e-3, 0)
    net = supernet()
    decayed = drnas.Learner(net, Drnas(divergence_weight=0, alpha_weight_decay=1e-3))
    assert decayed.alpha_optimizer.defaults["weight_decay"] == 1e-3
    assert decayed.regulariser().item() == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"alpha_weight_decay": 1e-3},
            ["alpha_weight_decay (0.001)", "divergence_weight (0.001)", "set one of them to 0"],
        ),
        ({"stages": STAGES, "epochs": 7}, ["epochs is 7", "6 in all", "leave epochs out"]),
        ({"stages": STAGES, "warmup_epochs": 2}, ["warmup_epochs (2)", "each stage (2)"]),
        ({"stages": [{"epochs": 2, "operations": 4}]}, ["stages[0].operations is 4", "leave it out"]),
        (
            {"stages": [{"epochs": 2}, {"epochs": 2, "operations": 3}, {"epochs": 2}]},
            ["stages[2].operations is all", "keeps 3", "lower it"],
        ),
        ({"stages": [{"epochs": 2, "parts": 2}, {"epochs": 2, "parts": 4}]}, ["stages[1].parts is 4", "lower it"]),
        ({"stages": STAGES, "selection": "perturbation"}, ["selection is perturbation", "set selection: argmax"]),
        ({"stages": [{"epochs": 2, "parts": 3}]}, ["stages[0].parts is 3", "channels is 4", "choose a divisor"]),
        ({"stages": [{"epochs": 2}, {"epochs": 2, "operations": 1}]}, ["stages.1.operations", "must be 2 or more"]),
        ({"stages": [{"operations": 4}]}, ["stages.0.epochs", "epochs"]),
    ],
)
def test_stages_that_cannot_be_are_refused_in_words(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        tiny_config(search__strategies__drnas=given)
    for word in words:
        assert word in str(error.value)


def test_the_epochs_of_a_staged_search_are_those_of_its_stages() -> None:
    strategy = tiny_config(search__strategies__drnas={"stages": STAGES}).search.strategies["drnas"]
    assert isinstance(strategy, Drnas)
    assert strategy.epochs == 6
    assert Drnas.model_validate(strategy.model_dump()).epochs == 6
    assert [drnas.stage_of(strategy, epoch) for epoch in range(1, 7)] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]
