"""Config paths that the declarations of several steps share."""

from collections.abc import Mapping

from nas_steps.config import derive
from nas_steps.provenance.step import Reads

SEED: Mapping[str, str | Reads] = {"seed": "seed"}
SPACE: Mapping[str, str | Reads] = {"space": Reads("space", derive.space, depth=1)}
#: what trainings start from; nothing is added to their settings if that is nothing
WEIGHTS: Mapping[str, str | Reads] = {"weights": Reads("weights", derive.weights, depth=1)}
COMPUTE: Mapping[str, str | Reads] = {
    **SEED,
    "threads": "threads",
    "deterministic": "deterministic",
    "metric": "metric",
    **WEIGHTS,
}
CONSTRAINTS: Mapping[str, str | Reads] = {"constraints": Reads("search.constraints", derive.constraints, depth=1)}
#: networks as they are searched, and as they are in the end
SEARCHED: Mapping[str, str | Reads] = {**COMPUTE, **SPACE, "network": "search.network"}
FINAL: Mapping[str, str | Reads] = {**COMPUTE, **SPACE, "network": "retrain.network"}
_RETRAIN = {key: f"retrain.{key}" for key in ("recipe", "train_on", "processes")}
_START = {"supernet": Reads("search.estimator.supernet", derive.inherited, depth=1, whole="retrain.start")}
RETRAINED: Mapping[str, str | Reads] = {**FINAL, **_RETRAIN, **_START}
#: what only the plan knows: the fingerprint of the user's files
CONTENT: Mapping[str, str | Reads] = {"content": ""}
LATENCY_TABLE: Mapping[str, str | Reads] = {"table_content": ""}
TABLE: Mapping[str, str | Reads] = {
    **SPACE,
    **CONTENT,
    "table": Reads("search.estimator", derive.table, depth=1),
    # cells are counted as they are stacked
    "network": "retrain.network",
}
