"""Take the best candidates of each search."""

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.ranking import shortlist
from nas_steps.ranking.settings import ShortlistSettings


def main(task: Task) -> None:
    """Write shortlist.csv. Raises UserError if the shortlist is `auto` without a calibration."""
    settings = task.read_settings(ShortlistSettings)
    best = settings.shortlist
    if best == "auto":
        if task.calibration is None:
            raise UserError("--calibration: the shortlist is auto; name the calibration.json that says how many")
        best = int(read_json(task.calibration)["shortlist"])
    rows = shortlist.shortlist(shortlist.read_candidates(task.candidates), settings.kinds, best)
    write_csv(task.output("shortlist"), rows, shortlist.COLUMNS)
