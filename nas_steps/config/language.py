"""Experiments on text: the defaults that differ from those on images, and what makes no sense with text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nas_steps.config.estimators import SharedWeights, ShortTraining, ZeroCost
from nas_steps.config.export import Export
from nas_steps.config.ranking import Ranking, ranking_recipe
from nas_steps.config.recipe import Recipe
from nas_steps.config.report import Report
from nas_steps.config.retrain import Retrain, all_recipes
from nas_steps.config.scaling import Scaling
from nas_steps.config.search import Search, constrained, measured_latency
from nas_steps.config.strategies import Enas, Gradient, Milp
from nas_steps.config.text import TEXT_SOURCES, TextData, vocabulary_size
from nas_steps.config.weights import Weights, pretrains
from nas_steps.errors import UserError, exact
from nas_steps.facts import BPE, BYTES, NEG_BITS_PER_BYTE, TRAINING_FACTOR
from nas_steps.spaces.constraints import smallest_within
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.language.baselines import NAMES
from nas_steps.spaces.language.blocks import LanguageBlocks
from nas_steps.spaces.language.presets import DECLARED
from nas_steps.spaces.language.sizing import check_within, fitted, is_named, parse_named, sized
from nas_steps.spaces.language.space import LanguageSpace

#: how language models are trained, where a recipe does not say it
RECIPE: Mapping[str, Any] = {
    "epochs": 4,
    "batch_size": 16,
    "optimizer": "adamw",
    "learning_rate": 3e-3,
    "weight_decay": 0.1,
    "warmup_epochs": 0.2,
    "gradient_clip": 1.0,
}
#: in a search the last validation counts alone
SHORT: Mapping[str, Any] = {**RECIPE, "epochs": 1, "warmup_epochs": 0.05}
#: how a supernet is trained; there are no batch norms to calibrate
SUPERNET: Mapping[str, Any] = {**RECIPE, "epochs": 1, "warmup_epochs": 0.05, "sampling": "sandwich"}
#: keys of recipes that images alone have
OF_IMAGES = (
    "momentum", "label_smoothing", "augment", "drop_path", "auxiliary_weight", "mixup", "cutmix", "layer_decay",
    "frozen_stages", "balance", "batch_norm",
)  # fmt: skip
#: zero-cost scores that are defined for tokens
PROXIES = ("params", "macs", "grad_norm", "snip")


def is_text(raw: Mapping[str, Any]) -> bool:
    """Return whether a config, as it is written, reads text."""
    data = raw.get("data")
    return isinstance(data, dict) and data.get("source") in TEXT_SOURCES


def with_text_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config on text with its own defaults for what is left out. What is given stays, right or wrong."""
    search, space, data = raw.get("search"), raw.get("space"), raw["data"]
    search = {} if search is None else search
    estimator = search.get("estimator") if isinstance(search, dict) else None
    defaults: dict[str, Any] = {
        "metric": NEG_BITS_PER_BYTE,
        "space": {"preset": next(iter(DECLARED))},
        "search": {"strategies": {"random": {}, "evolution": {}}},
        "ranking": {"recipe": SHORT},
        "retrain": {"recipe": RECIPE, "baselines": list(NAMES), "budget": {"winner": True}},
        "scaling": {"enabled": False},
        "export": {"int8": {"enabled": False}},
    }
    kind = estimator.get("kind", "short_training") if isinstance(estimator, dict) else "short_training"
    if kind == "short_training":
        defaults["search"]["estimator"] = SHORT
    if kind == "shared_weights":
        defaults["search"]["estimator"] = {"calibration_images": 0, "supernet": SUPERNET}
    if _has_rung_recipe(raw.get("scaling")):
        defaults["scaling"]["rungs"] = {"recipe": RECIPE}
    preset = space.get("preset", next(iter(DECLARED))) if isinstance(space, dict) else None
    if space is None or preset in DECLARED:
        defaults["space"]["vocabulary"] = data.get("vocabulary") or (BPE if data.get("tokens") == "bpe" else BYTES)
    return _filled(dict(raw), defaults, whole=("strategies", "baselines", "budget"))


def _has_rung_recipe(scaling: Any) -> bool:
    """Return whether the rungs have a recipe of their own, as it is written."""
    rungs = scaling.get("rungs") if isinstance(scaling, dict) else None
    return isinstance(rungs, dict) and isinstance(rungs.get("recipe"), dict)


def _filled(given: dict[str, Any], defaults: Mapping[str, Any], whole: tuple[str, ...]) -> dict[str, Any]:
    """Return what is given with `defaults` for the keys that are missing, in sections too; those of `whole` are kept
    as they are."""
    filled = dict(given)
    for key, default in defaults.items():
        if key not in filled or (filled[key] is None and isinstance(default, Mapping) and key not in whole):
            filled[key] = dict(default) if isinstance(default, Mapping) else default
        elif isinstance(default, Mapping) and isinstance(filled[key], dict) and key not in whole:
            filled[key] = _filled(filled[key], default, whole)
    return filled


