"""Check the keys of several sections against each other. Each check raises ValueError."""

from collections.abc import Mapping

from nas_steps.config.batches import Space
from nas_steps.config.data import Data, known_side
from nas_steps.config.estimators import SharedWeights, ShortTraining, Table, rungs
from nas_steps.config.paper import PAPERS
from nas_steps.config.ranking import Ranking, ranking_recipe
from nas_steps.config.recipe import Recipe
from nas_steps.config.report import Report
from nas_steps.config.retrain import Retrain
from nas_steps.config.scaling import Scaling
from nas_steps.config.search import Search, constrained, measured_latency
from nas_steps.config.space import Network
from nas_steps.config.strategies import SAMPLING, Drnas, Enas, Gradient, Milp, PcDarts, Random
from nas_steps.config.supernet import check_supernet
from nas_steps.config.weights import Weights, pretrained_network, pretrains
from nas_steps.errors import UserError, exact
from nas_steps.facts import (
    ACCURACY,
    FOLDER_RESOLUTION,
    NATIVE_CLASSES,
    NATIVE_SHAPE,
    OBJECTIVES,
    REPORT,
    RIVAL,
    SEARCH,
    SECONDS,
    VALID,
)
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted
from nas_steps.spaces.constraints import blocks_of, smallest_within
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.language.sizing import is_named, parse_named
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.space import MobileSpace

AnySpace = Space | LanguageSpace


def check_names(search: Search, retrain: Retrain, weights: Weights) -> None:
    """Refuse strategies that are named like another entry."""
    if "uniform" in search.strategies:
        raise ValueError("search.strategies.uniform has the name of the entries that no search chose; rename it")
    named = {_base_of(name) for name in retrain.baselines} | set(retrain.baselines)
    for strategy in search.strategies:
        if strategy in named:
            raise ValueError(f"search.strategies.{strategy} has the name of a baseline; rename the strategy")
        if pretrains(weights) and RIVAL.fullmatch(strategy):
            problem = f"search.strategies.{strategy} has the name of an entry that no search chose"
            raise ValueError(f"{problem}, since weights is {weights.source}; rename the strategy")


def _base_of(baseline: str) -> str:
    """Return the name of a baseline without its size."""
    if is_named(baseline):
        return parse_named(baseline).base
    return to_be_fitted(baseline) or parse_baseline(baseline).base


def check_published(report: Report, search: Search, space: Space) -> None:
    """Refuse published figures of strategies that are not run, or that no table of cells stands beside."""
    if report.published and isinstance(space, MobileSpace):
        problem = f"report.published counts the skip connections of cells, but space {space.name} has stages of blocks"
        raise ValueError(f"{problem}; leave report.published out")
    if report.published and not isinstance(search.estimator, Table):
        problem = "report.published is compared with accuracies of a benchmark's table"
        raise ValueError(f"{problem}; set search.estimator to kind table, or leave report.published out")
    for name in report.published:
        if name not in search.strategies:
            known = ", ".join(search.strategies)
            raise ValueError(f"report.published.{name} is no strategy of search.strategies; they are {known}")


def check_ranking(ranking: Ranking, search: Search, retrain: Retrain, space: AnySpace) -> None:
    """Refuse a pool that cannot be drawn or trained."""
    if isinstance(search.estimator, Table):
        if ranking.shortlist == "auto":
            raise ValueError("ranking.shortlist is auto, but search.estimator is a table; leave it out")
        if retrain.recipes:
            raise ValueError("retrain.recipes train, but search.estimator is a table of accuracies; leave them out")
        return
    if ranking.uniform > space.size():
        size = f"space {space.name} has {space.size()} architectures"
        raise ValueError(f"ranking.uniform is {ranking.uniform}, but {size}; lower it")
    recipe = ranking_recipe(ranking, retrain)
    if recipe.warmup_epochs >= recipe.epochs:
        left = f"leaves {recipe.epochs} of {retrain.recipe.epochs} epochs, all warm-up ({exact(recipe.warmup_epochs)})"
        raise ValueError(f"ranking.final_share is {ranking.final_share}, which {left}; raise it")


