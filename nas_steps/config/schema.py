"""Every key of an experiment's YAML file: its type, default, limits and meaning. Imports no torch.

The Snakefile validates configs against it, and `docs/reference/configuration.md` is generated from it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict, field_validator, model_validator

from nas_steps.config.batches import check_batches, check_zero_cost
from nas_steps.config.checks import (
    AnySpace,
    check_constraints,
    check_estimator,
    check_factorial,
    check_metric,
    check_mobile,
    check_names,
    check_objectives,
    check_paper,
    check_precision,
    check_published,
    check_ranking,
    check_skeleton,
    check_start,
    check_strategies,
    check_weights,
)
from nas_steps.config.colours import check_colours
from nas_steps.config.data import Data, known_side
from nas_steps.config.estimators import Table
from nas_steps.config.export import Export
from nas_steps.config.language import check_images, check_text, is_text, with_text_defaults
from nas_steps.config.ranking import Ranking
from nas_steps.config.recipe import Recipe
from nas_steps.config.report import Report
from nas_steps.config.retrain import Retrain, all_recipes
from nas_steps.config.scaling import Scaling, check_rungs, refuse_rungs
from nas_steps.config.search import Search
from nas_steps.config.section import EXPERIMENT, Natural, PathText, Positive, Section, Text, as_path
from nas_steps.config.space import Space, check_network, filled
from nas_steps.config.text import AnyData, TextData
from nas_steps.config.tracking import Tracking
from nas_steps.config.weights import Weights, as_weights
from nas_steps.facts import Metric
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.space import MobileSpace

#: letters of an experiment's name: a file's name has 255 at most, and `run-results-<experiment>.lock` is the longest
LONGEST_EXPERIMENT = 238
#: folders below results/ that are no experiment's
SHARED_FOLDERS = ("data", "settings", "estimates")


class Config(Section):
    """One experiment."""

    experiment: Text = Field(
        "digits",
        pattern=EXPERIMENT,
        max_length=LONGEST_EXPERIMENT,
        description="Its name; results are in `results/<experiment>/`.",
    )
    images: PathText | None = Field(None, description="Short for `data.path`: `--config images=PATH`.")
    size: Text | None = Field(
        None, exclude=True, description="The entry of `sizes` that is laid over the file: `--config size=gpu`."
    )
    sizes: dict[Text, Any] = Field(
        default_factory=dict,
        exclude=True,
        description="Keys of the experiment by the name of a size. They go before those of the file and the command "
        "line: to change such a key, change it here.",
    )
    seed: Natural = Field(0, description="All random numbers are derived from it.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="`auto`: a CUDA GPU, else Apple's MPS, else the CPU."
    )
    threads: Positive = Field(1, description="CPU threads of a training, which change the last bits of results.")
    deterministic: Annotated[bool, Strict()] = Field(
        True,
        description="Whether a CUDA GPU gives the same results in each run. If false, its libraries take the fastest "
        "kernels, and last digits of results differ. A CPU always gives the same.",
    )
    trainings_per_gpu: Positive | Literal["auto"] = Field(
        1,
        description="Trainings that share a CUDA GPU of this machine. On a cluster each has its own. `auto`: as many "
        "as the memory of their first epochs allows, at most 8.",
    )
    container: Text | None = Field(
        None,
        pattern=r"^(\S+://)?[^\s:]\S*$",
        exclude=True,
        description="Image that jobs run in with `--software-deployment-method apptainer`: a file such as "
        "`nas-steps.sif`, or an address such as `docker://registry.example.org/nas-steps:0.2.0`. See "
        "docs/how_to/deploy.md.",
    )
    tracking: Tracking | None = Field(
        None, exclude=True, description="Logs each finished training to MLflow or TensorBoard, too. Null: nowhere."
    )
    shards: Positive = Field(2, description="Jobs per round, whatever the number of candidates.")
    metric: Metric = Field(
        "accuracy",
        description="What searches, rankings and the recommendation go by, and what the report compares. "
        "`balanced_accuracy` (the mean recall of the classes) and `macro_f1` (their mean F1) count a rare class like a "
        "frequent one. With text it is `neg_bits_per_byte`, minus the bits per byte, by itself.",
    )
    data: AnyData = Field(default_factory=Data, description="Images, or text.")
    space: Space = Field(default_factory=Space, description="What is searched.")
    weights: Weights = Field(default_factory=Weights, description="Pretrained weights that networks start from.")
    search: Search = Field(default_factory=Search, description="How it is searched.")
    ranking: Ranking = Field(default_factory=Ranking, description="Training the shortlist anew to rank it.")
    retrain: Retrain = Field(default_factory=Retrain, description="Final trainings, the only readers of the test set.")
    scaling: Scaling = Field(default_factory=Scaling, description="Compound scaling of the winner.")
    export: Export = Field(default_factory=Export, description="ONNX files.")
    report: Report = Field(default_factory=Report, description="The page that the experiment ends in.")

    @field_validator("experiment")
    @classmethod
    def _its_own_folder(cls, value: str) -> str:
        if value.lower() in SHARED_FOLDERS:
            raise ValueError(f"results/{value} is for what experiments share; choose another name")
        return value

    @field_validator("weights", mode="before")
    @classmethod
    def _source_is_text(cls, value: Any) -> Any:
        return as_weights(value)

    @model_validator(mode="before")
    @classmethod
    def _images_is_path(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("images") is None:
            return value
        given = value.get("data") or {}
        try:
            images = as_path(value["images"])
        except ValueError:
            return value  # `images` itself is refused then
        if not isinstance(given, dict) or not isinstance(images, str):
            return value  # so are these
        data = dict(given)
        if data.get("path") not in (None, value["images"], images):
            raise ValueError(f"images ({value['images']!r}) and data.path ({data['path']!r}) differ; give one of them")
        data["path"] = images
        return {**value, "data": data}

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_text(cls, value: Any) -> Any:
        return with_text_defaults(value) if isinstance(value, dict) and is_text(value) else value

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        # here, since the settings of the data step hold no path
        if self.data.source in ("folder", "npz", "text") and self.data.path is None:
            problem = f"data.source is {self.data.source}, but no path is given"
            raise ValueError(f"{problem}: add `--config images=PATH` to the command, or set data.path")
        space = declared(filled(self.space))
        recipes = {"ranking.recipe": self.ranking.recipe} | all_recipes(self.retrain)
        recipes |= {"scaling.recipe": self.scaling.recipe}
        if isinstance(self.data, TextData):
            _check_on_text(self, self.data, space, recipes)
        else:
            _check_on_images(self, self.data, space, recipes)
        return self


def _check_on_text(config: Config, data: TextData, space: AnySpace, recipes: dict[str, Recipe]) -> None:
    check_text(
        data,
        config.metric,
        space,
        weights=config.weights,
        search=config.search,
        ranking=config.ranking,
        retrain=config.retrain,
        scaling=config.scaling,
        export=config.export,
        report=config.report,
    )
    check_names(config.search, config.retrain, config.weights)
    check_rungs(
        config.scaling.rungs,
        context=data.context,
        recipe=config.retrain.recipe,
        strategies=config.search.strategies,
    )
    check_estimator(config.search, space)
    check_objectives(config.search)
    check_ranking(config.ranking, config.search, config.retrain, space)
    check_precision(recipes | _trained(config.search), config.device)
    check_strategies(config.search, space)


def _check_on_images(config: Config, data: Data, space: AnySpace, recipes: dict[str, Recipe]) -> None:
    search = config.search
    check_images(data, config.metric, space, config.retrain, recipes | _trained(search))
    refuse_rungs(config.scaling.rungs, data.source)
    assert not isinstance(space, LanguageSpace)  # it was refused
    if isinstance(space, MobileSpace):
        check_skeleton(search, "search", space)
        check_skeleton(config.retrain, "retrain", space)
        check_mobile(space, data, search, recipes)
    else:
        check_network(search.network, space, "search.network")
        check_network(config.retrain.network, space, "retrain.network")
    check_weights(config.weights, space, data, config.scaling)
    check_names(search, config.retrain, config.weights)
    check_paper(search, data)
    check_estimator(search, space)
    check_metric(config.metric, search)
    check_objectives(search)
    check_published(config.report, search, space)
    check_constraints(search, data, space, config.retrain.network)
    check_start(config.retrain, search, space)
    check_factorial(config.scaling, data)
    check_ranking(config.ranking, search, config.retrain, space)
    if not isinstance(search.estimator, Table):
        check_zero_cost(search, data)
    check_batches(search, config.ranking, config.retrain, config.scaling, space, known_side(data))
    check_precision(recipes | _trained(search), config.device)
    check_strategies(search, space)
    trains = {"search": search, "ranking": config.ranking, "retrain": config.retrain, "scaling": config.scaling}
    check_colours(trains, data)


def _trained(search: Search) -> dict[str, Recipe]:
    """Return the recipe of the search's trainings by its key; none if nothing is trained by one."""
    return {"search.estimator": search.estimator} if isinstance(search.estimator, Recipe) else {}