def check_images(data: Any, metric: str, space: Any, retrain: Retrain, recipes: Mapping[str, Recipe]) -> None:
    """Refuse keys of text for images. `recipes` are named by their keys."""
    source = f"but data.source is {data.source}, which has images"
    if isinstance(space, LanguageSpace):
        raise ValueError(
            f"space.preset is {space.name}, of language models, {source}; set data.source to one of "
            f"{', '.join(TEXT_SOURCES)}, or take another preset"
        )
    if metric == NEG_BITS_PER_BYTE:
        raise ValueError(f"metric is {metric}, {source}; leave it out, or take accuracy, balanced_accuracy or macro_f1")
    for name in filter(is_named, retrain.baselines):
        raise ValueError(f"retrain.baselines has {name}, a language model, {source}; take another network")
    for key, recipe in recipes.items():
        for name in ("compute", "learning_rates"):
            if (value := getattr(recipe, name)) is not None:
                given = exact(value) if isinstance(value, float) else value
                raise ValueError(f"{key}.{name} is {given}, {source}, trained by epochs; leave it out")


def check_text(
    data: TextData,
    metric: str,
    space: Any,
    *,
    weights: Weights,
    search: Search,
    ranking: Ranking,
    retrain: Retrain,
    scaling: Scaling,
    export: Export,
    report: Report,
) -> None:
    """Refuse what makes no sense with text, and budgets smaller than one step. Raises ValueError."""
    source = f"but data.source is {data.source}"
    if not isinstance(space, LanguageSpace):
        raise ValueError(
            f"space.preset is {space.name}, {source}; take a preset of language models ({', '.join(DECLARED)})"
        )
    if metric != NEG_BITS_PER_BYTE:
        raise ValueError(f"metric is {metric}, {source}, which is judged by bits per byte; leave metric out")
    if space.choices.vocabulary != (size := vocabulary_size(data)):
        problem = f"space.vocabulary is {space.choices.vocabulary}, but the data has {size} tokens"
        raise ValueError(f"{problem} (data.tokens, data.vocabulary); leave space.vocabulary out")
    _check_positions(space, data.context)
    if isinstance(search.estimator, SharedWeights):
        try:
            space.common_settings()
        except ValueError as error:
            raise ValueError(f"search.estimator.kind is shared_weights, but {error}") from None
    for key, why in _of_images(weights, search, retrain, scaling, export, report):
        raise ValueError(f"{key}, {source}{why}")
    recipes = {"ranking.recipe": ranking.recipe} if ranking.final_share is None else {}
    recipes |= all_recipes(retrain)
    if isinstance(search.estimator, ShortTraining):
        recipes["search.estimator"] = search.estimator
    for key, recipe in recipes.items():
        _check_recipe(key, recipe, source)
        if retrain.train_on == "train+valid" and key.startswith("retrain") and recipe.learning_rates is not None:
            raise ValueError(
                f"{key}.learning_rates are chosen by validation text, but retrain.train_on is train+valid, which "
                "leaves none; give learning_rate alone, or set train_on: train"
            )
    if (own := scaling.rungs.recipe) is not None:
        _check_recipe("scaling.rungs.recipe", own.model_copy(update={"compute": scaling.rungs.compute}), source)
    if ranking.final_share is not None:
        recipes["ranking.final_share of retrain.recipe"] = ranking_recipe(ranking, retrain)
    table = counted(LanguageBlocks(space), Shape(1, data.context, size))
    _check_budgets(recipes, search, table.costs(table.largest("macs")).macs, data.context)
    _check_baselines(space, retrain, data.context)
    try:
        if constraints := constrained(search):
            smallest_within(table, constraints, space.name)
    except UserError as error:
        raise ValueError(str(error)) from None


def _of_images(
    weights: Weights, search: Search, retrain: Retrain, scaling: Scaling, export: Export, report: Report
) -> Iterator[tuple[str, str]]:
    """Yield what is given for images alone: the key with its value, and the rest of the sentence."""
    if pretrains(weights):
        yield f"weights is {weights.source}", ": there are no pretrained weights of language models; set weights: none"
    for name, strategy in search.strategies.items():
        if isinstance(strategy, Gradient | Enas | Milp):
            why = "its blocks are those of networks for images"
            if not isinstance(strategy, Milp):
                why = "it trains a supernet of networks for images"
            yield f"search.strategies.{name} is of kind {strategy.kind}", f": {why}; take it out, or another kind"
    estimator, screen = search.estimator, search.screen
    if not isinstance(estimator, ShortTraining | ZeroCost | SharedWeights):
        yield f"search.estimator.kind is {estimator.kind}", "; take short_training, shared_weights or zero_cost"
    if isinstance(estimator, SharedWeights):
        yield from _of_supernets(estimator)
    proxies = {"search.screen": None if screen is None else screen.proxy}
    proxies["search.estimator"] = estimator.proxy if isinstance(estimator, ZeroCost) else None
    for key, proxy in proxies.items():
        if proxy is not None and proxy not in PROXIES:
            yield f"{key}.proxy is {proxy}", f": it is not defined for tokens; take one of {', '.join(PROXIES)}"
    if isinstance(estimator, ShortTraining):
        if estimator.images != 1:
            yield (
                f"search.estimator.images is {exact(estimator.images)}",
                ": compute says how much is read",
            )
        if estimator.resolution is not None:
            yield f"search.estimator.resolution is {estimator.resolution}", ", which has no pixels; leave it out"
    sections: list[tuple[str, Search | Retrain]] = [("search", search), ("retrain", retrain)]
    for key, section in sections:
        default = type(section).model_fields["network"].get_default(call_default_factory=True)
        if section.network != default:
            yield f"{key}.network stacks cells", ": language models are layers (space.depth, space.width); leave it out"
    if measured_latency(search) is not None:
        yield "latency is limited or an objective", ", whose blocks are not measured; limit macs instead"
    if scaling.enabled or scaling.factorial.enabled:
        yield "scaling.enabled is true", ": compound scaling is of images; set it to false"
    if retrain.together > 1:
        yield f"retrain.together is {retrain.together}", ": seeds of language models train alone; set it to 1"
    if retrain.start != "weights":
        yield f"retrain.start is {retrain.start}", ": there is no supernet of language models; leave it out"
    if export.int8.enabled:
        yield "export.int8.enabled is true", ", and there are no calibration images; set it to false"
    if export.formats:
        named = ", ".join(export.formats)
        yield f"export.formats is {named}", ": a language model is an ONNX file alone; leave it out"
    if report.published:
        yield "report.published is given", ": it counts the skip connections of cells; leave it out"


