"""The settings of every search strategy, by kind."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, Strict, model_validator

from nas_steps.config.paper import OfPaper
from nas_steps.config.recipe import Optimisation
from nas_steps.config.section import Augment, Digits, EachOnce, Natural, Positive, Processes, Section, Text
from nas_steps.errors import exact

#: costs beside the score; `nas_steps.config.checks.check_objectives` knows their names
Objectives = Annotated[list[Text], EachOnce]

# ----------------------------------------------------------------------------------------------- sampling


class Random(Section):
    kind: Literal["random"] = Field("random", description="Uniform sampling without repeats.")
    evaluations: Annotated[Literal["auto"] | Positive, Digits] = Field(
        "auto", description="Architectures to try; `auto` matches the most expensive other strategy's MACs."
    )
    rounds: Positive = Field(1, description="Rounds; each has an equal share of the evaluations.")

    @model_validator(mode="after")
    def _rounds_have_evaluations(self) -> Random:
        if isinstance(self.evaluations, int) and self.rounds > self.evaluations:
            raise ValueError(f"rounds ({self.rounds}) is more than evaluations ({self.evaluations}): lower rounds")
        return self


class Population(Section):
    """A first round of random architectures, and rounds of their children."""

    population: int = Field(8, ge=2, description="Architectures alive; the first round draws them at random.")
    children: Positive = Field(4, description="Architectures evaluated in each round after the first.")
    rounds: Positive = Field(3, description="Rounds, the random first one included.")


class Evolution(Population):
    """Regularised (ageing) evolution, Real et al. 2019, algorithm 1, a batch of children a round."""

    kind: Literal["evolution"] = Field("evolution", description="Regularised evolution.")
    sample: int = Field(4, ge=1, description="Architectures drawn from the population for each tournament.")
    ageing: bool = Field(True, description="Whether the oldest dies for each child; if not, the worst does.")

    @model_validator(mode="after")
    def _sample_fits(self) -> Evolution:
        if self.sample > self.population:
            raise ValueError(f"sample ({self.sample}) is larger than population ({self.population}): lower sample")
        return self


class Nsga2(Population):
    """NSGA-II (Deb et al. 2002): the score together with what the network costs, a front instead of a best."""

    kind: Literal["nsga2"] = Field("nsga2", description="Evolution towards high scores at low costs.")
    objectives: Objectives = Field(
        ["macs"],
        min_length=1,
        description="Costs to minimise beside the score: `macs`, `parameters`, `latency` (predicted), or in a "
        "benchmark's table a key of `search.estimator.columns`, which says if it is maximised.",
    )
    crossover: float = Field(0.9, ge=0, le=1, description="Probability that a child has two parents before mutation.")


class Reinforce(Section):
    """An LSTM controller trained by REINFORCE (Zoph & Le 2017; Williams 1992), a batch a round.

    The decay is that of Dong & Yang (2020); the other defaults suit 100 evaluations (`benchmarks/landscapes.py`).
    """

    kind: Literal["reinforce"] = Field("reinforce", description="An LSTM controller trained by REINFORCE.")
    batch: Positive = Field(5, description="Architectures drawn from the controller and evaluated in each round.")
    rounds: Positive = Field(4, description="Rounds; the controller learns after each.")
    updates: Positive = Field(3, description="Steps of Adam after each round.")
    hidden: Positive = Field(32, description="Units of the LSTM and of the choices' embeddings.")
    learning_rate: float = Field(0.02, gt=0, description="Learning rate of the controller (Adam).")
    baseline_decay: float = Field(0.9, ge=0, lt=1, description="Decay of the rewards' moving average, the baseline.")
    entropy_weight: float = Field(0.1, ge=0, description="Entropy weight for rewards of spread 1; more explores more.")


class Batches(Section):
    """A first round of random architectures, and rounds of a few that were chosen after it."""

    initial: int = Field(8, ge=2, description="Architectures of the first round, drawn at random.")
    batch: Positive = Field(4, description="Architectures evaluated in each round after the first.")
    rounds: Positive = Field(3, description="Rounds, the random first one included.")


class LocalSearch(Batches):
    """Local search (White, Nolen & Savani 2021, algorithm 1) that moves at a batch's first improvement."""

    kind: Literal["local_search"] = Field("local_search", description="Evaluates the neighbours of the best so far.")


