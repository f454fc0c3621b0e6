"""What the report says of how scores rank: sentences and tables, of made-up samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, judged, report, results_of, write

from nas_steps.config.schema import Config
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.report.records import Agreement, Compared, record
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence, calibrated, ranking, ranking_of
from nas_steps.report.tables import beyond_macs, estimators, sufficiency, top

NAME = "short_training"


def results(tmp_path: Path, *, sampled: int = 8, lost: bool = False, seeds: int = 2, **settings: Any) -> Results:
    compared, told, _ = judged(sampled, lost, NAME, seeds, **settings)
    columns = tuple(dict.fromkeys(key for row in compared for key in row))
    write_csv(tmp_path / "estimators.csv", compared, columns)
    rows = tuple(record(Compared, row) for row in read_csv(tmp_path / "estimators.csv"))
    config = Config.model_validate({"ranking": {"uniform": sampled, "seeds": seeds}})
    return results_of(config, {}, {"strategies": {}}, compared=rows, calibration=told if sampled else None)


def said(sentences: list[Sentence]) -> str:
    return " ".join(one.text for one in sentences).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "low", "high", "words", "tone"),
    [
        (0.5, 0.1, 0.8, "ranks the space, as a uniform sample of 8 architectures shows it: Kendall's tau 0.50", "win"),
        (0.5, -0.1, 0.8, "cannot be said to rank", "warning"),
        (-0.5, -0.8, -0.1, "the wrong way round", "loss"),
        (None, None, None, "is not known: too few", "warning"),
    ],
)
def test_ranking_the_space_needs_an_interval_above_zero(
    value: float | None, low: float | None, high: float | None, words: str, tone: str
) -> None:
    tau: dict[str, Any] = {"value": value, "low": low, "high": high, "p_value": 0.01, "ceiling": 0.7}
    row = Compared(NAME, "uniform sample", "all", "kendall", n=8, note="too few", **tau)
    told = ranking_of(row)
    assert words in told.text
    assert told.tone == tone
    assert ("the noise of the accuracies allows 0.70" in told.text) is (value is not None)


@pytest.mark.parametrize(("tau", "ends"), [(0.8, (0.8, 1.0)), (-0.8, (-1.0, -0.8))])
def test_few_in_the_same_order_are_no_claim(tau: float, ends: tuple[float, float]) -> None:
    """Whatever their bootstrap interval: three of them are in the same order in a third of all cases."""
    found: dict[str, Any] = {"low": ends[0], "high": ends[1], "p_value": 1 / 3}
    told = ranking_of(Compared(NAME, "uniform sample", "all", "kendall", None, tau, 3, **found))
    assert "cannot be said to rank" in told.text
    assert "p 0.333" in told.text
    assert list(ranking(Agreement("darts", NAME, 3, tau, **found))) == []


def test_the_score_is_told_beside_what_it_must_beat_and_what_it_is_worth(tmp_path: Path) -> None:
    told = said(calibrated(results(tmp_path)))
    assert f"The score {NAME}" in told
    assert "What a score must beat, on the same architectures: parameters Kendall's tau" in told
    assert "MACs Kendall's tau" in told
    assert "The shortlist has 3 candidates of each search." in told
    assert "The scores of darts come from a supernet of its own: the sample says nothing of them." in told
    assert "no noise ceiling" not in told


def test_the_chosen_length_is_told_with_its_reason(tmp_path: Path) -> None:
    told = said(calibrated(results(tmp_path, shortlist="auto")))
    assert "chosen by the sample: " in told
    bounded = said(calibrated(results(tmp_path, shortlist="auto", most=1)))
    assert "The shortlist has 1 candidate of each search, chosen by the sample: " in bounded
    assert "but ranking.most allows 1" in bounded


def test_whether_a_score_says_more_than_macs_is_told_of_the_sample_and_its_better_half(tmp_path: Path) -> None:
    """The made-up scores are accuracies with noise, the MACs are in no order."""
    few = said(calibrated(results(tmp_path)))
    assert (
        f"Whether the score {NAME} says more than MACs alone is not known: 8 networks are too few, 20 or more are "
        "needed." in few
    )
    assert "better half" not in few
    told = said(calibrated(results(tmp_path, sampled=48)))
    assert f"The score {NAME} says more than MACs alone: Spearman's correlation given MACs" in told
    assert "over 48 networks" in told
    assert f"core {NAME}, in the better half," in told


@pytest.mark.parametrize(
    ("claim", "tone", "words"),
    [
        ("more", "win", "The score of darts says more than MACs alone"),
        ("nothing", "warning", "The score of darts adds nothing beyond MACs that 24 networks could show"),
        ("few", "plain", "24 networks are too few"),
        ("same order", "warning", "adds nothing beyond MACs"),
        ("", None, ""),
    ],
)
def test_the_searchs_own_score_is_held_against_macs_too(claim: str, tone: str | None, words: str) -> None:
    """Files of earlier versions have no claim: nothing is said."""
    tau = {"kendall_tau": 0.5, "low": 0.2, "high": 0.7, "p_value": 0.01}
    given = {"spearman": 0.7, "spearman_macs": 0.6, "partial": 0.3, "partial_low": 0.1, "partial_high": 0.5}
    row = Agreement(strategy="darts", estimator=NAME, architectures=24, **tau, **given, partial_n=24, claim=claim)
    first, *more = ranking(row)
    assert "Kendall's tau" in first.text
    assert [one.tone for one in more] == ([] if tone is None else [tone])
    assert all(words in one.text for one in more)


def test_the_table_has_what_scores_say_beyond_macs(tmp_path: Path) -> None:
    found = results(tmp_path, sampled=48)
    table = beyond_macs(found)
    assert [(row["estimator"], row["pool"], row["part"]) for row in table.rows] == [
        (name, pool, part)
        for pool in ("uniform sample", "whole pool")
        for name in (NAME, "parameters")
        for part in ("all", "better half")
    ]
    scored, macs = table.rows[0], next(row for row in estimators(found).rows if row["estimator"] == "MACs")
    assert scored["spearman_macs"] == macs["spearman"]
    assert scored["lead"] == pytest.approx(scored["spearman"] - macs["spearman"])
    assert scored["partial_low"] < scored["partial"] < scored["partial_high"]
    assert (scored["claim"], scored["partial_n"], table.rows[1]["partial_n"]) == ("more", 48, 24)
    assert all(set(table.keys) <= set(row) for row in table.rows)
    earlier = replace(found, compared=tuple(one for one in found.compared if one.measure in ("kendall", "spearman")))
    assert (beyond_macs(earlier).rows, len(estimators(earlier).rows)) == ([], 12)


BEST = {"k": 10, "seeds": 3, "within": 0.96, "keeps": True}


@pytest.mark.parametrize(
    ("changes", "end", "tone"),
    [
        ({}, " Enough would be 10 candidates × 3 seeds (96 %).", "warning"),
        (
            {"best": {**BEST, "within": 0.8, "keeps": False}},
            " No split is enough; the best is 10 candidates × 3 seeds (80 %).",
            "warning",
        ),
        ({"within": 0.95}, "", "plain"),
    ],
)
def test_the_shortlist_is_judged_by_candidates_and_seeds(changes: dict[str, Any], end: str, tone: str) -> None:
    usual = {"shortlist": 3, "given": 3, "why": "the config says so", "candidates": 24, "seeds": 2, "tolerance": 0.005,
             "assurance": 0.95, "within": 0.76, "within_low": 0.6, "within_high": 0.88, "best": BEST}  # fmt: skip
    calibration = {**usual, **changes}
    told = calibrated(results_of(Config(), {}, {}, calibration=calibration))[-1]
    chance = "95 %" if "within" in changes else "76 %"
    assert said([told]) == (
        "The shortlist has 3 candidates of each search. With 2 seeds each, its pick is within 0.50 points of the best "
        f"of 24 candidates with a probability of {chance} [60, 88].{end}"
    )
    assert told.tone == tone


def test_a_shortlist_of_unknown_worth_says_why() -> None:
    usual = {"shortlist": 3, "given": 3, "why": "the config says so; one training seed", "within": None}
    told = calibrated(results_of(Config(), {}, {}, calibration={**usual, "assurance": 0.95}))[-1]
    assert told.text == (
        "The shortlist has 3 candidates of each search. Whether that is enough is not known: one training seed."
    )
    assert told.tone == "warning"


def test_one_training_seed_is_no_noise_ceiling(tmp_path: Path) -> None:
    sentences = calibrated(results(tmp_path, seeds=1))
    assert "There is no noise ceiling (one training seed" in said(sentences)
    assert "Set ranking.seeds to 2 or more." in said(sentences)


def test_without_a_sample_it_is_said_that_nothing_is_known(tmp_path: Path) -> None:
    (only,) = calibrated(results(tmp_path, sampled=0))
    assert only.tone == "warning"
    assert "No uniform sample was trained (ranking.uniform is 0)" in only.text


def test_a_space_with_fewer_is_told(tmp_path: Path) -> None:
    found = results(tmp_path)
    found = replace(found, calibration={**(found.calibration or {}), "sampled": 5})
    assert "The space has no more than 5 different architectures" in said(calibrated(found))


def test_where_every_training_diverged_that_is_the_reason(tmp_path: Path) -> None:
    sentences = calibrated(results(tmp_path, lost=True, shortlist="auto"))
    told = said(sentences)
    assert "without a sound training left out" in told
    assert "nothing can be predicted" in told
    assert "nan" not in told.lower().split()


def test_the_tables_have_a_row_for_each_estimator_pool_and_part(tmp_path: Path) -> None:
    found = results(tmp_path)
    correlations, best = estimators(found), top(found)
    assert len(correlations.rows) == 3 * 2 * 2
    assert len(best.rows) == 3 * 2 * 4  # k = 1, 3, 5, 10; of all of each pool
    assert correlations.rows[0]["pool"] == "uniform sample"
    few = next(row for row in best.rows if row["k"] == 10)
    assert "fewer than k = 10" in few["note"]
    assert all(set(table.keys) <= set(row) for table in (correlations, best) for row in table.rows)


def test_rows_of_the_sufficiency_table_can_be_told_apart(tmp_path: Path) -> None:
    """A split of k candidates and more seeds has a row of its own."""
    figures = ("regret", "regret_low", "regret_high", "regret_95", "regret_95_low", "regret_95_high", "holds_top",
               "holds_top_low", "holds_top_high")  # fmt: skip
    row = {"predictor": "copula", "read": 1, "k": 3} | dict.fromkeys(figures, 0.01)
    rows = ({**row, "seeds": 2}, {**row, "seeds": 10})
    spelled = [tuple(row) for row in sufficiency(replace(results(tmp_path), sufficiency=rows)).spelled()]
    assert len(set(spelled)) == 2


def test_a_page_without_a_sample_is_sound(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp(config={"ranking": {"uniform": 0}}))
    report(folder, settings)
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    assert "No uniform sample was trained" in page
    assert "Is the score enough?" not in page
    assert read_csv(folder / "report/tables/sufficiency.csv") == []
