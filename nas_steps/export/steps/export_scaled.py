"""Export each member of the family that was trained."""

from __future__ import annotations

from typing import Any

from nas_steps.export.model import Record, best_training, export, int8_of, records, without_model
from nas_steps.export.settings import ExportSettings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write the ONNX files, exports.json and performance.json."""
    settings = task.read_settings(ExportSettings)
    members: dict[str, list[Record]] = {}
    for record in records(task.trainings):
        members.setdefault(record[1]["entry"], []).append(record)
    lines: list[dict[str, Any]] = []
    performance: list[dict[str, Any]] = []
    for name, trainings in members.items():
        path = task.folder / f"{name}.onnx"
        best = best_training(trainings)
        if best is None:
            for old in (path, int8_of(path)):
                old.unlink(missing_ok=True)
            lines.append(without_model(trainings[0][1]))
            continue
        line, measured_files = export(settings, task.data, *best, path)
        lines.append(line)
        performance += measured_files
    write_json(task.output("performance"), performance)
    write_json(task.output("exports"), lines)
