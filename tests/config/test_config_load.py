"""What a config may say, and the files that it is read from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from configs import strategies
from stepping import settings_files, settings_of

from nas_steps.config.load import load, read_yaml
from nas_steps.config.schema import Config
from nas_steps.config.strategies import GRADIENT_KINDS, STRATEGIES, Darts, Evolution, Random
from nas_steps.errors import UserError
from nas_steps.search.settings import DartsSettings
from nas_steps.workflow.steps import STEPS


def test_nothing_given_is_the_default() -> None:
    config = load({})
    assert config == Config()
    assert {name: type(s) for name, s in config.search.strategies.items()} == {
        "random": Random,
        "evolution": Evolution,
        "darts": Darts,
    }


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
