"""Hold every estimator's scores of the pool against the accuracies after separate training."""

from collections import Counter

from nas_steps.estimation.proposals import read_proposals
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.task import Task
from nas_steps.ranking import compare, pool
from nas_steps.ranking.settings import ComparisonSettings
from nas_steps.ranking.shortlist import WHOLE, within


def main(task: Task) -> None:
    """Write estimators.csv and pool.csv."""
    settings = task.read_settings(ComparisonSettings)
    shortlisted = read_csv(task.shortlist)
    sampled = [one.architecture for one in read_proposals(task.sample)] if task.sample else []
    scores = {settings.estimator: pool.read_scores(task.scores)}
    if settings.screen is not None:
        scores[settings.screen] = pool.read_scores(task.screening)
    known = [row for row in shortlisted if row["strategy"] not in settings.own]
    members = pool.pool(sampled, shortlisted, known, pool.by_seed(task.trainings), scores)
    # as many of each search, unless one had fewer candidates
    sizes = Counter((row["strategy"], row["search_seed"]) for row in shortlisted if WHOLE in within(row))
    rows = compare.compare(members, list(scores), max(sizes.values(), default=None))
    write_csv(task.output("estimators"), rows, compare.COLUMNS)
    write_csv(task.output("pool"), *pool.rows(members, list(scores)))
    print(f"{len(members)} architectures, {sum(one.sampled for one in members)} of them sampled", flush=True)