class Predictor(Batches):
    """An ensemble predicts what is worth evaluating (BANANAS: White et al. 2021, section 4)."""

    kind: Literal["predictor"] = Field("predictor", description="An ensemble predicts which architectures to evaluate.")
    ensemble: int = Field(5, ge=2, description="Regressions, each fitted on a bootstrap sample of the scores.")
    candidates: Positive = Field(100, description="Mutations of the best to predict each round; as many are random.")


class Bayesian(Batches):
    """Bayesian optimisation: a Gaussian process, and the largest expected improvement (NAS-BOWL: Ru et al. 2021)."""

    kind: Literal["bayesian"] = Field("bayesian", description="A Gaussian process predicts what improves most.")
    candidates: Positive = Field(200, description="Neighbours of the best to predict each round; as many are random.")
    objectives: Objectives = Field(
        [], max_length=2, description="Costs to minimise beside the score, as of `nsga2`, at most two; none: the score."
    )


class Milp(Section):
    """Additive block scores, and the best sums of them within the constraints (Puzzle: Bercovich et al. 2024)."""

    kind: Literal["milp"] = Field("milp", description="Additive block scores, searched exactly by integer programming.")
    initial: int = Field(
        40, ge=2, description="Architectures of the first round, drawn at random; block scores are fitted to them."
    )
    batch: Positive = Field(5, description="The best by the block scores, evaluated in each round after the first.")
    rounds: int = Field(2, ge=2, description="Rounds, the random first one included; scores are refitted after each.")


# ----------------------------------------------------------------------------------------------- gradients


def _check_order(section: Section, low: str, high: str) -> None:
    first, last = getattr(section, low), getattr(section, high)
    if first > last:
        raise ValueError(f"{low} ({exact(first)}) is above {high} ({exact(last)})")


class Gradient(OfPaper):
    """The keys of all strategies that train a supernet with alphas."""

    #: forward and backward passes of the supernet for each training batch: those of the alphas, then of the weights
    passes: ClassVar[float] = 2
    #: what a batch trains: all operations, one on every edge, or one architecture
    path: ClassVar[Literal["all", "edge", "architecture"]] = "all"
    #: what a batch of the alphas computes; None: the same
    alpha_path: ClassVar[Literal["all", "edge", "architecture"] | None] = None

    kind: str
    epochs: Positive = Field(20, description="Passes over the training images.")
    batch_size: Positive = Field(32, description="Images of a weight step, and of an alpha step.")
    learning_rate: float = Field(0.05, gt=0, description="Peak learning rate of the weights (SGD, cosine).")
    learning_rate_min: float = Field(0.001, ge=0, description="Learning rate at the end of the cosine.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the weights' SGD.")
    weight_decay: float = Field(3e-4, ge=0, description="Weight decay of the weights; R-DARTS raises it (L2).")
    gradient_clip: float = Field(5.0, gt=0, description="Largest norm of the weights' gradient.")
    drop_path: float = Field(0.0, ge=0, lt=1, description="Drop-path probability; it rises linearly to this.")
    alpha_learning_rate: float = Field(3e-3, gt=0, description="Learning rate of the alphas (Adam, betas 0.5, 0.999).")
    alpha_weight_decay: float = Field(1e-3, ge=0, description="Weight decay of the alphas.")
    warmup_epochs: Natural = Field(0, description="First epochs, in which only the weights are trained.")
    eigenvalue: bool = Field(False, description="Record the alphas' largest Hessian eigenvalue after each epoch.")
    selection: Literal["argmax", "perturbation"] = Field(
        "argmax", description="How to discretise: the largest alphas, or what the supernet misses most (DARTS-PT)."
    )
    selection_epochs: Natural = Field(5, description="Epochs of learning between two decisions of `perturbation`.")
    candidates: Positive = Field(5, description="The most likely genotypes under the final alphas to pass on.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="bfloat16 is autocast of the supernet, worth it on a GPU; the alphas stay float32."
    )
    augment: Augment = Field(default_factory=Augment, description="Augmentation of both halves.")
    graphs: Annotated[bool, Strict()] = Field(
        True,
        description="Whether a CUDA GPU replays steps as CUDA graphs, which compute the same in less time. `gdas`, "
        "`rsws`, `setn`, drop path and several processes do not.",
    )
    processes: Processes = 1

    @model_validator(mode="after")
    def _cosine_falls(self) -> Gradient:
        _check_order(self, "learning_rate_min", "learning_rate")
        if self.warmup_epochs >= self.epochs:
            problem = f"warmup_epochs ({self.warmup_epochs}) must be below epochs ({self.epochs})"
            raise ValueError(f"{problem}: no alpha would be learnt")
        return self


