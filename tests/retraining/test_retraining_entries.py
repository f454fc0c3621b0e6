"""What is trained beside the winners: a uniform draw, the largest network, baselines held to a budget."""

from __future__ import annotations

import re
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stepping import run, settings_of
from tiny_world import CONVOLUTION, MIXED, POOLS, ROOT, prepared, settings, tiny_config

from nas_steps.config.schema import Config
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import size
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.ranking.opponents import OPPONENTS
from nas_steps.ranking.rank import WINNERS
from nas_steps.retraining import refusing
from nas_steps.retraining.entries import entry_of, largest_cells, uniform
from nas_steps.retraining.fitting import Constraints, measure, widest
from nas_steps.retraining.refusing import check_baselines
from nas_steps.retraining.steps import count
from nas_steps.spaces.cells.space import CellArchitecture, CellSpace
from nas_steps.spaces.declare import declared_cells
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.training.settings import TrainingSettings
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS
from nas_steps.workflow.wiring import spelled

NETWORK = Network(channels=4, cells=3, stem_multiplier=1)


@pytest.fixture(scope="module")
def step() -> TrainingSettings:
    return settings_of(tiny_config(), "retrain", TrainingSettings, ROOT.name)


# ------------------------------------------------------------------------------------------- uniform draws


def test_a_uniform_architecture_depends_on_the_seed_and_its_number_alone(step: TrainingSettings) -> None:
    drawn = [uniform(step, number) for number in range(8)]
    assert drawn == [uniform(step, number) for number in range(8)]
    space = declared_cells(step.space)
    assert len({space.identity(space.parse(text)) for text in drawn}) == 8
    assert [uniform(step.model_copy(update={"seed": 1}), number) for number in range(8)] != drawn
    # the recipe and the network take no part, nor does any file of a search
    other = step.model_copy(update={"network": Network(channels=8)})
    assert entry_of("uniform-3", "uniform", other, "no such folder").architecture == drawn[3]


def test_the_uniform_entries_are_the_first_of_the_sample_that_judges_scores(
    step: TrainingSettings, tmp_path: Path
) -> None:
    run("sample", settings=settings(ranking__uniform=5)["sample"], output=tmp_path)
    sample = [row["architecture"] for row in read_csv(tmp_path / "proposals.csv")]
    assert sample == [uniform(step, number) for number in range(5)]


def test_a_uniform_entry_that_the_space_lacks_is_not_needed(tmp_path: Path, data: str) -> None:
    """Two operations on each of three edges: eight architectures."""
    small = {"preset": "nasbench201", "nodes": 2, "operations": ["skip_connect", "nor_conv_1x1"]}
    given = {
        "settings": settings(space=small, search__strategies={"random": {"evaluations": 2}})["retrain"],
        "data": "no such folder",
        "kind": "uniform",
        "seed": 0,
    }
    run("retrain", entry="uniform-8", output=tmp_path, **given)
    metrics = read_json(tmp_path / "metrics.json")
    assert (metrics["status"], metrics["architecture"]) == ("unneeded", None)
    assert metrics["reason"].startswith("the space has no more architectures")
    assert (tmp_path / "weights.safetensors").exists()
    # what is not needed is in no table
    gathered = tmp_path / "gathered"
    write_csv(tmp_path / "opponents.csv", [], OPPONENTS)
    known = {"trainings": tmp_path / "metrics.json", "predictions": tmp_path / "predictions.safetensors"}
    run("gather_retraining", data=data, **known, opponents=tmp_path / "opponents.csv", output=gathered)
    assert read_csv(gathered / "retrained.csv") == read_csv(gathered / "summary.csv") == []


# --------------------------------------------------------------------------------------- the largest network


def measured(architecture: object, inputs: int = 1, side: int = 8) -> tuple[int, int]:
    found = size(str(architecture), NETWORK, inputs=inputs, classes=10, side=side)
    return found.macs, found.parameters


SPACES = {
    "two inputs": CellSpace("x", ("skip_connect", "max_pool_3x3", "nor_conv_1x1"), 1, 1),
    "kept edges": CellSpace("x", ("none", "skip_connect", "nor_conv_1x1"), 3, 1, inputs=1),
    "one input": CellSpace("x", ("none", "nor_conv_1x1", "skip_connect"), 2, None, inputs=1),
    "edges of their own": CellSpace(
        "x",
        (),
        2,
        None,
        inputs=1,
        by_edge={"cell": (("skip_connect", "avg_pool_3x3"), ("nor_conv_1x1", "none"), ("nor_conv_3x3", "none"))},
    ),
}


def everything(space: CellSpace) -> list[CellArchitecture]:
    """Every architecture of a small space."""
    cells = {}
    for kind in space.kinds:
        nodes = [
            [
                tuple(zip(names, sources, strict=True))
                for sources in space.kept_sources(node)
                for names in product(*(space.choices_between(kind, node, source) for source in sources))
            ]
            for node in range(space.nodes)
        ]
        cells[kind] = list(product(*nodes))
    return [space.made(dict(zip(cells, one, strict=True))) for one in product(*cells.values())]


