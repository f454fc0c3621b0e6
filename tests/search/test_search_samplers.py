"""What every strategy that asks and tells promises, whatever it is."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError
from sampled_spaces import ROOMY, SETTINGS, SMALLEST, TWO_OPERATIONS, estimate, propose, same
from stepping import run, settings_files

from nas_steps.config import strategies
from nas_steps.config.checks import check_strategies
from nas_steps.config.load import load
from nas_steps.config.search import Search
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import SCREENED, Estimate, write_estimates
from nas_steps.provenance.files import read_csv
from nas_steps.search import protocol, sampling
from nas_steps.search.sampling import evaluations, round_size, sampler
from nas_steps.search.state import load_state, save_state
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.protocol import members

every_strategy = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def advance(*given: Any, **named: Any) -> tuple[list[str], Any]:
    """`sampling.advance` without successive halving: the names alone, and the state."""
    asked, state = sampling.advance(*given, **named)
    assert all(epochs is None for _, epochs in asked)
    return [architecture for architecture, _ in asked], state


def told(asked: list[str], number: int) -> list[Estimate]:
    """Of each round one training failed, and one architecture was rejected untrained."""
    status = {0: "diverged", 2: SCREENED} if number else {0: "diverged"}
    return [estimate(index, text, status.get(index, "ok")) for index, text in enumerate(asked)]


@every_strategy
def test_saved_and_restored_is_replayed_is_run_straight(settings: Any, tmp_path: Path) -> None:
    straight = sampler(settings, ROOMY)
    history: list[list[Estimate]] = []
    state = None
    for number in range(settings.rounds):
        count = round_size(settings, number, 20)
        replayed, whole = advance(settings, ROOMY, history, count=count, seed=3)
        asked, state = advance(settings, ROOMY, history, count=count, seed=3, state=state)
        assert asked == replayed
        assert same(state, whole)
        save_state(tmp_path / "state.safetensors", state)
        state = load_state(tmp_path / "state.safetensors")
        assert same(state, whole)
        history.append(told(asked, number))
        again = sampler(settings, ROOMY)
        again.restore(state)
        again.tell(history[-1])
        straight.tell(history[-1])
        assert same(again.state(), straight.state())


@every_strategy
def test_asked_and_told_at_a_stretch_is_the_same_as_round_by_round(settings: Any) -> None:
    one, other = sampler(settings, ROOMY), sampler(settings, ROOMY)
    for number in range(settings.rounds):
        asked = list(map(str, one.ask(round_size(settings, number, 20), Random(number))))
        one.tell(told(asked, number))
        other.tell(told(asked, number))  # without having asked
        assert same(one.state(), other.state())


@every_strategy
@pytest.mark.parametrize("space", PRESETS.values(), ids=PRESETS)
def test_every_strategy_works_in_every_space_and_asks_nothing_twice(settings: Any, space: CellSpace) -> None:
    history: list[list[Estimate]] = []
    for _ in range(3):
        asked = propose(settings, space, history, count=4, seed=1)
        assert len(asked) == 4
        history.append([estimate(index, text) for index, text in enumerate(asked)])
    architectures = [space.parse(one.architecture) for round_ in history for one in round_]
    assert len({space.identity(one) for one in architectures}) == 12
    assert propose(settings, space, history[:2], count=4, seed=1) == [one.architecture for one in history[2]]
    # what integer programming proposes follows from the scores alone; its first round is drawn
    number = 0 if settings.kind == "milp" else 2
    other = propose(settings, space, history[:number], count=4, seed=2)
    assert other != [one.architecture for one in history[number]]


@every_strategy
def test_a_space_is_searched_to_its_end_isomorphic_architectures_once(settings: Any) -> None:
    space = TWO_OPERATIONS
    different = {space.identity(one) for one in members(space)}
    assert len(different) < space.size()
    strategy = sampler(settings, space)
    found: list[str] = []
    # a strategy is told at times, as it would be
    while asked := list(map(str, strategy.ask(6, Random(len(found))))):
        strategy.tell([estimate(index, text) for index, text in enumerate(asked)])
        found += asked
    assert len(found) == len(different) == len({space.identity(space.parse(text)) for text in found})


@every_strategy
def test_a_strategy_goes_on_where_all_failed(settings: Any) -> None:
    strategy = sampler(settings, ROOMY)
    for number in range(3):
        asked = list(map(str, strategy.ask(4, Random(number))))
        assert len(asked) == 4
        strategy.tell([estimate(index, text, "failed") for index, text in enumerate(asked)])


@every_strategy
def test_what_was_screened_counts_as_seen_and_no_more(settings: Any) -> None:
    everything = list(map(str, members(SMALLEST)))
    strategy, other = sampler(settings, SMALLEST), sampler(settings, SMALLEST)
    screened = [estimate(index, text, SCREENED) for index, text in enumerate(everything[:12])]
    strategy.tell(screened)
    assert {str(one) for one in strategy.ask(9, Random(0))} == set(everything[12:])
    # nothing else is known of them; milp remembers what they are, so that its solver leaves them out
    known = {"seen": 0, "rejected": 0}
    assert same({**strategy.state(), **known}, {**other.state(), **known})


def test_a_large_space_where_nothing_new_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LISTED", 10)
    monkeypatch.setattr(protocol, "PATIENCE", 300)
    with pytest.raises(UserError, match="space smallest has 16 architectures.*fewer evaluations"):
        sampler(SETTINGS["random"], SMALLEST).ask(17, Random(0))


@pytest.mark.parametrize(("settings", "other"), [("evolution", "reinforce"), ("reinforce", "random")])
def test_a_state_of_another_strategy_is_refused(settings: str, other: str) -> None:
    _, state = advance(SETTINGS[other], ROOMY, [], count=4, seed=0)
    with pytest.raises(UserError, match=other):
        advance(SETTINGS[settings], ROOMY, [[]], count=4, seed=0, state=state)


def test_a_state_of_another_round_is_refused() -> None:
    first, state = advance(SETTINGS["evolution"], ROOMY, [], count=4, seed=0)
    estimates = [estimate(index, text) for index, text in enumerate(first)]
    with pytest.raises(UserError, match="'told': 0.*'told': 4"):
        advance(SETTINGS["evolution"], ROOMY, [estimates, []], count=4, seed=0, state=state)


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    with pytest.raises(UserError, match="there is no file"):
        load_state(path)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="no state of a search"):
        load_state(path)


def test_equal_states_make_equal_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        strategy = sampler(SETTINGS["reinforce"], ROOMY)
        strategy.tell([estimate(index, str(one)) for index, one in enumerate(strategy.ask(4, Random(0)))])
        save_state(tmp_path / name, strategy.state())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


class Single:
    name = "single"

    def size(self) -> int:
        return 1


@every_strategy
def test_a_space_of_one_architecture_is_refused(settings: Any) -> None:
    search = Search(strategies={"random": strategies.Random(evaluations=4), "other": settings})
    check_strategies(search, SMALLEST)
    with pytest.raises(ValueError, match="single has a single architecture.*widen"):
        check_strategies(search, Single())  # type: ignore[arg-type]
    with pytest.raises(UserError, match="widen"):
        sampler(settings, Single())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (strategies.Evolution, {"population": 3, "sample": 4}, "sample .4. is larger than population .3."),
        (strategies.Reinforce, {"rounds": 0}, "greater than 0"),
        (strategies.Predictor, {"rounds": 0}, "greater than 0"),
        (strategies.Bayesian, {"objectives": ["macs", "latency", "parameters"]}, "at most 2"),
        (strategies.Nsga2, {"objectives": []}, "at least 1"),
        (strategies.Nsga2, {"objectives": ["macs", "macs"]}, "stands twice"),
        (strategies.Milp, {"rounds": 1}, "greater than or equal to 2"),
        (strategies.Milp, {"initial": 1}, "greater than or equal to 2"),
        (strategies.Random, {"evaluations": 3, "rounds": 4}, "rounds .4. is more than evaluations .3."),
    ],
)
def test_bad_settings_are_refused(kind: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind(**given)


@every_strategy
def test_evaluations_are_the_sum_of_the_rounds(settings: Any) -> None:
    sizes = [round_size(settings, number, 20) for number in range(settings.rounds)]
    assert sum(sizes) == evaluations(settings)


@pytest.mark.parametrize("module", ["reinforce", "predictor", "milp"])
def test_what_computes_in_numpy_loads_nothing_slower(module: str) -> None:
    slow = "{'torch', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)"
    code = f"import sys, nas_steps.search.state, nas_steps.search.samplers.{module}; sys.exit(bool({slow}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_evolution_without_ageing_loses_its_worst() -> None:
    strategy = sampler(SETTINGS["elitist"], ROOMY)
    members_ = list(map(str, sampler(SETTINGS["random"], ROOMY).ask(8, Random(0))))
    scores = [0.9, 0.1, math.nan, 0.8, 0.1, 0.7, 0.6, 0.5]
    strategy.tell(
        [Estimate(index, text, score) for index, (text, score) in enumerate(zip(members_, scores, strict=True))]
    )
    # the one that failed, then the older of the two worst
    assert [text for text, _ in strategy.state()["population"]] == [members_[i] for i in (0, 3, 4, 5, 6, 7)]


@pytest.mark.parametrize("kind", ["evolution", "reinforce"])
def test_the_step_goes_on_from_the_state_of_the_round_before(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rounds by files, as the workflow's rules call them: with --state and without it the same is proposed."""
    strategy_given = {
        "kind": kind,
        **({"population": 4, "sample": 2, "children": 3} if kind == "evolution" else {"batch": 3}),
    }
    config = load({"search": {"strategies": {"random": {}, kind: strategy_given}}})
    files = settings_files(config, tmp_path / "results")
    told_to: list[int] = []
    strategy = type(sampler(config.search.strategies[kind], PRESETS["small"]))  # type: ignore[arg-type]
    tell = strategy.tell

    def counted(self: Any, estimates: Any) -> None:
        told_to.append(len(estimates))
        tell(self, estimates)

    monkeypatch.setattr(strategy, "tell", counted)
    for way in ("replayed", "restored"):
        for number in range(3):
            folder, before = tmp_path / way / f"round-{number}", tmp_path / way / f"round-{number - 1}"
            given: dict[str, Any] = {
                "settings": files[kind],
                "strategy": kind,
                "seed": 0,
                "round": number,
                "output": folder,
            }
            if number:
                given |= {"earlier": before / "evaluations.csv", "evaluated": before / "shard-0.csv"}
            if number and way == "restored":
                given["state"] = before / "state.safetensors"
            run("propose", **given)
            proposed = [row["architecture"] for row in read_csv(folder / "proposals.csv")]
            write_estimates(folder / "shard-0.csv", [estimate(index, text) for index, text in enumerate(proposed)])
            for name in ("proposals.csv", "evaluations.csv"):
                assert (folder / name).read_text() == (tmp_path / "replayed" / folder.name / name).read_text()
    # 0, 1 and 2 rounds were told again from the start; with the state 0, 1 and 1
    assert len(told_to) == 3 + 2


def test_rounds_without_estimates_change_nothing() -> None:
    """They are not all in evaluations.csv, once a space is at its end."""
    asked, _ = advance(SETTINGS["random"], SMALLEST, [], count=16, seed=0)
    everything = [estimate(index, text) for index, text in enumerate(asked)]
    none, state = advance(SETTINGS["random"], SMALLEST, [everything], count=4, seed=0)
    assert none == []
    none, after = advance(SETTINGS["random"], SMALLEST, [everything, []], count=4, seed=0, state=state)
    assert none == []
    # evaluations.csv has lost the empty round
    assert advance(SETTINGS["random"], SMALLEST, [everything, []], count=4, seed=0, state=after) == ([], after)
