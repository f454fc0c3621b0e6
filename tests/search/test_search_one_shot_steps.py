"""The steps of one-shot search, run as the workflow runs them, in a space of cells; a mobile one is searched by
tests/workflow/test_one_shot.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stepping import run
from tiny_world import settings

from nas_steps.config.schema import Config
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.build import size
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.search.one_shot.scoring import Scorer
from nas_steps.search.steps import score_by_supernet
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE

SPACE = {"preset": "nasbench201", "nodes": 2}
NETWORK = {"channels": 2, "cells": 1}
SHARED = {
    "kind": "shared_weights",
    "supernet": {"sampling": "fair", "epochs": 2, "batch_size": 20},
    "calibration_images": 40,
    "valid_images": 40,
}
STRATEGIES = {"random": {}, "evolution": {"population": 5, "sample": 2, "children": 4, "rounds": 4}}


def files(**estimator: Any) -> dict[str, str]:
    return settings(
        space=SPACE,
        search__network=NETWORK,
        retrain__network=NETWORK,
        search__estimator={**SHARED, **estimator},
        search__strategies=STRATEGIES,
    )


ENAS = {
    "epochs": 2, "batch_size": 20, "controller_steps": 2, "controller_batch": 2, "reward_images": 20, "evaluations": 3,
    "candidates": 2, "calibration_images": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(data: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A trained supernet, made once."""
    folder = tmp_path_factory.mktemp("supernet") / "seed-0"
    run("supernet", settings=files()["supernet"], data=data, seed=0, output=folder)
    history = read_csv(folder / "history.csv")
    # three batches an epoch, five choices an edge
    assert [(row["epoch"], row["paths"]) for row in history] == [("1", "15"), ("2", "15")]
    assert read_json(folder / "cost.json")["stage"] == "supernet"
    return str(folder / "weights.safetensors")


def run_search(data: str, weights: str, folder: Path, strategy: str = "evolution") -> list[dict[str, str]]:
    given = {"settings": files()[strategy], "data": data, "weights": weights, "strategy": strategy}
    run("one_shot", **given, seed=0, output=folder)
    return read_csv(folder / "history.csv")


def test_a_search_ends_in_candidates_scored_by_shared_weights(data: str, weights: str, tmp_path: Path) -> None:
    history = run_search(data, weights, tmp_path / "evolution-0")
    assert len(history) == 17
    assert [row["round"] for row in history] == ["0"] * 5 + [str(place) for place in (1, 2, 3) for _ in range(4)]
    candidates = read_csv(tmp_path / "evolution-0/candidates.csv")
    assert {row["estimator"] for row in candidates} == {"shared_weights"}
    scores = [float(row["score"]) for row in candidates]
    assert scores == sorted(scores, reverse=True)
    # what the best one inherited, with the training's statistics and with its own
    (chosen,) = (row for row in history if row["chosen"])
    assert chosen["architecture"] == candidates[0]["architecture"]
    assert chosen["discrete_accuracy"] == candidates[0]["score"]
    assert 0 <= float(chosen["inherited_accuracy"]) <= 1
    assert {row["inherited_accuracy"] for row in history if not row["chosen"]} == {""}
    assert len(run_search(data, weights, tmp_path / "random-0", "random")) == 17


def timeless(row: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if key != "seconds"}


