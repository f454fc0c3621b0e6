"""How a config is refused: one line for each thing that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from configs import mobile, refused, strategies


@pytest.mark.parametrize(
    ("raw", "where", "words"),
    [
        ({"sed": 1}, "sed", ["unknown key", "given 1", "did you mean 'seed'", "allowed here: experiment, images"]),
        (
            {"retrain": {"recipe": {"epocs": 2}}},
            "retrain.recipe.epocs",
            ["unknown key", "given 2", "'epochs'", "batch_size"],
        ),
        (
            strategies(evolution={"populaton": 3}),
            "search.strategies.evolution.populaton",
            ["unknown key", "given 3", "'population'", "rounds"],
        ),
        (
            strategies(mine={"kind": "darts", "augment": {"flp": True}}),
            "search.strategies.mine.augment.flp",
            ["unknown key", "given True", "'flip'", "cutout"],
        ),
        ({"zzzzzz": 1}, "zzzzzz", ["unknown key", "allowed here: experiment"]),
        ({"seed": "two"}, "seed", ["given 'two'", "a whole number"]),
        ({"seed": -1}, "seed", ["given -1", "must be 0 or more"]),
        ({"data": 3}, "data", ["given 3", "keys and values"]),
        ({"search": {"strategies": 3}}, "search.strategies", ["given 3", "keys and values"]),
        ({"retrain": {"recipe": {"learning_rate": float("nan")}}}, "retrain.recipe.learning_rate", ["nan", "finite"]),
        ({"data": {"source": "digit"}}, "data.source", ["given 'digit'", "'cifar10'", "did you mean 'digits'"]),
        ({"experiment": "Data"}, "experiment", ["results/Data", "choose another name"]),
        ({"data": {"channels": 2}}, "data.channels", ["given 2", "'auto', 1 or 3"]),
        ({"search": {"strategies": {"darts": {}}}}, "search.strategies", ["no entry of kind random", "random: {}"]),
        ({"search": {"strategies": {"random": {}}}}, "search.strategies", ["only strategy", "evaluations: 16"]),
        (
            strategies(x={"kind": "evolutoin"}),
            "search.strategies.x.kind",
            ["'evolutoin'", "did you mean 'evolution'", "random, evolution, nsga2"],
        ),
        (strategies(evolutoin={}), "search.strategies.evolutoin.kind", ["did you mean 'evolution'"]),
        (strategies(**{"a b": {"kind": "darts"}}), "search.strategies.a b", ["begin with a letter or a digit"]),
        (strategies(evolution=3), "search.strategies.evolution", ["given 3", "keys and values"]),
        (
            {"retrain": {"baselines": ["resnet20", "resnt32"]}},
            "retrain.baselines",
            ["'resnt32'", "did you mean 'resnet32'", "efficientnet_b0"],
        ),
        ({"retrain": {"baselines": ["resnet20"]}}, "retrain.baselines", ["given ['resnet20']", "give 2 or more"]),
        ({"retrain": {"baselines": ["resnet20", "resnet20"]}}, "retrain.baselines", ["twice"]),
        (
            {"space": {"operations": ["sep_conv_3x", "skip_connect"]}},
            "space.operations",
            ["'sep_conv_3x'", "did you mean 'sep_conv_3x3'", "nor_conv_1x1"],
        ),
        ({"space": {"operations": []}}, "space", ["nothing to choose"]),
        ({"space": {"edges_per_node": 3}}, "space", ["edges_per_node is 3"]),
        ({"space": {"preset": "smal"}}, "space.preset", ["did you mean 'small'", "darts"]),
        ({"space": {"operations": ["sep_conv_3x3"]}}, "space", ["nothing to choose", "at least two beside `none`"]),
        ({"space": {"operations": ["skip_connect", "noise"]}}, "space", ["weights to learn", "add a convolution"]),
        ({"space": {"operations": "skip_connect"}}, "space.operations", ["given 'skip_connect'", "list of operations"]),
        ({"space": {"operations": [3]}}, "space.operations", ["given [3]", "list of operations"]),
        ({"space": {"operations": {"norml": []}}}, "space.operations", ["'norml'", "did you mean 'normal'", "cell"]),
        (
            {"space": {"operations": {"normal": [["skip_conect"]]}}},
            "space.operations",
            ["normal, edge 0:", "did you mean 'skip_connect'"],
        ),
        ({"space": {"operations": {"normal": [["noise"], 3]}}}, "space.operations", ["normal, edge 1: given 3"]),
        (
            {"space": {"operations": {"normal": ["nor_conv_1x1", "noise"]}}},
            "space",
            ["['normal']", "normal and reduce"],
        ),
        (
            {"space": {"operations": {"normal": [["noise", "nor_conv_1x1"]], "reduce": ["noise", "nor_conv_1x1"]}}},
            "space",
            ["operations of normal has 1 lists", "9 edges"],
        ),
        (
            {
                "space": {
                    "nodes": 1,
                    "operations": {"normal": [["noise", "nor_conv_1x1"], ["none"]], "reduce": ["noise"]},
                }
            },
            "space",
            ["the edge from 1 to node 0 of normal has no choice", "beside `none`"],
        ),
        ({"space": {"edges_per_node": "al"}}, "space.edges_per_node", ["given 'al'", "'all'"]),
        ({"space": {"edges_per_node": 0}}, "space.edges_per_node", ["given 0", "must be 1 or more"]),
        ({"space": {"inputs": 3}}, "space", ["inputs is 3", "2 inputs (as in DARTS)"]),
        ({"space": {"inputs": 1}}, "space", ["edges_per_node is 2", "node 0 can read no more than 1", "say all"]),
        ({"space": {"edges": [[0, 2]]}}, "space", ["node 0 cannot read 2, only 0 to 1"]),
        ({"space": {"edges": [[0, 1], []]}}, "space", ["node 1 reads []"]),
        ({"space": {"edges": [[0, 1]], "nodes": 2}}, "space", ["edges has 1 lists", "2 nodes"]),
        ({"space": {"edges": []}}, "space", ["nodes is 0", "at least 1"]),
        ({"space": {"edges": [[0, 1]] * 9}}, "space.edges", ["give 8 or fewer"]),
        ({"space": {"edges": 3}}, "space.edges", ["given 3", "list"]),
        ({"space": {"concat": []}}, "space", ["concat is []", "nodes 0 to 2"]),
        ({"space": {"concat": [3]}}, "space", ["concat is [3]", "nodes 0 to 2"]),
        ({"space": {"preset": "nasbench201", "concat": [0]}}, "space", ["concat is [0]", "its last node"]),
        ({"space": {"preset": "s1", "nodes": 3}}, "space", ["14 lists", "9 edges"]),
        ({"retrain": {"network": {"cells": 2}}}, "config", ["retrain.network.cells is 2", "3 or more", "reductions"]),
        ({"search": {"network": {"reductions": [3]}}}, "search.network", ["reductions is [3]", "cells 0 to 2"]),
        ({"search": {"network": {"reductions": []}}}, "search.network", ["reductions is []", "one or more"]),
        ({"search": {"network": {"reductions": [1, 1]}}}, "search.network", ["each once"]),
        ({"search": {"network": {"reductions": [0, 1, 2]}}}, "search.network", ["all 3 cells", "a normal cell"]),
        (
            {"space": {"preset": "nasbench201"}, "search": {"network": {"reductions": [1]}}},
            "config",
            ["search.network.reductions is [1]", "three stages", "leave it out"],
        ),
        ({"data": {"source": "folder"}}, "config", ["images=PATH", "data.path"]),
        ({"data": {"fit": "letterbox", "crop": 0.9}}, "data", ["crop is 0.9", "leave crop out"]),
        ({"data": {"crop": 0}}, "data.crop", ["must be more than 0"]),
        ({"data": {"source": "folder", "path": "/no/where"}}, "data.path", ["no folder", "'/no/where'"]),
        ({"data": {"source": "npz", "path": "/no/where.npz"}}, "data.path", ["no file", "'/no/where.npz'"]),
        ({"data": {"source": "npz"}}, "config", ["npz", "images=PATH", "data.path"]),
        ({"images": "a"}, "data", ["digits", "reads no path", "'a'"]),
        ({"images": "a", "data": {"source": "folder", "path": "b"}}, "config", ["'a'", "'b'", "give one of them"]),
        (strategies(evolution={"sample": 9}), "search.strategies.evolution", ["sample (9)", "population (8)"]),
        ({"retrain": {"recipe": {"epochs": 3, "warmup_epochs": 3}}}, "retrain.recipe", ["warmup_epochs (3)", "(3)"]),
        (strategies(darts={"learning_rate_min": 1}), "search.strategies.darts", ["learning_rate_min (1)", "(0.05)"]),
        (
            strategies(darts={"epochs": 3, "warmup_epochs": 3}),
            "search.strategies.darts",
            ["warmup_epochs (3)", "epochs (3)", "no alpha would be learnt"],
        ),
        (
            strategies(mine={"kind": "darts_second_order", "hessian": "autograd", "processes": 2}),
            "search.strategies.mine",
            ["hessian: autograd", "hessian: finite_difference or processes: 1"],
        ),
        (
            strategies(darts_second_order={"hessian": "exact"}),
            "search.strategies.darts_second_order.hessian",
            ["given 'exact'", "'finite_difference' or 'autograd'"],
        ),
        (strategies(mine={"kind": "gdsa"}), "search.strategies.mine.kind", ["'gdsa'", "did you mean 'gdas'", "rsws"]),
        (strategies(pc_dart=None), "search.strategies.pc_dart.kind", ["'pc_dart'", "did you mean 'pc_darts'"]),
        (
            strategies(fair_darts={"zero_one": 1}),
            "search.strategies.fair_darts.zero_one",
            ["unknown key", "did you mean 'zero_one_weight'"],
        ),
        (
            strategies(darts={"stop_skips": 2}),
            "search.strategies.darts.stop_skips",
            ["unknown key", "allowed here", "warmup_epochs"],
        ),
        (
            strategies(darts={"selection": "pertubation"}),
            "search.strategies.darts.selection",
            ["given 'pertubation'", "did you mean 'perturbation'"],
        ),
        (strategies(rsws={"selection": "perturbation"}), "search.strategies.rsws.selection", ["allowed is 'argmax'"]),
        (
            strategies(early_stop_eigenvalue={"eigenvalue": False}),
            "search.strategies.early_stop_eigenvalue.eigenvalue",
            ["given False", "allowed is True"],
        ),
        (
            strategies(early_stop_eigenvalue={"epochs": 8, "window": 5}),
            "search.strategies.early_stop_eigenvalue",
            ["it could never stop; raise epochs or lower window"],
        ),
        (
            strategies(early_stop_eigenvalue={"ratio": 1.5}),
            "search.strategies.early_stop_eigenvalue.ratio",
            ["given 1.5", "less than 1"],
        ),
        (strategies(pc_darts={"parts": 1}), "search.strategies.pc_darts.parts", ["given 1", "must be 2 or more"]),
        (
            strategies(pc_darts={"parts": 3}),
            "config",
            ["search.strategies.pc_darts.parts is 3", "search.network.channels is 8", "divisor"],
        ),
        (
            strategies(sdarts_adv={"radius": 0.1, "radius_min": 0.5}),
            "search.strategies.sdarts_adv",
            ["radius_min (0.5)", "radius (0.1)"],
        ),
        (strategies(sdarts_rs={"radius_min": 0.5}), "search.strategies.sdarts_rs", ["radius_min (0.5)", "(0.3)"]),
        (
            strategies(gdas={"temperature": 1, "temperature_min": 5}),
            "search.strategies.gdas",
            ["temperature_min (5)", "temperature (1)"],
        ),
        (strategies(sdarts_adv={"steps": 0}), "search.strategies.sdarts_adv.steps", ["given 0", "must be more than 0"]),
        (strategies(darts={"drop_path": 1}), "search.strategies.darts.drop_path", ["given 1", "less than 1"]),
        ({"scaling": {"depth": [3.0]}}, "scaling", ["no triple", "1.8 to 2.2"]),
        ({"scaling": {"depth": []}}, "scaling.depth", ["given []", "give 1 or more"]),
        ({"data": {"valid": 0.5, "test": 0.5}}, "data", ["valid + test is 1", "lower one"]),
        (strategies(resnet20={"kind": "darts"}), "config", ["resnet20", "name of a baseline"]),
        ({"experiment": "../x"}, "experiment", ["'../x'", "begin with a letter or a digit"]),
        # one key, one line
        (
            {"search": {"strategies": {"random": {"evaluations": -1}, "darts": {}}}},
            "search.strategies.random.evaluations",
            ["given -1", "auto"],
        ),
        # a mobile space brings its own skeleton
        (mobile(space={"stages": []}), "space", ["stages is empty", "at least one"]),
        (mobile(space={"stages": [{"width": []}]}), "space", ["stages[0].width is empty"]),
        (mobile(space={"stages": [{"width": 8}]}), "space", ["nothing to choose"]),
        (mobile(space={"stem": {"sride": 1}}), "space", ["stem", "'sride'", "did you mean 'stride'"]),
        (mobile(space={"nodes": 3}), "space", ["nodes declares cells", "preset mobile_small is mobile"]),
        ({"space": {"stages": [{"width": [8, 16]}]}}, "space", ["stages declares a mobile space", "preset small"]),
        (mobile(space={"resolution": []}), "space", ["resolution is empty"]),
        (mobile(space={"resolution": [8, 8]}), "space", ["resolution: something stands twice"]),
        (mobile(space={"resolution": 2000}), "space", ["resolution is 2000", "from 4 to 1024"]),
        (mobile(space={"preset": "efficientnet_lite", "resolution": [24]}), "space", ["resolution has 24", "by 32"]),
        (
            mobile(space={"resolution": [8, 64]}, data={"resolution": 48}),
            "config",
            ["space.resolution has 64", "images of 48 pixels (data.resolution)", "only be enlarged", "take smaller"],
        ),
        (mobile(space={"resolution": [8, 9]}), "config", ["space.resolution has 9", "images of 8 pixels"]),
        (
            mobile(space={"resolution": [8, 16]}, data={"resolution": 16}, search={"estimator": {"resolution": 8}}),
            "config",
            ["space.resolution has 16", "(search.estimator.resolution)", "leave search.estimator.resolution out"],
        ),
        (
            mobile(
                space={"resolution": [8, 16]},
                data={"resolution": 16},
                search={
                    "estimator": {"kind": "shared_weights", "supernet": {"resolution": 12}},
                    "strategies": {"random": {"evaluations": 10}},
                },
            ),
            "config",
            ["space.resolution has 16", "search.estimator.supernet.resolution"],
        ),
        (mobile(space={"stem": {"padding": "valid"}}), "space", ["unknown padding 'valid'", "symmetric, same"]),
        ({"space": {"resolution": [8]}}, "space", ["resolution declares a mobile space", "preset small is of cells"]),
        (mobile(retrain={"baselines": ["resnet20", "mobilenet_v2_r16"]}), "retrain.baselines", ["from 32 to 1024"]),
        (mobile(search={"network": {"cells": 4}}), "config", ["search.network stacks cells", "leave it out"]),
        (mobile(search={"strategies": {"random": {}, "darts": {}}}), "config", ["darts", "supernet of cells"]),
        (
            mobile(data={"resolution": 4}, space={"preset": "efficientnet"}),
            "config",
            ["is 4", "by 32"],
        ),
        (mobile(search={"estimator": {"resolution": 8}}, space={"preset": "ofa_mbv3"}), "config", ["data.resolution"]),
        (mobile(retrain={"recipe": {"auxiliary_weight": 0.4}}), "config", ["no auxiliary head", "set it to 0"]),
        # what stands under `data` is wrong whether or not `images` is given
        ({"images": "x", "data": 3}, "data", ["given 3", "keys and values"]),
        ({"images": "x", "data": ["a"]}, "data", ["given ['a']", "keys and values"]),
    ],
)
def test_what_is_wrong_is_one_line(raw: dict[str, Any], where: str, words: list[str]) -> None:
    (line,) = refused(raw)
    assert line.startswith(f"{where}: ")
    for word in words:
        assert word in line


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lines = refused({"sed": 1, "threads": 0, "data": {"source": "x"}, "retrain": {"recipe": {"epochs": "many"}}})
    assert sorted(line.split(":")[0] for line in lines) == ["data.source", "retrain.recipe.epochs", "sed", "threads"]