class Darts(Gradient):
    """DARTS, first order (Liu, Simonyan & Yang 2019, section 2.3, xi = 0)."""

    kind: Literal["darts"] = Field("darts", description="Differentiable search, first order.")


class DartsSecondOrder(Gradient):
    """DARTS, second order: the alphas' gradient looks one step of the weights ahead (section 2.3)."""

    passes: ClassVar[float] = 5
    kind: Literal["darts_second_order"] = Field("darts_second_order", description="DARTS, second order.")
    hessian: Literal["finite_difference", "autograd"] = Field(
        "finite_difference", description="The Hessian-vector product: as in the paper (rough at kinks), or exact."
    )

    @model_validator(mode="after")
    def _one_process(self) -> DartsSecondOrder:
        if self.hessian == "autograd" and self.processes > 1:
            raise ValueError("hessian: autograd needs one process; set hessian: finite_difference or processes: 1")
        return self

    @model_validator(mode="after")
    def _differences_show(self) -> DartsSecondOrder:
        if self.hessian == "finite_difference" and self.precision == "bfloat16":
            problem = "precision is bfloat16, which rounds away the small steps of hessian: finite_difference"
            raise ValueError(f"{problem}; set hessian: autograd or precision: float32")
        return self


class DartsPlus(Gradient):
    """DARTS+ (Liang et al. 2019, section 3.3): the search stops before skip connections take over."""

    kind: Literal["darts_plus"] = Field("darts_plus", description="DARTS that stops before it collapses.")
    stop_skips: Positive = Field(2, description="Stop when the normal cell has this number of skip connections.")
    stop_stable: Positive = Field(
        10, description="Epochs of unchanged rankings of the operations with weights after which to stop."
    )
    stop_lead: float = Field(
        3.0,
        ge=0,
        description="Standard deviations of noise by which an alpha must lead before it stops anything; "
        "0: skip connections count by chance, too, as published.",
    )


