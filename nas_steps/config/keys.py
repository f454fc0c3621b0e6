"""Where a slice's fields stand in the config. For messages alone: no step imports it, so no edit here is stale."""

from __future__ import annotations

from collections.abc import Sequence

#: where the fields of a slice stand in the config; a field that is not here stands under its own name
CONFIG_KEYS: dict[str, dict[str, str]] = {
    "data": {"tolerance": "data.unreadable and data.max_image_pixels"},
    "budget": {
        "network": "search.network",
        "evaluation": "search.estimator",
        "strategies": "search.strategies",
        "supernet": "search.estimator",
    },
    "evaluation": {"network": "search.network", "estimator": "search.estimator"},
    "supernet": {"network": "search.network", "supernet": "search.estimator.supernet"},
    "shared_weights": {"network": "search.network", "estimator": "search.estimator"},
    "screen": {"network": "search.network", "screen": "search.screen"},
    "lookup": {"table": "search.estimator", "kinds": "search.strategies"},
    "sample": {"uniform": "ranking.uniform", "constraints": "search.constraints"},
    "screening": {"network": "search.network", "estimator": "search.screen"},
    "comparison": {"estimator": "search.estimator", "screen": "search.screen", "own": "search.strategies"},
    "calibration": {
        "estimator": "search.estimator",
        "shortlist": "ranking.shortlist",
        "tolerance": "ranking.tolerance",
        "most": "ranking.most",
    },
    "shortlist": {"shortlist": "ranking.shortlist", "kinds": "search.strategies"},
    "ranking": {"network": "retrain.network", "estimator": "ranking.recipe"},
    "retraining": {"network": "retrain.network", "recipe": "retrain.recipe", "train_on": "retrain.train_on"},
    "scaling_grid": {"network": "retrain.network", "recipe": "scaling.recipe"},
    "scaling_members": {"network": "retrain.network", "recipe": "retrain.recipe", "train_on": "retrain.train_on"},
    "report": {"config": ""},
    "manifest": {"config": ""},
}


_PROPOSE = {
    "rungs": "search.estimator.halving",
    "reduction": "search.estimator.halving.reduction",
    "of": "search.screen.of",
    "beats": "search.estimator.stop_below",
    "finish": "search.estimator.finish",
    "table": "search.estimator",
    "estimator": "search.estimator",
}


def config_key(name: str, path: Sequence[str]) -> str:
    """The config's spelling of a value's place in the slice `name`: `retraining`, (recipe, epochs) is
    `retrain.recipe.epochs`."""
    first, *rest = path
    if name.startswith("search_"):
        strategy = f"search.strategies.{name.removeprefix('search_')}"
        first = {"strategy": strategy, "network": "search.network", **_PROPOSE}.get(first, first)
    else:
        first = CONFIG_KEYS.get(name, {}).get(first, first)
    return ".".join(part for part in (first, *rest) if part)