@pytest.mark.parametrize("name", SPACES)
def test_the_largest_network_of_cells_is_the_largest_of_all(name: str) -> None:
    space = SPACES[name]
    every = everything(space)
    assert len(set(map(str, every))) == space.size()
    found = largest_cells(space, measured)
    space.check(found)
    assert measured(found) == max(map(measured, every))


@pytest.mark.parametrize("name", ["mobile_small"])
def test_no_mutation_makes_the_largest_mobile_network_larger(name: str) -> None:
    space = MOBILE[name]
    found = space.largest(strict=False)
    space.check(found)
    for stage, declared in zip(found.stages, space.stages, strict=True):
        assert (len(stage), stage[0].width) == (max(declared.depth), max(declared.width))
        assert stage[0].stride == min(declared.stride)
    macs = measured(found, 3, 32)[0]
    for other in space.neighbours(found)[::3]:
        assert measured(other, 3, 32)[0] <= macs, str(other)


def test_the_largest_of_named_operations_has_the_largest_kernel_first() -> None:
    stem, head = {"width": 8, "kernel": 3, "stride": 1, "activation": "relu"}, {"width": 16}
    stage = {"width": 8, "depth": 2, "operations": ["id", "k3_e6", "k5_e3_se0.25", "k5_e3"], "activation": "relu"}
    space = MobileSpace.declare("x", {"stem": stem, "stages": [{"width": 8, "depth": [1, 2]}, stage], "head": head})
    assert "k5_e3_c8_se0.25" in str(space.largest(strict=False))


# -------------------------------------------------------------------------------------------------- budgets


def test_a_fitted_baseline_has_the_largest_width_within_the_budget() -> None:
    counted = measure(1, 10, 8)
    for base, constraints in {
        "resnet20": Constraints(macs=4e5),
        "mobilenet_v3_small": Constraints(macs=3e6, parameters=2e5),
    }.items():
        name = widest(base, constraints, counted)
        width = float(name.rpartition("_x")[2])
        assert constraints.holds(*counted(name))
        assert not constraints.holds(*counted(f"{base}_x{width + 0.01:g}")), name


def test_sizes_never_fall_when_the_width_rises() -> None:
    """What the bisection rests on."""
    counted = measure(3, 10, 8)
    for base in ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "resnet20"):
        sizes = [counted(f"{base}_x{width / 100:g}") for width in (20, 24, 28, 32)]
        assert all(a <= b for one in zip(*sizes, strict=True) for a, b in pairwise(one)), base


def test_what_cannot_be_made_small_enough_says_so() -> None:
    with pytest.raises(UserError, match=r"mobilenet_v2_auto is to be within 1,000 MACs, but even its narrowest"):
        widest("mobilenet_v2", Constraints(macs=1000), measure(1, 10, 8))


def given(
    step: TrainingSettings, winners: Path | None, constraints: Constraints | None, name: str = "resnet20_auto"
) -> Any:
    file = None if winners is None else str(winners)
    return entry_of(name, "baseline", step, prepared(), winners=file, constraints=constraints)


def test_the_winner_that_sets_the_budget_is_the_best_ranked_one_that_was_searched(
    step: TrainingSettings, tmp_path: Path
) -> None:
    rows = [("random-0", "random", POOLS, 0.9), ("a-0", "searched", CONVOLUTION, 0.7), ("b-0", "searched", MIXED, 0.8)]
    written = [
        dict(zip(("entry", "kind", "architecture", "score"), row, strict=True)) | {"strategy": "x"} for row in rows
    ]
    write_csv(tmp_path / "winners.csv", written, WINNERS)
    found = given(step, tmp_path / "winners.csv", None)
    macs = size(MIXED, step.network, inputs=1, classes=10, side=8).macs
    assert found.budget == {"of": "b-0", "macs": macs, "parameters": None}
    assert measure(1, 10, 8)(found.architecture)[1] <= macs
    write_csv(tmp_path / "none.csv", [], WINNERS)
    assert given(step, tmp_path / "none.csv", None).architecture == ""


def test_a_baseline_that_cannot_be_as_small_as_the_winner_is_left_out_and_not_an_error(
    step: TrainingSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"entry": "a-0", "kind": "searched", "strategy": "a", "architecture": POOLS, "score": 0.5}
    write_csv(tmp_path / "winners.csv", [row], WINNERS)
    found = given(step, tmp_path / "winners.csv", None, "mobilenet_v2_auto")
    assert (found.architecture, found.budget["of"]) == ("", "a-0")
    assert "even its narrowest network" in capsys.readouterr().out


def test_a_baseline_above_the_budget_is_refused_by_its_job(step: TrainingSettings) -> None:
    assert given(step, None, Constraints(macs=1e9), "resnet20").architecture == "resnet20"
    with pytest.raises(UserError, match=r"the budget is 1,000,000 MACs, but resnet20 has 2,\d.*resnet20_auto"):
        given(step, None, Constraints(macs=1e6), "resnet20")


