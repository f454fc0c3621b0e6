"""Export one retrained entry: its training of best validation accuracy."""

from nas_steps.export.model import export, records
from nas_steps.export.settings import ExportSettings
from nas_steps.provenance.files import write_json
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write model.onnx, check.json and performance.json."""
    settings, path = task.read_settings(ExportSettings), task.output("model")
    line, performance = export(settings, task.data, records(task.trainings), path)
    if line["file"] is None:
        # the workflow expects the file; an empty one is no model and check.json says why
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    write_json(task.output("performance"), performance)
    write_json(task.output("check"), line)
