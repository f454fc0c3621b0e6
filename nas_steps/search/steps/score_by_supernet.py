"""Score given architectures by the shared weights of a trained supernet.

The settings are those of the experiment that trained it: `results/settings/score_by_supernet-*.json`. Architectures
stand in a text file, one a line, or in the column `architecture` of a CSV file.
"""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.regular import MISSING, irregular, text_of
from nas_steps.provenance.task import Task
from nas_steps.search.settings import SharedSettings
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Architecture, Space

COLUMNS = ("rank", "architecture", "score", "running", "reestimated", "parameters", "macs")


def main(task: Task) -> None:
    """Write the scores in the order given: `score` is the accuracy with re-estimated batch norms, unless the settings
    have no calibration images."""
    settings = task.read_settings(SharedSettings)
    space = declared(settings.space)
    texts = read_architectures(task.architectures)
    architectures = [parse(space, text) for text in texts]

    import torch

    from nas_steps.search.one_shot.scoring import load_scorer, size_of
    from nas_steps.search.one_shot.statistics import look
    from nas_steps.training.devices import claimed, describe

    with claimed(task.device, settings.threads) as device, torch.no_grad():
        task.cost.loaded()
        task.cost.device, task.cost.threads = describe(device), settings.threads
        scorer = load_scorer(settings, task.data, task.weights, device)
        rows = look(scorer, architectures)
    for row, text, architecture in zip(rows, texts, architectures, strict=True):
        row |= {"architecture": text, "score": row["reestimated" if scorer.calibration else "running"]}
        row |= vars(size_of(settings, task.data, architecture))
    for rank, row in enumerate(sorted(rows, key=lambda row: -row["score"]), start=1):
        row["rank"] = rank
    write_csv(task.output("scores"), rows, COLUMNS)
    print(f"{len(rows)} architectures are ranked in {task.output('scores')}")


def read_architectures(path: str | Path) -> list[str]:
    """The architectures in a file, as they are spelled there. Raises UserError where there are none."""
    if (reason := irregular(path)) is not None:
        told = f"there is no file {path}" if reason == MISSING else f"{path} {reason}"
        raise UserError(f"{told}; name a text file with an architecture a line, or a CSV file")
    if Path(path).suffix == ".csv":
        rows = list(csv.DictReader(StringIO(text_of(path), newline="")))
        if rows and "architecture" not in rows[0]:
            raise UserError(f"{path} has no column architecture, but {', '.join(rows[0])}; rename the one that it is")
        found = [(row["architecture"] or "").strip() for row in rows]
    else:
        found = [line.strip() for line in text_of(path).splitlines()]
    found = [text for text in found if text]
    if not found:
        raise UserError(f"{path} holds no architecture")
    return found


def parse(space: Space, text: str) -> Architecture:
    """An architecture of `space`. Those of nasbench_macro may be spelled as in NAS-Bench-Macro (Su et al. 2021, section
    4): a digit a layer, 0 for one left out, 1 for kernel 3 and expansion 3, 2 for kernel 5 and expansion 6. Raises
    UserError."""
    if space.name == "nasbench_macro" and text.isdigit():
        try:
            return space.decode([int(digit) for digit in text])
        except ValueError:
            raise UserError(f"{text} is no architecture of NAS-Bench-Macro: it has 8 digits, each 0, 1 or 2") from None
    return space.parse(text)
