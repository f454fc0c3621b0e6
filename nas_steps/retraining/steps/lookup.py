"""Look the searches' winners up in the benchmark's table, and compare the strategies."""

from collections.abc import Iterable, Mapping

from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table import Benchmark, read_table
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables
from nas_steps.retraining.summary import RETRAINED, Metrics
from nas_steps.spaces.declare import declared_cells


def main(task: Task) -> None:
    """Write the four tables of all lookups."""
    settings = task.read_settings(LookupSettings)
    table = read_table(task.path, settings.table, declared_cells(settings.space))
    rows = read_csv(task.winners)
    whole, slots = looked_up([row for row in rows if not is_slot(row)], table), looked_up(filter(is_slot, rows), table)
    write_tables(whole, task.folder, read_csv(task.opponents), slots)


def is_slot(row: Mapping[str, str]) -> bool:
    """Return whether a row of winners.csv is random search within a smaller budget, such as `random.2-0`."""
    return "." in row["entry"]


def looked_up(winners: Iterable[Mapping[str, str]], table: Benchmark) -> list[Metrics]:
    """Return the record of each row of winners.csv as if trained to the end, under its strategy's name.

    A strategy's searches are its repetitions: `seed` is the search seed, and `unit` the row's entry.
    """
    return [
        dict.fromkeys(RETRAINED)
        | {"entry": row["strategy"], "strategy": row["strategy"], "kind": row["kind"], "seed": int(row["search_seed"])}
        | {"unit": row["entry"], "status": "ok", "architecture": row["architecture"]}
        | {"valid_accuracy": table.search(row["architecture"]), "test_accuracy": table.report(row["architecture"])}
        for row in winners
    ]
