"""Every key of an experiment's YAML file: its type, default, limits and meaning.

This is the single source: the Snakefile validates against it and `config/README.md` is generated from it.
Imports no torch: it is read each time Snakemake parses the workflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.section import Augment, Fraction, Natural, Positive, Section
from nas_steps.config.strategies import Darts, Evolution, PcDarts, Random, Strategy
from nas_steps.errors import known
from nas_steps.spaces.architectures import KINDS
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.cells import PRESETS, CellSpace
from nas_steps.spaces.operations import OPERATIONS

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
FOLDER_RESOLUTION = 32
#: folders below results/ that are no experiment's
SHARED_FOLDERS = ("data", "settings")


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
            raise ValueError("source npz needs `path`: the .npz file to read")
        if self.source == "digits" and self.path is not None:
            raise ValueError(
                f"source digits is embedded and reads no path, but path is {self.path!r}; "
                "set source: folder or npz to read it"
            )
        return self


# -------------------------------------------------------------------------------------------------- space


OperationsByEdge = list[str] | dict[str, list[str] | list[list[str]]]


class Space(Section):
    """A declared space of cells: a preset, and what differs from it."""

    preset: str = Field("small", description=f"A declared cell space to start from: {', '.join(PRESETS)}.")
    inputs: int | None = Field(
        None,
        description="Outputs of earlier cells that lead into a cell: 2, in the skeleton of DARTS, with a normal and a "
        "reduction cell; or 1, in that of NAS-Bench-201, with one `cell`. The preset's when left out.",
    )
    nodes: int | None = Field(None, ge=1, le=8, description="Intermediate nodes of a cell, instead of the preset's.")
    edges: list[list[int]] | None = Field(
        None,
        max_length=8,
        description="For each node the sources that it may read, all that come before it when left out. Sources are "
        "the cell's inputs, then its nodes: with two inputs 2 is the first node, with one it is 1.",
    )
    operations: OperationsByEdge | None = Field(
        None,
        description="The choices on every edge, instead of the preset's; or by kind of cell (`normal` and `reduce`, or "
        "`cell`), each a list for all its edges or a list of lists, one for each edge, node by node. Known: "
        + ", ".join(OPERATIONS)
        + ".",
    )
    edges_per_node: Annotated[int, Field(ge=1, le=8)] | Literal["all"] | None = Field(
        None, description="Input edges that each node keeps, instead of the preset's; `all` keeps every edge."
    )
    concat: list[int] | None = Field(
        None,
        description="The nodes, from 0, that a two-input cell's output concatenates; all when left out. The output of "
        "a one-input cell is its last node.",
    )
    none_is_choice: bool | None = Field(
        None,
        description="Whether an architecture may keep an edge as `none`; when left out, so where all edges are kept.",
    )

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str) -> str:
        return known("preset", value, PRESETS)

    @field_validator("operations", mode="before")
    @classmethod
    def _known_operations(cls, value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            return _operations(value, "")
        return {
            known("kind of cell", str(kind), [name for kinds in KINDS.values() for name in kinds]): (
                [_operations(names, f"{kind}, edge {index}: ") for index, names in enumerate(rows)]
                if isinstance(rows, list) and any(isinstance(names, list) for names in rows)
                else _operations(rows, f"{kind}: ")
            )
            for kind, rows in value.items()
        }

    @field_validator("edges_per_node", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @model_validator(mode="after")
    def _builds(self) -> Space:
        self.declared()
        return self

    def declared(self) -> CellSpace:
        """The space itself, as plain data. Raises ValueError where nothing could be searched in it."""
        space = PRESETS[self.preset]
        changes: dict[str, Any] = {"inputs": self.inputs, "nodes": self.nodes, "none_is_choice": self.none_is_choice}
        if self.edges is not None:
            changes["reads"] = tuple(map(tuple, self.edges))
            changes["nodes"] = len(self.edges) if self.nodes is None else self.nodes
        if self.concat is not None:
            changes["concat"] = tuple(self.concat)
        if isinstance(self.operations, list):
            changes["operations"] = tuple(self.operations)
        changes = {key: value for key, value in changes.items() if value is not None}
        if self.edges_per_node is not None:
            changes["edges_per_node"] = None if self.edges_per_node == "all" else self.edges_per_node
        if isinstance(self.operations, dict):
            return _by_edge(space, self.operations, changes)
        return space.replace(**changes)


def _operations(value: Any, where: str) -> list[str]:
    """A list of known operations. Raises ValueError."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(
            f"{where}given {value!r}; a list of operations is expected, such as [skip_connect, nor_conv_3x3], or by "
            "kind of cell such lists or lists of them"
        )
    for name in value:
        try:
            known("operation", name, OPERATIONS)
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None
    return value


