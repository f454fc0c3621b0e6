"""Export each member of the family that was trained."""

from nas_steps.export.card import facts_of_weights
from nas_steps.export.model import Record, best_training, export, records, remove, without_model
from nas_steps.export.settings import ExportSettings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write the ONNX files, exports.json and performance.json."""
    settings = task.read_settings(ExportSettings)
    members: dict[str, list[Record]] = {}
    for record in records(task.trainings):
        members.setdefault(record[1]["entry"], []).append(record)
    source = facts_of_weights(task.source, settings.licence)
    for old in task.folder.glob("*.onnx"):
        remove(old)
    lines, performance = [], []
    for name, trainings in members.items():
        best = best_training(trainings)
        if best is None:
            lines.append(without_model(trainings[0][1]))
            continue
        line, speed = export(settings, task.data, best, task.folder / f"{name}.onnx", task.folder, source)
        lines.append(line)
        performance += speed
    write_json(task.output("performance"), performance)
    write_json(task.output("exports"), lines)
