"""The benchmarks' searches, small: on a made-up table, and that every strategy beats random search on landscapes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev

import pytest
from sampled_spaces import ROOMY, SETTINGS, propose

from benchmarks import landscapes, nasbench201
from benchmarks.cached import CachedSpace
from benchmarks.simulation import search
from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.sampling import round_size
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.protocol import members

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_simulated_search_is_what_the_workflow_asks(settings: strategies.SamplingStrategy) -> None:
    def score(text: str) -> float:
        return float(text.count("conv"))

    simulated = search(settings, CachedSpace(ROOMY), lambda architecture: score(str(architecture)), seed=7)
    told: list[list[Estimate]] = []
    for number in range(settings.rounds):
        asked = propose(settings, ROOMY, told, count=round_size(settings, number, 20), seed=7)
        told.append([Estimate(index, text, score(text)) for index, text in enumerate(asked)])
    assert simulated == [one for estimates in told for one in estimates]


@pytest.mark.parametrize("kind", ["evolution", "reinforce", "predictor"])
def test_every_strategy_finds_more_than_random_search_on_made_up_landscapes(kind: str) -> None:
    space = CachedSpace(PRESETS["s3"])
    found = {}
    for name in ("random", kind):
        settings = landscapes.settings_of(name, {})
        assert sum(round_size(settings, number, 100) for number in range(settings.rounds)) == 100
        found[name] = landscapes.measure(settings, {"s3": space}, 4)
    assert fmean(found[kind]) > fmean(found["random"])


def test_a_landscape_is_the_same_for_equal_seeds_and_its_score_rises_with_its_height() -> None:
    space = PRESETS["s3"]
    one, other = (landscapes.Landscape(space, derive_seed(seed, "s3")) for seed in (1, 1))
    architectures = [space.sample(landscapes.Random(seed)) for seed in range(40)]
    heights = [one.height(architecture) for architecture in architectures]
    assert heights == [other.height(architecture) for architecture in architectures]
    assert abs(fmean(heights)) < 0.6
    assert 0.6 < stdev(heights) < 1.5
    order = sorted(range(40), key=heights.__getitem__)
    scores = [one.score(architectures[place]) for place in order]
    assert scores == sorted(scores)


def test_the_table_of_a_made_up_nasbench201(tmp_path: Path) -> None:
    """Accuracies that follow from the number of convolutions: what is chosen has six of them, in every strategy that
    learns more often than in random search."""
    table = tmp_path / "table.csv"
    columns = [column for columns in nasbench201.COLUMNS.values() for column in columns]
    lines = [",".join(["architecture", *columns])]
    for text in map(str, members(PRESETS["nasbench201"])):
        value = 60 + 5 * text.count("nor_conv_3x3") + text.count("nor_conv_1x1")
        lines.append(",".join([text, *[str(value)] * len(columns)]))
    table.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "benchmarks.nasbench201", str(table), "--runs", "2", "--processes", "1"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^(random|evolution|reinforce|predictor) +([\d.]+) ± ", result, flags=re.M)
    assert len(rows) == 3 * 4
    means: dict[str, list[float]] = {}
    for name, mean in rows:
        means.setdefault(name, []).append(float(mean))
    assert all(fmean(means[name]) > fmean(means["random"]) for name in ("evolution", "reinforce", "predictor"))
    assert fmean(means["predictor"]) <= 90


def test_a_table_that_is_not_there_is_told() -> None:
    command = [sys.executable, "-m", "benchmarks.nasbench201", "nowhere.csv"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "there is no table nowhere.csv" in result.stderr
