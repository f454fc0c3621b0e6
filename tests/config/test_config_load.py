"""What a config may say, how it is refused, and which steps a key reaches."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stepping import settings_files, settings_of

from nas_steps.config import derive
from nas_steps.config.derive import space as space_settings
from nas_steps.config.load import load, read_yaml
from nas_steps.config.ranking import ranking_recipe
from nas_steps.config.schema import Config
from nas_steps.config.space import Space, filled
from nas_steps.config.strategies import GRADIENT_KINDS, STRATEGIES, Darts, Evolution, Random
from nas_steps.errors import UserError
from nas_steps.provenance.settings import read_settings
from nas_steps.search.settings import DartsSettings
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.presets import DECLARED as MOBILE_DECLARED
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE_PRESETS
from nas_steps.training.settings import TrainingSettings
from nas_steps.workflow.steps import STEPS


def refused(raw: dict[str, Any]) -> list[str]:
    """The lines that tell what is wrong."""
    with pytest.raises(UserError) as error:
        load(raw, "my.yaml")
    head, *lines = str(error.value).splitlines()
    assert head == "my.yaml is refused:"
    assert all(line.startswith("  ") for line in lines)
    return [line.strip() for line in lines]


def test_nothing_given_is_the_default() -> None:
    config = load({})
    assert config == Config()
    assert {name: type(s) for name, s in config.search.strategies.items()} == {
        "random": Random,
        "evolution": Evolution,
        "darts": Darts,
    }


def mobile(**given: Any) -> dict[str, Any]:
    """A config of a mobile space, and what is given besides."""
    search = {"strategies": {"random": {}, "evolution": {}}, **given.pop("search", {})}
    return {"search": search, "space": {"preset": "mobile_small", **given.pop("space", {})}, **given}


def strategies(**given: Any) -> dict[str, Any]:
    return {"search": {"strategies": {"random": {"evaluations": 4}, **given}}}


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


def test_text_from_the_command_line_is_read_as_numbers() -> None:
    raw = {"retrain": {"recipe": {"learning_rate": "2e-1", "epochs": "7"}}, "data": {"channels": "1"}, "seed": "3"}
    config = load(raw)
    assert (config.retrain.recipe.learning_rate, config.retrain.recipe.epochs) == (0.2, 7)
    assert (config.data.channels, config.seed) == (1, 3)
    assert load({"search": {"strategies": {"random": {"evaluations": "5"}}}}).search.strategies["random"] == Random(
        evaluations=5
    )


def test_the_kind_is_the_name_unless_it_is_given() -> None:
    found = load(strategies(darts=None, fast={"kind": "darts", "epochs": 1})).search.strategies
    assert (found["darts"], found["fast"]) == (Darts(), Darts(epochs=1))


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_kind_is_known_by_its_name_alone(kind: str, tmp_path: Path) -> None:
    config = load({"search": {"strategies": {kind: None, "random": {"evaluations": 4}}}})
    found = config.search.strategies[kind]
    assert type(found) is STRATEGIES[kind]
    assert Config.model_validate_json(config.model_dump_json()) == config
    if kind in GRADIENT_KINDS:
        assert settings_of(config, f"darts {kind}", DartsSettings, tmp_path).strategy == found


@pytest.mark.parametrize("kind", sorted(GRADIENT_KINDS))
def test_a_setting_of_a_supernet_reaches_its_search_and_the_budget_where_it_costs(kind: str, tmp_path: Path) -> None:
    def written(**changes: Any) -> dict[str, str]:
        return settings_files(load({"search": {"strategies": {"random": {}, kind: changes}}}), tmp_path)

    before = written()
    for changes, wanted in (
        ({"drop_path": 0.1}, set()),
        ({"epochs": 33}, {"budget"}),
        ({"selection_epochs": 3}, set()),
        *([({"steps": 3}, {"budget"})] if kind == "sdarts_adv" else []),
        *([({"parts": 2}, {"budget"})] if kind == "pc_darts" else []),
        *([({"selection": "perturbation"}, {"budget"})] if kind not in ("rsws", "setn") else []),
    ):
        after = written(**changes)
        assert {name for name in before if before[name] != after[name]} == {kind, f"darts {kind}", "report"} | wanted


def test_images_is_short_for_the_path(tmp_path: Path) -> None:
    given = {"images": str(tmp_path), "data": {"source": "folder"}}
    assert load(given).data.path == str(tmp_path)
    assert given == {"images": str(tmp_path), "data": {"source": "folder"}}  # not changed on the way


# ------------------------------------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2\n", ["line 2", "'seed' stands twice"]),
        ("data:\n  test: 0.1\n  test: 0.2\n", ["line 3", "'test' stands twice"]),
        ("- a\n- b\n", ["keys and values", "['a', 'b']"]),
        ("digits", ["keys and values", "'digits'"]),
        ("a: [\n", ["not valid YAML"]),
        ("? [a, b]\n: 1\n", ["a.yaml"]),
    ],
)
def test_a_file_that_is_no_config_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(tmp_path / "a.yaml")
    assert "a.yaml" in str(error.value)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_merge_key_is_yaml(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &x {b: 1, d: 4}\nc: {<<: *x, d: 2}\n")
    assert read_yaml(tmp_path / "a.yaml")["c"] == {"b": 1, "d": 2}


def test_a_missing_and_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no config file .*a\.yaml"):
        read_yaml(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("# nothing\n")
    assert load(read_yaml(tmp_path / "a.yaml")) == Config()


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match=r"a\.yaml is no UTF-8 text: line 1"):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[2] / "config").glob("*.yaml")), ids=lambda f: f.name)
def test_the_configs_that_are_shipped_have_no_unknown_key(file: Path, tmp_path: Path) -> None:
    raw = read_yaml(file)
    if raw.get("data", {}).get("source") in ("folder", "npz"):
        raw["data"]["path"] = str(tmp_path if raw["data"]["source"] == "folder" else file)
    if raw["search"].get("estimator", {}).get("kind") == "table":
        raw["search"]["estimator"]["path"] = str(file)
    assert load(raw).experiment


# ------------------------------------------------------------------------------------- the pool that ranks


@pytest.mark.parametrize(
    ("ranking", "words"),
    [
        ({"shortlist": "auto", "uniform": 0}, ["shortlist is auto, but uniform is 0", "raise uniform"]),
        ({"shortlist": "auto", "uniform": 2}, ["sample of 7 or more"]),
        ({"uniform": 10**12}, ["ranking.uniform is 1000000000000", "architectures; lower it"]),
        ({"final_share": 0.04}, ["ranking.final_share is 0.04", "leaves 1 of 30 epochs"]),
    ],
)
def test_a_pool_that_cannot_be_drawn_or_trained_is_refused(ranking: dict[str, Any], words: list[str]) -> None:
    (told,) = refused({"ranking": ranking, "space": {"preset": "small", "nodes": 2}})
    for word in words:
        assert word in told


def test_in_a_table_no_length_can_be_found(tmp_path: Path) -> None:
    table = {"kind": "table", "path": str(tmp_path), "search": "few", "report": "all"}
    search = {"estimator": table, "strategies": {"random": {"evaluations": 4}}}
    (told,) = refused({"search": search, "space": {"preset": "nasbench201"}, "ranking": {"shortlist": "auto"}})
    assert "ranking.shortlist is auto, but search.estimator is a table" in told


def test_the_pool_is_trained_by_its_recipe_or_a_share_of_the_final_one() -> None:
    own = load({"ranking": {"recipe": {"epochs": 7}}})
    assert ranking_recipe(own.ranking, own.retrain) == own.ranking.recipe
    share = load({"ranking": {"final_share": 0.5}, "retrain": {"recipe": {"epochs": 21, "learning_rate": 0.3}}})
    recipe = ranking_recipe(share.ranking, share.retrain)
    assert (recipe.epochs, recipe.learning_rate) == (10, 0.3)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        ({"epochs": 9}, "short_training"),
        ({"epochs": 9, "halving": {"epochs": 3}}, "short_training of 9 epochs"),
        ({"kind": "zero_cost", "proxy": "naswot"}, "naswot"),
        ({"kind": "extrapolation", "epochs": 9, "observe": 5}, "extrapolation"),
    ],
)
def test_scores_are_called_as_in_the_tables_of_candidates(estimator: dict[str, Any], name: str) -> None:
    strategies = {"random": {"rounds": 3}, "evolution": {}}
    assert derive.score_name(load({"search": {"estimator": estimator, "strategies": strategies}})) == name


# ---------------------------------------------------------------------------------------- settings of steps


def test_order_and_written_out_defaults_change_no_settings(tmp_path: Path) -> None:
    def turned(value: Any) -> Any:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    short = settings_files(load({}), tmp_path)
    full = Config().model_dump(mode="json")
    written = sorted((tmp_path / "settings").iterdir())
    assert settings_files(load(full), tmp_path) == short
    assert settings_files(load(turned(full)), tmp_path) == short
    assert sorted((tmp_path / "settings").iterdir()) == written
    assert {Path(file).name for file in short.values()} <= {file.name for file in written}


def changed_by(tmp_path: Path, *keys: str, value: Any) -> set[str]:
    """The steps whose settings differ when this key does."""
    raw = Config().model_dump(mode="json")
    raw["ranking"]["uniform"] = 8  # a calibration is part of the workflow where a uniform sample is
    other = copy.deepcopy(raw)
    place = other
    for key in keys[:-1]:
        place = place[key]
    assert place[keys[-1]] != value
    place[keys[-1]] = value
    before, after = (settings_files(load(one), tmp_path) for one in (raw, other))
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name] and name not in raw["search"]["strategies"]}


MEMBERS, GRID = {"choose_scaling", "train_member"}, {"describe_grid", "train_grid"}
POOL, SCORED = {"train_shortlist", "train_sample"}, {"evaluate", "score_sample"}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("retrain.recipe.epochs", 31, {"retrain", "export_networks", *MEMBERS}),
        ("retrain.train_on", "train+valid", {"retrain", *MEMBERS}),
        ("retrain.seeds", 4, set()),
        ("retrain.baselines", ["resnet20", "resnet32"], set()),
        ("retrain.network.cells", 6, {"retrain", *POOL, *GRID, *MEMBERS}),
        ("search.strategies.evolution.rounds", 4, {"budget"}),  # a round knows nothing of how many there are
        ("search.strategies.evolution.sample", 2, {"propose evolution"}),
        ("search.strategies.darts.alpha_learning_rate", 0.01, {"darts darts"}),
        ("search.strategies.random.evaluations", 9, {"propose random", "budget"}),
        ("search.strategies.darts.epochs", 9, {"darts darts", "budget"}),
        ("search.estimator.epochs", 9, {*SCORED, "budget"}),
        ("search.estimator.learning_rate", 0.2, SCORED),
        ("search.network.channels", 9, {*SCORED, "budget", "darts darts"}),
        ("ranking.shortlist", 4, {"shortlist", "calibrate"}),
        ("ranking.uniform", 9, {"sample"}),
        ("ranking.tolerance", 0.1, {"calibrate"}),
        ("ranking.most", 9, {"calibrate"}),
        ("ranking.final_share", 0.5, POOL),
        ("ranking.recipe.epochs", 9, POOL),
        ("ranking.seeds", 2, set()),
        ("scaling.recipe.epochs", 9, GRID),
        ("scaling.members", 3, MEMBERS),
        ("scaling.mac_budget", 1e6, MEMBERS),
        ("scaling.seeds", 3, set()),
        ("scaling.warm_start", True, MEMBERS),
        ("scaling.dropout_growth", 0.1, MEMBERS),
        ("scaling.macs_tolerance", 0.5, {*GRID, *MEMBERS}),
        ("export.tolerance", 0.1, {"export_networks", "export_scaled"}),
        ("data.max_train", 100, {"data"}),
        ("shards", 3, set()),
        ("experiment", "other", set()),
    ],
)
def test_a_key_reaches_only_the_steps_that_use_it(tmp_path: Path, key: str, value: Any, wanted: set[str]) -> None:
    assert changed_by(tmp_path, *key.split("."), value=value) == {*wanted, "report"}


def test_settings_are_read_back_as_their_step_sees_them(tmp_path: Path) -> None:
    config = load({"threads": 2, "retrain": {"train_on": "train+valid"}})
    step = settings_of(config, "retrain", TrainingSettings, tmp_path)
    assert (step.recipe, step.train_on, step.threads) == (config.retrain.recipe, "train+valid", 2)
    assert settings_of(config, "darts darts", DartsSettings, tmp_path).strategy == Darts()


def test_settings_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    paths = settings_files(load({}), tmp_path)
    before = Path(paths["data"]).stat()
    assert settings_files(load({}), tmp_path) == paths
    assert Path(paths["data"]).stat().st_mtime_ns == before.st_mtime_ns
    assert Path(paths["data"]).stat().st_ino == before.st_ino


def test_a_settings_file_that_was_edited_by_hand_is_not_trusted_by_its_name(tmp_path: Path) -> None:
    file = Path(settings_files(load({}), tmp_path)["retrain"])
    whole = file.read_text()
    file.write_text(whole.replace('"seed":0', '"seed":1'))
    with pytest.raises(UserError, match=r"edited by hand.*run snakemake again.*give the edited copy another name"):
        read_settings(file, TrainingSettings)
    own = file.rename(tmp_path / "my-settings.json")
    assert read_settings(own, TrainingSettings).seed == 1
    file.write_text(own.read_text())
    settings_files(load({}), tmp_path)  # the next run mends it
    assert file.read_text() == whole
    assert read_settings(file, TrainingSettings).seed == 0


def test_a_folder_that_was_moved_is_the_same_data_and_other_content_is_not(tmp_path: Path) -> None:
    def written(place: Path, source: str = "folder") -> str:
        return settings_files(load({"data": {"source": source, "path": str(place)}}), tmp_path / "results")["data"]

    places = [tmp_path / "a" / "photos", tmp_path / "b" / "photos", tmp_path / "b" / "others"]
    for place in places:
        place.mkdir(parents=True)
        (place / "1.png").write_text("abc")
    here, moved, renamed = map(written, places)
    assert here == moved == renamed
    (places[0] / "1.png").write_text("abcd")
    assert written(places[0]) != here
    assert len({written(Path(place), "cifar10") for place in ("x", "y")}) == 1


def test_a_space_can_be_declared_whole() -> None:
    section = load(
        {
            "space": {
                "inputs": 2,
                "edges": [[0, 1], [0, 2], [1, 2, 3]],
                "operations": {
                    "normal": [["nor_conv_1x1", "skip_connect"]] * 4 + [["none", "nor_conv_3x3"]] * 3,
                    "reduce": ["none", "max_pool_3x3", "nor_conv_1x1"],
                },
                "edges_per_node": "2",
                "concat": [2, 0],
            }
        }
    ).space
    space = declared(filled(section))
    assert (space.inputs, space.nodes, space.edges_per_node, space.concat) == (2, 3, 2, (0, 2))
    assert space.edges() == [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 2), (2, 3)]
    assert space.choices_of("normal", 0) == ("nor_conv_1x1", "skip_connect")
    assert [space.choices_of(kind, 6) for kind in space.kinds] == [("nor_conv_3x3",), ("nor_conv_1x1", "max_pool_3x3")]
    assert [sum(row) for row in space.allowed("reduce")] == [3] * 7


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_declared_by_its_name(preset: str) -> None:
    config = load({"space": {"preset": preset}})
    assert declared(filled(config.space)) == PRESETS[preset]
    assert Config.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("preset", [*PRESETS, *MOBILE_PRESETS])
def test_a_filled_section_needs_no_preset(preset: str) -> None:
    section = filled(Space(preset=preset))
    assert filled(section) == section == Space.model_validate_json(section.model_dump_json())
    # under another name of its family it is the same space
    other = section.model_copy(update={"preset": "another"})
    assert replace(declared(other), name=preset) == {**PRESETS, **MOBILE_PRESETS}[preset]
    with pytest.raises(ValueError, match="is not filled"):
        declared(Space(preset=preset))


@pytest.mark.parametrize(
    ("raw", "same"),
    [
        ({"operations": ["skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "nor_conv_3x3"]}, True),
        ({"nodes": 3, "edges_per_node": "2", "inputs": 2, "concat": [0, 1, 2], "none_is_choice": False}, True),
        ({"edges": [[0, 1], [0, 1, 2], [0, 1, 2, 3]]}, True),
        ({"operations": ["max_pool_3x3", "skip_connect", "avg_pool_3x3", "sep_conv_3x3", "nor_conv_3x3"]}, False),
        ({"nodes": 4}, False),
        ({"concat": [0, 1]}, False),
        ({"preset": "mobile_small", "stem": {"width": 16, "stride": 1}, "head": {"width": 192, "hidden": 0}}, True),
        ({"preset": "mobile_small", "head": {"dropout": 0.1}}, False),
        ({"preset": "mobile_small", "stages": MOBILE_DECLARED["mobile_small"]["stages"]}, True),
        ({"preset": "mobile_small", "stages": MOBILE_DECLARED["mobile_small"]["stages"][:2]}, False),
    ],
)
def test_to_write_out_a_presets_own_value_changes_no_settings(raw: dict[str, Any], same: bool) -> None:
    of_preset = Space(preset=raw.get("preset", "small"))
    assert (filled(Space(**raw)) == filled(of_preset)) is same


@pytest.mark.parametrize("preset", MOBILE_PRESETS)
def test_a_mobile_preset_is_declared_by_its_name(preset: str) -> None:
    config = load(mobile(space={"preset": preset}, data={"resolution": 32}))
    assert declared(filled(config.space)) == MOBILE_PRESETS[preset]
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_a_mobile_preset_can_be_changed_in_part() -> None:
    stages = [{"width": [8, 16], "kernel": [3, 5]}, {"width": 24, "stride": 2, "operations": ["id", "k5_e6_se0.25"]}]
    given = mobile(space={"stem": {"width": 8}, "stages": stages})
    space = declared(filled(load(given).space))
    assert (space.size(), space.stride) == (2 * 2 * 2, 2)
    assert space.stem == replace(MOBILE_PRESETS["mobile_small"].stem, width=8)
    assert space.head == MOBILE_PRESETS["mobile_small"].head


def test_settings_of_a_space_without_resolutions_and_padding_have_no_keys_of_them() -> None:
    plain = space_settings(load(mobile()), "")
    assert "resolution" not in plain
    assert "padding" not in plain["stem"]
    assert space_settings(load(mobile(space={"stem": {"padding": "symmetric"}})), "") == plain
    given = space_settings(load(mobile(space={"stem": {"padding": "same"}, "resolution": [8, 4]})), "")
    assert (given["resolution"], given["stem"]["padding"]) == ([4, 8], "same")
    # the settings are read back as the same space
    space = declared(filled(Space.model_validate(given)))
    assert (space.resolution, space.stem.same) == ((4, 8), True)


def test_a_single_resolution_is_a_list_of_one() -> None:
    config = load(mobile(space={"resolution": 8}))
    assert declared(filled(config.space)).resolution == (8,)


def test_one_input_cells_can_be_declared() -> None:
    raw = {"inputs": 1, "edges_per_node": "all", "operations": {"cell": ["none", "nor_conv_1x1"]}, "nodes": 2}
    space = declared(filled(load({"space": raw, "search": {"network": {"cells": 1}}}).space))
    assert space.kinds == ("cell",)
    assert space.none_is_choice
    assert space.size() == 2**3
    raw |= {"none_is_choice": False, "operations": ["none", "skip_connect", "nor_conv_1x1"]}
    assert not declared(filled(load({"space": raw}).space)).none_is_choice


def test_declared_reductions_need_no_three_cells() -> None:
    assert load({"search": {"network": {"cells": 2, "reductions": [1]}}}).search.network.reductions == [1]


@pytest.mark.parametrize(
    ("config", "length"),
    [
        (lambda name: {"experiment": name}, 238),
        (lambda name: {"search": {"strategies": {name: {"kind": "random"}, "darts": {}}}}, 142),
        (lambda name: {"retrain": {"baselines": [f"resnet20_x0.{name.replace('n', '5')[12:]}", "resnet20"]}}, 142),
    ],
)
def test_a_name_is_as_long_as_its_files_can_be(
    config: Callable[[str], dict[str, Any]], length: int, tmp_path: Path
) -> None:
    digits = {"data": {"source": "digits"}}
    loaded = load(digits | config("n" * length), "x.yaml")
    settings_files(loaded, tmp_path)
    longest = max(len(name) for name in [loaded.experiment, *loaded.search.strategies, *loaded.retrain.baselines])
    assert longest == length
    step = max((name for name, one in STEPS.items() if one.by == "strategy"), key=len)
    # what is made of them: the temporary file of a strategy's settings, an entry's checkpoints, the lock of a run
    for name in (
        f".{step}-{'n' * 142}-{16 * 'f'}.json.{64 * 'h'}.4194304.partial",
        f".{'n' * 142}-999999-s999999.ended-4194304.checkpoints",
        f"run-results-{'n' * 238}.lock",
    ):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"use {length} characters or fewer"):
        load(digits | config("n" * (length + 1)), "x.yaml")
