"""Old names of keys: still read, with a warning that gives the new one."""

from __future__ import annotations

from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.config.renamed import NUMBERS, RENAMED
from nas_steps.config.walk import nearest_key
from nas_steps.errors import UserError


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_new_name_is_a_key_and_the_old_one_is_none(old: str, new: str) -> None:
    assert nearest_key(new) == new
    assert nearest_key(old) == old.rpartition(".")[0] == new.rpartition(".")[0]


OLD: dict[str, Any] = {
    "search": {
        "limits": {"macs": 1e9},
        "estimator": {"epochs": 9, "halving": {"epochs": 3, "reduction": 2}},
        "screen": {"of": 3},
        "strategies": {"random": {"evaluations": 4, "rounds": 3}},
    }
}


def test_old_names_are_read_with_one_warning_each(capsys: pytest.CaptureFixture[str]) -> None:
    search = load(OLD, "config/x.yaml").search
    assert search.constraints is not None
    assert search.constraints.macs == 1e9
    assert search.estimator.halving.eta == 2  # type: ignore[union-attr]
    assert search.screen is not None
    assert search.screen.proposals_per_evaluation == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        f"config/x.yaml: {old} is called {new} now; the old name will not be read by the next release"
        for old, new in RENAMED.items()
    ]
    assert "limits" in OLD["search"]  # the caller's mapping stays as it is
    load(search_of({"constraints": {"macs": 1e9}}))
    load(OLD, warn=False)
    assert capsys.readouterr().err == ""


def search_of(given: dict[str, Any]) -> dict[str, Any]:
    return {"search": {"strategies": {"random": {"evaluations": 4}}, **given}}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"limits": None, "constraints": {"macs": 1e9}},
            "search.limits: it is called search.constraints now, and both are given; remove search.limits",
        ),
        ({"limits": {"macs": -1}}, "search.limits.macs: given -1; must be more than 0"),
        ({"limits": 3}, "search.limits: keys and values are expected here, given 3"),
        ({"screen": {"of": True}}, "search.screen.of: given True, but a whole number is wanted"),
        ({"screen": {"of": 1}}, "search.screen.of: given 1; must be 2 or more"),
        ({"screen": 3}, "search.screen: keys and values are expected here, given 3"),
    ],
)
def test_what_is_wrong_there_is_told_by_the_name_that_was_given(given: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as error:
        load(search_of(given), "my.yaml")
    head, told = str(error.value).splitlines()
    assert head == "my.yaml is refused:"
    assert told.strip().startswith(line)


def test_truth_values_of_keys_that_are_numbers_now_are_read_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    for old, (word, new) in {True: ("true", 8), False: ("false", 0)}.items():
        raw = {"retrain": {"uniform": old}}
        assert load(raw, "my.yaml").retrain.uniform == new
        line = f"my.yaml: retrain.uniform is a number now: {word} is read as {new}; the next release will refuse it"
        assert capsys.readouterr().err.splitlines() == [line]
        assert raw == {"retrain": {"uniform": old}}  # the caller's mapping stays as it is
        load(raw, warn=False)
        load({"retrain": {"uniform": new}})
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("key", NUMBERS)
def test_every_such_key_is_a_number(key: str) -> None:
    section, name = key.split(".")
    assert isinstance(getattr(getattr(load({}), section), name), int)


def test_the_others_are_refused() -> None:
    with pytest.raises(UserError, match=r"retrain\.seeds: given True, but a whole number is wanted"):
        load({"retrain": {"seeds": True, "uniform": True}}, warn=False)
    with pytest.raises(UserError, match=r"retrain\.uniform: given -1; must be 0 or more"):
        load({"retrain": {"uniform": -1}})
