"""Which files belong into Snakemake's report: by kind, if there is something in them, however damaged others are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.io import get_flag_value, is_flagged
from snakemake.sourcecache import LocalSourceFile

from nas_steps.provenance.files import write_json, write_text
from nas_steps.workflow.attached import Attached

OUTPUTS = {"report": "x/report/report.html", "costs": "x/report/tables/costs.csv", "gaps": "x/report/tables/gaps.csv"}
#: a Snakemake that executes no job
READS = SimpleNamespace(execution_settings=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The results of an experiment `x`: a page, a table with a row, one without, a figure, a model card."""
    for file, text in {
        "report/report.html": "<p>",
        "report/tables/costs.csv": "stage\nsearch\n",
        "report/tables/gaps.csv": "entry\n",
        "report/figures/dots.svg": "<svg/>",
        "export/darts-0/README.md": "# darts-0",
        "export/random-0/README.md": "# random-0",
    }.items():
        (tmp_path / "x" / file).parent.mkdir(parents=True, exist_ok=True)
        write_text(tmp_path / "x" / file, text)
    write_json(tmp_path / "x" / "recommended.json", {"entry": "darts-0"})
    return tmp_path


def attached(folder: Path, *kinds: str) -> Attached:
    config = SimpleNamespace(report=SimpleNamespace(attached=kinds or ("page", "figures", "tables", "card")))
    plan: Any = SimpleNamespace(folder="x", config=config, trains=True)
    return Attached(plan, lambda file: str(folder / file), LocalSourceFile("rules"))


def categories(files: Any) -> dict[str, str]:
    return {str(file): get_flag_value(file, "report").category for file in files if is_flagged(file, "report")}


def test_every_kind_has_a_category_and_an_empty_table_none(folder: Path) -> None:
    held = attached(folder)
    outputs = held.flagged(OUTPUTS)
    assert outputs == OUTPUTS
    assert categories(outputs.values()) == {
        "x/report/report.html": "Report",
        "x/report/tables/costs.csv": "Tables",
    }
    assert categories(held.beside(READS)) == {
        "x/report/figures/dots.svg": "Figures",
        "x/export/darts-0/README.md": "Recommended network",
    }
    # jobs may remove a figure that an earlier run has drawn
    assert held.beside(SimpleNamespace(execution_settings="any")) == []


def test_labels_are_made_when_the_report_is(folder: Path) -> None:
    table = attached(folder).flagged(OUTPUTS)["costs"]
    write_text(folder / "x/report/tables/costs.csv", "stage\nsearch\nexport\n")
    assert get_flag_value(table, "report").labels({}) == {"table": "costs", "rows": "2"}


def test_the_config_chooses(folder: Path) -> None:
    held = attached(folder, "tables")
    assert set(categories(held.flagged(OUTPUTS).values()).values()) == {"Tables"}
    assert held.beside(READS) == []


def test_before_a_run_there_is_nothing_beside_the_outputs(tmp_path: Path) -> None:
    held = attached(tmp_path)
    assert held.beside(READS) == []
    assert set(categories(held.flagged(OUTPUTS).values())) == set(OUTPUTS.values())


def test_damaged_files_stop_no_plan(folder: Path) -> None:
    (folder / "x/recommended.json").write_bytes(b'{"entry": \xff')
    (folder / "x/report/tables/costs.csv").write_bytes(b"stage\n\xff\n")
    held = attached(folder)
    assert "x/report/tables/costs.csv" in categories(held.flagged(OUTPUTS).values())
    assert categories(held.beside(READS)) == {"x/report/figures/dots.svg": "Figures"}
