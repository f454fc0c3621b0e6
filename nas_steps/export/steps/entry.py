"""Export one retrained entry: its training of best validation accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_steps.config.settings import ExportSettings, read_settings
from nas_steps.export.model import best_training, export, int8_of, records, without_model
from nas_steps.provenance.files import write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser

MODULE = "nas_steps.export entry"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--trainings", nargs="+", required=True, help="metrics.json of all seeds")
    options.add_argument("--output", required=True, help="folder of the ONNX files, check.json and performance.json")

    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, ExportSettings)
    trainings = records(given.trainings)
    with measured(output / "cost.json", "export", trainings[0][1]["entry"]):
        best, path = best_training(trainings), output / "model.onnx"
        line, performance = (
            (without_model(trainings[0][1]), []) if best is None else export(step, given.data, *best, path)
        )
        if line["file"] is None:
            # the workflow expects the file; an empty one is no model and check.json says why
            output.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            int8_of(path).unlink(missing_ok=True)
        write_json(output / "performance.json", performance)
        write_json(output / "check.json", line)