def test_a_search_that_was_killed_scores_nothing_again(
    data: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_search(data, weights, tmp_path / "whole")
    monkeypatch.setenv("NAS_STEPS_CHECKPOINT_SECONDS", "0")
    scored: list[str] = []
    ordinary = Scorer.__call__

    def constrained(self: Scorer, architectures: Sequence[Any], limit: int = 0) -> list[float]:
        new = {str(one) for one in architectures} - set(self.known)
        scored.extend(new)
        if limit and len(scored) > limit:
            raise KeyboardInterrupt
        return ordinary(self, architectures)

    monkeypatch.setattr(Scorer, "__call__", lambda self, some: constrained(self, some, limit=9))
    with pytest.raises(KeyboardInterrupt):
        run_search(data, weights, tmp_path / "broken")
    before = len(scored)
    scored.clear()
    monkeypatch.setattr(Scorer, "__call__", constrained)
    broken = run_search(data, weights, tmp_path / "broken")
    assert [timeless(row) for row in broken] == [timeless(row) for row in whole]
    assert before > 9
    # the first two rounds were known
    assert len(scored) < len({row["architecture"] for row in whole}) - 5


def test_statistics_tell_what_reestimating_changes(data: str, weights: str, tmp_path: Path) -> None:
    given = {"settings": files()["supernet_statistics"], "data": data, "weights": weights}
    run("supernet_statistics", **given, seed=0, output=tmp_path)
    rows, told = read_csv(tmp_path / "statistics.csv"), read_json(tmp_path / "statistics.json")
    assert len({row["architecture"] for row in rows}) == told["architectures"] == 32
    for kind in ("running", "reestimated"):
        mean = sum(float(row[kind]) for row in rows) / len(rows)
        assert told[kind]["mean"] == pytest.approx(mean)
        assert told[kind]["best"] == max(float(row[kind]) for row in rows)
    assert -1 <= told["spearman"] <= 1
    assert any(row["running"] != row["reestimated"] for row in rows)


def rank(data: str, weights: str, architectures: Path, output: Path, **estimator: Any) -> list[dict[str, str]]:
    given = {"data": data, "weights": weights, "architectures": architectures, "output": output}
    run("score_by_supernet", settings=files(**estimator)["score_by_supernet"], **given)
    return read_csv(output / "score-0.csv")


def test_given_architectures_are_ranked(data: str, weights: str, tmp_path: Path) -> None:
    found = run_search(data, weights, tmp_path / "search")
    known = {row["architecture"]: row["score"] for row in found}
    write_csv(tmp_path / "some.csv", [{"architecture": text, "true": 1} for text in known], ("true", "architecture"))
    # as a spreadsheet writes it
    (tmp_path / "some.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "some.csv").read_bytes())
    ranked = rank(data, weights, tmp_path / "some.csv", tmp_path / "ranks")
    # scored one round after the other or all together, the figures are the same
    assert {row["architecture"]: row["score"] for row in ranked} == known
    by_rank = sorted(ranked, key=lambda row: int(row["rank"]))
    assert [float(row["score"]) for row in by_rank] == sorted(map(float, known.values()), reverse=True)
    assert all(row["score"] == row["reestimated"] and int(row["macs"]) > 0 for row in ranked)
    plain = rank(data, weights, tmp_path / "some.csv", tmp_path / "plain", calibration_images=0)
    assert [row["score"] for row in plain] == [row["running"] for row in ranked]
    assert {row["reestimated"] for row in plain} == {""}


def test_what_cannot_be_ranked_is_refused_in_words(data: str, weights: str, tmp_path: Path) -> None:
    given = tmp_path / "some.txt"
    with pytest.raises(UserError, match="there is no file"):
        rank(data, weights, given, tmp_path / "ranks")
    given.write_text("\n")
    with pytest.raises(UserError, match="holds no architecture"):
        rank(data, weights, given, tmp_path / "ranks")
    given.write_text(str(CELLS["nasbench201"].parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")))
    with pytest.raises(UserError):
        rank(data, weights, given, tmp_path / "ranks")
    write_csv(tmp_path / "some.csv", [{"name": "x"}], ("name",))
    with pytest.raises(UserError, match="no column architecture"):
        rank(data, weights, tmp_path / "some.csv", tmp_path / "ranks")
    given.write_bytes(b"\n\xe9\n")
    with pytest.raises(UserError, match="no UTF-8 text: line 2"):
        rank(data, weights, given, tmp_path / "ranks")
    given.write_text("|none~0|+|none~0|none~1|")
    (tmp_path / "weights.safetensors").write_bytes(b"no such thing")
    with pytest.raises(UserError, match="holds no weights of this supernet"):
        rank(data, str(tmp_path / "weights.safetensors"), given, tmp_path / "ranks")


def test_architectures_of_nas_bench_macro_may_be_spelled_as_there() -> None:
    space = MOBILE["nasbench_macro"]
    assert str(score_by_supernet.parse(space, "01202110")) == (
        "stem_k3_c32_relu/id_s2_c64+mb_k3_e3_c64/mb_k5_s2_e6_c128+id+mb_k5_e6_c128/mb_r2_k3_s2_e3_c256+id/head_c1280"
    )
    for wrong in ("0120211", "01202113"):
        with pytest.raises(UserError, match="8 digits"):
            score_by_supernet.parse(space, wrong)


def test_a_search_by_shared_weights_keeps_limits(data: str, weights: str, tmp_path: Path) -> None:
    free = [parameters_of(row["architecture"]) for row in run_search(data, weights, tmp_path / "free")]
    limit = sorted(free)[len(free) // 3]
    raw = {**STRATEGIES, "random": {"evaluations": 8}}
    constrained = settings(
        space=SPACE,
        search__network=NETWORK,
        retrain__network=NETWORK,
        search__estimator=SHARED,
        search__strategies=raw,
        search__constraints={"parameters": limit},
    )
    run("measure_blocks", settings=constrained["measure_blocks"], data=data, output=tmp_path)
    for strategy in raw:
        given = {"settings": constrained[strategy], "data": data, "weights": weights, "seed": 0}
        given |= {"strategy": strategy, "output": tmp_path / strategy}
        with pytest.raises(UserError, match="limits of parameters"):
            run("one_shot", **given)
        run("one_shot", **given, blocks=tmp_path / "blocks.csv")
        found = read_csv(tmp_path / strategy / "candidates.csv")
        assert found
        assert all(parameters_of(row["architecture"]) <= limit for row in found)


def parameters_of(architecture: str) -> int:
    """Parameters of the final network, as torch counts them."""
    return size(architecture, Network(**NETWORK), inputs=1, classes=10, side=8).parameters


@pytest.mark.parametrize("space", [SPACE, {"preset": "mobile_small"}])
def test_enas_leaves_candidates_and_a_history(data: str, tmp_path: Path, space: dict[str, Any]) -> None:
    given: dict[str, Any] = {"space": space, "search__strategies": {"random": {}, "enas": ENAS}}
    defaults = Config()
    small = (NETWORK, NETWORK) if space is SPACE else (defaults.search.network, defaults.retrain.network)
    given |= {"search__network": small[0], "retrain__network": small[1]}
    run("enas", settings=settings(**given)["enas"], data=data, strategy="enas", seed=0, output=tmp_path)
    found = read_csv(tmp_path / "candidates.csv")
    assert len(found) == 2
    assert {row["estimator"] for row in found} == {"shared_weights"}
    assert float(found[0]["score"]) >= float(found[1]["score"])
    history = read_csv(tmp_path / "history.csv")
    assert [row["step"] for row in history] == ["1", "2"]
    assert all(row["architecture"] and float(row["entropy"]) > 0 for row in history)
    last = [history[-1][key] for key in ("chosen", "architecture", "discrete_accuracy")]
    assert last == ["1", found[0]["architecture"], found[0]["score"]]
    assert 0 <= float(history[-1]["inherited_accuracy"]) <= 1
    assert read_json(tmp_path / "cost.json")["stage"] == "search"
