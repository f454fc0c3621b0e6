"""What is said of the rungs follows the tables of `gather_rungs`: sentences, figure, tables."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, report, write
from markupsafe import escape
from test_report_page import check_sound, read

from nas_steps.provenance.files import write_csv
from nas_steps.report import rungs
from nas_steps.report.rungs import Section, section
from nas_steps.scaling.rungs import CURVES, GAINS, MULTIPLIERS, gather

COMPUTE = (1e13, 4e13, 1.6e14)


def trainings(worth: tuple[float, float, float], noise: float = 0.001) -> list[dict[str, Any]]:
    """Trainings of a searched network, worth so much more compute at each rung, and of two baselines."""
    rows = []
    for network, kind, times in (
        ("winner", "searched", worth),
        ("llama", "baseline", (1.0, 1.0, 1.0)),
        ("gpt2", "baseline", (0.8, 0.8, 0.8)),
    ):
        for rung, compute in enumerate(COMPUTE):
            for size in range(3):
                loss = 0.8 + 0.7 * (times[rung] * compute / 1e13) ** -0.15 + 0.03 * (size - 1.1) ** 2
                loss += noise * math.sin(7 * rung + 5 * size + 3 * len(network))
                row = {"network": network, "kind": kind, "compute": compute, "size": size, "seed": 0, "status": "ok"}
                # the searched network is slower, the more so with a little noise
                seconds = (1.5 if kind == "searched" else 1.0) * compute / 1e12 * (1 + 0.01 * math.sin(rung + 2 * size))
                rows.append(row | {"parameters": 10**5 * 2**size, "loss": loss, "seconds": seconds})
    return rows


def written(folder: Path, rows: list[dict[str, Any]]) -> Section:
    tables = gather(rows, seed=0)
    (folder / "scaling").mkdir(exist_ok=True)
    write_csv(folder / "scaling" / "rung_curves.csv", tables.curves, CURVES)
    write_csv(folder / "scaling" / "multipliers.csv", tables.multipliers, MULTIPLIERS)
    write_csv(folder / "scaling" / "rung_effects.csv", tables.effects, GAINS)
    found = section(folder)
    assert found is not None
    return found


def test_there_is_no_section_without_rungs(tmp_path: Path) -> None:
    assert section(tmp_path) is None


def test_an_advantage_that_shrinks_is_said_with_its_intervals(tmp_path: Path) -> None:
    first, *_ = written(tmp_path, trainings((2.0, 1.4, 1.0))).sentences
    figure = r"(\d\.\d\d) \[\d\.\d\d, \d\.\d\d\]"
    said = re.fullmatch(
        rf"winner needs {figure} of llama’s compute at 1e13, and {figure} at 1\.6e14 FLOPs\. By the clock "
        rf"it needs {figure} and {figure} of the time\. The advantage shrinks: the last multiplier is "
        rf"{figure} times the first\.",
        first.text,
    )
    assert said is not None, first.text
    # below the first rung the block is worth still more than twice the compute: half of it to the power of 4 / 3
    assert [float(one) for one in said.groups()] == pytest.approx([0.397, 1.0, 0.596, 1.5, 2.52], rel=0.05)
    assert first.tone == "loss"


@pytest.mark.parametrize(
    ("worth", "words", "tone"),
    [
        ((1.3, 1.3, 1.3), "No change with compute was found", "plain"),
        ((1.0, 1.6, 2.5), "The advantage grows", "win"),
        ((1.0, 0.7, 0.5), "The multiplier rises", "loss"),
        ((0.4, 0.65, 1.0), "The multiplier falls", "win"),
    ],
)
def test_the_words_for_each_outcome(tmp_path: Path, worth: tuple[float, float, float], words: str, tone: str) -> None:
    first, *_ = written(tmp_path, trainings(worth)).sentences
    assert f" of the time. {words}: the last multiplier is" in first.text
    assert first.tone == tone


def test_the_gain_is_divided_between_search_and_scaling(tmp_path: Path) -> None:
    _, _, against_llama, against_gpt2, _ = written(tmp_path, trainings((1.3, 1.3, 1.3))).sentences
    figure = r"(\d\.\d\d) \[\d\.\d\d, \d\.\d\d\]"
    said = re.fullmatch(
        rf"The gain of winner at 1\.6e14 FLOPs over llama at 1e13 is {figure} bits per byte: {figure} from search and "
        rf"{figure} from scaling, that is (\d+)\u00a0% from search and (\d+)\u00a0% from scaling\.",
        against_llama.text,
    )
    assert said is not None, against_llama.text
    both, search, scaling, of_search, of_scaling = (float(one) for one in said.groups())
    assert search + scaling == pytest.approx(both, abs=0.011)
    assert of_search + of_scaling == pytest.approx(100, abs=1)
    assert against_gpt2.text.startswith("The gain of winner at 1.6e14 FLOPs over gpt2 at 1e13 is")


def test_without_seconds_nothing_is_said_by_the_clock(tmp_path: Path) -> None:
    found = written(tmp_path, [row | {"seconds": ""} for row in trainings((1.3, 1.3, 1.3))])
    assert "By the clock" not in found.sentences[0].text
    assert "by the clock" not in [column.head for column in found.multipliers.columns]


def test_the_law_says_on_how_many_points_it_stands(tmp_path: Path) -> None:
    *_, last = written(tmp_path, trainings((1.0, 1.0, 1.0))).sentences
    assert re.fullmatch(r"The curves stand on 9 best losses; the shared floor E is 0\.\d\d bits per byte\.", last.text)


def test_a_baseline_without_its_trainings_is_named(tmp_path: Path) -> None:
    rows = trainings((1.0, 1.0, 1.0))
    for row in rows:
        if row["network"] == "llama" and row["compute"] == 4e13:
            row["status"] = "diverged"
    texts = [one.text for one in written(tmp_path, rows).sentences]
    wanted = "winner was not compared with llama: llama has 0 sizes with a sound training at 4e+13 FLOPs."
    assert wanted in texts


def test_a_minimum_outside_the_sizes_is_a_caution_once(tmp_path: Path) -> None:
    rows = trainings((1.0, 1.0, 1.0))
    for row in rows:
        row["loss"] += 0.2 * (row["network"] == "winner") * row["size"]
    texts = [one.text for one in written(tmp_path, rows).sentences if one.tone == "warning"]
    assert len(texts) == len(set(texts)) == 3
    sizes = "than the sizes tried (raise scaling.rungs.tokens_per_parameter): the best tried size is taken."
    assert texts[0] == f"At 1e13 FLOPs: winner may be better smaller {sizes}"


def test_without_a_winner_the_section_says_so(tmp_path: Path) -> None:
    found = written(tmp_path, [row for row in trainings((1.0, 1.0, 1.0)) if row["kind"] == "baseline"])
    assert found.sentences[0].text.startswith("There is no searched network to follow over the rungs")
    assert found.figure is None
    assert found.multipliers.rows == []


def test_without_noise_to_be_known_there_are_no_intervals(tmp_path: Path) -> None:
    rows = [row for row in trainings((1.0, 1.0, 1.0)) if row["network"] == "winner" or row["size"] < 2]
    # one network of three sizes and two of two: as many numbers as losses
    texts = [one.text for one in written(tmp_path, rows).sentences]
    assert "no interval" in texts[0]
    assert any("no interval: too few trainings to know their noise" in text for text in texts)


def test_the_figure_names_what_it_shows_and_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, again = (written(tmp_path / name, trainings((2.0, 1.4, 1.0))).figure for name in ("a", "b"))
    assert first is not None
    assert first == again
    assert 'aria-label="Compute multipliers by training FLOPs. winner against llama: 0.39' in first
    for text in ("1.6e14", "bits per byte (validation)", "gpt2", "Compute needed for the baseline’s loss"):
        assert f">{text}<" in first


def test_the_page_of_an_experiment_holds_the_section(tmp_path: Path) -> None:
    config = {"scaling": {"rungs": {"enabled": True, "compute": 1e13}}}
    folder, settings = write(tmp_path, MadeUp(config=config, text=True))
    found = written(folder, trainings((1.3, 1.3, 1.3)))
    report(folder, settings)
    page = read(folder)
    check_sound(page)
    assert '<a href="#rungs">Does it last?</a>' in page.source
    start = page.source.index('<section id="rungs"')
    part = page.source[start : page.source.index("</section>", start)]
    assert part.count("<svg") == 1
    assert part.count("<table>") == 3
    assert all(str(escape(sentence.text)) in part for sentence in found.sentences)
    assert all(str(escape(rule)) in part for rule in rungs.RULES)


def test_tables_of_an_earlier_config_are_no_part_of_the_page(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp(text=True))
    written(folder, trainings((1.3, 1.3, 1.3)))
    report(folder, settings)
    assert "Does it last?" not in read(folder).source
