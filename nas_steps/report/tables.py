"""All tables of the report, in the order of the page."""

from __future__ import annotations

from nas_steps.report.columns import Table
from nas_steps.report.cost_tables import costs, search
from nas_steps.report.export_tables import exports, performance
from nas_steps.report.fronts import fronts
from nas_steps.report.latencies import latencies
from nas_steps.report.names import TABLES
from nas_steps.report.ranking_tables import agreement, estimators, sufficiency, top
from nas_steps.report.results import Results
from nas_steps.report.retraining_tables import comparisons, contests, gaps, retrained
from nas_steps.report.scaling_tables import effects, factorial, family

MAKERS = (
    search, latencies, fronts, estimators, top, sufficiency, agreement, retrained, contests, comparisons, gaps, family,
    factorial, effects, exports, performance, costs,
)  # fmt: skip


def all_tables(results: Results) -> dict[str, Table]:
    """Make every table, by its name; one without rows is there too."""
    return {name: make(results).without_empty() for name, make in zip(TABLES, MAKERS, strict=True)}
