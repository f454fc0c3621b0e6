"""The report's tables by name, in the order of the page. Imports nothing, since the Snakefile lists them, too."""

TABLES = (
    "search", "latencies", "fronts", "estimators", "top", "sufficiency", "agreement", "retrained", "contests",
    "comparisons", "gaps", "family", "factorial", "effects", "exports", "performance", "costs",
)  # fmt: skip
