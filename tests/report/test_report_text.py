"""The page of an experiment on text: bits per byte, FLOPs a token, and no word of images."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, loaded, report, write
from test_report_page import Page, check_sound, read

from nas_steps.config.estimators import Extrapolation, ShortTraining, ZeroCost
from nas_steps.provenance.files import read_csv
from nas_steps.report.cautions import few_documents
from nas_steps.report.clock import by_the_clock
from nas_steps.report.figures import accuracy_against
from nas_steps.report.forest import forest
from nas_steps.report.page import estimated
from nas_steps.report.recommendation import recommend
from nas_steps.report.results import Results
from nas_steps.report.verdict import decide

SPACES = str.maketrans({"\N{NO-BREAK SPACE}": " ", "\N{MINUS SIGN}": "-"})
#: words and units of image classifiers
FOREIGN = r"(?<![\w-])(?:images?|accurac\w+|accurate|MACs?|pixels?|classes|classified|points)(?![\w-])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written, settings = write(tmp_path_factory.mktemp("text"), MadeUp(text=True))
    report(written, settings)
    return written


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return read(folder)


@pytest.fixture(scope="module")
def results() -> Results:
    return loaded(MadeUp(text=True))


def test_the_page_speaks_of_text_alone(page: Page) -> None:
    check_sound(page)
    assert re.findall(FOREIGN, page.text) == []
    labels = " ".join(re.findall(r'aria-label="([^"]*)"', page.source))
    assert re.findall(FOREIGN, labels) == []
    for words in (
        "stdlib, 11.8 MB of text",
        "Bits per byte against cost",
        "training 9.40 MB in 520 documents, 9.40 M tokens",
        "bytes; a network sees 256 at once",
        "2, 3, 4, 6 layers of width 64, 96, 128, 192, each layer chosen by itself",
        "test text was read only by the final trainings",
    ):
        assert words in page.text.translate(SPACES), words


def test_figures_on_the_page_are_positive_and_in_files_minus_the_bits(folder: Path, page: Page) -> None:
    rows = read_csv(folder / "report/tables/retrained.csv")
    assert all(-2.1 < float(row["test_mean"]) < -1.8 for row in rows)
    means = [float(row["test_mean"]) for row in rows]
    assert means == sorted(means, reverse=True)
    text = page.text.translate(SPACES)
    for mean in means:
        assert f" {-mean:.3f} " in text
        assert f"{mean:.3f}" not in text


def test_the_headline_and_the_recommendation_are_in_bits(results: Results) -> None:
    verdict, pick = decide(results), recommend(results, {})
    assert re.match(r"evolution beat random search by 0\.\d{3,4} bits per byte \[", verdict.headline)
    assert verdict.paid.text.startswith("Yes: evolution is better than random search of its budget")
    assert pick.card is not None
    figures = {fact.name: fact for fact in pick.card.facts}
    first, *_ = figures.values()
    entry = results.entry(pick.card.entry)
    assert entry is not None
    assert first.value == f"{-(entry.test_mean or 0):.3f} bits per byte"
    assert first.note == f"[{-(entry.test_high or 0):.3f}, {-(entry.test_low or 0):.3f}]"
    assert figures["FLOPs a token"].value == results.measure.cost(entry.macs)
    assert "MACs" not in figures


def test_a_loss_is_told_as_a_size() -> None:
    verdict = decide(loaded(MadeUp(text=True, means={"evolution": -2.0})))
    assert re.match(r"evolution lost to random search by 0\.\d{3,4} bits per byte \[0", verdict.headline)
    assert verdict.paid.text.startswith("No: evolution is worse than")


def test_better_is_at_the_right_and_above(results: Results) -> None:
    drawing = (forest(results) or "").translate(SPACES)
    assert "evolution against ..." in drawing
    assert re.search(r"random search of its budget: \+0\.0\d+ \[0", drawing)
    assert "bits per byte saved on test text" in drawing
    against = accuracy_against(results, "macs") or ""
    ticks = [
        (float(y), float(text))
        for y, text in re.findall(r'translate\([\d.-]+ ([\d.-]+)\)[^>]*>(1\.\d+)</text>', against)
    ]  # fmt: skip
    ticks += [(float(y), float(t)) for y, t in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>(1\.\d+|2)</text>', against)]
    assert len(ticks) > 2
    # y grows downwards: fewer bits are above
    assert [value for _, value in sorted(ticks)] == sorted(value for _, value in ticks)


@pytest.mark.parametrize(("documents", "cautioned"), [(29, True), (30, False)])
def test_few_documents_are_a_caution(documents: int, cautioned: bool) -> None:
    told = [one.text for one in few_documents(loaded(MadeUp(text=True, documents=documents)))]
    assert bool(told) is cautioned
    assert all("29 documents" in one for one in told)


def test_a_training_at_chance_level_is_named() -> None:
    changes: dict[str, Any] = {"by_chance": {"evolution-0": 1}}
    verdict = decide(loaded(MadeUp(text=True, **changes)))
    told = " ".join(one.text for one in (*verdict.cautions, *verdict.general))
    assert "1 training ended at chance level: evolution-0 with seed" in told
    assert "(7.997 bits per byte)" in told


def test_the_clock_says_where_the_slower_network_stood(results: Results) -> None:
    sentence = by_the_clock(results)
    assert sentence is not None
    text = sentence.text.translate(SPACES)
    found = re.fullmatch(
        r"At the same training FLOPs (\S+) took ([\d.]+) times the seconds of (\S+) \(.* s and .* s\)\. By the clock: "
        r"when (\S+) had ended, (\S+) had done (\d+) % of its training and stood at (\S+) bits per byte of validation "
        r"text, against (\S+) bits per byte\.",
        text,
    )
    assert found, text
    own, times, other, fast, slow, share, stood, ended = found.groups()
    entries = {name: results.entry(name) for name in (own, other)}
    seconds = {name: one.train_seconds or 0.0 for name, one in entries.items() if one is not None}
    assert float(times) == pytest.approx(seconds[own] / seconds[other], abs=0.006)
    assert (fast, slow) == ((own, other) if seconds[own] < seconds[other] else (other, own))
    # four equal parts, of which the last that had ended counts
    parts = int(4 * seconds[fast] / seconds[slow])
    assert int(share) == 25 * parts
    figures = {
        name: sum(float(s[-1].figure) for s in results.curves[name]) / len(results.curves[name]) for name in seconds
    }
    assert float(ended) == pytest.approx(-figures[fast], abs=0.0006)
    assert float(stood) == pytest.approx(-figures[slow] + 0.1 * (4 - parts), abs=0.0006)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (ShortTraining(compute=5e11, seeds=2), "500 G FLOPs an evaluation, the mean of 2 seeds"),
        (
            ShortTraining(compute=5e11, epochs=4, warmup_epochs=0, halving={"epochs": 1, "eta": 4}),
            "1 and 4 of 4 parts of 500 G FLOPs by successive halving",
        ),
        (
            Extrapolation(kind="extrapolation", compute=5e11, epochs=8, observe=4),
            "4 of 8 parts of 500 G FLOPs an evaluation, the curve extrapolated",
        ),
        (ZeroCost(kind="zero_cost", proxy="snip", batch_size=8), "scored untrained by snip on 8 contexts"),
    ],
)
def test_evaluations_are_told_in_flops(results: Results, estimator: Any, words: str) -> None:
    search = results.config.search.model_copy(update={"estimator": estimator, "screen": None})
    changed = replace(results, config=results.config.model_copy(update={"search": search}), rungs=(1, 4))
    assert estimated(changed).translate(SPACES) == words


def test_images_have_no_clock() -> None:
    assert by_the_clock(loaded(MadeUp())) is None
