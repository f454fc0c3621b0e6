"""Write docs/reference/results.md from the declarations of the steps: `python -m nas_steps.workflow.docs > FILE`."""

import sys

from nas_steps.config.schema import Config
from nas_steps.provenance.step import COST, WILDCARD, Reads, Step
from nas_steps.workflow.steps import STEPS

HEAD = """# Every step and every file

This page is generated from the declarations of the steps (`nas_steps/<stage>/steps/__init__.py`) by `make docs`; a test
holds the two together. [Reading the results](reading_results.md) says how to read the files.

Files lie below `results/<experiment>/`, those of the step `data` below `results/data/<source>-<fingerprint>/`, where
experiments share them. A step runs again if a key of the config that it reads, its code, a version of its packages or a
file that it takes has changed. Each step is a command: `python -m nas_steps.<stage> <step> --help`.

If the experiment's `metric` is not accuracy, then scores, the ranking's accuracies, the histories of searches, and the
means, intervals and differences of final trainings are of the metric. `valid_accuracy`, `test_accuracy` and the figures
of ONNX files are accuracies always. Of text the metric is minus the bits per byte, and an accuracy is the share of next
tokens that were predicted right.
"""


#: configs between which a path that depends on the config changes
CHOICES = (
    Config(),
    Config.model_validate({"ranking": {"final_share": 1}, "scaling": {"factorial": {"recipe": {"epochs": 3}}}}),
)


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(step) for step in STEPS.values())


def _section(step: Step) -> str:
    lines = ["", f"## {step.name}", "", step.summary, ""]
    paths = dict.fromkeys(path for source in step.sources().values() for path in _paths(source))
    told = [("Reads", [f"`{path}`" for path in paths]), ("Versions", [f"`{package}`" for package in step.packages])]
    lines += [f"{title}: {', '.join(words)}.\n" for title, words in told if words]
    # what is between < and > would be taken for HTML
    files = {path: holds.replace("<", "&lt;") for path, holds in step.writes.values() if holds != COST}
    lines += [
        "| file | holds |",
        "|---|---|",
        *(f"| `{path}` | {holds} |" for path, holds in files.items()),
    ]
    costs = [path for path, holds in step.writes.values() if holds == COST]
    lines += [f"| `{path}` | {COST} |" for path in costs]
    return "\n".join(lines) + "\n"


def _paths(source: Reads) -> list[str]:
    """Return the config paths of a source, without the keys that do not count."""
    if source.path == "":
        return []
    if not isinstance(source.path, str):
        return list(dict.fromkeys(map(source.path, CHOICES)))
    without = f" without {', '.join(source.leave_out)}" if source.leave_out else ""
    return [WILDCARD.sub("<name>", source.path) + without]


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