def _of_supernets(estimator: SharedWeights) -> Iterator[tuple[str, str]]:
    key, supernet = "search.estimator", estimator.supernet
    if estimator.calibration_images:
        problem = f"{key}.calibration_images is {estimator.calibration_images}"
        yield problem, ", and there are no batch norms to calibrate; set it to 0"
    for name in ("augment", "resolution", "label_smoothing", "momentum"):
        if getattr(supernet, name) != type(supernet).model_fields[name].get_default(call_default_factory=True):
            yield f"{key}.supernet.{name} is given", ": it trains networks for images; leave it out"
    if supernet.optimizer != "adamw":
        yield f"{key}.supernet.optimizer is {supernet.optimizer}", ", which is learnt by adamw; leave it out"


def _check_recipe(key: str, recipe: Recipe, source: str) -> None:
    for name in OF_IMAGES:
        default = Recipe.model_fields[name].get_default(call_default_factory=True)
        if getattr(recipe, name) != default:
            raise ValueError(f"{key}.{name} is given, {source}: it trains networks for images; leave it out")
    if recipe.optimizer != "adamw":
        raise ValueError(f"{key}.optimizer is {recipe.optimizer}, {source}, which is learnt by adamw; leave it out")
    if recipe.compute is None:
        raise ValueError(
            f"{key}.compute is not given, {source}: with text all networks get the same training FLOPs, not the same "
            "epochs; set it, such as 1e12"
        )


def _check_budgets(recipes: Mapping[str, Recipe], search: Search, macs: int, context: int) -> None:
    """Refuse a compute below one step of the space's largest network, of `macs` for a context."""
    estimator = search.estimator
    halving = estimator.halving if isinstance(estimator, ShortTraining) else None
    for key, recipe in recipes.items():
        least = TRAINING_FACTOR * 2 * macs * recipe.batch_size
        words, compute = f"{key}.compute is", recipe.compute or 0.0
        if key == "search.estimator" and halving is not None:
            words, compute = "search.estimator.halving: its first rung has", compute * halving.epochs / recipe.epochs
        if compute < least:
            raise ValueError(
                f"{words} {compute:.4g} FLOPs, but one step of the space's largest network takes {least:.4g} (a batch "
                f"of {recipe.batch_size} contexts of {context} tokens); raise compute to that, or lower batch_size"
            )


def _check_positions(space: LanguageSpace, context: int) -> None:
    for position in space.choices.settings[0]:
        if position.startswith("pos") and int(position[3:]) < context:
            raise ValueError(
                f"space.position has {position}, a table of {position[3:]} positions, but data.context is {context}; "
                f"set pos{context}, or lower data.context"
            )


def _check_baselines(space: LanguageSpace, retrain: Retrain, context: int) -> None:
    """Refuse networks for images, sizes that cannot be built, and sizes above a budget in numbers."""
    for name in retrain.baselines:
        if not is_named(name):
            raise ValueError(
                f"retrain.baselines has {name}, a network for images, but the data is text; take "
                f"{', '.join(NAMES)}, or one of a size, as llama_d128_l4"
            )
        budget, is_fitted = retrain.budget, parse_named(name).is_fitted
        if is_fitted and budget is None:
            problem = f"retrain.baselines: {name} takes its size from a budget, and there is none"
            raise ValueError(f"{problem}; set retrain.budget: winner, or name a size, as {name}_d128_l4")
        try:
            limits = (None, None) if budget is None else (budget.macs, budget.parameters)
            if not is_fitted:
                check_within(name, sized(name, space, context), context, *limits)
            elif limits != (None, None):
                fitted(name, space, context, macs=limits[0], parameters=limits[1])
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValueError as error:
            raise ValueError(f"retrain.baselines: {error}") from None
