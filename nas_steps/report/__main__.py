"""`python -m nas_steps.report --settings FILE --results results/<experiment> --data FOLDER`: write the report.

Reads only files that other stages wrote; writes `report/tables/*.csv`, and last `report/report.html`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ReportSettings, read_settings
from nas_steps.provenance.files import write_csv, write_text
from nas_steps.provenance.steps import parser, run
from nas_steps.report.page import render
from nas_steps.report.results import load_results
from nas_steps.report.tables import all_tables
from nas_steps.report.verdict import decide


def main(arguments: Sequence[str]) -> None:
    """Make the report of one experiment. Raises UserError where its results are not complete."""
    options = parser("nas_steps.report", "Write the report of an experiment.")
    options.add_argument("--settings", required=True, help="the step's settings file, made by the Snakefile")
    options.add_argument("--results", required=True, help="the experiment's folder, results/<experiment>")
    options.add_argument("--data", help="the folder of the prepared data; none where a table was searched in")
    given = options.parse_args(arguments)
    folder = Path(given.results)
    results = load_results(read_settings(given.settings, ReportSettings).config, folder, given.data)
    tables = all_tables(results)
    verdict = decide(results)
    page = render(results, tables, verdict, folder)
    for table in tables.values():
        rows = [{key: row[key] for key in table.keys} for row in table.rows]
        write_csv(folder / "report/tables" / f"{table.name}.csv", rows, table.keys)
    write_text(folder / "report/report.html", page)
    print(verdict.headline)
    print(f"report: {folder / 'report/report.html'}")


if __name__ == "__main__":
    run(main, "nas_steps.report")
