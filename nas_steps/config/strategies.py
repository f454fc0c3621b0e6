"""The settings of every search strategy, by kind."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Protocol, get_args

from pydantic import Field, field_validator, model_validator

from nas_steps.config.recipe import Optimisation
from nas_steps.config.section import Augment, Natural, Positive, Processes, Section
from nas_steps.errors import exact

# ----------------------------------------------------------------------------------------------- sampling


class Random(Section):
    kind: Literal["random"] = Field("random", description="Uniform sampling without repeats.")
    evaluations: Literal["auto"] | Positive = Field(
        "auto",
        description="Architectures to try; `auto` matches the training cost (multiply-accumulates) of the "
        "dearest other strategy.",
    )
    rounds: Positive = Field(1, description="Rounds that the evaluations are spread over evenly.")

    @field_validator("evaluations", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

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
    sample: int = Field(4, ge=1, description="Drawn from the population for each tournament.")
    ageing: bool = Field(True, description="The oldest dies for each child; the worst, where this is false.")

    @model_validator(mode="after")
    def _sample_fits(self) -> Evolution:
        if self.sample > self.population:
            raise ValueError(f"sample ({self.sample}) is larger than population ({self.population}): lower sample")
        return self


class Nsga2(Population):
    """NSGA-II (Deb et al. 2002): the score together with what the network costs, a front instead of a best."""

    kind: Literal["nsga2"] = Field("nsga2", description="Evolution towards high scores at low costs.")
    objectives: list[Literal["macs", "parameters", "latency"]] = Field(
        ["macs"],
        min_length=1,
        description="What is to be small while the score is to be large; `latency` is predicted from blocks that are "
        "measured as search.constraints.latency says.",
    )
    crossover: float = Field(
        0.9, ge=0, le=1, description="Probability that a child has two parents, before it is mutated."
    )

    @field_validator("objectives")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError(f"an objective stands twice in {value}; name each once")
        return value


class Reinforce(Section):
    """An LSTM controller trained by REINFORCE (Zoph & Le 2017; Williams 1992), a batch a round.

    Adam and the moving-average baseline are Zoph & Le's, its decay is that of Dong & Yang (2020). The learning rate of
    the former (6e-4, for 12,800 architectures) learns nothing in a hundred: batch, updates, learning_rate and
    entropy_weight are those with which 100 evaluations found most on made-up landscapes (`benchmarks/landscapes.py`).
    """

    kind: Literal["reinforce"] = Field("reinforce", description="An LSTM controller trained by REINFORCE.")
    batch: Positive = Field(5, description="Architectures drawn from the controller and evaluated in each round.")
    rounds: Positive = Field(4, description="Rounds; the controller learns after each.")
    updates: Positive = Field(3, description="Steps of Adam after each round.")
    hidden: Positive = Field(32, description="Units of the LSTM, and numbers that a choice is embedded in.")
    learning_rate: float = Field(0.02, gt=0, description="Learning rate of the controller (Adam).")
    baseline_decay: float = Field(
        0.9, ge=0, lt=1, description="Decay of the moving average of the rewards, which is the baseline."
    )
    entropy_weight: float = Field(
        0.1, ge=0, description="Weight of the choices' entropy against rewards of spread one: higher explores longer."
    )


class Predictor(Section):
    """Predicts scores and evaluates what is promising, in the manner of BANANAS (White et al. 2021, section 4).

    The ensemble's size and the number of mutations are the paper's.
    """

    kind: Literal["predictor"] = Field("predictor", description="An ensemble predicts what is worth evaluating.")
    initial: int = Field(8, ge=2, description="Architectures of the first round, drawn at random.")
    batch: Positive = Field(4, description="Architectures evaluated in each round after the first.")
    rounds: Positive = Field(3, description="Rounds, the random first one included.")
    ensemble: int = Field(5, ge=2, description="Regressions, each fitted on scores drawn anew with replacement.")
    candidates: Positive = Field(
        100,
        description="Mutations of the best that are looked at in each round, beside as many random architectures.",
    )


class Sized(Protocol):
    """What `check` needs to know of a search space."""

    @property
    def name(self) -> str: ...

    def size(self) -> int: ...


def check(settings: Section, space: Sized) -> None:
    """Raise ValueError where a strategy that asks and tells cannot search `space`."""
    if isinstance(settings, (*SAMPLING, Enas)) and space.size() < 2:
        raise ValueError(
            f"space {space.name} has a single architecture, so there is nothing to search; widen the space"
        )


# ----------------------------------------------------------------------------------------------- gradients


class Gradient(Section):
    """What all strategies that train a supernet have in common; `kind` says which one it is."""

    #: forward and backward passes of the supernet for each training batch: those of the alphas, then of the weights
    passes: ClassVar[float] = 2
    #: what a batch trains: all operations, one on every edge, or one architecture
    path: ClassVar[Literal["all", "edge", "architecture"]] = "all"

    kind: str
    epochs: Positive = Field(20, description="Passes over the training images.")
    batch_size: Positive = Field(32, description="Images of a weight step, and of an alpha step.")
    learning_rate: float = Field(0.05, gt=0, description="Peak learning rate of the weights (SGD, cosine).")
    learning_rate_min: float = Field(0.001, ge=0, description="Where the cosine ends.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of the weights' SGD.")
    weight_decay: float = Field(
        3e-4, ge=0, description="Weight decay of the weights; raising it is R-DARTS's L2 regularisation."
    )
    gradient_clip: float = Field(5.0, gt=0, description="Largest norm of the weights' gradient.")
    drop_path: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Largest probability that an edge of the supernet contributes nothing to an image, reached "
        "linearly at the last epoch (R-DARTS's other regularisation).",
    )
    alpha_learning_rate: float = Field(
        3e-3, gt=0, description="Learning rate of the alphas (Adam, betas 0.5 and 0.999)."
    )
    alpha_weight_decay: float = Field(1e-3, ge=0, description="Weight decay of the alphas.")
    warmup_epochs: Natural = Field(0, description="First epochs in which the weights alone learn.")
    eigenvalue: bool = Field(
        False,
        description="Record the largest eigenvalue of the validation loss's Hessian in the alphas after each epoch.",
    )
    selection: Literal["argmax", "perturbation"] = Field(
        "argmax",
        description="How the alphas become an architecture: the largest weights, or DARTS-PT: what the supernet's "
        "validation accuracy misses most when it is taken away.",
    )
    selection_epochs: Natural = Field(
        1, description="Epochs in which the weights learn again after each decision of `perturbation`."
    )
    candidates: Positive = Field(5, description="The most likely genotypes under the final alphas to pass on.")
    augment: Augment = Field(default_factory=Augment, description="Augmentation of both halves.")
    processes: Processes = 1

    @model_validator(mode="after")
    def _cosine_falls(self) -> Gradient:
        if self.learning_rate_min > self.learning_rate:
            raise ValueError(
                f"learning_rate_min ({exact(self.learning_rate_min)}) is above "
                f"learning_rate ({exact(self.learning_rate)})"
            )
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs ({self.warmup_epochs}) must be below epochs ({self.epochs}): no alpha would be learnt"
            )
        return self


class Darts(Gradient):
    """DARTS, first order (Liu, Simonyan & Yang 2019, section 2.3, xi = 0)."""

    kind: Literal["darts"] = Field("darts", description="Differentiable search, first order.")


class DartsSecondOrder(Gradient):
    """DARTS, second order: the alphas' gradient looks one step of the weights ahead (section 2.3)."""

    passes: ClassVar[float] = 5
    kind: Literal["darts_second_order"] = Field("darts_second_order", description="DARTS, second order.")
    hessian: Literal["finite_difference", "autograd"] = Field(
        "finite_difference",
        description="How the unrolled step's Hessian-vector product is computed: as in the paper (a rough figure: the "
        "step crosses kinks of ReLU and pooling), or exactly.",
    )

    @model_validator(mode="after")
    def _one_process(self) -> DartsSecondOrder:
        if self.hessian == "autograd" and self.processes > 1:
            raise ValueError(
                "hessian: autograd cannot be shared among processes; set hessian: finite_difference or processes: 1"
            )
        return self


