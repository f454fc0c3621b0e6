"""What each job of an experiment is going to compute: trainings, image passes, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any

from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Training, ZeroCost, rungs
from nas_steps.config.ranking import ranking_recipe
from nas_steps.config.strategies import Drnas, Enas, Gradient, PcDarts, Random, Rsws, SdartsAdv, Setn
from nas_steps.config.weights import pretrains
from nas_steps.facts import CALIBRATION_BATCH, PROBE
from nas_steps.search.counting import most_evaluations
from nas_steps.search.halving import trainings
from nas_steps.search.sampling import evaluations, round_size
from nas_steps.search.selecting import compared, tuned
from nas_steps.search.slots import slot_of
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.mobile.efficientnet import triples
from nas_steps.workflow.forecast.images import Images
from nas_steps.workflow.forecast.sizes import Sizes, hand_designed
from nas_steps.workflow.plan import Plan

#: rules whose work is training
TRAINING_RULES = (
    *("evaluate", "darts", "enas", "supernet", "train_sample", "score_sample", "train_shortlist", "retrain"),
    *("retrain_by_recipe", "train_grid", "train_member", "train_design"),
)
#: a training pass costs about three forward passes
TRAINING = 3
#: share of random search's networks within smaller budgets that are other ones than in the end
OTHER = 0.5
#: architectures that are looked at to describe a supernet
DESCRIBED = 32
#: networks that are exported: the recommended one, alternatives, the best of each kind
EXPORTED = 5
#: least number of evaluations of random search
FEWEST = 2
#: trained networks of `shortlist: auto`, which is known only later
AUTO = 3


@dataclass(frozen=True)
class Work:
    """`networks` that are trained, `passes` of an image forward and back, `macs` of all passes (forward ones, too),
    `batches` of both, `images` of a folder that are read."""

    networks: float = 0.0
    passes: float = 0.0
    macs: float = 0.0
    batches: float = 0.0
    images: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: float) -> Work:
        return Work(*(one * times for one in astuple(self)))


class Workload:
    """The work of the jobs of a plan on `images`."""

    def __init__(self, plan: Plan, images: Images) -> None:
        self.plan = plan
        self.config = plan.config
        self.images = images
        self.sizes = Sizes(plan.config, images)
        self._evaluated: dict[str, int] = {}
        self._by_rule: dict[str, Callable[[Mapping[str, Any]], Work]] = {
            "data": lambda _: Work(images=images.read if plan.config.data.source == "folder" else 0),
            "evaluate": self._evaluate,
            "darts": lambda job: self._gradient(job["strategy"]),
            "enas": lambda job: self._enas(job["strategy"]),
            "supernet": lambda _: self._supernet,
            "supernet_statistics": lambda _: self._scored() * (2 * DESCRIBED),
            "one_shot": lambda job: self._scored() * most_evaluations(self.config, job["strategy"]),
            "score_by_supernet": lambda _: self._scored() * self.config.ranking.uniform,
            "train_sample": lambda _: self._ranked * (self.config.ranking.uniform / self.config.shards),
            "score_sample": lambda _: self._scoring * (self.config.ranking.uniform / self.config.shards),
            "train_shortlist": lambda _: self._ranked * (self._shortlisted / self.config.shards),
            "retrain": lambda job: self._final(self.config.retrain.recipe, job["entry"]),
            "retrain_by_recipe": lambda job: self._final(self.config.retrain.recipes[job["recipe"]], job["entry"]),
            "train_grid": lambda _: self._grid,
            "train_member": lambda job: self._member(int(job["member"])),
            "train_design": lambda job: self._design(job["scaling"]),
            "export_networks": lambda _: self._exported(EXPORTED),
            "export_scaled": lambda _: self._exported(self._members),
        }

    def of(self, rule: str, wildcards: Mapping[str, Any]) -> Work:
        """Return the work of one job; none of a rule that trains nothing."""
        return self._by_rule.get(rule, lambda _: Work())(wildcards)

    def trained(
        self,
        recipe: Any,
        macs: float,
        *,
        share: float = 1.0,
        epochs: float | None = None,
        looks: float | None = None,
        frozen: float = 0.0,
    ) -> Work:
        """Return the work of one training by a recipe that `looks` at the validation images, once an epoch if None.

        A `frozen` share of the network is passed forward alone.
        """
        epochs = recipe.epochs if epochs is None else epochs
        passes = epochs * self.images.train * share
        looked = self.images.valid * (epochs if looks is None else looks)
        return Work(
            1, passes, ((TRAINING - (TRAINING - 1) * frozen) * passes + looked) * macs, passes / recipe.batch_size
        )

    def _frozen(self, recipe: Any) -> float:
        """Return the share of a slice of pretrained weights that does not learn."""
        return self.sizes.frozen(recipe.frozen_stages) if pretrains(self.config.weights) else 0.0

    # -------------------------------------------------------------------------------------------- search

    @cached_property
    def _scoring(self) -> Work:
        """The work of one evaluation; with successive halving that of the first rung."""
        estimator = self.config.search.estimator
        if isinstance(estimator, SharedWeights):
            return self._scored()
        if isinstance(estimator, ZeroCost):
            return Work(macs=TRAINING * estimator.batch_size * self.sizes.candidate(), batches=1)
        if not isinstance(estimator, Training):
            return Work()
        macs, epochs, times = self.sizes.candidate(estimator.resolution), float(estimator.epochs), 1
        if isinstance(estimator, ShortTraining):
            epochs, times = rungs(estimator)[0], estimator.seeds
        elif isinstance(estimator, Extrapolation):
            epochs = estimator.observe
        return self.trained(estimator, macs, share=estimator.images, epochs=epochs, looks=1) * times

    def _scored(self) -> Work:
        """The work of scoring one architecture by shared weights."""
        estimator = self.config.search.estimator
        valid, calibrating = self.images.valid, 1024
        if isinstance(estimator, SharedWeights):
            valid = min(valid, estimator.valid_images or valid)
            calibrating = min(self.images.train, estimator.calibration_images)
        side = estimator.supernet.resolution if isinstance(estimator, SharedWeights) else None
        images = valid + calibrating // CALIBRATION_BATCH * CALIBRATION_BATCH
        return Work(macs=images * self.sizes.candidate(side, final=False), batches=images / CALIBRATION_BATCH / 3)

    def _evaluate(self, job: Mapping[str, Any]) -> Work:
        strategy = self.config.search.strategies[job["strategy"]]
        size = round_size(strategy, int(job["round"]), self._evaluations(job["strategy"]))  # type: ignore[arg-type]
        estimator, times = self.config.search.estimator, float(size)
        if isinstance(estimator, ShortTraining) and estimator.halving is not None:
            reached = rungs(estimator)
            by_rung = trainings(len(reached), estimator.halving.eta, [size])
            times = sum(count * epochs for count, epochs in zip(by_rung, reached, strict=True)) / reached[0]
        return self._scoring * (times / self.config.shards)

    def _evaluations(self, name: str) -> int:
        """Return the evaluations of a strategy; random search is matched to the most expensive other one."""
        if name not in self._evaluated:
            self._evaluated[name] = self._counted(name)
        return self._evaluated[name]

    def _counted(self, name: str) -> int:
        strategies = self.config.search.strategies
        own = evaluations(strategies[name])  # type: ignore[arg-type]
        if isinstance(own, int):
            return own
        costs = [self._price(other) for other, one in strategies.items() if not isinstance(one, Random)]
        return max(FEWEST, round(max(costs, default=0.0) / max(self._scoring.macs, 1.0)))

    def _price(self, name: str) -> float:
        """Return what the budget counts of a strategy; looking at a supernet after each epoch is no part of it."""
        strategy = self.config.search.strategies[name]
        if isinstance(strategy, Gradient):
            looks = sum(epochs * self.images.valid * macs for epochs, macs in self._stages_of(strategy))
            return self._gradient(name).macs - looks
        return self._enas(name).macs if isinstance(strategy, Enas) else self._scoring.macs * self._evaluations(name)

    def _stages_of(self, strategy: Gradient, path: str = "") -> list[tuple[int, float]]:
        """Return the epochs of each stage of a supernet's training, and the size of its supernet as the alphas see it.

        A `path` says what else a pass computes.
        """
        path = path or strategy.alpha_path or strategy.path
        if isinstance(strategy, Drnas) and strategy.stages:
            return [(one.epochs, self.sizes.supernet(path, one.parts, one.operations)) for one in strategy.stages]
        parts = strategy.parts if isinstance(strategy, PcDarts) else 1
        return [(strategy.epochs, self.sizes.supernet(path, parts))]

    def _gradient(self, name: str) -> Work:
        strategy = self.config.search.strategies[name]
        assert isinstance(strategy, Gradient)
        # of a batch, those that look for the worst disturbance, too; two of these are forward passes alone
        more = strategy.steps + 2 / TRAINING if isinstance(strategy, SdartsAdv) else 0
        found = Work(1)
        weights = self._stages_of(strategy, strategy.path)
        for (epochs, of_weights), (_, of_alphas) in zip(weights, self._stages_of(strategy), strict=True):
            one = epochs * self.images.train
            passes = (strategy.passes + more) * one
            macs = TRAINING * one * ((1 + more) * of_weights + (strategy.passes - 1) * of_alphas)
            found += Work(0, passes, macs + epochs * self.images.valid * of_alphas, passes / strategy.batch_size)
        if strategy.selection == "perturbation" and isinstance(self.sizes.space, CellSpace):
            found += self._selection(strategy, self.sizes.space)
        return found + self._scored() * (strategy.evaluations if isinstance(strategy, Rsws | Setn) else 0)

    def _selection(self, strategy: Gradient, space: CellSpace) -> Work:
        """The work of a selection by perturbation: learning between the decisions, and looks before them."""
        parts = strategy.parts if isinstance(strategy, PcDarts) else 1
        whole, single, rest = (self.sizes.supernet(path, parts) for path in ("all", "edge", "none"))
        learning = single if strategy.path == "edge" else whole
        stages, looks = list(tuned(space)), list(compared(space))
        each = strategy.selection_epochs * strategy.passes * self.images.train
        macs = TRAINING * each * sum(stage.macs(learning, single, rest) for stage in stages)
        macs += self.images.valid * sum(count * stage.macs(whole, single, rest) for count, stage in looks)
        passes = each * len(stages)
        return Work(0, passes, macs, passes / strategy.batch_size)

    def _enas(self, name: str) -> Work:
        strategy = self.config.search.strategies[name]
        assert isinstance(strategy, Enas)
        rewarded = strategy.epochs * strategy.controller_steps * strategy.controller_batch
        macs = self.sizes.candidate()
        rewards = Work(macs=rewarded * strategy.reward_images * macs, batches=rewarded / TRAINING)
        return self.trained(strategy, macs) + rewards + self._scored() * strategy.evaluations

    @cached_property
    def _supernet(self) -> Work:
        estimator = self.config.search.estimator
        assert isinstance(estimator, SharedWeights)
        settings = estimator.supernet
        side, mean = settings.resolution, self.sizes.candidate(settings.resolution)
        paths: list[float] = [mean]
        if settings.sampling == "sandwich":
            ends = [self.sizes.extreme("largest", side), self.sizes.extreme("smallest", side)]
            paths = [*ends, *[mean] * settings.between]
        elif settings.sampling == "fair":
            paths = [mean] * max(self.sizes.space.sites().counts)
        passes = settings.epochs * self.images.train * settings.images
        return Work(1, passes * len(paths), TRAINING * passes * sum(paths), passes * len(paths) / settings.batch_size)

    # --------------------------------------------------------------------------- ranking, final trainings

    @cached_property
    def _ranked(self) -> Work:
        recipe = ranking_recipe(self.config.ranking, self.config.retrain)
        return self.trained(recipe, self.sizes.candidate(final=True), looks=1, frozen=self._frozen(recipe))

    @property
    def _shortlisted(self) -> float:
        """The networks of the shortlist; what random search had found earlier is partly the same."""
        ranking, search = self.config.ranking, self.config.search
        each = AUTO if ranking.shortlist == "auto" else ranking.shortlist
        others = sum(one.kind != "random" for one in search.strategies.values())
        return search.seeds * (each * len(search.strategies) + OTHER * max(0, others - 1))

    def _final(self, recipe: Any, entry: str) -> Work:
        kind, times = self.plan.entries[entry], 1.0
        frozen = 0.0 if kind in ("baseline", "from_nothing") or entry == PROBE else self._frozen(recipe)
        macs = self.sizes.candidate(final=True)
        if kind == "baseline":
            macs = hand_designed(self.sizes, entry)
        elif kind == "largest":
            macs = self.sizes.extreme("largest")
        elif entry == PROBE:
            macs = self.sizes.whole() / TRAINING  # nothing goes back through a frozen backbone
        elif kind == "pretrained":
            side = entry.rpartition("_r")[2]
            macs = self.sizes.whole(int(side) if side.isdigit() else 0)
        elif kind == "random" and slot_of(entry) > 1:
            # the slot of the strategy that random search is matched to is the whole search
            others = sum(one.kind != "random" for one in self.config.search.strategies.values())
            times = OTHER * max(0, others - 1) / max(1, others)
        found = self.trained(recipe, macs, frozen=frozen)
        tested = Work(macs=self.images.test * macs, batches=self.images.test / recipe.batch_size / TRAINING)
        return (found + tested) * times

    # ------------------------------------------------------------------------------- scaling and export

    @cached_property
    def _grid(self) -> Work:
        scaling = self.config.scaling
        grid = triples(scaling.factors, scaling.depth, scaling.width, scaling.resolution, scaling.tolerance)
        one = self.trained(scaling.recipe, 2 * self.sizes.candidate(final=True))
        return one * ((len(grid) if len(grid) > 1 else 0) / self.config.shards)

    @property
    def _members(self) -> int:
        """The members of the family within the budget."""
        macs, scaling = self.sizes.candidate(final=True), self.config.scaling
        return sum(macs * 2**member <= scaling.mac_budget for member in range(scaling.members))

    def _member(self, member: int) -> Work:
        macs = self.sizes.candidate(final=True) * 2**member
        return self.trained(self.config.retrain.recipe, macs) if member < self._members else Work()

    def _design(self, scaling: str) -> Work:
        factorial = self.config.scaling.factorial
        times = 1.0 if scaling == "none" else factorial.factor
        recipe = factorial.recipe or self.config.retrain.recipe
        return self.trained(recipe, times * self.sizes.candidate(final=True))

    def _exported(self, networks: int) -> Work:
        """Exported files are compared with torch on all test images, INT8 ones, too."""
        return Work(macs=3 * networks * self.images.test * self.sizes.candidate(final=True))