class EarlyStopEigenvalue(Gradient):
    """R-DARTS by early stopping (Zela et al. 2020, section 4.3): stop when the Hessian's largest eigenvalue rises."""

    kind: Literal["early_stop_eigenvalue"] = Field(
        "early_stop_eigenvalue", description="DARTS that stops when the loss becomes sharp in the alphas."
    )
    eigenvalue: Literal[True] = Field(True, description="The eigenvalue decides here.")
    window: Positive = Field(
        5, description="k: the eigenvalue of an epoch is the mean of the k epochs around it; it is compared after k."
    )
    ratio: float = Field(
        0.75, gt=0, lt=1, description="Stop, and choose epoch i - k, if its mean / that of epoch i is below this."
    )
    burn_in: Natural = Field(0, description="First epochs, none of which is chosen; the authors' code has 10 of 50.")

    @model_validator(mode="after")
    def _can_stop(self) -> EarlyStopEigenvalue:
        if self.warmup_epochs + 2 * self.window > self.epochs:
            problem = f"epochs ({self.epochs}) has no two windows of {self.window} after warmup_epochs"
            raise ValueError(f"{problem} ({self.warmup_epochs}): it could never stop; raise epochs or lower window")
        if self.burn_in + self.window + self.window // 2 >= self.epochs:
            problem = f"burn_in ({self.burn_in}) leaves no epoch of {self.epochs} to go back to by {self.window} epochs"
            raise ValueError(f"{problem}: it could never stop; raise epochs, or lower burn_in or window")
        return self


class FairDarts(Gradient):
    """FairDARTS (Chu et al. 2020): sigmoids instead of a softmax, and a loss that drives them to 0 or 1."""

    kind: Literal["fair_darts"] = Field("fair_darts", description="Operations that do not compete with each other.")
    alpha_learning_rate: float = Field(3e-3, gt=0, description="Learning rate of the alphas (Adam, betas 0.9, 0.999).")
    zero_one_weight: float = Field(10.0, ge=0, description="Weight of the zero-one loss.")
    threshold: float = Field(
        0.85,
        gt=0,
        lt=1,
        description="Least sigmoid of a kept operation. An edge without one becomes `none` with "
        "`space.none_is_choice: true`; else it keeps its strongest operation.",
    )


class Sdarts(Gradient):
    """SDARTS (Chen & Hsieh 2020): weights are trained under a perturbation of the mix that grows over the epochs."""

    radius: float = Field(0.3, gt=0, le=1, description="Largest perturbation of a weight in the last epoch.")
    radius_min: float = Field(0.03, ge=0, le=1, description="The same in the first epoch.")

    @model_validator(mode="after")
    def _radius_grows(self) -> Sdarts:
        _check_order(self, "radius_min", "radius")
        return self


class SdartsRs(Sdarts):
    """SDARTS-RS: the perturbation is random."""

    kind: Literal["sdarts_rs"] = Field("sdarts_rs", description="DARTS smoothed by random perturbations.")


class SdartsAdv(Sdarts):
    """SDARTS-ADV: the perturbation is adversarial."""

    kind: Literal["sdarts_adv"] = Field("sdarts_adv", description="DARTS smoothed by adversarial perturbations.")
    steps: Positive = Field(7, description="Steps of projected gradient ascent that find the perturbation.")


class PcDarts(Gradient):
    """PC-DARTS (Xu et al. 2020): operations see 1 / `parts` of the channels; edges have weights of their own."""

    kind: Literal["pc_darts"] = Field("pc_darts", description="DARTS on a part of the channels.")
    parts: int = Field(4, ge=2, le=16, description="K: 1/K of the channels enter the operations, the rest bypass them.")


class Gdas(Gradient):
    """GDAS (Dong & Yang 2019): each batch trains one drawn operation an edge."""

    path: ClassVar[Literal["all", "edge", "architecture"]] = "edge"
    kind: Literal["gdas"] = Field("gdas", description="Differentiable sampling by Gumbel-softmax.")
    temperature: float = Field(10.0, gt=0, description="Softness of the draw's gradient in the first epoch.")
    temperature_min: float = Field(0.1, gt=0, description="The same in the last epoch.")

    @model_validator(mode="after")
    def _temperature_falls(self) -> Gdas:
        _check_order(self, "temperature_min", "temperature")
        return self


class DrnasStage(Section):
    """A stage of a progressive search (Chen et al. 2021, section 3.3)."""

    epochs: Positive = Field(description="Epochs of the stage.")
    operations: int | None = Field(
        None, ge=2, description="Operations that each edge keeps, those with the largest alphas; null: all."
    )
    parts: int = Field(1, ge=1, le=16, description="K: 1/K of the channels enter the operations, the rest bypass them.")