class DartsPlus(Gradient):
    """DARTS+ (Liang et al. 2019, section 3.3): the search stops before skip connections take over."""

    kind: Literal["darts_plus"] = Field("darts_plus", description="DARTS that stops before it collapses.")
    stop_skips: Positive = Field(2, description="Stop when the normal cell has so many skip connections.")
    stop_stable: Positive = Field(
        10, description="Stop when the ranking of the operations on every edge stayed the same for so many epochs."
    )


class EarlyStopEigenvalue(Gradient):
    """R-DARTS by early stopping (Zela et al. 2020, section 4.3): stop when the Hessian's largest eigenvalue rises."""

    kind: Literal["early_stop_eigenvalue"] = Field(
        "early_stop_eigenvalue", description="DARTS that stops when the loss becomes sharp in the alphas."
    )
    eigenvalue: Literal[True] = Field(True, description="The eigenvalue decides here.")
    window: Positive = Field(5, description="Epochs that the eigenvalue is averaged over and compared across.")
    ratio: float = Field(
        0.75,
        gt=0,
        lt=1,
        description="Stop, and go back by `window` epochs, when the earlier mean falls below this "
        "share of the later one.",
    )

    @model_validator(mode="after")
    def _can_stop(self) -> EarlyStopEigenvalue:
        if self.warmup_epochs + 2 * self.window > self.epochs:
            raise ValueError(
                f"epochs ({self.epochs}) leaves no room for two windows of {self.window} after warmup_epochs "
                f"({self.warmup_epochs}): it could never stop; raise epochs or lower window"
            )
        return self