def check_estimator(search: Search, space: AnySpace) -> None:
    """Refuse an estimator that does not go with the strategies or the space."""
    estimator = search.estimator
    if isinstance(estimator, Table):
        if search.screen is not None:
            raise ValueError("search.screen cannot be combined with the estimator table; remove search.screen")
        if estimator.spelling == "ofa" and not isinstance(space, MobileSpace):
            problem = f"search.estimator.spelling is ofa, which names layers of mobile stages, but space {space.name}"
            raise ValueError(f"{problem} has cells; choose space.preset ofa_mbv3, or spelling: string")
        asking = [one for one in search.strategies.values() if isinstance(one, (*SAMPLING, Enas))]
        if all(isinstance(one, Random) and one.evaluations == "auto" for one in asking):
            problem = "search.estimator is a table, but no strategy has evaluations that random could match"
            raise ValueError(problem + "; give it a number, say `random: {evaluations: 100}`")
    if isinstance(estimator, SharedWeights):
        if search.screen is not None:
            problem = "search.screen cannot be combined with the estimator shared_weights"
            raise ValueError(f"{problem}, whose evaluations are already cheap; remove search.screen")
        asking = [one for one in search.strategies.values() if isinstance(one, SAMPLING)]
        if all(isinstance(one, Random) and one.evaluations == "auto" for one in asking):
            problem = "search.estimator is shared_weights, but no strategy has evaluations that random could match"
            raise ValueError(problem + "; give it a number, say `random: {evaluations: 500}`")
        try:
            check_supernet(estimator.supernet, space)
        except ValueError as error:
            raise ValueError(f"search.estimator.supernet: {error}") from None
    if isinstance(estimator, ShortTraining) and estimator.halving is not None:
        wanted = len(rungs(estimator))
        for name, one in search.strategies.items():
            if isinstance(one, Random) and one.rounds < wanted:
                problem = f"search.strategies.{name}.rounds is {one.rounds}"
                raise ValueError(f"{problem}, but search.estimator.halving has {wanted} rungs; set {wanted} or more")


def check_objectives(search: Search) -> None:
    """Refuse objectives that no evaluation has, and names of a table's columns that mean something else."""
    columns = search.estimator.columns if isinstance(search.estimator, Table) else {}
    for name in columns:
        if name in (*OBJECTIVES, SEARCH, REPORT, VALID, SECONDS):
            raise ValueError(f"search.estimator.columns.{name} has a name with another meaning; rename the column")
    limits = [name for name, one in columns.items() if one.at_most is not None or one.at_least is not None]
    for key, one in search.strategies.items():
        if isinstance(one, Milp) and limits:
            problem = f"search.strategies.{key} (kind milp) knows what blocks cost, but no limit of a table's column"
            raise ValueError(f"{problem}, as search.estimator.columns.{limits[0]} has; take it out, or the limit")
        for name in getattr(one, "objectives", ()):
            if name not in OBJECTIVES and name not in columns:
                known = ", ".join((*OBJECTIVES, *columns))
                problem = f"search.strategies.{key}.objectives has {name!r}, but known are {known}"
                raise ValueError(f"{problem}; a column of a benchmark's table is named in search.estimator.columns")


def check_metric(metric: str, search: Search) -> None:
    """Refuse a metric of predictions if a table's columns are the figures."""
    if metric != ACCURACY and isinstance(search.estimator, Table):
        problem = f"metric is {metric}, but search.estimator is a table, whose columns are the figures"
        raise ValueError(f"{problem}; leave metric out, and name columns by search.estimator.search and report")


def check_strategies(search: Search, space: AnySpace) -> None:
    """Refuse strategies that cannot search the space, or not in the skeleton."""
    channels = search.network.channels
    for name, one in search.strategies.items():
        key = f"search.strategies.{name}"
        if isinstance(one, Enas) and one.entangled and not isinstance(space, MobileSpace):
            raise ValueError(f"{key}.entangled is true, but space {space.name} has cells and no blocks; set false")
        if isinstance(one, (*SAMPLING, Enas)) and space.size() < 2:
            raise ValueError(f"{key}: space {space.name} has a single architecture, nothing to search; widen the space")
        if isinstance(one, PcDarts) and channels % one.parts:
            raise ValueError(f"{key}.parts is {one.parts}, but search.network.channels is {channels}; choose a divisor")
        for number, stage in enumerate(one.stages if isinstance(one, Drnas) else ()):
            if channels % stage.parts:
                problem = f"{key}.stages[{number}].parts is {stage.parts}"
                raise ValueError(f"{problem}, but search.network.channels is {channels}; choose a divisor")


