"""The documentation builds strictly, asks no other host for anything, and its generated pages are current."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nas_steps.workflow.command_lines import INNER, parser_of, startable, step_names
from nas_steps.workflow.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ROOT / "docs" / "reference" / "command_line.md"
#: attributes by which a page loads a file; a link that a reader follows is none
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Assets(HTMLParser):
    """The addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        # the neighbours of a page are links, not files that it loads
        if tag in LOADED and given.get("rel") not in ("prev", "next", "canonical"):
            self.found.append(given.get(LOADED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{result.stdout}{result.stderr}; a missing mkdocs is in the extra `docs`"
    return folder


def test_the_pages_load_nothing_from_another_host(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        assets = Assets()
        assets.feed(page.read_text(encoding="utf-8"))
        assert assets.found, page
        assert [one for one in assets.found if re.match(r"(\w+:)?//", one)] == [], page
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"(?:url\(|@import\s)[\"']?(?:https?:)?//", text) == [], sheet


def test_the_search_works_in_a_folder(site: Path) -> None:
    assert "var __index" in (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert 'src="assets/iframe-worker.js"' in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "assets" / "iframe-worker.js").is_file()


def test_the_api_page_shows_signatures(site: Path) -> None:
    page = (site / "reference" / "python_api.html").read_text(encoding="utf-8")
    for name in ("nas_steps.load", "nas_steps.search.protocol.Sampler.ask", "nas_steps.models.build.build"):
        assert f'id="{name}"' in page


def test_the_page_of_commands_is_what_they_parse() -> None:
    # in a process of its own: starting a command changes signal handlers
    command = [sys.executable, "-m", "nas_steps.workflow.command_lines"]
    page = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert COMMANDS.read_text(encoding="utf-8") == page, "run `make docs`"


def test_the_page_of_commands_has_every_module_and_every_step() -> None:
    text = COMMANDS.read_text(encoding="utf-8")
    for module in startable():
        wanted = rf"^## {re.escape(module)}\b|^`python -m {re.escape(module)}\b"
        found = f"| `{module}` |" in text if module in INNER else re.search(wanted, text, re.M)
        assert found, module
    without_command = {"manifest", "data", "text"}
    for name in STEPS.keys() - without_command:
        assert re.search(rf"^### \w+ {name}$", text, re.M), name


def test_a_module_that_parses_no_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="keyword parses no arguments; add it to INNER"):
        parser_of("keyword", ["?"])


def test_the_steps_of_a_stage_are_read_from_its_parser() -> None:
    names = step_names(parser_of("nas_steps.retraining", ["?"]))
    assert names[-1] == "count"
    assert {"retrain", "recommend"} <= set(names)
