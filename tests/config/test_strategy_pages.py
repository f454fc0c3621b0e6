"""Every strategy has a page of one shape; its keys are the schema's, and its figures those of the page it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas_steps.config.docs import page
from nas_steps.config.strategies import GRADIENT, STRATEGIES, Gradient
from nas_steps.config.strategy_pages import BEGIN, END, keys, overview, pages, written
from nas_steps.errors import UserError

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = DOCS / "strategies"
PARTS = ["When to use it", "Keys", "What differs from the paper and its code", "Measured"]


def text_of(kind: str) -> str:
    return (PAGES / f"{kind}.md").read_text(encoding="utf-8")


def part(kind: str, name: str) -> str:
    """What stands below a heading, up to the next one."""
    return text_of(kind).partition(f"\n## {name}\n")[2].partition("\n## ")[0].strip()


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_strategy_has_a_page_with_its_source_and_its_differences(kind: str) -> None:
    text = text_of(kind)
    assert re.match(r"# \S", text)
    assert "Paper: " in text
    assert re.search(r"code:\s|published no code", " ".join(text.split()))
    _, _, after = text.partition("## What differs from the paper and its code\n")
    table = re.search(r"^((?:\|.*\n?)+)", after, flags=re.M)
    assert table is not None
    rows = re.findall(r"^\| .* \|$", table[1], flags=re.M)
    assert rows[0] == "| | paper and its code | here | why |"
    assert len(rows) > 1
    assert all(row.count(" | ") == 3 for row in rows[1:])


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_page_has_the_five_parts_in_their_order(kind: str) -> None:
    text = text_of(kind)
    assert re.findall(r"^## (.*)", text, flags=re.M)[:4] == PARTS
    assert all(part(kind, name) for name in PARTS)
    idea = text.split("\n\n")[1]
    assert 1 <= len(idea.splitlines()) <= 5
    assert not idea.startswith(("Paper:", "#"))


@pytest.mark.parametrize("kind", STRATEGIES)
def test_measured_figures_are_those_of_the_page_that_is_named(kind: str) -> None:
    measured = part(kind, "Measured")
    sources = set(re.findall(r"\]\((\.\./\w+\.md)#", measured))
    assert sources or measured.startswith("Not measured.")
    there = "".join((PAGES / source).read_text(encoding="utf-8") for source in sources)
    # the tables of the benchmark of additive scores stand on the page of `milp` alone
    figures = re.findall(r"(?<![\w.])-?\d*\.\d+", measured.partition("`python -m benchmarks.additive")[0])
    assert [figure for figure in figures if figure not in there] == []


def test_the_pages_hold_the_keys_of_the_schema() -> None:
    for path, text in pages(DOCS).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make docs"


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_key_of_a_strategy_is_told_or_linked(kind: str) -> None:
    section, told = STRATEGIES[kind], keys(kind)
    for name in section.model_fields.keys() - {"kind"}:
        linked = section in GRADIENT and name in Gradient.model_fields and "#keys-of-a-differentiable-strategy" in told
        assert f"| `{name}` |" in told or f"`{name}`," in told or f"`{name}`)" in told or linked, name


def test_the_linked_keys_have_headings_in_the_reference() -> None:
    headings = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^## (.*)", page(), re.M)}
    for kind in STRATEGIES:
        assert set(re.findall(r"configuration\.md#([\w-]+)", keys(kind))) <= headings


def test_a_page_without_a_place_for_the_keys_is_refused() -> None:
    with pytest.raises(UserError, match=r"darts\.md has no place for what is generated: write the lines <!--"):
        written("# DARTS\n", "keys", "darts.md")
    assert written(f"a\n{BEGIN}\nold\n{END}\nb\n", "new", "x.md") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"


def test_the_index_and_the_pages_are_of_the_strategies_that_there_are() -> None:
    assert {one.stem for one in PAGES.glob("*.md")} == {*STRATEGIES, "index"}
    assert re.findall(r"^\| \[`(\w+)`\]\(\1\.md\)", overview(), flags=re.M) == list(STRATEGIES)