class FairDarts(Gradient):
    """FairDARTS (Chu et al. 2020): sigmoids instead of a softmax, and a loss that drives them to 0 or 1."""

    kind: Literal["fair_darts"] = Field("fair_darts", description="Operations that do not compete with each other.")
    zero_one_weight: float = Field(10.0, ge=0, description="Weight of the zero-one loss.")


def _not_below(start: str, end: str, first: float, last: float) -> None:
    if first > last:
        raise ValueError(f"{start} ({exact(first)}) is above {end} ({exact(last)})")


class Sdarts(Gradient):
    """SDARTS (Chen & Hsieh 2020): weights learn under a disturbance of the mix that grows over the epochs."""

    radius: float = Field(0.3, gt=0, le=1, description="Largest disturbance of a weight in the last epoch.")
    radius_min: float = Field(0.03, ge=0, le=1, description="The same in the first epoch.")

    @model_validator(mode="after")
    def _radius_grows(self) -> Sdarts:
        _not_below("radius_min", "radius", self.radius_min, self.radius)
        return self


class SdartsRs(Sdarts):
    """SDARTS-RS: the disturbance is random."""

    kind: Literal["sdarts_rs"] = Field("sdarts_rs", description="DARTS smoothed by random disturbances.")


class SdartsAdv(Sdarts):
    """SDARTS-ADV: the disturbance is the worst that is found."""

    kind: Literal["sdarts_adv"] = Field("sdarts_adv", description="DARTS smoothed by adversarial disturbances.")
    steps: Positive = Field(7, description="Steps of projected gradient ascent that look for the disturbance.")


class PcDarts(Gradient):
    """PC-DARTS (Xu et al. 2020): operations see 1 / `parts` of the channels; edges have weights of their own."""

    kind: Literal["pc_darts"] = Field("pc_darts", description="DARTS on a part of the channels.")
    parts: int = Field(4, ge=2, le=16, description="Into so many parts the channels are split; one is mixed.")