class Drnas(Gradient):
    """DrNAS (Chen et al. 2021): weights are drawn from Dirichlet distributions that are learnt."""

    kind: Literal["drnas"] = Field("drnas", description="Dirichlet architecture search.")
    alpha_weight_decay: float = Field(
        0.0, ge=0, description="Weight decay of the alphas, in the place of the divergence: one of the two is 0."
    )
    warmup_epochs: Natural = Field(0, description="First epochs of each stage, in which only the weights are trained.")
    divergence_weight: float = Field(1e-3, ge=0, description="Weight of the divergence from the flat distribution.")
    stages: list[DrnasStage] = Field(
        default_factory=list,
        description="The progressive search: stages, each with `epochs`, `operations` that edges keep (null: all) and "
        "`parts`, K of its partial channels; `epochs` is their sum. None: one stage of all operations and channels.",
    )

    @model_validator(mode="before")
    @classmethod
    def _epochs_of_the_stages(cls, given: Any) -> Any:
        stages = given.get("stages") if isinstance(given, dict) and "epochs" not in given else None
        if not stages or not isinstance(stages, list):
            return given
        epochs = [one.get("epochs") if isinstance(one, dict) else getattr(one, "epochs", None) for one in stages]
        return {**given, "epochs": sum(epochs)} if all(isinstance(one, int) for one in epochs) else given

    @model_validator(mode="after")
    def _one_regulariser(self) -> Drnas:
        if self.alpha_weight_decay > 0 and self.divergence_weight > 0:
            both = f"alpha_weight_decay ({exact(self.alpha_weight_decay)}) and divergence_weight"
            problem = f"{both} ({exact(self.divergence_weight)}) both hold the alphas near the flat distribution"
            raise ValueError(f"{problem}; set one of them to 0")
        return self

    @model_validator(mode="after")
    def _stages_follow(self) -> Drnas:
        if not self.stages:
            return self
        total = sum(stage.epochs for stage in self.stages)
        if self.epochs != total:
            problem = f"epochs is {self.epochs}, but the stages have {total} in all"
            raise ValueError(f"{problem}; leave epochs out, or change the epochs of stages")
        shortest = min(stage.epochs for stage in self.stages)
        if self.warmup_epochs >= shortest:
            problem = f"warmup_epochs ({self.warmup_epochs}) must be below the epochs of each stage ({shortest})"
            raise ValueError(f"{problem}: no alpha would be learnt in it")
        if self.stages[0].operations is not None:
            problem = f"stages[0].operations is {self.stages[0].operations}, but no alpha has learnt what to prune"
            raise ValueError(f"{problem} in the first stage; leave it out there")
        for number, (one, after) in enumerate(pairwise(self.stages), 1):
            if one.operations is not None and (after.operations is None or after.operations > one.operations):
                given = "all" if after.operations is None else after.operations
                problem = f"stages[{number}].operations is {given}, but the stage before keeps {one.operations}"
                raise ValueError(f"{problem}; what is pruned does not come back: lower it")
            if after.parts > one.parts:
                problem = f"stages[{number}].parts is {after.parts}, but the stage before has {one.parts}"
                raise ValueError(f"{problem}; channels only grow from stage to stage: lower it")
        if self.selection == "perturbation" and any(stage.operations for stage in self.stages):
            problem = "selection is perturbation, which asks for all operations, but stages prune some"
            raise ValueError(f"{problem}; set selection: argmax, or leave out stages")
        return self


class Rsws(Gradient):
    """Random search with weight sharing (Li & Talwalkar 2020): no alphas; the shared weights rank what is drawn."""

    passes: ClassVar[float] = 1
    path: ClassVar[Literal["all", "edge", "architecture"]] = "architecture"
    kind: Literal["rsws"] = Field("rsws", description="Random search with weight sharing.")
    selection: Literal["argmax"] = Field("argmax", description="There are no alphas to perturb.")
    evaluations: Positive = Field(100, description="Architectures drawn at the end and ranked with the shared weights.")


