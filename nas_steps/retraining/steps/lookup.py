"""Look the searches' winners up in the benchmark's table, and compare the strategies."""

from collections.abc import Iterable, Mapping

from nas_steps.estimation.completed import open_table
from nas_steps.estimation.settings import LookupSettings
from nas_steps.estimation.table import Benchmark
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.task import Task
from nas_steps.retraining.contests import write_tables
from nas_steps.retraining.summary import RETRAINED, Metrics
from nas_steps.search.slots import slot_of


def main(task: Task) -> None:
    """Write the four tables of all lookups."""
    settings = task.read_settings(LookupSettings)
    table = open_table(task.path, settings, task.surrogate)
    whole: list[Mapping[str, str]] = []
    slots: list[Mapping[str, str]] = []
    for row in read_csv(task.winners):
        (whole if slot_of(row["entry"]) == 1 else slots).append(row)
    slots += read_csv(task.largest)
    write_tables(looked_up(whole, table), task.folder, read_csv(task.opponents), looked_up(slots, table))


def looked_up(winners: Iterable[Mapping[str, str]], table: Benchmark) -> list[Metrics]:
    """Return the record of each row of winners.csv as if trained to the end, under its strategy's name.

    A strategy's searches are its repetitions: `seed` is the search seed, and `unit` the row's entry. The status of a
    search that found nothing is `missing`.
    """
    rows: list[Metrics] = []
    for row in winners:
        name = row["architecture"]
        found = (
            {"status": "ok", "valid_accuracy": table.valid(name), "test_accuracy": table.report(name)} if name else {}
        )
        rows.append(
            dict.fromkeys(RETRAINED)
            | {"entry": row["strategy"], "strategy": row["strategy"], "kind": row["kind"], "unit": row["entry"]}
            | {"seed": int(row["search_seed"]), "status": "missing", "architecture": name, **found}
        )
    return rows
