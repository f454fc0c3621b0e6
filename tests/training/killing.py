"""Kills steps that train or score at random moments and runs them again until they end; tells as JSON what came of it.

A process of its own, run by test_training_kills.py: it forks a child for each attempt, which spares the imports, and
so must not have used torch itself.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: F401 - loaded once, for all children
from nas_steps.estimation.steps.extrapolation import main as extrapolate
from nas_steps.estimation.steps.short_training import main as estimate
from nas_steps.estimation.steps.zero_cost import main as zero_cost
from nas_steps.retraining.steps.train import main as retrain
from nas_steps.scaling.steps.grid import main as grid
from nas_steps.scaling.steps.train import main as member
from nas_steps.search.steps.rank_paths import main as rank_paths
from tiny_world import CONVOLUTION, MIXED, POOLS, ROOT, prepared, settings

import nas_steps.estimation.estimators.extrapolation
import nas_steps.estimation.estimators.short_training
import nas_steps.estimation.estimators.zero_cost
import nas_steps.models.build
import nas_steps.search.darts.loop
import nas_steps.search.enas
import nas_steps.search.one_shot.scoring
import nas_steps.search.one_shot.statistics
import nas_steps.search.one_shot.training
import nas_steps.training.final  # noqa: F401 - likewise
from nas_steps.config.space import Network
from nas_steps.data.__main__ import main as prepare
from nas_steps.estimation.cache import FOLDER as ESTIMATES
from nas_steps.estimation.steps.screen import main as screen
from nas_steps.provenance import steps
from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.fingerprint import code_fingerprint
from nas_steps.scaling.compound import Design
from nas_steps.scaling.steps.train_design import main as design
from nas_steps.scaling.winner import described
from nas_steps.search.steps.darts import main as darts
from nas_steps.search.steps.enas import main as enas
from nas_steps.search.steps.one_shot import main as one_shot
from nas_steps.search.steps.supernet import main as one_shot_supernet
from nas_steps.search.steps.supernet_statistics import main as statistics
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.training.checkpoint import checkpoint_folder

#: all that draws random numbers or keeps a state: drop path, both optimisers, the auxiliary head, augmentation
RECIPE = {
    "epochs": 3,
    "batch_size": 12,
    "learning_rate": 0.05,
    "warmup_epochs": 1,
    "drop_path": 0.3,
    "auxiliary_weight": 0.4,
    "augment": {"flip": True, "crop": 1, "cutout": 2},
}
ADAMW = {**RECIPE, "optimizer": "adamw", "learning_rate": 1e-3}
MODERN = {**RECIPE, "mixup": 0.4, "ema": 0.9, "augment": {"crop": 1, "randaugment": 1}}
SUPERNET = {"epochs": 3, "batch_size": 12, "candidates": 3, "augment": RECIPE["augment"]}
TRIPLES = [
    {
        "index": index,
        "depth": 1.0,
        "width": 1.2 + index,
        "resolution": 1.1,
        **described(Design(MIXED, Network(channels=4, cells=4, stem_multiplier=1), side=9)),
        "kept": "yes",
    }
    for index in range(2)
]
ENAS = {
    "epochs": 3,
    "batch_size": 12,
    "controller_steps": 3,
    "controller_batch": 2,
    "reward_images": 20,
    "evaluations": 4,
    "candidates": 2,
    "calibration_images": 20,
}


@dataclass
class Kind:
    """A kind of training step: how it is run on `target`, and which files it leaves."""

    name: str
    main: Callable[[Sequence[str]], None]
    arguments: Callable[[Path], list[str]]
    target: Callable[[Path], Path]
    share: int = 1  # of the kills, one in so many
    kills: int = 0
    in_write: int = 0
    resumed: int = 0
    files: list[str] = field(default_factory=list)


#: what a supernet's step can draw or keep, beside what first-order DARTS does
FAMILY: dict[str, dict[str, object]] = {
    "gdas": {},
    "sdarts_adv": {"steps": 2},
    "pc_darts": {"parts": 2},
    "darts_second_order": {},
    "rsws": {"evaluations": 6},
}


def kinds(world: Path, data: str) -> list[Kind]:
    """Every kind of training step."""
    files = settings(
        search__estimator=ADAMW,
        ranking__recipe=RECIPE,
        retrain__recipe=MODERN,
        scaling__recipe=RECIPE,
        search__strategies__darts=SUPERNET,
        search__strategies__enas=ENAS,
        **{
            f"search__strategies__{kind}": {**SUPERNET, "epochs": 2, "drop_path": 0.3, **more}
            for kind, more in FAMILY.items()
        },
    )
    shared = {"sampling": "fair", "epochs": 2, "batch_size": 12, "augment": RECIPE["augment"]}
    of_supernet = settings(
        space={"preset": "mobile_small"},
        search__estimator={"kind": "shared_weights", "supernet": shared, "calibration_images": 20},
        search__strategies={"random": {"evaluations": 2}, "evolution": {"population": 2, "sample": 1, "rounds": 3}},
        search__network={"channels": 8, "cells": 3, "stem_multiplier": 3},
        retrain__network={"channels": 8, "cells": 5, "stem_multiplier": 3},
    )
    files |= {name: of_supernet[name] for name in ("supernet", "shared_weights", "search_evolution")}
    observed = {**RECIPE, "kind": "extrapolation", "epochs": 6, "observe": 4}
    files["extrapolation"] = settings(search__estimator=observed)["evaluation"]
    files["zero_cost"] = settings(search__estimator={"kind": "zero_cost", "batch_size": 20})["evaluation"]
    files["screen"] = settings(search__screen={"batch_size": 20, "proposals_per_evaluation": 2})["screen"]
    files["factorial"] = settings(scaling__factorial={"enabled": True, "recipe": RECIPE})["factorial"]
    winners, proposals, ranked = world / "winners.csv", world / "proposals.csv", world / "ranked.csv"
    designs, named = world / "designs.csv", world / "named.txt"
    triples, chosen, members = world / "triples.csv", world / "chosen.json", world / "members.csv"
    write_csv(winners, [{"entry": "mine-0", "architecture": MIXED}], ("entry", "architecture"))
    rows = [{"index": index, "architecture": text} for index, text in enumerate((MIXED, CONVOLUTION, POOLS))]
    write_csv(proposals, rows, ("index", "architecture"))
    write_csv(ranked, [{"architecture": MIXED, "rank": 1, "status": "ok"}], ("architecture", "rank", "status"))
    write_csv(triples, TRIPLES, tuple(TRIPLES[0]))
    write_json(chosen, {"architecture": CONVOLUTION})
    more = {"member": "B1", "macs": 10, "parameters": 10, "drop_path": 0.1, "within_budget": "yes"}
    row = {**TRIPLES[0], "architecture": CONVOLUTION, **more}
    write_csv(members, [row], tuple(row))
    cell = {"base": "random", "scaling": "width", **row}
    write_csv(designs, [cell], tuple(cell))
    named.write_text("\n".join(str(PRESETS["mobile_small"].sample(random.Random(seed))) for seed in range(3)))

    def with_settings(name: str, *more: object) -> list[str]:
        return ["--settings", files[name], "--data", data, *map(str, more)]

    def shard(name: str, stage: str) -> Callable[[Path], list[str]]:
        return lambda out: with_settings(
            name, "--proposals", proposals, "--stage", stage, "--seed", 0, "--shard", 0, "--shards", 1,
            "--output", out / "shard.csv", "--cost", out / "cost.json",
        )  # fmt: skip

    def final(entry: str, kind: str) -> Callable[[Path], list[str]]:
        return lambda out: with_settings(
            "retraining", "--entry", entry, "--kind", kind, "--winners", winners, "--seed", 0, "--output", out
        )

    def own(out: Path) -> Path:
        return out

    def table(out: Path) -> Path:
        return out / "shard.csv"

    def by_supernet(name: str, *more: object) -> list[str]:
        """A step that scores by the weights of the supernet that was trained undisturbed."""
        return with_settings(name, "--weights", world / "one-shot supernet" / "whole" / "weights.safetensors", *more)

    def in_table(given: Callable[[Path], list[str]]) -> Callable[[Path], list[str]]:
        return lambda out: [*given(out), "--output", str(table(out)), "--cost", str(out / "cost.json")]

    def supernet(strategy: str) -> Callable[[Path], list[str]]:
        return lambda out: with_settings(f"search_{strategy}", "--strategy", strategy, "--seed", 0, "--output", out)

    return [
        Kind("data", prepare, lambda out: ["--settings", files["data"], "--output", str(out)], own, share=6),
        Kind("search candidates", estimate, shard("evaluation", "search"), table),
        Kind("shortlist", estimate, shard("ranking", "ranking"), table),
        Kind("extrapolated curves", extrapolate, shard("extrapolation", "search"), table, share=6),
        Kind("proxies", zero_cost, shard("zero_cost", "search"), table, share=6),
        Kind(
            "screen",
            screen,
            in_table(
                lambda out: with_settings(
                    "screen", "--proposals", proposals, "--seed", 0, "--rejected", out / "rejected.csv"
                )
            ),
            table,
            share=6,
        ),
        Kind("supernet", darts, supernet("darts"), own),
        *(Kind(f"supernet of {kind}", darts, supernet(kind), own, share=3) for kind in FAMILY),
        Kind("controller", enas, supernet("enas"), own, share=6),
        Kind(
            "one-shot supernet",
            one_shot_supernet,
            lambda out: with_settings("supernet", "--seed", 0, "--output", out),
            own,
            share=3,
        ),
        Kind(
            "one-shot search",
            one_shot,
            lambda out: by_supernet("search_evolution", "--strategy", "evolution", "--seed", 0, "--output", out),
            own,
            share=3,
        ),
        Kind("statistics of a supernet", statistics, in_table(lambda _: by_supernet("shared_weights")), table, share=6),
        Kind(
            "ranked paths",
            rank_paths,
            in_table(lambda _: by_supernet("shared_weights", "--architectures", named)),
            table,
            share=6
        ),
        Kind("retraining", retrain, final("mine-0", "searched"), own),
        Kind("baseline", retrain, final("resnet20", "baseline"), own),
        Kind(
            "grid",
            grid,
            lambda out: with_settings(
                "scaling_grid", "--ranked", ranked, "--triples", triples, "--shard", 0, "--shards", 1,
                "--output", out / "grid.csv", "--cost", out / "cost.json",
            ),
            lambda out: out / "grid.csv",
        ),
        Kind(
            "scaled member",
            member,
            lambda out: with_settings(
                "scaling_members", "--chosen", chosen, "--members", members, "--member", "B1", "--seed", 0,
                "--output", out,
            ),
            own,
        ),
        Kind(
            "design",
            design,
            lambda out: with_settings(
                "factorial", "--designs", designs, "--base", "random", "--scaling", "width", "--seed", 0, "--output",
                out,
            ),
            own,
            share=3,
        ),
    ]  # fmt: skip


def attempt(kind: Kind, out: Path, log: Path, *, in_write: int = 0) -> int:
    """Start the step in a child; return its process id. With `in_write` it kills itself in that checkpoint write."""
    child = os.fork()
    if child:
        return child
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    writes = [0]
    fsync = os.fsync

    def deadly(file: int) -> None:
        writes[0] += 1
        if writes[0] == in_write:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(file)

    os.fsync = deadly  # type: ignore[assignment]
    status = 1
    try:
        steps.run(kind.main, kind.name, kind.arguments(out))
        status = 0
    except BaseException:  # noqa: BLE001 - the child must say what went wrong before it is gone
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def unbroken(kind: Kind, out: Path) -> float:
    """Run the step to its end; the seconds that it took."""
    started = time.perf_counter()
    _, status = os.waitpid(attempt(kind, out, out / "log.txt"), 0)
    assert status == 0, (out / "log.txt").read_text()
    return time.perf_counter() - started


def killed(kind: Kind, out: Path, seconds: float, kills: int, chance: random.Random) -> None:
    """Kill the step `kills` times, at random moments and in random writes, then let it end."""
    log = out / "log.txt"
    while kind.kills < kills:
        os.environ["NAS_STEPS_CHECKPOINT_SECONDS"] = chance.choice(["0", "0", "0.05"])
        in_write = chance.randint(1, 12) if chance.random() < 0.3 else 0
        child = attempt(kind, out, log, in_write=in_write)
        if not in_write:
            time.sleep(chance.uniform(0.02, seconds))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            kind.kills += 1
            kind.in_write += bool(in_write)
        else:
            assert status == 0, log.read_text()
            # it ended before it was hit: the next attempt starts over, as a forced rerun does
            assert not checkpoint_folder(kind.target(out)).exists()
    os.environ["NAS_STEPS_CHECKPOINT_SECONDS"] = "0"
    _, status = os.waitpid(attempt(kind, out, log), 0)
    assert status == 0, log.read_text()
    assert not checkpoint_folder(kind.target(out)).exists()
    kind.resumed = log.read_text().count("going on with")


def main() -> None:
    world, seed, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    child = os.fork()  # the data are made in a child too: the parent never computes
    if not child:
        prepared()
        os._exit(0)
    os.waitpid(child, 0)
    found = kinds(world, str(Path(ROOT.name) / "data"))
    for kind in found:
        code_fingerprint(kind.main.__module__)  # remembered, for all children
    for kind in found:
        whole, broken = world / kind.name / "whole", world / kind.name / "broken"
        whole.mkdir(parents=True)
        broken.mkdir(parents=True)
        seconds = unbroken(kind, whole)
        # else it would only be looked up
        shutil.rmtree(Path(ROOT.name) / ESTIMATES, ignore_errors=True)
        killed(kind, broken, seconds, -(-kills // kind.share), chance)
        kind.files = sorted(file.relative_to(whole).as_posix() for file in whole.rglob("*") if file.is_file())
    told = [
        {
            "name": k.name,
            "share": k.share,
            "kills": k.kills,
            "in_write": k.in_write,
            "resumed": k.resumed,
            "files": k.files,
        }
        for k in found
    ]
    (world / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
