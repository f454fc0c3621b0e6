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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: F401 - loaded once, for all children
from stepping import run
from tiny_world import CONVOLUTION, MIXED, POOLS, ROOT, prepared, settings

import nas_steps.estimation.estimators.extrapolation
import nas_steps.estimation.estimators.short_training
import nas_steps.estimation.estimators.zero_cost
import nas_steps.models.build
import nas_steps.search.darts.loop
import nas_steps.search.enas
import nas_steps.search.one_shot.scoring
import nas_steps.search.one_shot.training
import nas_steps.training.final  # noqa: F401 - likewise
from nas_steps.config.space import Network
from nas_steps.data.__main__ import main as prepare
from nas_steps.estimation.shard import CACHE as ESTIMATES
from nas_steps.provenance import task
from nas_steps.provenance.files import read_json, write_csv, write_json
from nas_steps.provenance.fingerprint import code_fingerprint
from nas_steps.scaling.compound import Design
from nas_steps.scaling.winner import described
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.training.checkpoint import checkpoint_folder
from nas_steps.workflow.steps import STEPS

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


#: the options of a step
Given = dict[str, Any]


@dataclass
class Kind:
    """A kind of training step: how it is run into a folder, and which of its files its checkpoint is named by, if it is
    not the folder."""

    name: str
    step: str
    given: Given
    target: str = ""
    share: int = 1  # of the kills, one in so many
    kills: int = 0
    in_write: int = 0
    resumed: int = 0
    files: list[str] = field(default_factory=list)

    def run(self, out: Path) -> None:
        """Run the step into `out`."""
        if self.step == "data":
            # its options are those of no other step
            prepare(["--settings", self.given["settings"], "--output", str(out)])
        elif self.folders:
            self._run_block(out)
        else:
            run(self.step, **self.given, output=out)

    def _run_block(self, out: Path) -> None:
        """Run the jobs that are not done, as Snakemake does it after a kill, from any seed on; all, if all are done."""
        given = {name: value for name, value in self.given.items() if name != "block"}
        jobs = list(zip(self.given["block"], self.folders, strict=True))
        if all((out / folder / "cost.json").exists() for _, folder in jobs):
            for _, folder in jobs:
                (out / folder / "cost.json").unlink()
        random.Random(os.getpid()).shuffle(jobs)
        for seed, folder in jobs:
            if not (out / folder / "cost.json").exists():
                shutil.rmtree(out / folder, ignore_errors=True)
                run(self.step, **{**given, "seed": seed}, output=out / folder)

    def checkpoints(self, out: Path) -> Path:
        """Where its checkpoints lie meanwhile."""
        return checkpoint_folder(out / self.target)

    @property
    def folders(self) -> list[str]:
        """The folders of the jobs of a block of seeds, below the one it is run into; none if it is one job."""
        return [f"{self.given['entry']}-s{seed}" for seed in self.given.get("block", ())]

    @property
    def modules(self) -> list[str]:
        """The modules that it runs."""
        return STEPS[self.step].modules(read_json(self.given["settings"]), self.given)


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
    files |= {
        name: of_supernet[name]
        for name in ("supernet", "supernet_statistics", "score_by_supernet", "one_shot evolution")
    }
    observed = {**RECIPE, "kind": "extrapolation", "epochs": 6, "observe": 4}
    files["extrapolation"] = settings(search__estimator=observed)["evaluate"]
    files["zero_cost"] = settings(search__estimator={"kind": "zero_cost", "batch_size": 20})["evaluate"]
    files["screen"] = settings(search__screen={"batch_size": 20, "proposals_per_evaluation": 2})["screen"]
    files["joint"] = settings(retrain__recipe=MODERN, retrain__together=3)["retrain"]
    files["train_design"] = settings(scaling__factorial={"enabled": True, "recipe": RECIPE})["train_design"]
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

    of_one = {"shard": 0, "shards": 1}

    def given(name: str, **more: object) -> Given:
        return {"settings": files[name], "data": data, "seed": 0, **more}

    def scored(name: str) -> Given:
        return given(name, proposals=proposals, strategy="random", round=0, **of_one)

    def final(entry: str, kind: str) -> Given:
        return given("retrain", entry=entry, kind=kind, winners=winners)

    def supernet(strategy: str) -> Given:
        return given(f"darts {strategy}", strategy=strategy)

    #: the weights of the supernet that was trained undisturbed
    weights = world / "one-shot supernet" / "whole" / "weights.safetensors"
    grid = {"settings": files["train_grid"], "data": data, "ranked": ranked, "triples": triples, **of_one}
    named_paths = {"settings": files["score_by_supernet"], "data": data, "weights": weights, "architectures": named}
    return [
        Kind("data", "data", {"settings": files["data"]}, share=6),
        Kind("search candidates", "evaluate", scored("evaluate"), "shard-0.csv"),
        Kind(
            "shortlist",
            "train_shortlist",
            given("train_shortlist", proposals=proposals, **of_one),
            "seed-0-shard-0.csv",
        ),
        Kind("extrapolated curves", "evaluate", scored("extrapolation"), "shard-0.csv", share=6),
        Kind("proxies", "evaluate", scored("zero_cost"), "shard-0.csv", share=6),
        Kind(
            "screen",
            "screen",
            given("screen", proposals=proposals, strategy="random", round=0),
            "screened.csv",
            share=6,
        ),
        Kind("supernet", "darts", supernet("darts")),
        *(Kind(f"supernet of {kind}", "darts", supernet(kind), share=3) for kind in FAMILY),
        Kind("controller", "enas", given("enas enas", strategy="enas"), share=6),
        Kind("one-shot supernet", "supernet", given("supernet"), share=3),
        Kind(
            "one-shot search",
            "one_shot",
            given("one_shot evolution", weights=weights, strategy="evolution"),
            share=3,
        ),
        Kind(
            "statistics of a supernet",
            "supernet_statistics",
            given("supernet_statistics", weights=weights),
            "statistics.csv",
            share=6,
        ),
        Kind("ranked paths", "score_by_supernet", named_paths, "score-0.csv", share=6),
        Kind("retraining", "retrain", final("mine-0", "searched")),
        Kind("baseline", "retrain", final("resnet20", "baseline")),
        Kind(
            "seeds together",
            "retrain",
            {**final("mine-0", "searched"), "settings": files["joint"], "block": (0, 1, 2)},
            "mine-0-s0-2",
        ),
        Kind("grid", "train_grid", grid, "grid-0.csv"),
        Kind("scaled member", "train_member", given("train_member", chosen=chosen, members=members, member=1)),
        Kind(
            "design",
            "train_design",
            given("train_design", designs=designs, base="random", scaling="width"),
            share=3,
        ),
    ]


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
        task.run(lambda _: kind.run(out), kind.name, [])
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
            assert not kind.checkpoints(out).exists()
    os.environ["NAS_STEPS_CHECKPOINT_SECONDS"] = "0"
    _, status = os.waitpid(attempt(kind, out, log), 0)
    assert status == 0, log.read_text()
    assert not kind.checkpoints(out).exists()
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
        code_fingerprint(*kind.modules)  # remembered, for all children
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