def _by_edge(space: CellSpace, operations: Mapping[str, Any], changes: dict[str, Any]) -> CellSpace:
    """The space with operations of each kind: a list for each edge, or one that is every edge's."""
    rows = {kind: tuple(tuple(names) for names in given) for kind, given in operations.items() if _nested(given)}
    flat = {kind: tuple(given) for kind, given in operations.items() if not _nested(given)}
    # which edges there are is known when the space is; any operations will do for that
    edges = len(space.replace(**changes, operations=tuple(OPERATIONS)).edges())
    rows |= {kind: (names,) * edges for kind, names in flat.items()}
    return space.replace(**changes, by_edge=rows)


def _nested(given: Sequence[Any]) -> bool:
    return any(isinstance(names, list) for names in given)


class Network(Section):
    """The skeleton that cells are stacked in (Liu et al. 2019, section 2.1; Dong & Yang 2020, section 2.1)."""

    channels: int = Field(8, ge=1, le=512, description="Channels of the first cell's nodes, doubled at each reduction.")
    cells: int = Field(
        3,
        ge=1,
        le=100,
        description="How many cells are stacked, at least 3 unless `reductions` says which halve the side. Of "
        "one-input cells (NAS-Bench-201): how many in each of the three stages.",
    )
    stem_multiplier: int = Field(
        3,
        ge=1,
        le=16,
        description="The stem has `stem_multiplier * channels` channels. That of one-input cells has `channels`.",
    )
    reductions: list[Natural] | None = Field(
        None,
        description="The cells, from 0, that halve the side and double the channels; when left out those at 1/3 and "
        "2/3 of the depth. One-input cells have two reductions between their stages and no such list.",
    )

    @model_validator(mode="after")
    def _some_of_each_kind(self) -> Network:
        given = self.reductions
        if given is None:
            return self
        if not given or len(set(given)) < len(given) or max(given) >= self.cells:
            raise ValueError(
                f"reductions is {given}; it must name one or more of the cells 0 to {self.cells - 1}, each once"
            )
        if len(given) == self.cells:
            raise ValueError(f"reductions names all {self.cells} cells; leave at least one to be a normal cell")
        return self

    def check(self, space: CellSpace, where: str) -> None:
        """Raise ValueError where cells of `space` cannot be stacked so; `where` is the key of this network."""
        if space.inputs == 1 and self.reductions is not None:
            raise ValueError(
                f"{where}.reductions is {self.reductions}, but the one-input cells of space {space.name} stand in "
                "three stages; leave it out"
            )
        if space.inputs == 2 and self.reductions is None and self.cells < 3:
            raise ValueError(
                f"{where}.cells is {self.cells}; two-input cells are stacked 3 or more, or {where}.reductions says "
                "which of them halve the side"
            )


# ------------------------------------------------------------------------------------------------ recipes


class Recipe(Section):
    """How a network is trained. One training loop reads it for candidates and final models alike."""

    epochs: Positive = Field(20, description="Passes over the training images.")
    batch_size: Positive = Field(32, description="Images a step.")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="SGD with Nesterov momentum, or AdamW.")
    learning_rate: float = Field(0.1, gt=0, description="Peak learning rate; it falls to 0 along a cosine.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    weight_decay: float = Field(5e-4, ge=0, description="Weight decay; biases and batch norms are left out.")
    warmup_epochs: float = Field(1, ge=0, description="Epochs of linear warm-up.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of the target spread over all classes.")
    gradient_clip: float | None = Field(5.0, gt=0, description="Largest gradient norm; null: no clipping.")
    drop_path: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Largest probability of dropping a cell's edge, reached at the last epoch.",
    )
    auxiliary_weight: float = Field(0.0, ge=0, description="Weight of the auxiliary head's loss; 0: no such head.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16 is autocast, worth it on a GPU.")
    augment: Augment = Field(default_factory=Augment, description="Made on the training device, batch by batch.")

    @model_validator(mode="after")
    def _warmup_ends(self) -> Recipe:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs ({self.warmup_epochs:g}) must be below epochs ({self.epochs}): "
                "the learning rate would never come down"
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
    estimator: Recipe = Field(
        default_factory=lambda: Recipe(epochs=8),
        description="The short training that scores a sampled architecture (accuracy on valid).",
    )
    seeds: Positive = Field(1, description="How many times each strategy is run, with seeds 0, 1, ...")
    strategies: dict[Annotated[str, Field(pattern=NAME)], Strategy] = Field(
        default_factory=_default_strategies,
        description="By name. `kind` may be left out where the name is a kind. A `random` one is not optional.",
    )

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


