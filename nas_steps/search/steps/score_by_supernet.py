"""Score architectures, lines of a text file or a CSV file's column `architecture`, by a supernet's shared weights.

Take the settings of the supernet's experiment, `results/settings/score_by_supernet-*.json`."""

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
    """Write the scores in the order given: accuracies with re-estimated batch norms if there are calibration images."""
    settings = task.read_settings(SharedSettings)
    space = declared(settings.space)
    texts = read_architectures(task.architectures)
    architectures = [parse(space, text) for text in texts]

    import torch

    from nas_steps.search.one_shot.scoring import Scorer
    from nas_steps.training.devices import claimed, describe

    with claimed(task.device, settings.threads, settings.deterministic) as device, torch.no_grad():
        task.cost.loaded()
        task.cost.device, task.cost.threads = describe(device), settings.threads
        scorer = Scorer(settings, task.data, task.weights, device)
        rows = scorer.look(architectures)
    for row, text in zip(rows, texts, strict=True):
        row |= {"architecture": text, "score": row["reestimated" if scorer.calibration else "running"]}
    for rank, row in enumerate(sorted(rows, key=lambda row: -row["score"]), start=1):
        row["rank"] = rank
    write_csv(task.output("scores"), rows, COLUMNS)
    print(f"{len(rows)} architectures are ranked in {task.output('scores')}")


def read_architectures(path: str | Path) -> list[str]:
    """Read the architectures of a file as they are spelled there. Raises UserError if there are none."""
    if (reason := irregular(path)) is not None:
        wrong = f"there is no file {path}" if reason == MISSING else f"{path} {reason}"
        raise UserError(f"{wrong}; name a text file with an architecture a line, or a CSV file")
    if Path(path).suffix == ".csv":
        rows = list(csv.DictReader(StringIO(text_of(path), newline="")))
        if rows and "architecture" not in rows[0]:
            raise UserError(f"{path} has no column architecture, but {', '.join(rows[0])}; rename the one that it is")
        cells = [row["architecture"] or "" for row in rows]
    else:
        cells = text_of(path).splitlines()
    if not (texts := [cell.strip() for cell in cells if cell.strip()]):
        raise UserError(f"{path} holds no architecture")
    return texts


def parse(space: Space, text: str) -> Architecture:
    """Parse an architecture, of nasbench_macro also a digit for each layer (Su et al. 2021, section 4): 0 for one left
    out, 1 for kernel 3 and expansion 3, 2 for kernel 5 and expansion 6. Raises UserError."""
    if space.name == "nasbench_macro" and text.isdigit():
        try:
            return space.decode([int(digit) for digit in text])
        except ValueError:
            raise UserError(f"{text} is no architecture of NAS-Bench-Macro: it has 8 digits, each 0, 1 or 2") from None
    return space.parse(text)
