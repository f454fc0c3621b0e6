"""What a run says at its end: the network to take, whether searching paid, where the report is."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from nas_steps.facts import NEG_BITS_PER_BYTE
from nas_steps.metrics import WORDS
from nas_steps.provenance.files import number, read_json

#: the title is at the beginning of the page
BEGINNING = 200_000


class _Title(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inside, self.text = False, ""

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self.inside = tag == "title" and not self.text

    def handle_endtag(self, _tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def answer_lines(report: Path) -> list[str]:
    """Return the report's title, the recommended network with its test figure, and where the report is.

    The title is the answer of the whole experiment; see `report/page.html.j2`. An experiment that trains nothing
    recommends no network.
    """
    with report.open(encoding="utf-8") as file:
        title = _Title()
        title.feed(file.read(BEGINNING))
    lines = [" ".join(title.text.split())]
    recommended = report.parents[1] / "recommended.json"
    if recommended.is_file():
        lines += network_lines(read_json(recommended), recommended.parent)
    return [*lines, f"The report is at {report}"]


def network_lines(found: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the line of the recommended network; none if no training was sound."""
    if not found.get("entry"):
        return []
    bits = found.get("metric") == NEG_BITS_PER_BYTE
    figures = [number(found.get(key)) for key in ("test_metric", "test_low", "test_high")]
    if bits:
        value, high, low = (f"{-one:.3f}" for one in figures)
        what = f"{value} bits per byte of test text [{low}, {high}]"
    else:
        value, low, high = (f"{100 * one:.1f}" for one in figures)
        what = f"{WORDS[str(found.get('metric') or 'accuracy')]} {value} % of the test set [{low}, {high}]"
    file = found.get("file")
    return [f"{found['entry']}: {what}" + (f"; {folder / file}" if file else "")]
