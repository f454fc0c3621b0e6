"""Sentences of the documentation, the config's descriptions and the help texts have 25 words or fewer."""

from __future__ import annotations

from pathlib import Path

import pytest
from plain_english import MOST_WORDS, long, paragraphs, sentences, words

from nas_steps.config.walk import keys
from nas_steps.provenance.step import Step
from nas_steps.workflow.steps import STEPS

ROOT = Path(__file__).resolve().parents[1]
#: pages with longer sentences, and why
EXCEPTIONS = {
    "docs/measurements.md": "figures with all of their conditions",
    "docs/reproduction.md": "settings of publications as lists",
    **{
        f"docs/strategies/{name}.md": "settings of a paper as one list"
        for name in (
            "bayesian",
            "darts",
            "darts_plus",
            "darts_second_order",
            "early_stop_eigenvalue",
            "milp",
            "sdarts_adv",
        )
    },
    "docs/reference/results.md": "the columns of a table as one list",
}
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md"), ROOT / "config" / "README.md"]
)


@pytest.mark.parametrize("page", [page for page in PAGES if page not in EXCEPTIONS])
def test_sentences_of_a_page_are_short(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [one for paragraph in paragraphs(text) for one in long(paragraph)] == []


def test_exceptions_are_pages_that_need_to_be_some() -> None:
    for page in EXCEPTIONS:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [one for paragraph in paragraphs(text) for one in long(paragraph)], page


def test_descriptions_of_keys_are_short() -> None:
    found = {one for key in keys() for one in long(key.field.description or "")}
    assert not found


@pytest.mark.parametrize("step", STEPS.values(), ids=lambda step: step.name)
def test_a_step_says_in_short_what_it_does(step: Step) -> None:
    assert long(step.summary) == []


def test_long_sentences_are_found() -> None:
    """The measure itself: lists, code, tables, links and short forms."""
    many = " ".join(["Word"] + ["word"] * MOST_WORDS)
    assert long(f"Short. {many}. Short.") == [many + "."]
    assert long(f"`{many}` is one word; so is [{many}](page.md), but it has more.") != []
    assert [words(one) for one in sentences("See Liu et al. 2019, e.g. there. Then 2 more: the list.")] == [7, 3, 2]
    parts = (
        f"# {many}",
        "A line\nand one.",
        "- an item\n  of two lines",
        f"| {many} | cell |\n|---|---|",
        f"```\n{many}\n```",
    )
    page = "\n\n".join(parts)
    assert list(paragraphs(page)) == ["A line and one.", "an item of two lines", many, "cell", "---", "---"]
