"""The page: well formed, self-contained, honest about what is missing; its tables are the CSV files."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_up import MadeUp, report, write

from nas_steps.errors import UserError
from nas_steps.report.names import TABLES
from nas_steps.report.tables import MAKERS

VOID = {"meta", "link", "br", "img", "hr", "input", "path", "use", "rect", "circle"}
HOSTILE = ["<script>alert(1)</script>", 'a"b', "{{ 7 * 7 }}", "ok & fine"]


class Page(HTMLParser):
    """What a browser would see of the page, as far as these tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.open: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0
        self.addresses: list[str] = []
        self.tables: list[dict[str, Any]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        self.addresses += [named[key] for key in ("href", "src") if key in named]
        self.scripts += tag == "script"
        if "id" in named:
            self.ids.append(named["id"])
        if tag == "table":
            self.tables.append({"caption": "", "rows": 0, "unscoped": 0})
        elif tag == "tr" and "tbody" in self.open:
            self.tables[-1]["rows"] += 1
        elif tag == "th":
            self.tables[-1]["unscoped"] += "scope" not in named
        elif tag == "svg":
            assert named["role"] == "img"
            assert named["aria-label"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        if "caption" in self.open:
            self.tables[-1]["caption"] += data
        if "pre" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(folder: Path) -> Page:
    return Page((folder / "report/report.html").read_text(encoding="utf-8"))


def made(tmp_path: Path, **changes: Any) -> tuple[Path, Page]:
    folder, settings = write(tmp_path, MadeUp(**changes))
    report(folder, settings)
    return folder, read(folder)


OUTCOMES: dict[str, tuple[dict[str, Any], str]] = {
    "win": ({"means": {"darts": 0.985, "evolution": 0.962}, "spread": 0.0004}, "darts beat random search by"),
    "one seed, validation not known": (
        {"config": {"retrain": {"train_on": "train+valid", "seeds": 1}}, "valid_known": False},
        "Too few seeds for a claim.",
    ),
    "everything diverged": ({"diverged": ["all"], "scaled": False, "tau": None}, "No verdict"),
    "only random search": (
        {"config": {"search": {"strategies": {"random": {"evaluations": 24}}}}},
        "Only random search was run",
    ),
    "one-input cells": (
        {"config": {"space": {"preset": "nasbench201"}}, "parameter_free": 1.0},
        "of the final cell have no weights",
    ),
    "operations by edge": ({"config": {"space": {"preset": "s1"}}, "entropy": 0.69}, "s1: two cells"),
    "some nodes concatenated": ({"config": {"space": {"concat": [1, 2]}}}, "some of the nodes, concatenated"),
    "several searches": (
        {"config": {"search": {"seeds": 2}}, "parameter_free": 1.0, "seconds": {"darts": 200.0}},
        "The search did not beat",
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_gives_a_sound_page(tmp_path: Path, name: str) -> None:
    changes, headline = OUTCOMES[name]
    folder, page = made(tmp_path, **changes)
    assert headline in page.text
    check_sound(page)
    assert {path.name for path in (folder / "report/tables").iterdir()} == {f"{table}.csv" for table in TABLES}
    assert not list((folder / "report").rglob("*.partial"))


def check_sound(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids)), "an id stands twice"
    assert page.scripts == 0
    for address in page.addresses:
        assert not re.match(r"(?i)(https?:|//|ftp:|file:)", address), address
        if address.startswith("#"):
            assert address[1:] in page.ids, f"{address} leads nowhere"
    for reference in re.findall(r"url\(([^)]*)\)", page.source):
        assert reference.startswith("#"), reference
        assert reference[1:] in page.ids, reference
    assert "@import" not in page.source
    assert not re.search(r"\b(nan|NaN|None|inf|undefined)\b", page.text)
    assert page.source.startswith("<!doctype html>")
    assert '<meta charset="utf-8">' in page.source
    assert '<link rel="icon" href="data:' in page.source
    assert all(table["caption"] and not table["unscoped"] for table in page.tables)


def test_missing_figures_are_told_in_words(tmp_path: Path) -> None:
    folder, page = made(tmp_path, diverged=["darts-0"], config={"scaling": {"enabled": False}}, scaled=False)
    check_sound(page)
    assert "no pair of sound trainings" in page.text
    assert "3 of 18 final trainings gave no figure: 3 of darts-0 (diverged)." in page.text
    assert "Scaling is switched off in this experiment" in page.text
    # a table without rows has a header still
    assert (folder / "report/tables/family.csv").read_text().splitlines()[1:] == []


def test_class_names_cannot_smuggle_in_html(tmp_path: Path) -> None:
    _, page = made(tmp_path, classes=HOSTILE)
    assert page.scripts == 0
    assert "<script" not in page.source
    for name in HOSTILE:
        assert name in page.text


def test_the_page_shows_as_many_rows_as_the_csv_files_hold(usual: Path) -> None:
    page = read(usual)
    captions = {
        "search": "Searches and their budgets",
        "agreement": "Agreement of the search's score with accuracy after separate training",
        "estimators": "How scores rank what was trained: the uniform sample (unbiased) and the whole pool",
        "top": "What training the k best scored finds",
        "sufficiency": "Is the score enough? Training the k best scored against the best of 24 candidates",
        "retrained": "Final trainings: accuracy in per cent, best test mean first",
        "contests": "Strategies as a whole, paired over training seeds: what the verdict rests on",
        "comparisons": "Searched networks against all others, paired over training seeds",
        "gaps": "The discretisation gap, in validation accuracy, and the collapse monitor",
        "family": "The scaled family, accuracy in per cent",
        "exports": "ONNX files, checked in onnxruntime against torch",
        "performance": "Speed and memory of the ONNX files, on this machine's CPU",
        "costs": "Cost by stage",
    }
    shown = {table["caption"].strip(): table["rows"] for table in page.tables}
    assert set(captions) == set(TABLES) - {"factorial", "effects", "latencies", "fronts"}
    for name in captions:
        with (usual / f"report/tables/{name}.csv").open(newline="", encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == shown[captions[name]] > 0, name


def test_a_factorial_has_its_section_and_its_tables(tmp_path: Path, usual: Path) -> None:
    wanted = {"scaling": {"factorial": {"enabled": True, "seeds": 5}}}
    folder, page = made(tmp_path, config=wanted, spread=0.0005)
    check_sound(page)
    assert "Search or scaling?" in page.text
    assert "from search and" in page.text
    assert "MACs are not matched within" in page.text
    captions = {table["caption"].strip(): table["rows"] for table in page.tables}
    for name, caption in (
        ("factorial", "Every base in every way of scaling, at matched MACs; accuracy in per cent"),
        ("effects", "What search and scaling each bring, paired over seeds"),
    ):
        with (folder / f"report/tables/{name}.csv").open(newline="", encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == captions[caption] > 10
    assert "Search or scaling?" not in read(usual).text


def test_the_report_makes_exactly_the_tables_that_are_listed() -> None:
    """The Snakefile lists them without loading the report, and the manifest takes none that it does not know."""
    assert tuple(make.__name__ for make in MAKERS) == TABLES


def test_csv_files_hold_raw_figures(usual: Path) -> None:
    def rows(path: str) -> list[dict[str, str]]:
        with (usual / path).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    means = {row["entry"]: row["test_mean"] for row in rows("retraining/summary.csv")}
    assert {row["entry"]: row["test_mean"] for row in rows("report/tables/retrained.csv")} == means
    costs = rows("report/tables/costs.csv")
    total = sum(float(row["seconds"]) for row in costs[:-1] if ": " not in row["stage"])
    parts = {row["stage"]: row for row in costs if row["stage"].startswith("search: ")}
    assert set(parts) == {"search: evaluation", "search: supernet"}
    assert costs[-1]["stage"] == "all stages"
    assert float(costs[-1]["seconds"]) == pytest.approx(total)


def test_exported_files_are_linked_from_the_page(usual: Path) -> None:
    links = [address for address in read(usual).addresses if address.endswith(".onnx")]
    assert links
    assert all((usual / "report" / link).is_file() for link in links)


def test_architectures_can_be_copied_as_text(usual: Path) -> None:
    with (usual / "ranking/winners.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert f'<pre class="copy">{row["architecture"]}</pre>' in (usual / "report/report.html").read_text()


def test_the_same_files_give_the_same_bytes(usual: Path, tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    report(folder, settings)
    assert (folder / "report/report.html").read_bytes() == (usual / "report/report.html").read_bytes()


def test_an_unfinished_experiment_is_refused_in_words(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    (folder / "retraining/summary.csv").unlink()
    with pytest.raises(UserError, match=r"there is no .*summary\.csv"):
        report(folder, settings)
    assert not (folder / "report").exists()


def test_an_architecture_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    winners = folder / "ranking/winners.csv"
    winners.write_text(re.sub(r"normal:\S+?(?=,)", "normal:|warp_9x9~0|;reduce:|warp_9x9~0|", winners.read_text()))
    report(folder, settings)
    assert "cannot be drawn" in read(folder).text


def test_the_report_does_not_load_torch() -> None:
    code = "import sys, nas_steps.report.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium")
def test_a_browser_keeps_the_page_within_a_narrow_window(usual: Path, tmp_path: Path) -> None:
    """The page itself must not scroll sideways; wide tables and drawings do so in boxes of their own."""
    page = (usual / "report/report.html").read_text(encoding="utf-8")
    probe = "<script>document.title = document.documentElement.scrollWidth <= innerWidth ? 'fits' : 'too wide'</script>"
    (tmp_path / "page.html").write_text(page.replace("</body>", probe + "</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    options += ["--disable-background-networking", "--disable-component-update", "--window-size=500,900"]
    command = [
        "chromium",
        *options,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        f"file://{tmp_path}/page.html",
    ]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "<title>fits</title>" in seen
