"""workflow/schemas/config.schema.yaml accepts what the workflow accepts, and says what is wrong in other configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nas_steps.config.json_schema import page
from nas_steps.workflow.plan import merged

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
VALIDATOR = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
MODELINE = "# yaml-language-server: $schema=../workflow/schemas/config.schema.yaml"


def test_it_is_what_the_sections_say() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == page(), "run make docs"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("config", CONFIGS, ids=[config.stem for config in CONFIGS])
def test_each_config_is_valid_and_names_it(config: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(merged([config]))] == []
    assert config.read_text(encoding="utf-8").splitlines()[0] == MODELINE
    assert (config.parent / MODELINE.partition("=")[2]).resolve() == SCHEMA


@pytest.mark.parametrize(
    "config",
    [
        {"seed": 3, "weights": "auto", "retrain": {"budget": "winner"}, "experiment": 2024},
        {"weights": None, "space": {"resolution": 96}, "data": {"source": "text", "path": "t", "files": "*.md"}},
        {"search": {"constraints": {"macs": "3e8"}, "strategies": {"random": {}, "mine": {"kind": "darts"}}}},
        {"search": {"estimator": {"kind": "zero_cost"}}, "size": "a", "sizes": {"a": {"seed": 1}}},
    ],
)
def test_what_may_be_written_shorter(config: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(config)] == []


@pytest.mark.parametrize(
    ("config", "place", "words"),
    [
        ({"experimnt": "a"}, [], "'experimnt' was unexpected"),
        ({"seed": "first"}, ["seed"], "'first' is not of type 'integer'"),
        ({"data": {"source": "stdlib", "resolution": 8}}, ["data"], "'resolution' was unexpected"),
        ({"search": {"estimator": {"epoch": 3}}}, ["search", "estimator"], "'epoch' was unexpected"),
        ({"search": {"strategies": {"mine": {}}}}, ["search", "strategies", "mine"], "'kind' is a required property"),
        (
            {"search": {"strategies": {"darts": {"epochs": -1}}}},
            ["search", "strategies", "darts", "epochs"],
            "-1 is less than",
        ),
        ({"retrain": {"recipe": {"learning_rate": "fast"}}}, ["retrain", "recipe", "learning_rate"], "does not match"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(config: dict[str, Any], place: list[str], words: str) -> None:
    (error,) = VALIDATOR.iter_errors(config)
    assert list(error.absolute_path) == place
    assert words in error.message
