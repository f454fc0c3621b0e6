"""The page: well formed, self-contained, honest about what is missing; its tables are the CSV files."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import MadeUp, report, write
from pictures import as_looked_up
from safetensors.numpy import load_file, save_file
from test_report_verdict import table_config

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.report.names import TABLES
from nas_steps.report.tables import MAKERS, OF_PREDICTIONS
from nas_steps.workflow.plan import Plan

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
        self.pictures: list[dict[str, str]] = []
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
        elif tag == "img":
            self.pictures.append(named)
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
        "Each network was trained once",
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
        "are too few to judge the methods",
    ),
    "other recipes": (
        {"recipes": {"long": {"darts": 0.99}}},
        "Do two recipes of training put the networks in the same",
    ),
    "nothing to recommend": ({"nothing_to_recommend": True}, "No network can be recommended"),
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
    assert page.source.count("<h1") == 1
    assert all(one["src"].startswith("data:image/png;base64,") and one["alt"] for one in page.pictures)
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


def test_the_first_screen_has_the_network_then_the_searches_then_at_most_three_cautions(tmp_path: Path) -> None:
    folder, page = made(tmp_path, searches=1, failed={"darts-0": 1}, by_chance={"evolution-0": 1})
    recommended = json.loads((folder / "recommended.json").read_text(encoding="utf-8"))
    first = page.source[page.source.index("<h1") : page.source.index("<nav")]
    places = [first.index(part) for part in (f">Take {recommended['entry']}</h1>", "Did searching pay?", "Caution.")]
    assert places == sorted(places)
    assert 1 <= first.count("<b>Caution.</b>") <= 3
    shown = first.replace("\N{NO-BREAK SPACE}", " ")
    assert f"{100 * recommended['test_accuracy']:.1f} %" in shown
    assert f"[{100 * recommended['test_low']:.1f}, {100 * recommended['test_high']:.1f}]" in shown
    assert recommended["rule"] in shown
    assert f"Test accuracy, mean of {recommended['sound']} trainings, with its 95 % interval" in shown
    assert f'href="../export/{recommended["entry"]}/model.onnx"' in shown
    for one in recommended["alternatives"]:
        assert one["entry"] in shown[shown.index('class="alternatives"') :]
    # the latency of the made-up file, which takes 0.1 ms
    assert "0.100 ms" in shown


def test_a_recommended_baseline_is_called_hand_designed(tmp_path: Path) -> None:
    """It has no architecture to draw; the made-up export has no file of it, and the page says so."""
    folder, page = made(tmp_path, means={"mobilenet_v2_x0.5": 0.99, "resnet20": 0.985}, between=0.0, spread=0.0001)
    assert json.loads((folder / "recommended.json").read_text(encoding="utf-8"))["entry"] == "resnet20"
    check_sound(page)
    assert "Take resnet20" in page.text
    assert "Hand-designed: the rule prefers it to every searched network" in page.text
    assert "export/resnet20/model.onnx (was not exported)" in page.text
    assert "recommended;" not in page.text


def test_a_network_that_could_not_be_exported_says_why(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    name = json.loads((folder / "recommended.json").read_text(encoding="utf-8"))["entry"]
    rows = read_csv(folder / "export/exports.csv")
    why = "not exported: ONNX lacks the operator aten::nothing"
    write_csv(folder / "export/exports.csv", [{**row, "status": why} if row["name"] == name else row for row in rows],
              tuple(rows[0]))  # fmt: skip
    (folder / f"export/{name}/model.onnx").unlink()
    report(folder, settings)
    page = (folder / "report/report.html").read_text(encoding="utf-8")
    assert f'<span class="file">export/{name}/model.onnx ({why})</span>' in page


def test_a_table_has_an_architecture_instead_of_a_file(tmp_path: Path) -> None:
    config = table_config(tmp_path)
    folder, settings = write(tmp_path, MadeUp(config=config))
    as_looked_up(folder)
    report(folder, settings)
    page = read(folder)
    check_sound(page)
    winners = read_csv(folder / "ranking/winners.csv")
    best = max(winners, key=lambda row: float(row["score"]))
    assert f"Take the architecture of {best['entry']}" in page.text
    row = (best["strategy"], best["search_seed"])
    reported = [one for one in read_csv(folder / "retraining/retrained.csv") if (one["entry"], one["seed"]) == row]
    first = page.source[: page.source.index("<nav")].replace("\N{NO-BREAK SPACE}", " ")
    assert f"{100 * float(reported[0]['test_accuracy']):.1f} %" in first
    assert f'<pre class="copy">{best["architecture"]}</pre>' in first
    for absent in ("Accuracy against cost", "Scaled family", "Classes and mistakes", "ONNX files"):
        assert absent not in page.text
    assert read_csv(folder / "report/tables/per_class.csv") == []


def test_classes_and_mistakes_are_those_of_the_predictions(usual: Path) -> None:
    page = read(usual)
    recommended = json.loads((usual / "recommended.json").read_text(encoding="utf-8"))
    tensors = load_file(usual / f"retraining/{recommended['entry']}-s{recommended['seed']}/predictions.safetensors")
    labels = np.load(usual.parent / "data/test_labels.npy")
    wrong = int((tensors["test"] != labels).sum())
    assert len(page.pictures) == min(12, wrong) > 0
    alts = [re.fullmatch(r"true: (\d), predicted: (\d), 70\.0\s%", one["alt"]) for one in page.pictures]
    assert all(found and found[1] != found[2] for found in alts)
    assert f"classed {len(labels) - wrong} of {len(labels)} test images rightly" in page.text
    rows = read_csv(usual / "report/tables/confusion.csv")
    assert sum(int(row["images"]) for row in rows) == len(labels)
    for row in rows:
        plural = "image" if row["images"] == "1" else "images"
        assert f'title="true: {row["true"]}, predicted: {row["predicted"]}, {row["images"]} {plural}"' in page.source


def test_the_report_waits_for_the_test_images_and_the_predictions(tmp_path: Path) -> None:
    plan = Plan({}, root=str(tmp_path))
    files = {Path(file).name for file in plan.reported()}
    assert {"test_images.npy", "test_labels.npy", "meta.json", "recommended.json"} <= files
    assert not files & {"train_images.npy", "valid_images.npy"}
    wanted = {plan.file("retrain", "predictions", **job) for job in plan.jobs("retrain")}
    assert wanted <= set(plan.reported())


def test_the_pictures_can_be_left_out(tmp_path: Path) -> None:
    _, page = made(tmp_path, config={"report": {"mistakes": 0}})
    assert page.pictures == []
    assert "Confusion matrix" in page.source


def test_many_classes_have_a_list_of_confused_pairs(tmp_path: Path) -> None:
    _, page = made(tmp_path, classes=[f"class {number}" for number in range(31)])
    check_sound(page)
    assert "Confusion matrix" not in page.source
    assert "The most confused pairs of classes" in {table["caption"].strip() for table in page.tables}


def test_predictions_of_other_images_are_refused(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    recommended = json.loads((folder / "recommended.json").read_text(encoding="utf-8"))
    file = folder / f"retraining/{recommended['entry']}-s{recommended['seed']}/predictions.safetensors"
    short = {name: values[:7] for name, values in load_file(file).items()}
    save_file(short, file)
    with pytest.raises(UserError, match="is of 7 images, but .* has 360 test images"):
        report(folder, settings)
    file.unlink()
    with pytest.raises(UserError, match=r"there is no .*predictions\.safetensors"):
        report(folder, settings)


def test_energy_of_jobs_that_may_share_a_card_is_an_upper_bound(tmp_path: Path) -> None:
    folder, settings = write(tmp_path, MadeUp())
    jobs = [folder / f"retraining/random-0-s{seed}/cost.json" for seed in (0, 1)]
    for began, apart in ((130.0, True), (110.0, False)):
        for job, start in zip(jobs, (100.0, began), strict=True):
            write_json(job, {**read_json(job), "device": "a GPU", "energy_joules": 3600.0, "began": start})
        report(folder, settings)
        page = read(folder)
        assert ("their sum is an upper bound" in page.text) is not apart
        assert ("at most 2.0 Wh" in page.text) is not apart
        total = read_csv(folder / "report/tables/costs.csv")[-1]
        assert (total["energy_joules"], total["energy_shared"]) == ("7200.0", str(int(not apart)))


def test_missing_figures_are_told_in_words(tmp_path: Path, usual: Path) -> None:
    changes = {"scaling": {"enabled": False}, "deterministic": False}
    folder, page = made(tmp_path, diverged=["darts-0"], config=changes, scaled=False)
    check_sound(page)
    varies = "on a CUDA GPU in each run ( deterministic: false )"
    assert varies in page.text
    assert varies not in read(usual).text
    assert "no sound training" in page.text
    assert "final trainings failed: 3 of darts-0 (diverged)." in page.text
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
        "beyond_macs": "Does a score say more than MACs alone?",
        "top": "What training the k best scored finds",
        "sufficiency": "Is the score enough? Training the k best scored against the best of 24 candidates",
        "retrained": "Final trainings: accuracy in per cent, best test mean first",
        "contests": "Strategies against their opponents; n counts searches (networks where no search chose them)",
        "opponents": "What each search met: random search within the search's own budget (costs: training MACs per "
        "image)",
        "comparisons": "Networks against networks, over trainings and test images",
        "search_costs": "Cost of each search",
        "per_class": "Test images by class, the lowest recall first",
        "gaps": "The discretisation gap, in validation accuracy, and the collapse monitor",
        "family": "The scaled family, accuracy in per cent",
        "exports": "ONNX files, checked in onnxruntime against torch",
        "performance": "Speed and memory of the ONNX files, on this machine's CPU",
        "costs": "Cost by stage",
    }
    shown = {table["caption"].strip(): table["rows"] for table in page.tables}
    absent = {
        "constraints",
        "factorial",
        "effects",
        "latencies",
        "surrogates",
        "fronts",
        "recipes",
        "recipe_contests",
        "recipe_agreement",
        "reproduction",
        "found",
    }
    drawn = {"forest", "confusion"}  # a plot and a matrix
    assert set(captions) == set(TABLES) - absent - drawn
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
    assert sorted(make.__name__ for make in (*MAKERS, *OF_PREDICTIONS)) == sorted(TABLES)


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
@pytest.mark.parametrize(("width", "fits"), [(400, "fits"), (1280, "fits"), (120, "too wide")])
def test_a_browser_keeps_the_page_within_a_narrow_window(usual: Path, tmp_path: Path, width: int, fits: str) -> None:
    """The page itself must not scroll sideways; wide tables and drawings do so in boxes of their own."""
    page = (usual / "report/report.html").read_text(encoding="utf-8")
    # a window of chromium is not as narrow as a telephone, a frame is
    probe = "parent.document.title = document.documentElement.scrollWidth <= innerWidth ? 'fits' : 'too wide'"
    inside = html.escape(page.replace("</body>", f"<script>{probe}</script></body>"))
    frame = f'<title></title><iframe style="border:0;width:{width}px;height:900px" srcdoc="{inside}"></iframe>'
    (tmp_path / "page.html").write_text(frame, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    options += ["--disable-background-networking", "--disable-component-update", "--window-size=1300,900"]
    place = f"file://{tmp_path}/page.html"
    command = ["chromium", *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", place]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"<title>{fits}</title>" in seen
