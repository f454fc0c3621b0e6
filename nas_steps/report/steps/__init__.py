"""The declaration of the report."""

from nas_steps.config import derive
from nas_steps.config.reads import SPACE
from nas_steps.provenance.step import Reads, Step, steps

#: the report's tables, in its order
TABLES = (
    "retrained",
    "contests",
    "comparisons",
    "estimators",
    "top",
    "sufficiency",
    "gaps",
    "agreement",
    "search",
    "latencies",
    "fronts",
    "family",
    "factorial",
    "effects",
    "exports",
    "performance",
    "costs",
)

STEPS = steps(
    "nas_steps.report",
    Step(
        "report",
        "Write the report of an experiment.",
        takes={"data?": "folder of the prepared data; none if a table was searched in"},
        reads={"config": "", **SPACE, "latency": Reads("search.constraints.latency", derive.latency)},
        writes={
            "report": ("report/report.html", "one self-contained page"),
            **{table: (f"report/tables/{table}.csv", "a table of the page") for table in TABLES},
        },
    ),
)
