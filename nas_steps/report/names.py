"""The report's tables by name, in the order of the page. Imports nothing, since the Snakefile lists them, too."""

TABLES = (
    "reproduction", "found",
    "constraints", "fronts", "family", "factorial", "effects", "per_class", "confusion", "costs", "search_costs",
    "contests", "forest", "opponents",
    "retrained", "comparisons", "recipe_agreement", "recipe_contests", "recipes", "search", "latencies", "surrogates",
    "agreement", "estimators", "beyond_macs", "top", "sufficiency", "gaps", "exports", "performance",
)  # fmt: skip