class Gdas(Gradient):
    """GDAS (Dong & Yang 2019): each batch trains one drawn operation an edge."""

    path: ClassVar[Literal["all", "edge", "architecture"]] = "edge"
    kind: Literal["gdas"] = Field("gdas", description="Differentiable sampling by Gumbel-softmax.")
    temperature: float = Field(10.0, gt=0, description="Softness of the draw's gradient in the first epoch.")
    temperature_min: float = Field(0.1, gt=0, description="The same in the last epoch.")

    @model_validator(mode="after")
    def _temperature_falls(self) -> Gdas:
        _not_below("temperature_min", "temperature", self.temperature_min, self.temperature)
        return self


class Drnas(Gradient):
    """DrNAS (Chen et al. 2021): weights are drawn from Dirichlet distributions that are learnt."""

    kind: Literal["drnas"] = Field("drnas", description="Dirichlet architecture search.")
    divergence_weight: float = Field(1e-3, ge=0, description="Weight of the divergence from the flat distribution.")


class Rsws(Gradient):
    """Random search with weight sharing (Li & Talwalkar 2020): no alphas; the shared weights rank what is drawn."""

    passes: ClassVar[float] = 1
    path: ClassVar[Literal["all", "edge", "architecture"]] = "architecture"
    kind: Literal["rsws"] = Field("rsws", description="Random search with weight sharing.")
    selection: Literal["argmax"] = Field("argmax", description="There are no alphas to perturb.")
    evaluations: Positive = Field(
        100, description="Architectures drawn in the end, to be ranked by their accuracy with the shared weights."
    )


class Enas(Optimisation):
    """ENAS (Pham et al. 2018, sections 2.2 and 2.3): a controller learns by REINFORCE over weights that all share.

    Learning rate, entropy weight and numbers of steps are for a search of minutes; the paper's controller has 3.5e-4,
    1e-4 and 2,000 steps of one architecture in each of 150 epochs.
    """

    kind: Literal["enas"] = Field("enas", description="A controller trained by REINFORCE over shared weights.")
    epochs: Positive = Field(20, description="Passes over the training images, after each of which it learns.")
    batch_size: Positive = Field(64, description="Images of a weight step, along one architecture that is drawn.")
    learning_rate: float = Field(0.05, gt=0, description="Peak learning rate of the weights; it falls to 0.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay of the weights, batch norms left out.")
    entangled: bool = Field(
        False, description="Whether blocks of a mobile space that differ in kernel and expansion alone share weights."
    )
    hidden: Positive = Field(32, description="Units of the controller's LSTM.")
    controller_learning_rate: float = Field(5e-3, gt=0, description="Learning rate of the controller (Adam).")
    controller_steps: Positive = Field(40, description="Steps of the controller after each epoch.")
    controller_batch: Positive = Field(5, description="Architectures that are drawn and rewarded in each of them.")
    reward_images: Positive = Field(128, description="Validation images whose accuracy is the reward.")
    baseline_decay: float = Field(0.95, ge=0, lt=1, description="Decay of the rewards' moving average, the baseline.")
    entropy_weight: float = Field(1e-3, ge=0, description="Weight of the choices' entropy: higher explores longer.")
    calibration_images: Natural = Field(
        1024, description="Training images that batch norms are re-estimated on before an architecture is scored."
    )
    evaluations: Positive = Field(
        20, description="Architectures drawn from the controller in the end, to be ranked with the shared weights."
    )
    candidates: Positive = Field(5, description="The best of them, to pass on.")


_Gradients = (
    Darts
    | DartsSecondOrder
    | DartsPlus
    | EarlyStopEigenvalue
    | FairDarts
    | SdartsRs
    | SdartsAdv
    | PcDarts
    | Gdas
    | Drnas
    | Rsws
)
GradientStrategy = Annotated[_Gradients, Field(discriminator="kind")]
_Samplings = Random | Evolution | Nsga2 | Reinforce | Predictor
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
