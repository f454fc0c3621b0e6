"""The search: the key `search`."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from nas_steps.config.constraints import Constraints, Latency
from nas_steps.config.estimators import Estimator, Screen, ShortTraining, named_kind
from nas_steps.config.section import LONGEST_ENTRY, NAME, Positive, Section, with_names
from nas_steps.config.space import Network
from nas_steps.config.strategies import Bayesian, Darts, Evolution, Random, Strategy
from nas_steps.spaces.constraints import given


def _default_strategies() -> dict[str, Strategy]:
    return {"random": Random(), "evolution": Evolution(), "darts": Darts()}


class Search(Section):
    network: Network = Field(
        default_factory=lambda: Network(channels=8, cells=3, stem_multiplier=3),
        description="The skeleton of supernets and candidates.",
    )
    estimator: Estimator = Field(
        default_factory=lambda: ShortTraining(epochs=8),
        description="What scores an architecture; without `kind` it is `short_training`.",
    )
    screen: Screen | None = Field(None, description="A score without training that selects proposals; null: all.")
    constraints: Constraints | None = Field(None, description="Limits of evaluated architectures; null: none.")
    seeds: Positive = Field(1, description="Runs of each strategy, with seeds 0, 1, ...")
    strategies: dict[Annotated[str, Field(pattern=NAME, max_length=LONGEST_ENTRY)], Strategy] = Field(
        default_factory=_default_strategies,
        description="By name; `kind` may be left out if the name is a kind. `random` is not optional.",
    )

    @field_validator("estimator", mode="before")
    @classmethod
    def _short_training_is_meant(cls, value: Any) -> Any:
        return named_kind(value)

    @field_validator("strategies", mode="before")
    @classmethod
    def _name_is_kind(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {"kind": name, **settings} if isinstance(settings, dict) else settings
            for name, settings in with_names(value).items()
        }

    @field_validator("strategies")
    @classmethod
    def _random_is_there(cls, value: dict[str, Any]) -> dict[str, Any]:
        randoms = [name for name, strategy in value.items() if strategy.kind == "random"]
        if not randoms:
            raise ValueError("no entry of kind random, with which all are compared; add the line `random: {}`")
        if all(strategy.kind == "random" and strategy.evaluations == "auto" for strategy in value.values()):
            raise ValueError("random is the only strategy; give it a number, say `random: {evaluations: 16}`")
        return value


def constrained(search: Search) -> dict[str, float]:
    """Return the constraints that are not null, by name."""
    return {} if search.constraints is None else given(search.constraints)


def measured_latency(search: Search) -> Latency | None:
    """Return how latency is measured; None if it is neither constrained nor an objective."""
    constraints = search.constraints or Constraints()
    objective = any("latency" in getattr(one, "objectives", ()) for one in search.strategies.values())
    return constraints.latency if objective or constraints.latency_ms is not None else None


def needs_costs(search: Search) -> bool:
    """Return whether the search needs the cost of each block of a network."""
    foreseen = any(isinstance(one, Bayesian) and one.objectives for one in search.strategies.values())
    return bool(constrained(search)) or foreseen or measured_latency(search) is not None