class Setn(Gradient):
    """SETN (Dong & Yang 2019, ICCV): uniformly drawn architectures train the weights; alphas say what is scored."""

    path: ClassVar[Literal["all", "edge", "architecture"]] = "architecture"
    alpha_path: ClassVar[Literal["all", "edge", "architecture"] | None] = "all"
    kind: Literal["setn"] = Field("setn", description="Self-evaluated template network.")
    selection: Literal["argmax"] = Field("argmax", description="The shared weights choose among the likeliest.")
    evaluations: Positive = Field(
        100, description="The likeliest architectures in the end, which are ranked with the shared weights."
    )


class Enas(OfPaper, Optimisation):
    """ENAS (Pham et al. 2018, sections 2.2 and 2.3): REINFORCE trains a controller over shared weights."""

    kind: Literal["enas"] = Field("enas", description="A controller trained by REINFORCE over shared weights.")
    epochs: Positive = Field(20, description="Passes over the training images; the controller is trained after each.")
    batch_size: Positive = Field(64, description="Images of a weight step, which trains one drawn architecture.")
    learning_rate: float = Field(0.05, gt=0, description="Peak learning rate of the weights; it falls to 0.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay of the weights, batch norms left out.")
    entangled: bool = Field(
        False, description="Whether mobile blocks that differ in kernel and expansion share weights."
    )
    hidden: Positive = Field(32, description="Units of the controller's LSTM.")
    controller_learning_rate: float = Field(5e-3, gt=0, description="Learning rate of the controller (Adam).")
    controller_steps: Positive = Field(40, description="Steps of the controller after each epoch.")
    controller_batch: Positive = Field(5, description="Architectures drawn and rewarded in each of these steps.")
    reward_images: Positive = Field(128, description="Validation images whose accuracy is the reward.")
    baseline_decay: float = Field(0.95, ge=0, lt=1, description="Decay of the rewards' moving average, the baseline.")
    entropy_weight: float = Field(1e-3, ge=0, description="Weight of the choices' entropy: higher explores longer.")
    calibration_images: Natural = Field(1024, description="Training images that batch norms are re-estimated on.")
    evaluations: Positive = Field(20, description="Architectures drawn at the end and ranked with the shared weights.")
    candidates: Positive = Field(5, description="The best of them, which are passed on.")


_Softmax = Darts | DartsSecondOrder | DartsPlus | EarlyStopEigenvalue
_Gradients = _Softmax | FairDarts | SdartsRs | SdartsAdv | PcDarts | Gdas | Drnas | Rsws | Setn
GradientStrategy = Annotated[_Gradients, Field(discriminator="kind")]
_Samplings = Random | Evolution | Nsga2 | Reinforce | LocalSearch | Predictor | Bayesian | Milp
SamplingStrategy = Annotated[_Samplings, Field(discriminator="kind")]
Strategy = Annotated[_Samplings | _Gradients | Enas, Field(discriminator="kind")]
#: strategies that ask for architectures round by round
SAMPLING: tuple[type[Section], ...] = get_args(_Samplings)
#: strategies that train a supernet of alphas
GRADIENT: tuple[type[Gradient], ...] = get_args(_Gradients)
_ALL: tuple[type[Section], ...] = (*SAMPLING, *GRADIENT, Enas)
STRATEGIES: dict[str, type[Section]] = {one.model_fields["kind"].default: one for one in _ALL}
#: the kinds of strategies that train a supernet of alphas
GRADIENT_KINDS = frozenset(kind for kind, one in STRATEGIES.items() if issubclass(one, Gradient))
#: the kinds of all that train a supernet of their own
SUPERNET_KINDS = GRADIENT_KINDS | {"enas"}
