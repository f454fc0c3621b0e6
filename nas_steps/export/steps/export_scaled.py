"""Export each member of the family that was trained."""

from nas_steps.export.model import Record, export, records
from nas_steps.export.settings import ExportSettings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write the ONNX files, exports.json and performance.json."""
    settings = task.read_settings(ExportSettings)
    members: dict[str, list[Record]] = {}
    for record in records(task.trainings):
        members.setdefault(record[1]["entry"], []).append(record)
    exported = [
        export(settings, task.data, trainings, task.folder / f"{name}.onnx") for name, trainings in members.items()
    ]
    write_json(task.output("performance"), [row for _, rows in exported for row in rows])
    write_json(task.output("exports"), [line for line, _ in exported])
