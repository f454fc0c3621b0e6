"""Every key of an experiment's YAML file: its type, default, limits and meaning.

This is the single source: the Snakefile validates against it and `config/README.md` is generated from it.
Imports no torch: it is read each time Snakemake parses the workflow.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.estimators import Estimator, Screen, SharedWeights, ShortTraining, Table, named_kind
from nas_steps.config.limits import Latency, Limits
from nas_steps.config.recipe import Recipe
from nas_steps.config.scaling import Scaling, check_factorial
from nas_steps.config.section import Fraction, Natural, Positive, Section
from nas_steps.config.space import Network, Space
from nas_steps.config.strategies import (
    SAMPLING,
    Darts,
    Enas,
    Evolution,
    Gradient,
    Nsga2,
    PcDarts,
    Random,
    Strategy,
    check,
)
from nas_steps.config.supernet import check_supernet
from nas_steps.errors import UserError
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted
from nas_steps.spaces.cells import CellSpace
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.limited import parts_of, smallest_within
from nas_steps.spaces.mobile import MobileSpace

# --------------------------------------------------------------------------------------------------- data

Source = Literal["digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "folder", "npz"]

#: side in pixels and number of channels of the sources that are what they are
NATIVE_SHAPE: dict[str, tuple[int, int]] = {
    "digits": (8, 1),
    "cifar10": (32, 3),
    "cifar100": (32, 3),
    "fashion_mnist": (28, 1),
    "svhn": (32, 3),
}
#: and their classes
NATIVE_CLASSES: dict[str, int] = {"digits": 10, "cifar10": 10, "cifar100": 100, "fashion_mnist": 10, "svhn": 10}
FOLDER_RESOLUTION = 32
#: folders below results/ that are no experiment's
SHARED_FOLDERS = ("data", "settings", "estimates")


class Data(Section):
    source: Source = Field(
        "digits",
        description="Where images come from: `digits` (scikit-learn's, needs no download), `cifar10`, "
        "`cifar100`, `fashion_mnist`, `svhn` (downloaded by torchvision), `folder` (one subfolder a class; a "
        ".zip of such a folder will do), `npz` (a NumPy archive).",
    )
    path: str | None = Field(
        None,
        description="The folder, .zip or .npz to read; for torchvision's sets the download folder "
        "(`downloads` when left out).",
    )
    resolution: int | None = Field(
        None,
        ge=4,
        le=1024,
        description="Side in pixels of the stored square images; the source's own when left out "
        f"({FOLDER_RESOLUTION} for `folder`). Photos are resized and centre-cropped.",
    )
    channels: Literal["auto", 1, 3] = Field(
        "auto", description="1 (grey) or 3 (RGB); `auto` keeps the source's own, RGB for `folder`."
    )
    valid: Fraction = Field(
        0.2, description="Share of all images for validation, where the source brings no valid split."
    )
    test: Fraction = Field(
        0.2, description="Share of all images for the final test, where the source brings no test split."
    )
    max_train: Positive | None = Field(None, description="Keep at most so many training images (stratified, seeded).")
    max_valid: Positive | None = Field(None, description="Keep at most so many validation images.")
    max_test: Positive | None = Field(None, description="Keep at most so many test images.")
    unreadable: Literal["refuse", "skip"] = Field(
        "refuse",
        description="What to do with a file that cannot be read as an image: stop and name it, or `skip` it and "
        "count it in meta.json.",
    )
    max_image_pixels: Positive = Field(
        50_000_000,
        description="A larger picture is refused before it is decoded (a decompression bomb, or a mistake).",
    )

    @field_validator("channels", mode="before")
    @classmethod
    def _channels(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @model_validator(mode="after")
    def _consistent(self) -> Data:
        if self.valid + self.test >= 0.95:
            raise ValueError(
                f"valid + test is {self.valid + self.test:g}: that leaves less than 5 % to train on; lower one of them"
            )
        if self.source == "npz" and self.path is None:
            raise ValueError(
                "source npz needs `path`: the .npz file to read; or add `--config images=PATH` to the command"
            )
        if self.source == "digits" and self.path is not None:
            raise ValueError(
                f"source digits is embedded and reads no path, but path is {self.path!r}; "
                "set source: folder or npz to read it"
            )
        return self


# ------------------------------------------------------------------------------------------------- search


NAME = r"^[A-Za-z0-9][A-Za-z0-9_]*$"


def _default_strategies() -> dict[str, Strategy]:
    return {"random": Random(), "evolution": Evolution(), "darts": Darts()}


class Search(Section):
    network: Network = Field(
        default_factory=lambda: Network(channels=8, cells=3, stem_multiplier=3),
        description="The skeleton of supernets and candidates during the search.",
    )
    estimator: Estimator = Field(
        default_factory=lambda: ShortTraining(epochs=8),
        description="What a sampled architecture is scored by; `kind` may be left out where it is `short_training`.",
    )
    screen: Screen | None = Field(
        None, description="A score without training that chooses which proposals the estimator sees; null: all."
    )
    limits: Limits | None = Field(
        None, description="What no architecture that is evaluated may exceed; null: nothing is limited."
    )
    seeds: Positive = Field(1, description="How many times each strategy is run, with seeds 0, 1, ...")
    strategies: dict[Annotated[str, Field(pattern=NAME)], Strategy] = Field(
        default_factory=_default_strategies,
        description="By name. `kind` may be left out where the name is a kind. A `random` one is not optional.",
    )

    @property
    def limited(self) -> dict[str, float]:
        """The limits that are given, by name."""
        return {} if self.limits is None else self.limits.given()

    @property
    def latency(self) -> Latency | None:
        """How latency is measured; None where it is neither a limit nor an objective."""
        limits = self.limits or Limits()
        objective = any(isinstance(one, Nsga2) and "latency" in one.objectives for one in self.strategies.values())
        return limits.latency if objective or limits.latency_ms is not None else None

    @property
    def needs_costs(self) -> bool:
        """Whether the search needs to know what each part of a network costs."""
        return bool(self.limited) or self.latency is not None

    @field_validator("estimator", mode="before")
    @classmethod
    def _short_training_is_meant(cls, value: Any) -> Any:
        return named_kind(value)

    @field_validator("strategies", mode="before")
    @classmethod
    def _name_is_kind(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        filled = {}
        for name, settings in value.items():
            settings = {} if settings is None else settings
            if isinstance(settings, dict) and "kind" not in settings:
                settings = {"kind": name, **settings}
            filled[name] = settings
        return filled

    @field_validator("strategies")
    @classmethod
    def _random_is_there(cls, value: dict[str, Any]) -> dict[str, Any]:
        randoms = [name for name, strategy in value.items() if strategy.kind == "random"]
        if not randoms:
            raise ValueError(
                "no entry of kind random: every experiment compares with random search of matched cost; "
                "add the line `random: {}`"
            )
        if all(strategy.kind == "random" and strategy.evaluations == "auto" for strategy in value.values()):
            raise ValueError(
                "random is the only strategy, so there is no cost to match: give it a number, "
                "say `random: {evaluations: 16}`"
            )
        return value


# --------------------------------------------------------------------------------------- after the search


#: fewer architectures than this have no rank correlation
FEWEST_UNIFORM = 3


class Ranking(Section):
    shortlist: Positive | Literal["auto"] = Field(
        3,
        description="Best candidates of each strategy and search seed to train anew. `auto`: as many as it takes to be "
        "within `tolerance` of the best candidate with a probability of 95 %, told by the uniform sample.",
    )
    uniform: Natural = Field(
        8,
        description="Architectures drawn uniformly from the space, no two of them isomorphic, that are trained and "
        "scored beside the shortlist: they tell how well scores rank. 0: none.",
    )
    tolerance: float = Field(
        0.005,
        gt=0,
        lt=1,
        description="Accuracy that may be lost against the best candidate; 0.005 is half a percentage point.",
    )
    most: Positive = Field(10, description="The most that `shortlist: auto` takes.")
    seeds: Positive = Field(
        1, description="Trainings of each of these architectures; their mean is ranked. 2 or more tell the noise."
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=12), description="The short training, on `retrain.network`."
    )
    final_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Train by `retrain.recipe` for this share of its epochs in place of `recipe`; null: by `recipe`.",
    )

    @model_validator(mode="after")
    def _auto_can_be_told(self) -> Ranking:
        if self.shortlist == "auto" and self.uniform < FEWEST_UNIFORM:
            raise ValueError(
                f"shortlist is auto, but uniform is {self.uniform}: how many must be trained is told by a uniform "
                f"sample of {FEWEST_UNIFORM} or more (20 say more than 8); raise uniform, or give shortlist a number"
            )
        return self


class Budget(Section):
    """How large a hand-designed network may be."""

    macs: float | None = Field(None, gt=0, description="Multiply-accumulates of one image's forward pass, at most.")
    parameters: float | None = Field(None, gt=0, description="Parameters, at most.")
    winner: bool = Field(
        False,
        description="As many MACs as the best ranked winner of the searches has, at most; `budget: winner` for short.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Budget:
        numbers = self.macs is not None or self.parameters is not None
        if numbers == self.winner:
            raise ValueError("a budget is `macs`, `parameters` or both, or the word `winner`")
        return self


class Retrain(Section):
    network: Network = Field(
        default_factory=lambda: Network(channels=8, cells=5, stem_multiplier=3),
        description="The skeleton of final networks, also used for ranking and scaling.",
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=30),
        description="One recipe for searched, random and hand-designed entries alike.",
    )
    seeds: int = Field(3, ge=1, description="Trainings of each entry; below 3 the report makes no claim.")
    processes: Positive = Field(
        1,
        description="Processes that train one network together, each on a GPU of its own: each batch is shared "
        "among them. 1 is best for what trains in minutes.",
    )
    baselines: list[str] = Field(
        default_factory=lambda: ["resnet20", "mobilenet_v2_x0.5"],
        min_length=2,
        description="Hand-designed networks to compare with, at least two; `_x0.5` at the end of a name scales its "
        "width, `_d1.5` its depth; `_auto` gives it the largest width within `budget`.",
    )
    budget: Budget | None = Field(
        None, description="The size that the baselines are held to; a larger one is refused. null: any size."
    )
    uniform: bool = Field(
        True,
        description="For each search seed, train an architecture that is drawn uniformly from the space: no search at "
        "all, the least that one must beat.",
    )
    largest: bool = Field(
        False, description="Train the space's largest network: whether searching beats taking the dearest of all."
    )
    train_on: Literal["train", "train+valid"] = Field(
        "train",
        description="Images of the final trainings. With `train+valid` no validation accuracy is known of them.",
    )

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, value: list[str]) -> list[str]:
        for name in value:
            if to_be_fitted(name) is None:
                parse_baseline(name)
        if len(set(value)) < len(value):
            raise ValueError(f"a baseline stands twice in {value}")
        return value

    @field_validator("budget", mode="before")
    @classmethod
    def _winner_is_a_word(cls, value: Any) -> Any:
        return {"winner": True} if value == "winner" else value

    @model_validator(mode="after")
    def _fitted_to_something(self) -> Retrain:
        fitted = [name for name in self.baselines if to_be_fitted(name) is not None]
        if fitted and self.budget is None:
            raise ValueError(
                f"baselines: {fitted[0]} takes its width from a budget, and there is none; set retrain.budget, such as "
                "{macs: 5e6} or winner"
            )
        return self


class Int8(Section):
    """Static quantisation by onnxruntime: 8-bit weights and activations, in QDQ form."""

    enabled: bool = Field(True, description="Whether to make an INT8 file beside each float32 file.")
    tolerance: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Largest loss of accuracy on the validation images, against the float32 file; above it the INT8 "
        "file is refused. What it loses on the test images is told, and decides nothing.",
    )
    calibration_images: Positive = Field(
        256, description="Training images, drawn at random, that set the ranges of the activations."
    )
    per_channel: bool = Field(True, description="Whether each output channel's weights have a scale of their own.")
    reduce_range: bool = Field(
        False,
        description="7-bit weights, for processors without VNNI instructions, where sums of products can saturate.",
    )


class Performance(Section):
    """Latency and memory of the exported files, measured in a fresh process each."""

    repeats: Natural = Field(
        20,
        description="Timed runs of each batch size (1 and 32), after a warm-up; slow networks get fewer, at least 5. "
        "0 measures nothing.",
    )
    threads: Positive = Field(1, description="CPU threads of these runs.")


class Export(Section):
    opset: int = Field(18, ge=18, le=24, description="ONNX operator set.")
    tolerance: float = Field(
        1e-3, gt=0, description="Largest difference allowed between torch's and onnxruntime's logits."
    )
    images: Positive | None = Field(
        None, description="Compare on so many test images, for huge test sets; all when left out."
    )
    int8: Int8 = Field(default_factory=Int8, description="Quantised files.")
    performance: Performance = Field(default_factory=Performance, description="Latency and memory.")


def _check_ranking(config: Config) -> None:
    """Raise ValueError where the pool that ranks cannot be drawn or trained."""
    ranking = config.ranking
    if isinstance(config.search.estimator, Table):
        if ranking.shortlist == "auto":
            raise ValueError(
                "ranking.shortlist is auto, but search.estimator is a table, in which nothing is trained; leave it out"
            )
        return
    space = config.space.declared()
    if ranking.uniform > space.size():
        raise ValueError(
            f"ranking.uniform is {ranking.uniform}, but space {space.name} has {space.size()} architectures; lower it"
        )
    recipe = config.ranking_recipe
    if recipe.warmup_epochs >= recipe.epochs:
        raise ValueError(
            f"ranking.final_share is {ranking.final_share:g}, which leaves {recipe.epochs} of "
            f"{config.retrain.recipe.epochs} epochs, all of them warm-up ({recipe.warmup_epochs:g}); raise it"
        )


def _check_estimator(search: Search) -> None:
    """Raise ValueError where the estimator and the strategies cannot go together."""
    estimator = search.estimator
    if isinstance(estimator, Table):
        if search.screen is not None:
            raise ValueError("search.screen: there is nothing to save where the estimator is a table; leave it out")
        gradient = [name for name, one in search.strategies.items() if isinstance(one, (Gradient, Enas))]
        if gradient:
            raise ValueError(
                f"search.strategies.{gradient[0]} (kind {search.strategies[gradient[0]].kind}) trains a supernet, but "
                "search.estimator is a table, in which nothing is trained; take it out, or choose another estimator"
            )
    if isinstance(estimator, SharedWeights):
        if search.screen is not None:
            raise ValueError("search.screen: there is nothing to save where a supernet scores in moments; leave it out")
        asking = [one for one in search.strategies.values() if isinstance(one, SAMPLING)]
        if all(one.kind == "random" and one.evaluations == "auto" for one in asking):
            raise ValueError(
                "search.estimator is shared_weights, where random search gets as many evaluations as the strategy with "
                "the most, but no other has any; give it a number, say `random: {evaluations: 500}`"
            )
    if isinstance(estimator, ShortTraining) and estimator.halving is not None:
        for name, one in search.strategies.items():
            if isinstance(one, Random) and one.rounds < len(estimator.rungs):
                raise ValueError(
                    f"search.strategies.{name}.rounds is {one.rounds}, but search.estimator.halving has "
                    f"{len(estimator.rungs)} rungs and promotes between rounds; set rounds to {len(estimator.rungs)} "
                    "or more"
                )


def _check_limits(search: Search, data: Data, space: CellSpace | MobileSpace, network: Network) -> None:
    """Raise ValueError where the search cannot keep its limits, or none of the space can as far as is known before
    there are data: `network` is the skeleton of final networks."""
    if isinstance(search.estimator, Table) and search.needs_costs:
        raise ValueError(
            "search.estimator is a table of scores: in it nothing is built, so neither limits (search.limits) nor the "
            "objective latency can be kept; leave them out, or choose another estimator"
        )
    for name, one in search.strategies.items():
        if isinstance(one, (Gradient, Enas)) and search.limited:
            raise ValueError(
                f"search.strategies.{name} (kind {one.kind}) trains a supernet of its own and cannot keep limits, "
                f"but search.limits has {', '.join(search.limited)}; take the strategy out, or the limits"
            )
    known_here = {what: limit for what, limit in search.limited.items() if what != "latency_ms"}
    if not known_here:
        return
    # what is not known before the data are there is taken to be as small as can be
    side, channels = NATIVE_SHAPE.get(data.source, (FOLDER_RESOLUTION if data.source == "folder" else 1, 1))
    if data.source == "folder" and data.channels == "auto":
        channels = 3
    shape = Shape(
        channels if data.channels == "auto" else data.channels,
        data.resolution or side,
        NATIVE_CLASSES.get(data.source, 2),
    )
    try:
        smallest_within(counted(parts_of(space, network), shape), known_here, space.name)
    except UserError as error:
        raise ValueError(str(error)) from None


class Config(Section):
    """One experiment."""

    experiment: str = Field(
        "digits",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Its name: everything is written below `results/<experiment>/`.",
    )
    images: str | None = Field(
        None,
        description="Short for `data.path`, made for the command line: `--config images=PATH`.",
    )
    seed: Natural = Field(0, description="From it all random numbers are derived.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="`auto` takes a CUDA GPU, else Apple's MPS, else the CPU."
    )
    threads: Positive = Field(
        1,
        description="CPU threads of a training. Results depend on it in the last bits, so it is stated here.",
    )
    shards: Positive = Field(2, description="Jobs among which a round of candidates is dealt out.")
    data: Data = Field(default_factory=Data, description="Images.")
    space: Space = Field(default_factory=Space, description="What is searched.")
    search: Search = Field(default_factory=Search, description="How it is searched.")
    ranking: Ranking = Field(default_factory=Ranking, description="Training the shortlist anew to rank it.")
    retrain: Retrain = Field(default_factory=Retrain, description="Final trainings, the only readers of the test set.")
    scaling: Scaling = Field(default_factory=Scaling, description="Compound scaling of the winner.")
    export: Export = Field(default_factory=Export, description="ONNX files.")

    @property
    def ranking_recipe(self) -> Recipe:
        """How the shortlist and the uniform sample are trained."""
        share, final = self.ranking.final_share, self.retrain.recipe
        if share is None:
            return self.ranking.recipe
        return final.model_copy(update={"epochs": max(1, round(share * final.epochs))})

    @field_validator("experiment")
    @classmethod
    def _its_own_folder(cls, value: str) -> str:
        if value.lower() in SHARED_FOLDERS:
            raise ValueError(
                f"results/{value} is for what experiments share ({', '.join(SHARED_FOLDERS)}); choose another name"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _images_is_path(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("images") is None:
            return value
        given = value.get("data") or {}
        if not isinstance(given, dict):
            return value  # refused where `data` is read
        data = dict(given)
        if data.get("path") not in (None, value["images"]):
            raise ValueError(
                f"images ({value['images']!r}) and data.path ({data['path']!r}) name two places; give one of them"
            )
        data["path"] = str(value["images"])
        return {**value, "data": data}

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.data.source == "folder" and self.data.path is None:
            raise ValueError(
                "data.source is folder, but no folder is named: add `--config images=PATH` to the command, "
                "or set data.path"
            )
        space = self.space.declared()
        if isinstance(space, MobileSpace):
            self._check_mobile(space)
        else:
            self.search.network.check(space, "search.network")
            self.retrain.network.check(space, "retrain.network")
        if "uniform" in self.search.strategies:
            raise ValueError(
                "search.strategies.uniform has the name of the entries that no search chose; rename the strategy"
            )
        for strategy in self.search.strategies:
            named = {to_be_fitted(name) or parse_baseline(name).base for name in self.retrain.baselines}
            if strategy in named | set(self.retrain.baselines):
                raise ValueError(f"search.strategies.{strategy} has the name of a baseline; rename the strategy")
        _check_estimator(self.search)
        if isinstance(self.search.estimator, SharedWeights):
            try:
                check_supernet(self.search.estimator.supernet, space)
            except ValueError as error:
                raise ValueError(f"search.estimator.supernet: {error}") from None
        _check_limits(self.search, self.data, space, self.retrain.network)
        side = self.data.resolution or NATIVE_SHAPE.get(self.data.source, (FOLDER_RESOLUTION,))[0]
        # a NumPy archive is known when it is read; the step that counts the designs refuses it then
        if self.data.resolution or self.data.source != "npz":
            check_factorial(self.scaling.factorial, side)
        _check_ranking(self)
        self._check_precision()
        for name, one in self.search.strategies.items():
            if isinstance(one, Enas) and one.entangled and not isinstance(space, MobileSpace):
                raise ValueError(
                    f"search.strategies.{name}.entangled is true, but space {space.name} has cells, which have no "
                    "blocks to share; set false"
                )
            try:
                check(one, space)
            except ValueError as error:
                raise ValueError(f"search.strategies.{name}: {error}") from None
        channels = self.search.network.channels
        for name, settings in self.search.strategies.items():
            if isinstance(settings, PcDarts) and channels % settings.parts:
                raise ValueError(
                    f"search.strategies.{name}.parts is {settings.parts}, but search.network.channels is {channels}, "
                    "which cannot be split into so many parts; choose a divisor"
                )
        return self

    def _check_precision(self) -> None:
        """Raise ValueError for a precision that the device, where it is named, does not train in."""
        recipes = {"ranking.recipe": self.ranking.recipe, "retrain.recipe": self.retrain.recipe}
        recipes |= {"scaling.recipe": self.scaling.recipe}
        if isinstance(self.search.estimator, Recipe):
            recipes["search.estimator"] = self.search.estimator
        for place, recipe in recipes.items():
            if recipe.precision == "float16" and self.device in ("cpu", "mps"):
                raise ValueError(
                    f"{place}.precision is float16, which needs a CUDA GPU, but device is {self.device}; set it to "
                    "float32, or bfloat16"
                )

    def _check_mobile(self, space: MobileSpace) -> None:
        """Raise ValueError where the config asks of a mobile space what cells alone can give."""
        for part in ("search", "retrain"):
            section = getattr(self, part)
            # what was written out with all its defaults and is read again has every field set
            if section.network != type(section).model_fields["network"].get_default(call_default_factory=True):
                raise ValueError(
                    f"{part}.network stacks cells, but space {space.name} is mobile and brings its own skeleton "
                    "(space.stem, space.stages, space.head); leave it out"
                )
        for name, settings in self.search.strategies.items():
            if isinstance(settings, Gradient):
                raise ValueError(
                    f"search.strategies.{name} (kind {settings.kind}) trains a supernet of cells, but space "
                    f"{space.name} is mobile; take it out, or choose a space of cells"
                )
        if isinstance(self.search.estimator, Table):
            raise ValueError(f"search.estimator is a table of cells, but space {space.name} is mobile; choose another")
        recipes = {"ranking": self.ranking.recipe, "retrain": self.retrain.recipe, "scaling": self.scaling.recipe}
        for part, recipe in recipes.items():
            if recipe.auxiliary_weight > 0:
                raise ValueError(
                    f"{part}.recipe.auxiliary_weight is {recipe.auxiliary_weight:g}, but networks of mobile space "
                    f"{space.name} have no auxiliary head; set it to 0"
                )
        side = self.data.resolution or NATIVE_SHAPE.get(self.data.source, (None,))[0]
        if self.data.source == "folder" and side is None:
            side = FOLDER_RESOLUTION
        sides = {
            "data.resolution": side,
            "search.estimator.resolution": getattr(self.search.estimator, "resolution", None),
        }
        for key, given in sides.items():
            if given is not None and given < space.stride:
                raise ValueError(
                    f"{key} is {given}, but the strides of space {space.name} divide the side by {space.stride}: less "
                    "than a pixel would be left; take larger images, or stem and stages of stride 1"
                )
