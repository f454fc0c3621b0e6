"""Export each member of the family that was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_steps.config.settings import ExportSettings, read_settings
from nas_steps.export.model import Record, best_training, export, int8_of, records, without_model
from nas_steps.provenance.files import write_json
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.steps import parser

MODULE = "nas_steps.export scaled"


def main(arguments: Sequence[str]) -> None:
    options = parser(MODULE, __doc__ or "")
    options.add_argument("--settings", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--trainings", nargs="+", required=True, help="metrics.json of all members and seeds")
    options.add_argument("--output", required=True, help="folder of the ONNX files, exports.json and performance.json")

    given = options.parse_args(arguments)
    output = Path(given.output)
    step = read_settings(given.settings, ExportSettings)
    members: dict[str, list[Record]] = {}
    for record in records(given.trainings):
        members.setdefault(record[1]["entry"], []).append(record)
    with measured(output / "cost.json", "export", "scaled"):
        lines: list[dict[str, Any]] = []
        performance: list[dict[str, Any]] = []
        for name, trainings in members.items():
            path = output / f"{name}.onnx"
            best = best_training(trainings)
            if best is None:
                for old in (path, int8_of(path)):
                    old.unlink(missing_ok=True)
                lines.append(without_model(trainings[0][1]))
                continue
            line, measured_files = export(step, given.data, *best, path)
            lines.append(line)
            performance += measured_files
        write_json(output / "performance.json", performance)
        write_json(output / "exports.json", lines)
