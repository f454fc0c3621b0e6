"""Rules and declarations agree: each command of a run is one that its step's declaration understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import ROOT, TINY, change, snakemake

from nas_steps.config.weights import installed
from nas_steps.provenance.step import Step, cardinality
from nas_steps.provenance.task import command_line
from nas_steps.workflow.steps import STEPS

SAMPLERS = {"random": {}, "evolution": {"population": 2, "sample": 1, "children": 1, "rounds": 2}}
DIGITS: dict[str, Any] = {**TINY, "data": {"source": "digits"}}
#: configs that together have every step but those of a table
CONFIGS = {
    "screened, within constraints": change(
        DIGITS,
        search__strategies=SAMPLERS,
        search__constraints={"macs": 1e9},
        search__screen={"proxy": "params"},
        retrain__budget={"macs": 1e9},
        ranking__shortlist="auto",
        ranking__uniform=7,
    ),
    "several processes": change(
        DIGITS,
        search__strategies={"random": {}, "darts": {"epochs": 1, "processes": 2}, "enas": {"epochs": 2}},
        retrain__processes=2,
        retrain__recipes={"long": {"epochs": 9}, "mixed": {"mixup": 0.2}},
        scaling__warm_start=True,
        scaling__factorial={"enabled": True, "seeds": 1},
    ),
    "shared weights": change(
        DIGITS,
        search__strategies=SAMPLERS,
        search__estimator={"kind": "shared_weights", "supernet": {"sampling": "uniform"}},
    ),
}
CONFIGS["text"] = {
    "experiment": "tiny",
    "data": {"source": "stdlib", "tokens": "bpe"},
    "search": {"strategies": SAMPLERS, "estimator": {"compute": 1e12}, "constraints": {"macs": 1e12}},
    "ranking": {"recipe": {"compute": 1e12}},
    "retrain": {"recipe": {"compute": 1e12}},
    "scaling": {"rungs": {"enabled": True, "compute": 1e12}},
}
if installed("lite0"):
    CONFIGS["pretrained"] = {
        "experiment": "tiny",
        "weights": "lite0",
        "data": {"source": "digits", "channels": 3, "resolution": 64},
        "space": {"preset": "efficientnet_lite_depth", "resolution": [32, 64]},
        "search": {
            "strategies": SAMPLERS,
            "estimator": {"kind": "shared_weights", "supernet": {"sampling": "uniform"}},
        },
        "scaling": {"enabled": False},
    }
#: steps that several processes share, if the config says so
TOGETHER = ("darts", "retrain", "retrain_by_recipe", "train_member", "train_design")


def commands(config: dict[str, Any], folder: Path) -> list[str]:
    """The commands of all jobs of an experiment."""
    folder.mkdir()
    result = snakemake(folder, config, "--dry-run", "--printshellcmds", "--forceall")
    assert result.returncode == 0, result.stdout + result.stderr
    return re.findall(r"Shell command: (.*) > \S+ 2>&1$", result.stdout + result.stderr, flags=re.M)


def test_each_command_is_understood_by_its_declaration(tmp_path: Path) -> None:
    checked = set()
    for number, (config, raw) in enumerate(CONFIGS.items()):
        for command in commands(raw, tmp_path / str(number)):
            words = shlex.split(command)
            package = next(word for word in words if re.fullmatch(r"nas_steps\.(?!training)[\w.]+", word))
            name, *arguments = words[words.index(package) + 1 :]
            if name in STEPS:
                assert STEPS[name].package == package
                assert command_line(STEPS[name], name).parse_args(arguments)
                checked.add(name)
                together = config == "several processes" and name in TOGETHER
                assert ("nas_steps.training.launch" in words) == together
    in_tables = {name for name, step in STEPS.items() if {"in_table", "reproduces"} & set(step.when)}
    absent = set() if "pretrained" in CONFIGS else {"weights"}
    assert set(STEPS) - in_tables - absent - {"data", "text", "manifest"} <= checked


def options(step: Step) -> list[str]:
    return [cardinality(name)[0] for name in {**step.takes, **step.options}]


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_a_declaration_is_whole(step: Step) -> None:
    assert step.summary.endswith(".")
    assert step.summary[0].isupper()
    named = [*step.wildcards(), *options(step)]
    assert len(set(named)) == len(named)  # a wildcard and an option of one name would be one attribute of the task
    assert set(step.jobs) == set(step.wildcards())
    # a misspelled name would leave the code of a kind unwatched
    assert {name for kind in step.kinds for name in re.findall(r"{(\w+)", kind)} <= {*step.reads, *options(step)}
    text = command_line(step, step.name).format_help()
    assert "None" not in text
    assert step.summary in " ".join(text.split())


@pytest.mark.parametrize("file", sorted((ROOT / "rules").glob("*.smk")), ids=lambda file: Path(file).name)
def test_a_rule_has_the_name_of_its_declaration_and_says_what_it_does(file: Path) -> None:
    for name, doc in re.findall(r"^ *rule (\w+):\n *(\"\"\".*\"\"\")?", file.read_text(), flags=re.M):
        assert name in STEPS
        assert doc, f"rule {name} has no docstring"