def test_a_fitted_baseline_is_trained_and_its_record_has_the_budget_and_the_width(tmp_path: Path) -> None:
    options = {"settings": settings()["retrain"], "data": prepared(), "kind": "baseline", "seed": 0}
    run("retrain", **options, entry="resnet20_auto", macs="3e5", output=tmp_path / "out")
    found = read_json(tmp_path / "out" / "metrics.json")
    assert found["status"] == "ok"
    assert found["entry"] == "resnet20_auto"
    assert found["architecture"].startswith("resnet20_x0.")
    assert found["macs"] <= 3e5
    assert found["budget"] == {"of": "numbers", "macs": 3e5, "parameters": None}


# ------------------------------------------------------------------------------------ before any job runs

BUDGET = {"macs": 2e6}


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts in this process, where torch is loaded already."""

    def counted(command: list[str], **_options: object) -> SimpleNamespace:
        assert command[1:4] == ["-m", "nas_steps.retraining", "count"]
        count.main(command[4:])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(refusing.subprocess, "run", counted)


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"retrain__baselines": ["resnet20", "resnet56"]}, ["resnet20 has", "resnet56 has", "raise retrain.budget"]),
        (
            {"retrain__baselines": ["resnet20_auto", "mobilenet_v2_auto"], "retrain__budget": {"macs": 99}},
            ["narrowest"],
        ),
        ({"retrain__baselines": ["resnet20_auto", "mobilenet_v3_small_x0.2"]}, []),
        ({"retrain__budget": {"parameters": 1e9}}, []),
        ({"retrain__budget": "winner"}, []),
    ],
)
def test_baselines_above_a_budget_in_numbers_are_refused_before_any_job(
    changes: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    config = tiny_config(**{"retrain__budget": BUDGET, **changes})
    if not words:
        check_baselines(config, tmp_path)
        return
    with pytest.raises(UserError) as refused:
        check_baselines(config, tmp_path)
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.usefixtures("counting")
def test_counts_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(retrain__budget={"macs": 1e9})
    check_baselines(config, tmp_path)
    monkeypatch.setattr(refusing.subprocess, "run", None)
    check_baselines(config, tmp_path)


def test_images_of_ones_own_are_counted_by_the_job(tmp_path: Path) -> None:
    own = Config.model_validate({"data": {"source": "folder", "path": "x"}, "retrain": {"budget": BUDGET}})
    assert refusing.known_shape(own) is None
    check_baselines(own, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("retrain", "words"),
    [
        ({"baselines": ["resnet20_auto", "resnet20"]}, "takes its width from a budget, and there is none"),
        ({"baselines": ["resnet2_auto", "resnet20"], "budget": "winner"}, "unknown baseline 'resnet2'"),
        ({"budget": {}}, "or the word `winner`"),
        ({"budget": {"macs": 1e6, "winner": True}}, "or the word `winner`"),
    ],
)
def test_a_budget_that_says_nothing_is_refused(retrain: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Config.model_validate({"retrain": retrain})


def limits(plan: Plan, entry: str) -> str:
    """The budget on the command line of an entry's jobs, after its kind."""
    words = spelled(plan.options(STEPS["retrain"], {"entry": entry, "seed": 0}))
    words = re.sub(r" --family \w+", "", words)
    assert words.startswith(f"--kind {plan.entries[entry]}")
    return words.removeprefix(f"--kind {plan.entries[entry]}")


def test_the_plan_has_the_entries_and_what_they_wait_for(tmp_path: Path) -> None:
    raw = tiny_config().model_dump(mode="json")
    raw["search"]["seeds"] = 2
    raw["retrain"] |= {"largest": True, "budget": "winner", "baselines": ["resnet20_auto", "mobilenet_v2"]}
    plan = Plan(raw, root=str(tmp_path))
    kinds = plan.entries
    assert [name for name, kind in kinds.items() if kind == "uniform"] == [f"uniform-{number}" for number in range(8)]
    assert kinds["largest"] == "largest"
    waiting = {name for name in kinds if plan.winners(name)}
    assert waiting == {name for name, kind in kinds.items() if kind in ("searched", "random")} | {"resnet20_auto"}
    assert {limits(plan, name) for name in kinds} == {""}
    raw["retrain"] |= {"budget": {"macs": 2e6, "parameters": 3000}, "uniform": 0, "largest": False}
    plan = Plan(raw, root=str(tmp_path))
    assert limits(plan, "resnet20_auto") == limits(plan, "mobilenet_v2") == " --macs 2000000 --parameters 3000"
    assert limits(plan, "darts-0") == ""
    assert not plan.winners("resnet20_auto")
    assert set(plan.entries.values()) == {"searched", "random", "baseline"}


def test_a_strategy_may_not_be_called_like_the_uniform_entries() -> None:
    with pytest.raises(ValueError, match="uniform has the name of the entries that no search chose"):
        Config.model_validate({"search": {"strategies": {"random": {}, "uniform": {"kind": "evolution"}}}})
