"""Other tools' searches, each driven by its own ask and tell.

Every tool searches categorical parameters and has its default settings, with two exceptions. Syne Tune's evolution has
the population and sample of NAS-Bench-201 (10 and 3): its default population, 100, would draw all of 100 evaluations at
random. Syne Tune's BoTorch runs twice: its default climbs to points inside the cube of one-hot codes, which round to
what was evaluated before, again and again; `_random` takes the best of random points, by an option of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

#: name of a parameter -> its options
Parameters = Mapping[str, tuple[str, ...]]


class Searcher(Protocol):
    """Ask for one configuration, tell what it scores (in %, to be maximised), and so on."""

    def ask(self) -> Mapping[str, str]: ...

    def tell(self, score: float) -> None: ...


class Optuna:
    """A study of Optuna with one of its samplers."""

    def __init__(self, sampler: str, parameters: Parameters, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        made = getattr(optuna.samplers, sampler)(seed=seed)
        self.study = optuna.create_study(direction="maximize", sampler=made)
        self.distributions = {
            name: optuna.distributions.CategoricalDistribution(options) for name, options in parameters.items()
        }

    def ask(self) -> Mapping[str, str]:
        self.trial = self.study.ask(self.distributions)
        return self.trial.params

    def tell(self, score: float) -> None:
        self.study.tell(self.trial, score)


class SyneTune:
    """A scheduler of Syne Tune's baselines; `options` are its further arguments."""

    def __init__(self, scheduler: str, parameters: Parameters, seed: int, **options: Any) -> None:
        from syne_tune.config_space import choice
        from syne_tune.optimizer import baselines
        from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

        space = {name: choice(list(values)) for name, values in parameters.items()}
        made = getattr(baselines, scheduler)(space, metric="score", do_minimize=False, random_seed=seed, **options)
        self.scheduler = AskTellScheduler(made)

    def ask(self) -> Mapping[str, str]:
        self.trial = self.scheduler.ask()
        return self.trial.config

    def tell(self, score: float) -> None:
        self.scheduler.tell(self.trial, {"score": score})


class NepsBayesian:
    """NePS's Bayesian optimisation, which its `auto` takes for such a space."""

    def __init__(self, parameters: Parameters, _seed: int) -> None:
        import neps

        space = neps.SearchSpace({name: neps.HPOCategorical(list(options)) for name, options in parameters.items()})
        self.optimizer = neps.AskAndTell(neps.algorithms.bayesian_optimization(space))

    def ask(self) -> Mapping[str, str]:
        self.trial = self.optimizer.ask()
        return self.trial.config

    def tell(self, score: float) -> None:
        self.optimizer.tell(self.trial, 100 - score)


class NepsEvolution:
    """NePS's regularised evolution, its algorithm for spaces of architectures: mutation and crossover."""

    def __init__(self, parameters: Parameters, _seed: int) -> None:
        import neps
        from neps.space.neps_spaces.neps_space import adjust_evaluation_pipeline_for_neps_space

        declared = {name: neps.Categorical(options) for name, options in parameters.items()}
        space = type("Architectures", (neps.PipelineSpace,), declared)()
        self.optimizer = neps.AskAndTell(neps.algorithms.neps_regularized_evolution(space))
        #: what a function to optimise would get
        self.options_of = adjust_evaluation_pipeline_for_neps_space(dict, space)

    def ask(self) -> Mapping[str, str]:
        self.trial = self.optimizer.ask()
        return self.options_of(**self.trial.config)

    def tell(self, score: float) -> None:
        self.optimizer.tell(self.trial, 100 - score)


@dataclass(frozen=True)
class Tool:
    """How a tool's searcher is made, of parameters and a seed below 2**32."""

    make: Callable[[Parameters, int], Searcher]
    #: the distributions that decide what it finds
    packages: tuple[str, ...]
    #: whether a search of 100 evaluations takes more than about 5 s
    slow: bool = False

    def start(self, parameters: Parameters, seed: int) -> Searcher:
        """Seed the generators that the tools share, and make the searcher: some draw from them."""
        import numpy as np
        import torch

        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        return self.make(parameters, seed)

    def versions(self) -> str | None:
        """Name the packages and their versions; None if one is not installed."""
        try:
            return ", ".join(f"{name} {version(name)}" for name in self.packages)
        except PackageNotFoundError:
            return None


TOOLS: dict[str, Tool] = {
    "optuna_tpe": Tool(partial(Optuna, "TPESampler"), ("optuna",)),
    "optuna_gp": Tool(partial(Optuna, "GPSampler"), ("optuna", "torch"), slow=True),
    "syne_tune_rea": Tool(partial(SyneTune, "REA", population_size=10, sample_size=3), ("syne-tune",)),
    "syne_tune_bore": Tool(partial(SyneTune, "BORE"), ("syne-tune", "xgboost"), slow=True),
    "syne_tune_cqr": Tool(partial(SyneTune, "CQR"), ("syne-tune", "scikit-learn"), slow=True),
    "syne_tune_botorch": Tool(partial(SyneTune, "BOTorch"), ("syne-tune", "botorch"), slow=True),
    "syne_tune_botorch_random": Tool(
        partial(SyneTune, "BOTorch", searcher_kwargs={"optimization_strategy": "random"}),
        ("syne-tune", "botorch"),
        slow=True,
    ),
    "neps_evolution": Tool(NepsEvolution, ("neural-pipeline-search",)),
    "neps_bayesian": Tool(NepsBayesian, ("neural-pipeline-search", "botorch"), slow=True),
}
