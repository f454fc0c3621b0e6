"""The declaration of the report."""

from nas_steps.config import derive
from nas_steps.config.reads import SPACE
from nas_steps.provenance.step import Reads, Step, steps
from nas_steps.report.names import TABLES

STEPS = steps(
    "nas_steps.report",
    Step(
        "report",
        "Write the report of an experiment.",
        takes={"data?": "folder of the prepared data, of which test images are shown; none if a table was searched in"},
        reads={
            "config": "",
            **SPACE,
            "latency": Reads("search.constraints.latency", derive.latency, depth=1, whole="search.constraints"),
            "rungs": Reads("search.estimator", derive.rungs),
        },
        writes={
            "report": ("report/report.html", "one self-contained page"),
            **{table: (f"report/tables/{table}.csv", "a table of the page") for table in TABLES},
        },
    ),
)
