"""The verdict's headline follows its printed rules, on outcomes made up by hand and on made-up files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, loaded, results_of, write
from outcomes import (
    DARTS,
    baseline,
    folded,
    headline,
    made,
    many,
    row,
    warned,
)
from stepping import settings_files

from nas_steps.config.schema import Config
from nas_steps.provenance.settings import read_settings
from nas_steps.report import cautions, gains
from nas_steps.report.evidence import standing
from nas_steps.report.records import (
    Training,
)
from nas_steps.report.results import load_results
from nas_steps.report.settings import ReportSettings
from nas_steps.report.verdict import decide


def test_a_win_is_told_with_its_interval() -> None:
    verdict = decide(made(row(0.012, 0.008)))
    assert verdict.headline == "darts beat random search by 1.2 points [0.4, 2.0]."
    assert (verdict.tone, verdict.strategies[0].against_random) == ("win", "beat")


def test_a_loss_has_its_size() -> None:
    assert headline(row(-0.012, 0.008)) == "darts lost to random search by 1.2 points [0.4, 2.0]."
    assert decide(made(row(-0.012, 0.008))).tone == "loss"


def test_a_tie_is_no_loss() -> None:
    expected = "No difference found between darts and random search: between -2.2 and +2.1 points."
    assert headline(row(-0.0005, 0.0215)) == expected
    assert decide(made(row(-0.0005, 0.0215))).tone == "plain"


def test_a_loss_to_the_best_baseline_is_in_the_headline_with_its_size() -> None:
    lost = baseline(-0.02, 0.01)
    by = "to the baseline resnet20 by 2.0 points [1.0, 3.0]."
    assert headline(row(0.012, 0.008), lost) == f"darts beat random search by 1.2 points [0.4, 2.0], but lost {by}"
    assert headline(row(-0.012, 0.008), lost) == f"darts lost to random search by 1.2 points [0.4, 2.0], and {by}"
    assert headline(row(0.001, 0.008), lost).endswith(f"; darts lost {by}")
    assert decide(made(row(0.012, 0.008), lost)).tone == "warning"


def test_a_ceiling_is_a_tie() -> None:
    """All accuracies the same: an interval without a width."""
    same = row(0.0, 0.0, note="all accuracies are the same")
    assert headline(same) == "No difference found between darts and random search: 0.0 points."
    tie = replace(row(0.001), low=None, high=None, outcome="tie")
    assert headline(tie) == "No difference found between darts and random search: +0.1 points, without an interval."


def test_several_strategies_are_a_short_list() -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}, "evolution": {}, "enas": {}}}})
    win, loss = row(0.012, 0.008), row(-0.012, 0.008, strategy="evolution")
    tie = row(0.001, 0.008, strategy="enas")
    assert headline(win, loss, tie, config=config) == (
        "darts beat random search by 1.2 points [0.4, 2.0]; evolution lost to it by 1.2 points [0.4, 2.0]; "
        "no difference found for enas (at most 0.9 points either way)."
    )
    few = replace(tie, low=None, high=None, outcome="few")
    ties = [row(0.001, 0.008), row(0.002, 0.008, strategy="evolution")]
    assert headline(*ties, few, baseline(-0.01), baseline(-0.02, strategy="evolution"), config=config) == (
        "Against random search: no difference found for darts and evolution (at most 1.0 points either way); "
        "too few searches to judge enas; darts and evolution lost to the baseline resnet20 by 1.0 to 2.0 points."
    )


def test_the_headline_of_many_strategies_groups_wins_and_losses() -> None:
    config, names = many(14)
    differences = [0.01, 0.02, 0.03, 0.04, 0.05, -0.01, -0.01, -0.03, 0.001, 0.001, 0.001, 0.001, 0.001, 0.002]
    rows = [row(one, strategy=name) for one, name in zip(differences, names, strict=True)]
    rows[0] = replace(rows[0], failed=1, failures_outcome="beat")
    behind = [baseline(-0.02, strategy=name) for name in names]
    assert headline(*rows, *behind, config=config) == (
        "s4, s3, s2 and 2 more beat random search by 1.0 to 5.0 points, although 1 of them had failed trainings; "
        "s7, s5 and s6 lost to it by 1.0 to 3.0 points; no difference found for s8, s9, s10 and 3 more (at most 0.6 "
        "points either way); s0, s1, s2 and 11 more lost to the baseline resnet20 by 2.0 points."
    )


def test_ties_of_several_strategies_name_the_adjustment_if_an_interval_excludes_0() -> None:
    config, names = many(2)
    ties = [row(0.001, strategy=names[0]), replace(row(0.005, strategy=names[1]), outcome="tie", p_holm=0.06)]
    assert headline(*ties, config=config) == (
        "Against random search: no difference found after Holm's adjustment for s0 and s1 (at most 0.9 points either "
        "way)."
    )


def test_a_tie_whose_interval_excludes_0_names_the_adjustment() -> None:
    tie = replace(row(0.005), outcome="tie", p_holm=0.06)
    expected = (
        "No difference found between darts and random search after Holm's adjustment: between +0.1 and +0.9 points."
    )
    assert headline(tie) == expected


def test_losses_to_several_baselines_are_grouped_and_ties_may_lack_intervals() -> None:
    config = Config.model_validate({"search": {"strategies": {"random": {}, "darts": {}, "evolution": {}}}})
    ties = [replace(row(0.001, strategy=name), low=None, high=None, outcome="tie") for name in ("darts", "evolution")]
    lost = [baseline(-0.01), baseline(-0.02, strategy="evolution"), baseline(-0.03, against="wide")]
    assert headline(*ties, *lost, config=config) == (
        "Against random search: no difference found for darts and evolution; darts and evolution lost to the baseline "
        "resnet20 by 1.0 to 2.0 points; darts lost to the baseline wide by 3.0 points [2.6, 3.4]."
    )


def test_several_random_searches_must_agree() -> None:
    win, tie, loss, missing = row(0.01), row(0.001, 0.005), row(-0.01), row(None)
    judge = made()
    assert standing(judge, [win, win]) == "beat"
    assert standing(judge, [loss, loss]) == "lost"
    assert standing(judge, [win, tie]) == standing(judge, [win, loss]) == standing(judge, [win, missing]) == "mixed"
    assert standing(judge, [tie, missing]) == "tie"
    assert standing(judge, []) == "missing"
    config = Config.model_validate({"search": {"strategies": {"random": {}, "long": {"kind": "random"}, "darts": {}}}})
    assert headline(win, replace(tie, against="long"), config=config) == (
        "darts beat random by 1.0 points [0.6, 1.4]; no difference found between darts and long: between -0.4 and +0.6 "
        "points."
    )


def test_without_figures_there_is_a_verdict_still() -> None:
    missing = row(None, note="no sound training on one side")
    trainings = tuple(Training("darts-0", "searched", seed, "diverged") for seed in range(3))
    base = made(missing, trainings=trainings, search_costs=())
    verdict = decide(replace(base, entries=tuple(replace(one, test_mean=None) for one in base.entries)))
    assert verdict.headline == (
        "No verdict: no searched network has a figure beside random search (no sound training on one side)."
    )
    assert verdict.paid.text == "Not known: darts has no figure to compare."
    assert warned(verdict) == ["3 of 3 final trainings failed: 3 of darts-0 (diverged)."]
    assert "What darts cost was not measured." in folded(verdict)


def test_random_search_alone_has_no_verdict() -> None:
    verdict = decide(made(config=Config.model_validate({"search": {"strategies": {"random": {"evaluations": 4}}}})))
    assert verdict.headline == "Only random search was run, so there is no search to judge."
    assert verdict.paid.text.startswith("Not known: add a strategy to search.strategies")


# ------------------------------------------------------------------------------------ from files to the first screen

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "win": ({"config": DARTS, "means": {"darts": 0.985}}, r"^darts beat random search by 2\.\d+ points \[.*\]\.$"),
    "loss": ({"config": DARTS, "means": {"darts": 0.945}}, r"^darts lost to random search by 1\.\d+ points \["),
    "tie": (
        {"config": DARTS, "means": {"darts": 0.9625}},
        r"^No difference found between darts and random search: betw",
    ),
    "one search": (
        {"config": {"search": {**DARTS["search"], "seeds": 1}}},
        r"one search each says nothing of the method",
    ),
    "failures": (
        {"config": DARTS, "means": {"darts": 0.985}, "failed": {"darts-1": 2}},
        r"^No verdict on darts: 1 of its 4 searches had failed trainings",
    ),
    "recipe": (
        {"config": DARTS, "means": {"darts": 0.985}, "recipes": {"long": {"darts": 0.94}}},
        r"^The verdict depends on the recipe: with main darts beat .*, with long darts lost",
    ),
    "nothing ended": ({"diverged": ["all"], "scaled": False, "tau": None}, r"^No verdict"),
}


@pytest.mark.parametrize("name", CASES)
def test_made_up_experiments_have_the_headline_that_they_earn(name: str) -> None:
    changes, expected = CASES[name]
    verdict = decide(loaded(MadeUp(**changes)))
    assert re.search(expected, verdict.headline), verdict.headline
    text = " ".join([verdict.headline, verdict.paid.text, *warned(verdict), folded(verdict)])
    assert not {"nan", "inf", "None"} & set(re.findall(r"[A-Za-z]+", text))
    assert len(verdict.cautions) <= cautions.SHOWN


def test_beside_shared_weights_a_supernet_of_its_own_is_matched_in_macs() -> None:
    estimator = {"kind": "shared_weights", "supernet": {"sampling": "uniform"}}
    search = {"estimator": estimator, "strategies": {"random": {}, "evolution": {}, "darts": {}}}
    found = results_of(Config.model_validate({"search": search}), None, {})
    own, shared = (gains.random_search(found, row(0.01, strategy=name)) for name in ("darts", "evolution"))
    assert (own, shared) == ("random search of its budget", "random search with as many evaluations")


def test_recipes_that_the_config_has_no_longer_do_not_refuse_a_verdict(tmp_path: Path) -> None:
    made = MadeUp(config=DARTS, means={"darts": 0.985}, recipes={"long": {"darts": 0.94}})
    folder, _ = write(tmp_path, made)
    settings = settings_files(replace(made, recipes={}).validated(), tmp_path / "results")["report"]
    found = load_results(read_settings(settings, ReportSettings), folder, tmp_path / "results/data")
    assert (found.recipes, found.recipe_contests, found.recipe_agreement) == ((), (), ())
    assert decide(found).headline.startswith("darts beat random search")


def test_a_table_is_judged_by_its_searches(tmp_path: Path) -> None:
    verdict = decide(loaded(MadeUp(config=table_config(tmp_path), means={"evolution": 0.97})))
    assert re.match(r"evolution beat random search by 0\.\d+ points \[", verdict.headline)
    assert verdict.paid.text.startswith("Yes: evolution is ")
    assert "above random search with as many evaluations." in verdict.paid.text
    assert "Nothing was trained" in verdict.rules[0]
    few = decide(loaded(MadeUp(config=table_config(tmp_path), searches=3)))
    assert re.match(
        r"The winners of evolution have .* points against those of random search; 3 against 3", few.headline
    )


def table_config(folder: Path) -> dict[str, Any]:
    """A benchmark's table of a small space."""
    from nas_steps.spaces.cells.presets import PRESETS
    from nas_steps.spaces.protocol import members

    names = map(str, members(PRESETS["nasbench201"].replace(nodes=2)))
    (folder / "table.csv").write_text("\n".join(["architecture,few,all", *(f"{name},50,60" for name in names)]) + "\n")
    estimator = {"kind": "table", "path": str(folder / "table.csv"), "search": "few", "report": "all"}
    space = {"preset": "nasbench201", "nodes": 2}
    return {"space": space, "search": {"strategies": {"random": {}, "evolution": {}}, "estimator": estimator}}