def wanted_valid(data: Data, share: float) -> float:
    """Return the `data.valid` that makes `share` of the training images validate, the source's test set aside."""
    own_test = data.source not in ("digits", "folder", "npz")
    return share if own_test else round(share * (1 - data.test), 6)


def other_valid(search: Search, data: Data) -> dict[str, float]:
    """Return the strategies with `paper: true` whose paper has another `data.valid`, and which."""
    of_papers = {name: PAPERS[one.kind] for name, one in search.strategies.items() if getattr(one, "paper", False)}
    wanted = {name: wanted_valid(data, paper.valid) for name, paper in of_papers.items()}
    return {name: valid for name, valid in wanted.items() if valid != data.valid}


def check_paper(search: Search, data: Data) -> None:
    """Refuse a paper's settings without its share of validation images, unless another one is given."""
    if "valid" in data.model_fields_set:
        return
    for name, valid in other_valid(search, data).items():
        own = "" if data.source not in ("folder", "npz") else " (if the images have no test split of their own)"
        problem = f"search.strategies.{name}.paper is true, but data.valid is not given"
        wanted = f"its default is {exact(data.valid)}, and the paper's share of the images is {exact(valid)}{own}"
        raise ValueError(f"{problem}: {wanted}; set data.valid: {exact(valid)}, or the share that you want")


def check_constraints(search: Search, data: Data, space: Space, network: Network) -> None:
    """Refuse constraints that the search cannot keep, or that no architecture keeps.

    An unknown side or number of classes counts as the smallest. `network` is the skeleton of final networks.
    """
    constraints = constrained(search)
    table = search.estimator if isinstance(search.estimator, Table) else None
    if table is not None and measured_latency(search) is not None:
        problem = "search.estimator is a table, in which no latency is measured here, but it is limited or an objective"
        raise ValueError(f"{problem}; name a column of latencies in search.estimator.columns instead")
    for name, one in search.strategies.items():
        if isinstance(one, Gradient | Enas) and constraints:
            problem = f"search.strategies.{name} (kind {one.kind}) trains a supernet of its own"
            kept = f"cannot keep constraints, but search.constraints has {', '.join(constraints)}"
            raise ValueError(f"{problem} and {kept}; take the strategy out, or the constraints")
    counted_ones = {what: limit for what, limit in constraints.items() if what != "latency_ms"}
    if not counted_ones:
        return
    side, channels = NATIVE_SHAPE.get(data.source, (FOLDER_RESOLUTION, 3) if data.source == "folder" else (1, 1))
    channels = channels if data.channels == "auto" else data.channels
    shape = Shape(channels, data.resolution or side, NATIVE_CLASSES.get(data.source, 2))
    if table is not None:
        shape = Shape(table.images.channels, table.images.side, table.images.classes)
    batch = search.constraints.latency.batch if search.constraints else 1
    try:
        smallest_within(counted(blocks_of(space, network), shape, batch), counted_ones, space.name)
    except UserError as error:
        raise ValueError(str(error)) from None


def check_start(retrain: Retrain, search: Search, space: Space) -> None:
    """Refuse to start final trainings from a supernet that is not there."""
    if retrain.start != "supernet":
        return
    if not isinstance(space, MobileSpace) or not isinstance(search.estimator, SharedWeights):
        problem = "retrain.start is supernet, but only a mobile space with search.estimator shared_weights has one"
        raise ValueError(f"{problem}; choose these, or set retrain.start: weights")


