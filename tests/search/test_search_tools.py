"""The comparison with other tools: what a search is told and what is noted of it, the statistics, files, the order."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from statistics import fmean

import pytest
from scipy import stats

from benchmarks import nasbench201, search_tools, tool_searches
from benchmarks.nasbench201 import Table, difference, settings_of
from benchmarks.simulation import search
from benchmarks.tool_searches import OURS, SPACE, Job, Output, Run, ask_and_tell, jobs, load, run
from benchmarks.tools import TOOLS, Parameters, Tool
from nas_steps.errors import UserError
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.protocol import members

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = {"optuna": "optuna", "syne-tune": "syne_tune", "neural-pipeline-search": "neps", "botorch": "botorch"}
#: what each operation brings on any edge, so that six 3x3 convolutions are best: 60 + 6 * 5
WORTH = {"nor_conv_3x3": 5.0, "nor_conv_1x1": 3.0, "skip_connect": 2.0, "avg_pool_3x3": 1.0, "none": 0.0}


def score(text: str) -> float:
    return 60 + sum(WORTH[name] for name in re.findall(r"\|([a-z_0-9]+?)~", text))


@pytest.fixture(scope="module")
def table() -> Table:
    """Three accuracies that are never the same, so that none can stand for another."""
    return {str(one): (score(str(one)), score(str(one)) / 2, score(str(one)) / 4) for one in members(SPACE)}


@pytest.fixture(scope="module")
def file(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tools") / "table.csv"
    columns = [column for columns in nasbench201.COLUMNS.values() for column in columns]
    with path.open("w") as written:
        rows = csv.writer(written)
        rows.writerow(["architecture", *columns])
        rows.writerows([text, *values * 3] for text, values in table.items())
    return path


def job(tool: str, *, goal: str = "accuracy12", evaluations: int = 30, seed: int = 3) -> Job:
    return Job(tool, "1", "t", "cifar100", goal, evaluations, seed)


def made(tool: str, seed: int, valid: float, **changed: object) -> Run:
    best = {f"best_{mark}": math.nan for mark in tool_searches.MARKS}
    return replace(
        Run(tool, "1", "t", "c10valid", "accuracy12", 100, seed, valid, valid + 2, 90, 0.001, **best), **changed
    )


# ------------------------------------------------------------------------------------------------ one search


@pytest.mark.parametrize("tool", OURS)
def test_our_strategies_search_as_in_the_benchmark_beside_published_figures(tool: str, table: Table) -> None:
    found = run(job(tool), table)
    seed = derive_seed(3, tool, "cifar100")
    told = [
        score(one.architecture) for one in search(settings_of(30)[tool], SPACE, lambda one: score(str(one)), seed=seed)
    ]
    assert found.valid == max(told) / 2
    assert found.test == max(told) / 4
    assert (found.best_10, found.best_25) == (max(told[:10]), max(told[:25]))
    assert math.isnan(found.best_50)
    assert found.different == 30
    assert found.key() == job(tool).key()


def test_a_search_for_regret_sees_the_accuracy_after_200_epochs(table: Table) -> None:
    found = run(job("random", goal="accuracy200"), table)
    assert found.best_25 <= found.valid <= 45
    assert run(job("random"), table).best_25 > 45


class Scripted:
    """Asks for what it is given, and remembers what it is told."""

    def __init__(self, script: list[str], parameters: Parameters) -> None:
        assert list(parameters) == [f"edge_{number}" for number in range(6)]
        assert all(set(options) == set(WORTH) for options in parameters.values())
        self.script = iter(script)
        self.told: list[float] = []

    def ask(self) -> Mapping[str, str]:
        return dict(zip([f"edge_{number}" for number in range(6)], next(self.script).split(), strict=True))

    def tell(self, value: float) -> None:
        self.told.append(value)


def test_a_tools_evaluations_count_as_asked_and_different_networks_once(
    monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    """Node 1 is 0 in the second and the third: what follows it makes no difference."""
    one = "nor_conv_3x3 nor_conv_3x3 nor_conv_1x1 skip_connect skip_connect none"
    second = "none none skip_connect skip_connect nor_conv_3x3 skip_connect"
    third = "none none skip_connect skip_connect none skip_connect"
    script = [one, one, second, third, second]
    searchers: list[Scripted] = []

    def make(parameters: Parameters, _seed: int) -> Scripted:
        searchers.append(Scripted(script, parameters))
        return searchers[0]

    monkeypatch.setitem(TOOLS, "scripted", Tool(make, ()))
    found = run(job("scripted", evaluations=5), table)
    assert searchers[0].told == [77, 77, 71, 66, 71]
    assert (found.valid, found.test, found.evaluations, found.different) == (38.5, 19.25, 5, 2)


def test_the_parameters_are_the_edges_in_the_order_of_the_string() -> None:
    script = ["none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3 none"]
    (asked,) = ask_and_tell(Tool(lambda parameters, _seed: Scripted(script, parameters), ()), score, 1, 0)
    text = "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    assert asked == (text, 71)


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_learns_and_follows_its_seed(name: str) -> None:
    tool = TOOLS[name]
    for package in tool.packages:
        pytest.importorskip(IMPORTS.get(package, package.replace("-", "_").replace("scikit_learn", "sklearn")))
    count = 16 if tool.slow else 60
    first = ask_and_tell(tool, score, count, 5)
    assert ask_and_tell(tool, score, count, 5) == first
    assert ask_and_tell(tool, score, 3, 6) != first[:3]
    early, late = ([value for _, value in part] for part in (first[:6], first[-6:]))
    assert fmean(late) > fmean(early)


# ------------------------------------------------------------------------------------------------ statistics


def test_a_difference_has_welchs_interval() -> None:
    first, second = [91.2, 91.5, 90.8, 91.9], [90.1, 91.0, 90.6, 90.9, 91.4, 90.2, 90.0]
    more, half = difference(first, second)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert more - half == pytest.approx(expected.low)
    assert more + half == pytest.approx(expected.high)


def test_a_difference_by_hand() -> None:
    """Variances 2 and 2 of two values each: error sqrt(2), two degrees of freedom, t 4.3027."""
    assert difference([3, 5], [1, 3]) == (2, pytest.approx(4.30265 * math.sqrt(2), rel=1e-5))
    assert difference([4.0, 4.0], [3.0, 3.0]) == (1.0, 0.0)


def test_the_best_of_ours_and_what_is_told_apart_from_it() -> None:
    values = {
        "random": [90.0, 90.2],
        "evolution": [91.0, 91.1, 91.2],
        "reinforce": [95.0],
        "optuna_tpe": [91.0, 91.1, 91.3],
        "optuna_gp": [92.0, 92.1, 92.2],
        "neps_bayesian": [89.0, 89.1, 89.2],
        "syne_tune_rea": [94.0],
    }
    runs = {tool: [made(tool, seed, one) for seed, one in enumerate(own)] for tool, own in values.items()}
    ours = search_tools.best_of_ours(runs)
    assert ours == "evolution"  # one run of reinforce says nothing
    found = search_tools.differences(runs, ours)
    assert set(found) == {"random", "optuna_tpe", "optuna_gp", "neps_bayesian"}
    assert found["optuna_gp"] == (pytest.approx(1), pytest.approx(2.7764 * 0.1 * math.sqrt(2 / 3), rel=1e-4))
    line = search_tools.verdict(ours, found)
    assert "better: optuna_gp; not told apart: optuna_tpe; worse: neps_bayesian" in line
    assert "evolution" in line
    assert "random" not in line
    assert "verdict: none" in search_tools.verdict(None, {})


def test_a_report_holds_means_regrets_and_seconds(table: Table) -> None:
    """The best of the table is 45 after 200 epochs."""
    changed = {"goal": "accuracy200", "evaluations": 150}
    runs = {
        "random": [
            made("random", 0, 43.0, best_50=41.0, best_100=42.0, best_150=43.0, seconds=0.001, **changed),
            made("random", 1, 44.0, best_50=42.0, best_100=42.0, best_150=44.0, seconds=0.003, **changed),
        ],
        "optuna_tpe": [made("optuna_tpe", 0, 45.0, best_50=44.0, best_100=44.5, best_150=45.0, **changed)],
    }
    lines = search_tools.report(runs, table, "accuracy200")
    assert "regret after 50/100/150" in lines[0]
    assert re.search(
        r"^random +2 +43.50 ± 0.71 +- +45.50 ± 0.71 +3.500 ± 0.707 +3.000 ± 0.000 +1.500 ± 0.707 ", lines[1]
    )
    assert lines[1].endswith(" 90.0         2.00")
    assert re.search(r"^optuna_tpe +1 +45.00 ± - .* 1.000 ± - +0.500 ± - +0.000 ± - ", lines[2])
    seen = {
        tool: [replace(one, goal="accuracy12", evaluations=50, best_10=40.0, best_25=40.5) for one in own]
        for tool, own in runs.items()
    }
    lines = search_tools.report(seen, table, "accuracy12")
    assert "best 12-epoch accuracy after 10/25/50" in lines[0]
    assert " 40.00 40.50 41.50 " in lines[1]


# ------------------------------------------------------------------------------------------------ many searches


def test_searches_go_seed_by_seed_and_slow_tools_stop_earlier() -> None:
    versions = {"random": "a", "optuna_tpe": "b", "optuna_gp": "c"}
    found = jobs(versions, ["c10valid", "cifar100"], range(1, 4), 2, table="t", goal="accuracy12", evaluations=20)
    assert TOOLS["optuna_gp"].slow
    assert not TOOLS["optuna_tpe"].slow
    assert [one.seed for one in found] == [1] * 6 + [2] * 4 + [3] * 4
    assert [(one.tool, one.data) for one in found[:6]] == [
        (tool, data) for data in ("c10valid", "cifar100") for tool in ("random", "optuna_tpe", "optuna_gp")
    ]
    assert {one.tool for one in found[6:]} == {"random", "optuna_tpe"}
    assert {(one.tool, one.version) for one in found} == set(versions.items())


def test_a_file_of_runs_reads_as_written(tmp_path: Path) -> None:
    runs = [made("random", 0, 91.25, best_10=80.125), made("optuna_tpe", 1, 0.1 + 0.2)]
    path = tmp_path / "runs.csv"
    for one in runs:
        Output(path).add(one)
    assert list(map(repr, load(path))) == list(map(repr, runs))
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\nrandom,1,t\n")
    with pytest.raises(UserError, match=r"runs.csv, line 3, is no whole run: delete the line"):
        load(path)
    path.write_text("tool,seed\n")
    with pytest.raises(UserError, match="is no file of runs"):
        load(path)


def command(*arguments: object) -> str:
    line = [sys.executable, "-m", "benchmarks.search_tools", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def told(*arguments: object) -> str:
    """What the same command prints, without a process of its own."""
    with redirect_stdout(StringIO()) as printed:
        search_tools.main(list(map(str, arguments)))
    return printed.getvalue()


def test_a_run_goes_on_where_one_stopped_and_files_are_merged(file: Path, tmp_path: Path) -> None:
    same = [file, "--tools", "random", "evolution", "--data", "c10valid", "--evaluations", 20, "--processes", 1]
    whole = command(*same, "--runs", 4, "--output", tmp_path / "whole.csv")
    told(*same, "--runs", 2, "--output", tmp_path / "parts.csv")
    before = (tmp_path / "parts.csv").read_text()
    told(*same, "--seeds", 3, 4, "--output", tmp_path / "other.csv")
    merged = told(*same, "--runs", 4, "--output", tmp_path / "parts.csv", "--merge", tmp_path / "other.csv")
    assert (tmp_path / "parts.csv").read_text().startswith(before)

    def without_seconds(*paths: Path) -> list[str]:
        runs = sorted((one for path in paths for one in load(path)), key=lambda one: one.key())
        return [repr(replace(one, seconds=0)) for one in runs]

    parts = [tmp_path / "parts.csv", tmp_path / "other.csv"]
    assert [one.seed for one in load(parts[1])] == [3, 3]
    assert without_seconds(*parts) == without_seconds(tmp_path / "whole.csv")
    assert len(without_seconds(*parts)) == 8
    rows = [
        [re.sub(r" +[\d.]+$", "", row) for row in text.splitlines() if re.match("random|evol", row)]
        for text in (whole, merged)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 2
    # other numbers of evaluations are not mixed; nothing starts after 0 minutes
    text = told(*same[:-3], 30, "--runs", 4, "--merge", tmp_path / "whole.csv", "--minutes", 0)
    assert "left out, of other tools, versions, settings or tables: 8 runs" in text
    assert "verdict" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "there is no table nowhere.csv"),
        (["{file}", "--evaluations", "25"], "--evaluations is 25: give 20 or more, a multiple of 10"),
        (["{file}", "--processes", "0"], "--processes is 0"),
        (["{file}", "--seeds", "-2", "3"], "--seeds starts at -2"),
        (["{file}", "--runs", "0"], "no seeds"),
        (["{file}", "--output", "nowhere/runs.csv"], "--output names nowhere/runs.csv, whose folder is not there"),
        (["{file}", "--merge", "nowhere.csv"], "--merge names nowhere.csv"),
        (["{file}", "--tools", "random", "optuna_tpe"], "--tools names optuna_tpe, not installed: pip install"),
    ],
)
def test_what_cannot_be_followed_is_told(
    arguments: list[str], message: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOOLS, "optuna_tpe", replace(TOOLS["optuna_tpe"], packages=("no-such-distribution",)))
    with pytest.raises(UserError, match=re.escape(message)):
        search_tools.main([one.replace("{file}", str(file)) for one in arguments])


def test_another_setting_is_another_version() -> None:
    given = search_tools.options_of(["--tools", "random", "evolution"])
    other = search_tools.options_of(["--tools", "random", "evolution", "--evaluations", "50"])
    one, another = search_tools.versions_of(given), search_tools.versions_of(other)
    assert set(one) == set(another) == {"random", "evolution"}
    assert len({*one.values(), *another.values()}) == 4
    assert one == search_tools.versions_of(given)
    assert asdict(job("random"))["version"] == "1"
