"""What the page says of networks that start from pretrained weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, loaded, report, weights_config, write

from nas_steps.report import starts
from nas_steps.report.forest import forest_rows
from nas_steps.report.recommendation import recommend
from nas_steps.report.results import Results

MEANS = {"evolution": 0.96, "random": 0.95, "winner_from_nothing": 0.84, "pretrained_r16": 0.97, "pretrained_r8": 0.95,
         "pretrained_probe": 0.9}  # fmt: skip


def world(folder: Path, **changes: Any) -> Results:
    means = {**MEANS, **changes.pop("means", {})}
    given = changes.pop("config", {})
    usual = {"scaled": False, "between": 0.0, "spread": 0.0005}
    return loaded(MadeUp(config=weights_config(folder, **given), means=means, **{**usual, **changes}))


def sentence(results: Results) -> tuple[str, str]:
    told = starts.brought(results)
    assert told is not None
    return told.text, told.tone


def test_the_sentence_says_what_pretraining_and_what_searching_brought(tmp_path: Path) -> None:
    text, tone = sentence(world(tmp_path))
    assert text.startswith("Pretraining brought +12.")
    assert "(evolution-0 against itself from nothing); searching brought" in text
    assert "(evolution against pretrained_r16, the pretrained network whole, a loss)" in text
    assert tone == "warning"


def test_a_search_that_beats_the_whole_network_says_so_plainly(tmp_path: Path) -> None:
    text, tone = sentence(world(tmp_path, means={"evolution": 0.985}))
    assert "searching brought +1." in text
    assert text.endswith("(evolution against pretrained_r16, the pretrained network whole).")
    assert tone == "plain"


def test_a_last_layer_alone_is_not_called_the_whole_network(tmp_path: Path) -> None:
    results = world(tmp_path, means={"pretrained_probe": 0.98})
    assert "against pretrained_probe, the pretrained network with a new last layer, a loss)" in sentence(results)[0]
    opponents = {row["against"]: row["opponent"] for row in forest_rows(results)}
    assert opponents["pretrained_probe"] == "a new last layer of the pretrained network (pretrained_probe)"


def test_without_validation_figures_the_strongest_pretrained_network_is_met(tmp_path: Path) -> None:
    results = world(tmp_path, valid_known=False)
    against = [row.against for row in results.contests if row.role == "pretrained"]
    assert sorted(against) == ["pretrained_probe", "pretrained_r16", "pretrained_r8"]
    assert "against pretrained_r16, the pretrained network whole, a loss)" in sentence(results)[0]


def test_one_search_is_compared_by_its_network(tmp_path: Path) -> None:
    text, _ = sentence(world(tmp_path, searches=1))
    assert "(evolution-0 against pretrained_r16, the pretrained network whole" in text


def test_failed_trainings_leave_no_figure(tmp_path: Path) -> None:
    lost = ["winner_from_nothing", "pretrained_r16", "pretrained_r8", "pretrained_probe"]
    text, tone = sentence(world(tmp_path, diverged=lost))
    assert text == "Pretraining: no figure; searching: no figure beside the pretrained network."
    assert tone == "warning"


def test_without_weights_there_is_no_sentence() -> None:
    assert starts.brought(loaded(MadeUp())) is None


def test_the_page_shows_all_kinds(tmp_path: Path) -> None:
    config = weights_config(tmp_path)
    folder, settings = write(tmp_path, MadeUp(config=config, means=MEANS, scaled=False))
    report(folder, settings)
    page = (folder / "report/report.html").read_text()
    for words in (
        "Pretraining brought",
        "pretrained, whole",
        "winner from nothing",
        "pretrained_probe",
        "with its last layer alone",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("entry", "kind", "words"),
    [
        (
            "pretrained_r16",
            "pretrained",
            "pretrained and fine-tuned whole: the rule prefers it",
        ),
        ("pretrained_probe", "pretrained", "pretrained, with a last layer that alone has learnt"),
        ("winner_from_nothing", "from_nothing", "the searches' winner, trained from nothing"),
    ],
)
def test_what_is_recommended_is_called_what_it_is(tmp_path: Path, entry: str, kind: str, words: str) -> None:
    results = world(tmp_path)
    chosen = {**(results.recommended or {}), "entry": entry, "kind": kind, "strategy": ""}
    found = recommend(replace(results, recommended=chosen), {})
    assert found.answer == f"Take {entry}"
    assert found.card is not None
    assert found.card.origin.startswith(words)