def check_factorial(scaling: Scaling, data: Data) -> None:
    """Refuse a hand-designed base that is too deep for the images, if their side is known."""
    side, text = known_side(data), scaling.factorial.hand_designed
    used = scaling.factorial.enabled and "hand_designed" in scaling.factorial.bases
    if used and side is not None and is_mobile(text) and side < (stride := parse_mobile(text).stride):
        problem = f"scaling.factorial.hand_designed divides the side of images by {stride}, but they have {side} pixels"
        raise ValueError(f"{problem}; take a network of smaller stride, or raise data.resolution")


def check_precision(recipes: dict[str, Recipe], device: str) -> None:
    """Refuse a precision that the device does not support. `recipes` are named by their keys."""
    for key, recipe in recipes.items():
        if recipe.precision == "float16" and device in ("cpu", "mps"):
            raise ValueError(f"{key}.precision is float16, which needs CUDA, but device is {device}; take bfloat16")


def check_mobile(space: MobileSpace, data: Data, search: Search, recipes: dict[str, Recipe]) -> None:
    """Refuse keys of cells for a mobile space. `recipes` of its networks are named by their keys."""
    for name, one in search.strategies.items():
        if isinstance(one, Gradient):
            problem = f"search.strategies.{name} (kind {one.kind}) trains a supernet of cells"
            raise ValueError(f"{problem}, but space {space.name} is mobile; take it out, or choose a space of cells")
    if isinstance(search.estimator, Table):
        return  # nothing is trained
    for key, recipe in recipes.items():
        if recipe.auxiliary_weight > 0:
            problem = f"{key}.auxiliary_weight is {exact(recipe.auxiliary_weight)}"
            raise ValueError(f"{problem}, but networks of space {space.name} have no auxiliary head; set it to 0")
    own = getattr(search.estimator, "resolution", None)
    sides = {"data.resolution": known_side(data), "search.estimator.resolution": own}
    if space.resolution:
        if isinstance(search.estimator, SharedWeights):
            sides["search.estimator.supernet.resolution"] = search.estimator.supernet.resolution
        check_resolution(space, sides)
        return
    for key, side in sides.items():
        if side is not None and side < space.stride:
            problem = f"{key} is {side}, but the strides of space {space.name} divide the side by {space.stride}"
            raise ValueError(f"{problem}: not a pixel is left; take larger images, or stem and stages of stride 1")


def check_resolution(space: MobileSpace, sides: Mapping[str, int | None]) -> None:
    """Refuse resolutions above the side of the images that the networks get, by key: they would only be enlarged."""
    for key, side in sides.items():
        if side is not None and side < max(space.resolution):
            problem = f"space.resolution has {max(space.resolution)}, but networks get images of {side} pixels ({key})"
            advice = f"raise {key}" if key == "data.resolution" else f"leave {key} out"
            raise ValueError(f"{problem}, which would only be enlarged; {advice}, or take smaller resolutions")


def check_skeleton(section: Search | Retrain, key: str, space: MobileSpace) -> None:
    """Refuse a skeleton of cells for a mobile space. The default one is allowed: a complete config has it."""
    if section.network != type(section).model_fields["network"].get_default(call_default_factory=True):
        problem = f"{key}.network stacks cells, but space {space.name} is mobile"
        raise ValueError(f"{problem} and has its own skeleton (space.stem, space.stages, space.head); leave it out")


def check_weights(weights: Weights, space: Space, data: Data, scaling: Scaling) -> None:
    """Refuse pretrained weights that networks of the space cannot start from."""
    if not pretrains(weights):
        return
    if not isinstance(space, MobileSpace):
        problem = f"weights is {weights.source}, but space {space.name} has cells, of which there are no such weights"
        raise ValueError(f"{problem}; start from space.preset efficientnet_lite, or set weights: none")
    native = NATIVE_SHAPE.get(data.source, (0, 3))[1] if data.channels == "auto" else data.channels
    if native != 3:
        problem = f"weights is {weights.source}, which reads 3 channels, but the images of data are grey (1 channel)"
        raise ValueError(f"{problem}; set data.channels: 3, which repeats the grey values, or weights: none")
    if scaling.enabled:
        problem = f"weights is {weights.source}, but scaling.enabled is true: a larger network than the pretrained one"
        raise ValueError(f"{problem} is no slice of it; set scaling.enabled: false, or weights: none")
    pretrained_network(weights, space)
