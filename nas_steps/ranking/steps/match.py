"""Count how many of random search's first evaluations cost as much as each other search."""

from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.ranking import opponents
from nas_steps.ranking.settings import MatchSettings
from nas_steps.ranking.shortlist import read_searches


def main(task: Task) -> None:
    """Write matches.csv."""
    settings, budget = task.read_settings(MatchSettings), read_json(task.budget)
    histories = read_searches(task.histories).items()
    searches = {search: opponents.spent_by(history, search[0], budget) for search, history in histories}
    by_evaluations = budget["matched_by"] == "evaluations"
    rows = opponents.matches(searches, settings.kinds, by_evaluations=by_evaluations)
    write_csv(task.output("matches"), rows, opponents.MATCHES)
