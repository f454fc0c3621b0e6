"""Write `report/tables/*.csv`, `report/figures/*.svg`, and last `report/report.html`, from the files of all stages."""

from collections.abc import Mapping
from pathlib import Path

from nas_steps.provenance.files import write_csv, write_text
from nas_steps.provenance.task import Task
from nas_steps.report.page import all_figures, render, spoken
from nas_steps.report.predictions import load_tested
from nas_steps.report.results import load_results
from nas_steps.report.settings import ReportSettings
from nas_steps.report.tables import all_tables
from nas_steps.report.verdict import decide
from nas_steps.wording import in_words


def main(task: Task) -> None:
    """Make the report of one experiment. Raises UserError if its results are not complete."""
    folder = task.folder.parent
    results = load_results(task.read_settings(ReportSettings), folder, task.data)
    tested = load_tested(results, folder, task.data)
    tables = all_tables(results, tested)
    verdict = decide(results)
    figures = all_figures(results)
    page = render(results, tables, verdict, tested, folder, figures)
    for table in tables.values():
        rows = [{key: row[key] for key in table.keys} for row in table.rows]
        write_csv(task.output(table.name), rows, table.keys)
    write_figures(task.folder / "figures", figures, results.config.metric)
    write_text(task.output("report"), page)
    print(in_words(verdict.headline, results.config.metric))
    print(f"report: {task.output('report')}")


def write_figures(folder: Path, figures: Mapping[str, str | None], metric: str) -> None:
    """Write each figure of the page as `<name>.svg` into `folder`, and remove those of an earlier page.

    They are no outputs of the step: which there are depends on what the searches found.
    """
    folder.mkdir(exist_ok=True)
    for name, drawing in figures.items():
        file = folder / f"{name}.svg"
        if drawing is None:
            file.unlink(missing_ok=True)
        else:
            write_text(file, spoken(str(drawing), metric))
