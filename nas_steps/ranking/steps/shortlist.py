"""Take the best candidates of each search, and of random search within smaller budgets."""

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.ranking import opponents, shortlist
from nas_steps.ranking.settings import ShortlistSettings


def main(task: Task) -> None:
    """Write shortlist.csv. Raises UserError if the shortlist is `auto` without a calibration."""
    settings = task.read_settings(ShortlistSettings)
    best = settings.shortlist
    if best == "auto":
        if task.calibration is None:
            raise UserError("--calibration: the shortlist is auto; name the calibration.json that says how many")
        best = int(read_json(task.calibration)["shortlist"])
    histories = shortlist.read_searches(task.histories)
    smaller = {
        search: {count: opponents.best_of_first(histories[search], count) for count in counts}
        for search, counts in opponents.budgets(read_csv(task.matches)).items()
    }
    rows = shortlist.shortlist(shortlist.read_searches(task.candidates), settings.kinds, best, smaller)
    write_csv(task.output("shortlist"), rows, shortlist.COLUMNS)
