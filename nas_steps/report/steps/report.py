"""Write `report/tables/*.csv`, and last `report/report.html`, from the files of all other stages."""

from nas_steps.provenance.files import write_csv, write_text
from nas_steps.provenance.task import Task
from nas_steps.report.page import render
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
    page = render(results, tables, verdict, tested, folder)
    for table in tables.values():
        rows = [{key: row[key] for key in table.keys} for row in table.rows]
        write_csv(task.output(table.name), rows, table.keys)
    write_text(task.output("report"), page)
    print(in_words(verdict.headline, results.config.metric))
    print(f"report: {task.output('report')}")
