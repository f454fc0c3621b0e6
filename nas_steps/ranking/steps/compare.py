"""Hold every estimator's scores of the pool against the accuracies after separate training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ComparisonSettings, read_settings
from nas_steps.estimation.proposals import read_proposals
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.provenance.steps import parser
from nas_steps.ranking import compare, pool

MODULE = "nas_steps.ranking compare"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--shortlist", required=True, help="shortlist.csv")
    options.add_argument("--trainings", nargs="+", required=True, help="seed-<seed>-shard-<shard>.csv of both")
    options.add_argument("--sample", help="proposals.csv of the uniform sample, where there is one")
    options.add_argument(
        "--scores", nargs="*", default=[], help="CSV files with columns architecture and score: the search's own"
    )
    options.add_argument("--screening", nargs="*", default=[], help="such files of the screen's proxy")
    options.add_argument("--output", required=True, help="folder of estimators.csv and pool.csv")
    given = options.parse_args(arguments)
    step, output = read_settings(given.settings, ComparisonSettings), Path(given.output)
    shortlisted = read_csv(given.shortlist)
    sampled = [one.architecture for one in read_proposals(given.sample)] if given.sample else []
    scores = {step.estimator: pool.read_scores(given.scores)}
    if step.screen is not None:
        scores[step.screen] = pool.read_scores(given.screening)
    known = [row for row in shortlisted if row["strategy"] not in step.own]
    members = pool.pool(sampled, shortlisted, known, pool.by_seed(given.trainings), scores)
    # of each search as many, but where one had fewer candidates
    sizes = Counter((row["strategy"], row["search_seed"]) for row in shortlisted)
    rows = compare.compare(members, list(scores), max(sizes.values(), default=None))
    write_csv(output / "estimators.csv", rows, compare.COLUMNS)
    write_csv(output / "pool.csv", *pool.rows(members, list(scores)))
    print(f"{len(members)} architectures, {sum(one.sampled for one in members)} of them sampled", flush=True)
