"""All tables of the report, in the order of the page."""

from __future__ import annotations

from nas_steps.report.columns import Table
from nas_steps.report.cost_table import costs
from nas_steps.report.export_tables import exports, performance
from nas_steps.report.fronts import fronts
from nas_steps.report.latencies import latencies
from nas_steps.report.ranking_tables import agreement, estimators, sufficiency, top
from nas_steps.report.results import Results
from nas_steps.report.retraining_tables import comparisons, contests, gaps, retrained
from nas_steps.report.scaling_tables import effects, factorial, family
from nas_steps.report.search_tables import search

#: every table's file name, in the order of the page
NAMES = (
    "search",
    "latencies",
    "fronts",
    "estimators",
    "top",
    "sufficiency",
    "agreement",
    "retrained",
    "contests",
    "comparisons",
    "gaps",
    "family",
    "factorial",
    "effects",
    "exports",
    "performance",
    "costs",
)


def all_tables(results: Results) -> dict[str, Table]:
    """Every table by its name; one without rows is there too."""
    makers = (
        search,
        latencies,
        fronts,
        estimators,
        top,
        sufficiency,
        agreement,
        retrained,
        contests,
        comparisons,
        gaps,
        family,
        factorial,
        effects,
        exports,
        performance,
        costs,
    )
    return {table.name: table.without_empty() for table in (make(results) for make in makers)}
