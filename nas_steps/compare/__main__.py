"""Show finished experiments beside each other.

`python -m nas_steps.compare results/a results/b [--output compare.html] [--csv compare.csv]`. It reads what a run wrote
into its folder, and writes nothing there.
"""

from collections.abc import Sequence
from pathlib import Path

from nas_steps.compare import tables
from nas_steps.compare.page import render
from nas_steps.compare.reading import Experiment, read_all
from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv, write_text
from nas_steps.provenance.task import parser, run

MODULE = "nas_steps.compare"


def main(arguments: Sequence[str]) -> None:
    """Print the comparison; write the page and the CSV if asked for. Raises UserError for unusable folders."""
    options = parser(MODULE, __doc__ or "")
    options.add_argument("folders", nargs="+", metavar="FOLDER", help="results/<experiment>, one or more")
    options.add_argument("--output", metavar="FILE", help="write one self-contained HTML page")
    options.add_argument("--csv", metavar="FILE", help="write all figures, one row an experiment")
    given = options.parse_args(arguments)
    experiments = read_all(given.folders)
    for name in (given.output, given.csv):
        _outside(name, experiments)
    rows = tables.rows(experiments)
    made = {
        "figures": tables.figures(experiments, rows),
        "seeds": tables.seeds(experiments, rows),
        "costs": tables.costs(experiments, rows),
        "config": tables.config_differences(experiments),
        "data": tables.data(rows),
    }
    sentences = list(tables.sentences(experiments))
    print("\n\n".join(tables.as_text(table) for table in made.values() if table.rows))
    print("\n" + "\n".join(f"{row['experiment']}: {row['headline']}" for row in rows if row["headline"]))
    print("\n" + "\n".join(f"- {one.text}" for one in sentences))
    if given.output:
        write_text(given.output, render(experiments, rows, made, sentences, Path(given.output)))
        print(f"page: {given.output}")
    if given.csv:
        write_csv(given.csv, *tables.as_csv(experiments, rows))
        print(f"figures: {given.csv}")


def _outside(name: str | None, experiments: Sequence[Experiment]) -> None:
    for one in experiments if name else ():
        if Path(name or "").resolve().is_relative_to(one.folder):
            raise UserError(f"{name} lies in {one.folder}, a folder of results; name a file outside of it")


if __name__ == "__main__":
    run(main, MODULE)