class Ranking(Section):
    shortlist: Positive = Field(3, description="Best candidates of each strategy and search seed to train anew.")
    seeds: Positive = Field(1, description="Trainings of each shortlisted architecture; their mean is ranked.")
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=12), description="The short training, on `retrain.network`."
    )


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
        "width.",
    )
    train_on: Literal["train", "train+valid"] = Field(
        "train",
        description="Images of the final trainings. With `train+valid` no validation accuracy is known of them.",
    )

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, value: list[str]) -> list[str]:
        for name in value:
            parse_baseline(name)
        if len(set(value)) < len(value):
            raise ValueError(f"a baseline stands twice in {value}")
        return value


Factors = Annotated[list[Annotated[float, Field(ge=1)]], Field(min_length=1)]


class Scaling(Section):
    """Compound scaling (Tan & Le 2019, section 3.3): depth alpha^phi, width beta^phi, resolution gamma^phi."""

    enabled: bool = Field(True, description="Whether to scale the winner at all.")
    depth: Factors = Field([1.0, 1.2, 1.4], description="Grid of alpha, the factor of the number of cells.")
    width: Factors = Field([1.0, 1.1, 1.2], description="Grid of beta, the factor of the channels.")
    resolution: Factors = Field([1.0, 1.15, 1.3], description="Grid of gamma, the factor of the image side.")
    tolerance: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Triples with alpha * beta^2 * gamma^2 within 2 * (1 +- tolerance) are tried.",
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=12),
        description="The short training that chooses the triple (on valid).",
    )
    members: int = Field(8, ge=1, le=16, description="Members of the family, phi = 0, 1, ...: B0 to B7.")
    mac_budget: Annotated[float, Field(gt=0)] = Field(
        5e6,
        description="Members up to so many multiply-accumulates an image are trained by `retrain.recipe`.",
    )
    seeds: Positive = Field(2, description="Trainings of each member within the budget.")
    channel_divisor: Positive = Field(4, description="Scaled channels are rounded to a multiple of this.")

    @model_validator(mode="after")
    def _grid_has_a_triple(self) -> Scaling:
        if not self.triples():
            raise ValueError(
                "no triple of the grid has depth * width^2 * resolution^2 within "
                f"{2 * (1 - self.tolerance):g} to {2 * (1 + self.tolerance):g}; widen the grid or the tolerance"
            )
        return self

    def triples(self) -> list[tuple[float, float, float]]:
        """The (alpha, beta, gamma) of the grid whose product is near 2, in the grid's order."""
        return [
            (alpha, beta, gamma)
            for alpha in self.depth
            for beta in self.width
            for gamma in self.resolution
            if abs(alpha * beta**2 * gamma**2 / 2 - 1) <= self.tolerance + 1e-9
        ]


class Export(Section):
    opset: int = Field(18, ge=18, le=24, description="ONNX operator set.")
    tolerance: float = Field(
        1e-3, gt=0, description="Largest difference allowed between torch's and onnxruntime's logits."
    )
    images: Positive = Field(256, description="Test images to compare on (all, if there are fewer).")


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

    @field_validator("experiment")
    @classmethod
    def _its_own_folder(cls, value: str) -> str:
        if value.lower() in SHARED_FOLDERS:
            raise ValueError(
                f"results/{value} is for what experiments share ({' and '.join(SHARED_FOLDERS)}); choose another name"
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
        self.search.network.check(space, "search.network")
        self.retrain.network.check(space, "retrain.network")
        for strategy in self.search.strategies:
            if strategy in {name.split("_x")[0] for name in self.retrain.baselines} | set(self.retrain.baselines):
                raise ValueError(f"search.strategies.{strategy} has the name of a baseline; rename the strategy")
        channels = self.search.network.channels
        for name, settings in self.search.strategies.items():
            if isinstance(settings, PcDarts) and channels % settings.parts:
                raise ValueError(
                    f"search.strategies.{name}.parts is {settings.parts}, but search.network.channels is {channels}, "
                    "which cannot be split into so many parts; choose a divisor"
                )
        return self
