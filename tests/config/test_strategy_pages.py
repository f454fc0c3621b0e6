"""Every strategy has a page that says what differs from its paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas_steps.config.strategies import STRATEGIES

PAGES = Path(__file__).resolve().parents[2] / "docs" / "strategies"


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_strategy_has_a_page_with_its_source_and_its_differences(kind: str) -> None:
    text = (PAGES / f"{kind}.md").read_text()
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


def test_no_page_is_of_a_strategy_that_is_not_there() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(STRATEGIES)
