"""Judge by the uniform sample how many of the best scored candidates must be trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import CalibrationSettings, read_settings
from nas_steps.estimation.proposals import read_proposals
from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.provenance.steps import parser
from nas_steps.ranking import calibrate, pool

MODULE = "nas_steps.ranking calibrate"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--sample", required=True, help="proposals.csv of the uniform sample")
    options.add_argument("--trainings", nargs="+", required=True, help="its seed-<seed>-shard-<shard>.csv")
    options.add_argument(
        "--scores", nargs="+", required=True, help="CSV files with columns architecture and score: the search's own"
    )
    options.add_argument("--candidates", nargs="+", required=True, help="candidates.csv of all searches")
    options.add_argument("--output", required=True, help="folder of calibration.json and sufficiency.csv")
    given = options.parse_args(arguments)
    step, output = read_settings(given.settings, CalibrationSettings), Path(given.output)
    scores = {step.estimator: pool.read_scores(given.scores)}
    sampled = [one.architecture for one in read_proposals(given.sample)]
    sample = pool.pool(sampled, [], [], pool.by_seed(given.trainings), scores)
    searches = [read_csv(path) for path in given.candidates]
    most = max(sum(row["estimator"] == step.estimator for row in rows) for rows in searches)
    told, rows = calibrate.calibrate(sample, most, step)
    write_csv(output / "sufficiency.csv", rows, calibrate.COLUMNS)
    write_json(output / "calibration.json", told)
    print(f"shortlist of {told['shortlist']}: {told['why']}", flush=True)
