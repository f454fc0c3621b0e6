"""The steps of a search."""

from nas_steps.provenance.steps import dispatch

STEPS = (
    "budget",
    "measure_costs",
    "propose",
    "gather",
    "darts",
    "enas",
    "replay",
    "supernet",
    "supernet_statistics",
    "one_shot",
    "rank_paths",
)

if __name__ == "__main__":
    dispatch("nas_steps.search", STEPS)
