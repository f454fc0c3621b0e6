"""Export one retrained entry: its training of best validation accuracy."""

from __future__ import annotations

from nas_steps.export.model import best_training, export, int8_of, records, without_model
from nas_steps.export.settings import ExportSettings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write model.onnx, check.json and performance.json."""
    settings, trainings = task.read_settings(ExportSettings), records(task.trainings)
    best, path = best_training(trainings), task.output("model")
    line, performance = (
        (without_model(trainings[0][1]), []) if best is None else export(settings, task.data, *best, path)
    )
    if line["file"] is None:
        # the workflow expects the file; an empty one is no model and check.json says why
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        int8_of(path).unlink(missing_ok=True)
    write_json(task.output("performance"), performance)
    write_json(task.output("check"), line)
