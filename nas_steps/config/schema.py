"""Every key of an experiment's YAML file: its type, default, limits and meaning.

This is the single source: the Snakefile validates against it and `config/README.md` is generated from it.
Imports no torch: it is read each time Snakemake parses the workflow.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.batches import check_batches
from nas_steps.config.checks import check_constraints, check_estimator, check_ranking
from nas_steps.config.data import FOLDER_RESOLUTION, NATIVE_SHAPE, Data
from nas_steps.config.estimators import SharedWeights, Table
from nas_steps.config.export import Export
from nas_steps.config.ranking import Ranking
from nas_steps.config.recipe import Recipe
from nas_steps.config.retrain import Retrain
from nas_steps.config.scaling import Scaling, check_factorial
from nas_steps.config.search import Search
from nas_steps.config.section import Natural, PathText, Positive, Section, Text, as_path
from nas_steps.config.space import Space, check_network, filled
from nas_steps.config.strategies import (
    Enas,
    Gradient,
    PcDarts,
    check,
)
from nas_steps.config.supernet import check_supernet
from nas_steps.errors import exact
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.space import MobileSpace

#: letters of an experiment's name: a file's name has 255 at most, and `run-results-<experiment>.lock` is the longest
LONGEST_EXPERIMENT = 238
#: folders below results/ that are no experiment's
SHARED_FOLDERS = ("data", "settings", "estimates")


class Config(Section):
    """One experiment."""

    experiment: Text = Field(
        "digits",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=LONGEST_EXPERIMENT,
        description="Its name: everything is written below `results/<experiment>/`.",
    )
    images: PathText | None = Field(
        None,
        description="Short for `data.path`, made for the command line: `--config images=PATH`.",
    )
    seed: Natural = Field(0, description="From it all random numbers are derived.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="`auto` takes a CUDA GPU, else Apple's MPS, else the CPU."
    )
    threads: Positive = Field(
        1,
        description="CPU threads of a training. Results depend on it in the last bits, so it is stated here; a run "
        "with fewer cores uses as many threads.",
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
        try:
            images = as_path(value["images"])
        except ValueError:
            return value  # refused where `images` is read
        if not isinstance(given, dict) or not isinstance(images, str):
            return value  # so are these
        data = dict(given)
        if data.get("path") not in (None, value["images"], images):
            raise ValueError(
                f"images ({value['images']!r}) and data.path ({data['path']!r}) name two places; give one of them"
            )
        data["path"] = images
        return {**value, "data": data}

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.data.source == "folder" and self.data.path is None:
            raise ValueError(
                "data.source is folder, but no folder is named: add `--config images=PATH` to the command, "
                "or set data.path"
            )
        space = declared(filled(self.space))
        if isinstance(space, MobileSpace):
            self._check_mobile(space)
        else:
            check_network(self.search.network, space, "search.network")
            check_network(self.retrain.network, space, "retrain.network")
        if "uniform" in self.search.strategies:
            raise ValueError(
                "search.strategies.uniform has the name of the entries that no search chose; rename the strategy"
            )
        for strategy in self.search.strategies:
            named = {to_be_fitted(name) or parse_baseline(name).base for name in self.retrain.baselines}
            if strategy in named | set(self.retrain.baselines):
                raise ValueError(f"search.strategies.{strategy} has the name of a baseline; rename the strategy")
        check_estimator(self.search)
        if isinstance(self.search.estimator, SharedWeights):
            try:
                check_supernet(self.search.estimator.supernet, space)
            except ValueError as error:
                raise ValueError(f"search.estimator.supernet: {error}") from None
        check_constraints(self.search, self.data, space, self.retrain.network)
        side = self.data.resolution or NATIVE_SHAPE.get(self.data.source, (FOLDER_RESOLUTION,))[0]
        # a NumPy archive is known when it is read; the step that counts the designs refuses it then
        if self.data.resolution or self.data.source != "npz":
            check_factorial(self.scaling.factorial, side)
        check_ranking(self)
        check_batches(self)
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
                    f"{part}.recipe.auxiliary_weight is {exact(recipe.auxiliary_weight)}, but networks of mobile space "
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
