"""Judge by the uniform sample how many of the best scored candidates must be trained."""

from nas_steps.estimation.proposals import read_proposals
from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.ranking import calibrate, pool
from nas_steps.ranking.settings import CalibrationSettings


def main(task: Task) -> None:
    """Write calibration.json and sufficiency.csv."""
    settings = task.read_settings(CalibrationSettings)
    scores = {settings.estimator: pool.read_scores(task.scores)}
    sampled = [one.architecture for one in read_proposals(task.sample)]
    sample = pool.pool(sampled, [], [], pool.by_seed(task.trainings), scores)
    searches = [read_csv(path) for path in task.candidates]
    most = max(sum(row["estimator"] == settings.estimator for row in rows) for rows in searches)
    calibration, rows = calibrate.calibrate(sample, most, settings)
    write_csv(task.output("sufficiency"), rows, calibrate.COLUMNS)
    write_json(task.output("calibration"), calibration)
    print(f"shortlist of {calibration['shortlist']}: {calibration['why']}", flush=True)
