"""Export the networks that recommended.json lists, each with a model card."""

from pathlib import Path
from typing import Any

from nas_steps.data.store import META
from nas_steps.export.card import card, facts_of_weights
from nas_steps.export.model import CARD, MODEL, export, records, remove
from nas_steps.export.settings import NetworkExportSettings
from nas_steps.provenance.files import read_json, write_json, write_text
from nas_steps.provenance.task import Task


def main(task: Task) -> None:
    """Write the ONNX files and cards, exports.json and performance.json."""
    settings = task.read_settings(NetworkExportSettings)
    recommended, meta = read_json(task.recommended), read_json(Path(task.data) / META)
    trainings = {(metrics["entry"], metrics["seed"]): (path, metrics) for path, metrics in records(task.trainings)}
    networks = {row["entry"]: row for row in recommended["considered"]}
    source = facts_of_weights(task.source, settings.licence)
    for old in task.folder.glob(f"*/{MODEL}"):
        remove(old)
    lines: list[dict[str, Any]] = []
    performance: list[dict[str, Any]] = []
    for entry in recommended["export"]:
        network, path = networks[entry], task.folder / entry / MODEL
        training = trainings[entry, network["seed"]]
        line, speed = export(settings, task.data, training, path, task.folder, source)
        if line["file"] is not None:
            text = card(network, recommended, training[1], settings.recipe, meta, line, speed, source)
            write_text(path.with_name(CARD), text)
            line["card"] = f"{entry}/{CARD}"
        lines.append(line)
        performance += speed
    write_json(task.output("performance"), performance)
    write_json(task.output("exports"), lines)
