"""Kill the jobs of whole experiments, of every rule, and compare what is left with runs that nobody disturbed.

    python -m benchmarks.chaos [--kills 100] [--seed 0] [--experiments table mobile ...] [--folder FOLDER]

Each experiment runs twice through Snakemake, each time in a folder of its own. The first run is undisturbed. In the
second one jobs are killed, and Snakemake is started again until it ends. Together the experiments have every rule. The
kills are:

- SIGKILL to a job at a random moment, and SIGTERM;
- SIGKILL within the write of a file, of which half is left, or when the file has just been renamed to its place;
- SIGKILL to Snakemake alone, whose jobs live on as orphans; to Snakemake and all its jobs; Ctrl-C to all.

Each rule is struck before any is struck often. Snakemake runs now with retries, now without. Then all files of both
folders are compared bit for bit, what a clock or a meter measured aside (`benchmarks.undisturbed` lists it with the
reasons). It prints the kills by rule and by kind, the starts of Snakemake, trainings that went on from a checkpoint and
files compared, and ends with status 1 where a file differs, a job fails that nobody struck, or nothing moves for ten
minutes. The seed decides what strikes and when; which job that meets is the machine's.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import yaml

from benchmarks.undisturbed import compare, left_over, made_again, resumed
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.protocol import members
from nas_steps.workflow.steps import STEPS

ROOT = Path(__file__).resolve().parents[1]
STRIKING = Path(__file__).resolve().with_name("striking")

RECIPE = {"epochs": 2, "warmup_epochs": 0, "batch_size": 20, "learning_rate": 0.05}
DATA = {"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 60}
SUPERNET = {"epochs": 2, "batch_size": 20, "warmup_epochs": 0}
COMMON: dict[str, Any] = {"device": "cpu", "shards": 1, "data": DATA}
NETWORK = {"channels": 4, "cells": 3, "stem_multiplier": 1}
SCALING = {"resolution": [1.0, 1.4], "recipe": RECIPE, "members": 2, "seeds": 1}

CELLS: dict[str, Any] = {
    **COMMON,
    "experiment": "cells",
    "space": {"nodes": 2, "operations": ["skip_connect", "max_pool_3x3", "nor_conv_1x1"]},
    "search": {
        "network": NETWORK,
        "estimator": RECIPE,
        "screen": {"proxy": "synflow", "batch_size": 20, "proposals_per_evaluation": 2},
        "strategies": {
            "random": {},
            "evolution": {"population": 3, "sample": 2, "children": 2, "rounds": 2},
            "darts": {**SUPERNET, "candidates": 2},
            "enas": {
                **SUPERNET,
                "controller_steps": 2,
                "controller_batch": 2,
                "reward_images": 20,
                "evaluations": 4,
                "candidates": 2,
                "calibration_images": 20,
            },
        },
    },
    "ranking": {"shortlist": "auto", "most": 2, "uniform": 3, "recipe": RECIPE},
    "retrain": {
        "network": NETWORK,
        "recipe": RECIPE,
        "seeds": 1,
        "budget": "winner",
        "uniform": 0,
        "baselines": ["resnet20_x0.25", "mobilenet_v3_small_auto"],
    },
    "scaling": {**SCALING, "depth": [1.0, 2.0], "width": [1.0, 1.4], "macs_tolerance": 0.5, "channel_divisor": 1},
}
MOBILE: dict[str, Any] = {
    **COMMON,
    "experiment": "mobile",
    "space": {
        "preset": "mobile_small",
        "stem": {"width": 4},
        "stages": [
            {"width": 4, "depth": [1, 2], "kernel": [3, 5], "expansion": 2},
            {"width": 8, "depth": 1, "stride": 2, "kernel": [3, 5], "expansion": 2},
        ],
        "head": {"width": 16},
    },
    "search": {
        "estimator": {
            "kind": "shared_weights",
            "supernet": {**SUPERNET, "sampling": "uniform"},
            "calibration_images": 20,
        },
        "constraints": {"latency_ms": 1e6, "latency": {"repeats": 2, "warmup": 0}},
        "strategies": {"random": {}, "nsga2": {"population": 3, "children": 2, "rounds": 2}},
    },
    "ranking": {"shortlist": 1, "uniform": 3, "recipe": RECIPE},
    "retrain": {"recipe": RECIPE, "seeds": 1, "uniform": 0, "baselines": ["resnet20_x0.25", "resnet20_x0.1"]},
    "scaling": {
        **SCALING,
        "depth": [1.0],
        "width": [1.0],
        "resolution": [1.4],
        "mac_budget": 4e5,
        "warm_start": True,
        "factorial": {
            "enabled": True,
            "bases": ["searched", "random"],
            "scalings": ["none", "width"],
            "factor": 2,
            "seeds": 1,
        },
    },
}
COMPUTE = {"compute": 1e8, "batch_size": 2}
LANGUAGE: dict[str, Any] = {
    **COMMON,
    "experiment": "language",
    "data": {"source": "stdlib", "context": 16, "max_train": 60_000, "max_valid": 6_000, "max_test": 6_000},
    "space": {
        "depth": [1, 2],
        "width": [8, 16],
        "mixer": ["attn_h2", "conv_k3"],
        "feed_forward": ["gelu_e4", "relu2_e2"],
    },
    "search": {
        "estimator": COMPUTE,
        "strategies": {"random": {}, "evolution": {"population": 2, "sample": 1, "children": 1, "rounds": 2}},
    },
    "ranking": {"shortlist": 1, "uniform": 2, "recipe": COMPUTE},
    "retrain": {
        "recipe": {**COMPUTE, "epochs": 2, "learning_rates": [1e-3, 1e-2]},
        "seeds": 1,
        "uniform": 0,
        "baselines": ["gpt2", "llama_d16_l2"],
    },
    "scaling": {"rungs": {"enabled": True, "compute": 4e9, "recipe": {"epochs": 2, "batch_size": 64}}},
}
SPACE = PRESETS["nasbench201"].replace(nodes=2)
TABLE: dict[str, Any] = {
    "experiment": "table",
    "space": {"preset": "nasbench201", "nodes": 2},
    "search": {
        "estimator": {"kind": "table", "path": "table.csv", "search": "few epochs", "report": "all epochs"},
        "seeds": 2,
        "strategies": {"random": {}, "evolution": {"population": 5, "sample": 2, "children": 5, "rounds": 3}},
    },
}


def in_rounds(name: str, estimator: dict[str, Any], **strategies: Any) -> dict[str, Any]:
    """Random search and strategies that ask and tell in rounds, their architectures scored by `estimator`."""
    strategies = {"random": {"evaluations": 3}, **strategies}
    search = {"network": NETWORK, "estimator": estimator, "strategies": strategies}
    return {**COMMON, "experiment": name, "space": CELLS["space"], "search": search}


@dataclass(frozen=True)
class Experiment:
    """A config, and how far it is run."""

    config: dict[str, Any]
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.config["experiment"])


EXTRAPOLATED = {"kind": "extrapolation", **RECIPE, "epochs": 8, "observe": 4}
UNTRAINED = {"kind": "zero_cost", "batch_size": 20}
ONLY_SEARCHED = ("--until", "gather_search")
EXPERIMENTS = [
    Experiment(TABLE),
    Experiment(in_rounds("zero_cost", UNTRAINED, reinforce={"batch": 2, "rounds": 2}), ONLY_SEARCHED),
    Experiment(
        in_rounds("extrapolation", EXTRAPOLATED, predictor={"initial": 3, "batch": 2, "rounds": 2}), ONLY_SEARCHED
    ),
    Experiment(MOBILE),
    Experiment(CELLS),
    Experiment(LANGUAGE),
]

#: what can strike a job, as often as each other
JOB_STRIKES = ("SIGKILL", "SIGKILL", "SIGTERM", "within a write", "after a write")
RUN_STRIKES = ("Snakemake alone", "Snakemake and its jobs", "Ctrl-C")
#: seconds: between two looks at the jobs; of a run in which nothing moves; after which a run is struck
LOOK, STUCK, RUN_STRUCK = 0.02, 600.0, (2.0, 30.0)
#: share of the starts in which Snakemake itself is killed
RUN_SHARE = 0.5
#: a rule is struck so often, at most, while others wait
MOST = 5


def fault(text: str) -> NoReturn:
    """End with what the kills brought to light."""
    raise SystemExit(f"FAULT: {text}")


# ------------------------------------------------------------------------------------------- jobs and rules


def rule_of(command: list[str]) -> str:
    """The rule that a command belongs to; empty for a process that is none of a rule's own."""
    at = command.index("-m")
    package, step = [*command[at + 1 : at + 3], ""][:2]
    # the commands of data and manifest name no step
    name = step if step in STEPS else package.rpartition(".")[2]
    return name if name in STEPS and STEPS[name].package == package else ""


@dataclass
class Job:
    pid: int
    rule: str
    began: float
    #: what will strike it and when; "" for nothing
    how: str = ""
    due: float = 0.0

    def alive(self) -> bool:
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state != "Z"


class Jobs:
    """The jobs of a folder's runs, as they announce themselves in `place`."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True)
        self.place = place
        self.living: list[Job] = []

    def news(self) -> list[Job]:
        """The jobs that have begun since the last look."""
        found = []
        for file in self.place.glob("*.job"):
            rule = rule_of(json.loads(file.read_text(encoding="utf-8")))
            if rule:
                found.append(Job(int(file.stem), rule, time.monotonic()))
            file.unlink()
        self.living += found
        return found

    def ended(self) -> list[Job]:
        """The jobs that have ended since the last look."""
        gone = [job for job in self.living if not job.alive()]
        self.living = [job for job in self.living if job not in gone]
        return gone

    def order(self, job: Job, text: str) -> None:
        path = self.place / f"{job.pid}.strike"
        path.with_suffix(".new").write_text(text, encoding="utf-8")
        path.with_suffix(".new").rename(path)

    def obeyed(self, job: Job) -> bool:
        """Whether a job that has ended died by its order; there is none left of it."""
        (self.place / f"{job.pid}.strike").unlink(missing_ok=True)
        done = self.place / f"{job.pid}.strike.done"
        if done.exists():
            done.unlink()
            return True
        return False


# ------------------------------------------------------------------------------------------------- Snakemake


def prepare(experiment: Experiment, folder: Path) -> None:
    """The folder of a run: its config, and its table where it searches in one."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(experiment.config, sort_keys=False), encoding="utf-8")
    if experiment.config is TABLE:
        dice = random.Random(0)
        with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["architecture", "few epochs", "all epochs"])
            for architecture in map(str, members(SPACE)):
                worth = 10 * architecture.count("conv") + dice.random()
                writer.writerow([architecture, 20 + worth, 50 + worth + dice.random()])


def start(experiment: Experiment, folder: Path, place: Path, log: Path, *flags: str) -> subprocess.Popen[bytes]:
    """Snakemake on the experiment in `folder`; its jobs announce themselves in `place`."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", "2", "--configfile", str(folder / "config.yaml"), *experiment.flags, *flags]
    environment = {
        "PYTHONPATH": os.pathsep.join([str(STRIKING), str(ROOT)]),
        "NAS_STEPS_CHAOS": str(place),
        # each epoch's state is kept, so that even short trainings are gone on with
        "NAS_STEPS_CHECKPOINT_SECONDS": "0",
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # what a shell runs in its background ignores SIGINT, and so would this
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )


def looks(process: subprocess.Popen[bytes], jobs: Jobs, log: Path) -> Iterator[tuple[list[Job], list[Job]]]:
    """The jobs that have begun and those that have ended, until Snakemake ends."""
    moved = time.monotonic()
    while process.poll() is None:
        begun, ended = jobs.news(), jobs.ended()
        if begun or ended:
            moved = time.monotonic()
        if time.monotonic() - moved > STUCK:
            os.killpg(process.pid, signal.SIGKILL)
            fault(f"nothing has moved for {STUCK:.0f} s, with {[job.rule for job in jobs.living]} at work; see {log}")
        yield begun, ended
        time.sleep(LOOK)


def undisturbed(experiment: Experiment, folder: Path) -> dict[str, float]:
    """Run it to its end; the rules that had a job, each with the seconds of its shortest one."""
    prepare(experiment, folder)
    jobs, log = Jobs(folder / "jobs"), folder / "log.txt"
    process = start(experiment, folder, jobs.place, log)
    lives: dict[str, float] = {}
    for _, ended in looks(process, jobs, log):
        for job in ended:
            lives[job.rule] = min(lives.get(job.rule, 1e9), time.monotonic() - job.began)
    if process.returncode:
        fault(f"{experiment.name} does not even run undisturbed: {tail(log)}")
    return lives


def tail(log: Path, characters: int = 6000) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-characters:]


# ------------------------------------------------------------------------------------------------ the kills


@dataclass
class Told:
    """What was struck: by rule, by kind; how often Snakemake was started."""

    rules: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    starts: int = 0

    @property
    def kills(self) -> int:
        return sum(self.kinds.values())


class Chaos:
    """The kills of one experiment: at least `share`, and each rule of `lives` at least once."""

    def __init__(
        self,
        experiment: Experiment,
        jobs: Jobs,
        lives: dict[str, float],
        share: int,
        dice: random.Random,
        harms: deque[str],
    ) -> None:
        self.experiment = experiment
        self.jobs = jobs
        self.lives = lives
        self.share = share
        self.dice = dice
        #: what strikes Snakemake next, and after that; all experiments take turns
        self.harms = harms
        self.told = Told()
        #: how often each rule was struck, or is about to be
        self.meant: Counter[str] = Counter()
        #: the rules that were struck since the last start
        self.struck: set[str] = set()

    @property
    def enough(self) -> bool:
        return self.told.kills >= self.share and not self.missing

    @property
    def missing(self) -> list[str]:
        """The rules that nothing has struck yet."""
        return sorted(set(self.lives) - set(self.told.rules))

    def aim(self, job: Job) -> None:
        """Decide whether a job is to be struck, how and when."""
        rule = job.rule
        first = not self.meant[rule]
        spare = self.share - self.told.kills - len(self.missing)
        if not first and (spare <= 0 or self.meant[rule] >= MOST or self.dice.random() < 0.4):
            return
        job.how = self.dice.choice(JOB_STRIKES)
        shortest = self.lives.get(rule, 1.0)
        job.due = job.began + self.dice.uniform(0.0, 0.9 * shortest)
        if job.how.endswith("write"):
            # trainings write checkpoints; what writes less is sure to write one file
            number = 1 if first else self.dice.randint(1, 3)
            self.jobs.order(job, f"{job.how.split()[0]} {number}")
        self.meant[rule] += 1

    def strike(self) -> None:
        """Send the signals that are due."""
        for job in self.jobs.living:
            if job.how in ("SIGKILL", "SIGTERM") and time.monotonic() >= job.due:
                how, job.how = job.how, ""
                try:
                    os.kill(job.pid, signal.SIGKILL if how == "SIGKILL" else signal.SIGTERM)
                except ProcessLookupError:
                    self.meant[job.rule] -= 1
                    continue
                self.count(how, job)

    def count(self, how: str, *jobs: Job) -> None:
        self.told.kinds[how] += 1
        self.told.rules.update({job.rule for job in jobs})
        self.struck |= {job.rule for job in jobs}

    def settle(self, ended: list[Job]) -> None:
        """Count what died by its order; what outran its strike may be struck again."""
        for job in ended:
            if self.jobs.obeyed(job):
                self.count(f"SIGKILL {job.how}", job)
            elif job.how:
                self.meant[job.rule] -= 1

    def run(self, folder: Path, *flags: str) -> bool:
        """Start Snakemake once; whether it ended well."""
        self.told.starts += 1
        self.struck.clear()
        log = folder / f"log-{self.told.starts}.txt"
        retries = self.dice.choice((0, 0, 1, 2))
        process = start(self.experiment, folder, self.jobs.place, log, "--retries", str(retries), *flags)
        how = self.harms[0] if self.dice.random() < RUN_SHARE and not self.enough else ""
        due, hurt = time.monotonic() + self.dice.uniform(*RUN_STRUCK), ""
        for begun, ended in looks(process, self.jobs, log):
            self.settle(ended)
            for job in begun:
                self.aim(job)
            self.strike()
            if how and not hurt and time.monotonic() >= due and self.jobs.living:
                hurt = how
                self.hurt(how, process)
                self.harms.rotate(-1)
        self.settle(self.jobs.ended())
        print(
            f"  {self.experiment.name}, start {self.told.starts} (retries {retries}): {hurt or 'ran to its end'}, exit "
            f"status {process.returncode}; {self.told.kills} of {self.share} kills, {len(self.missing)} rules to come",
            flush=True,
        )
        if process.returncode and not hurt:
            text = log.read_text(encoding="utf-8", errors="replace")
            failed = set(re.findall(r"^Error in (?:local)?rule (\w+):", text, flags=re.M))
            if not failed or failed - self.struck:
                fault(f"{sorted(failed - self.struck) or 'Snakemake'} failed, which nothing had struck: {tail(log)}")
        return process.returncode == 0

    def hurt(self, how: str, process: subprocess.Popen[bytes]) -> None:
        """Strike Snakemake itself."""
        if how == "Snakemake alone":
            process.kill()  # its jobs live on
            self.count(how)
            return
        living = list(self.jobs.living)
        os.killpg(process.pid, signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)
        for job in living:
            job.how = ""
        self.count(how, *living)


def disturbed(chaos: Chaos, folder: Path, last: bool) -> None:
    """Run it until it has ended well and each rule was struck; with `last`, until all kills have hit."""
    flags: tuple[str, ...] = ()
    while True:
        done = chaos.run(folder, *flags)
        if done and not chaos.missing and (chaos.told.kills >= chaos.share or not last):
            return
        if chaos.told.starts > 5 * (chaos.share + len(chaos.lives)):
            fault(f"{chaos.experiment.name} has not ended after {chaos.told.starts} starts; see {folder}")
        flags = ()
        if done:  # everything is there, and too little was struck: again
            chaos.meant.clear()
            flags = ("--forcerun", *chaos.missing) if chaos.missing else ("--forceall",)


def main() -> None:
    names = [experiment.name for experiment in EXPERIMENTS]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=100, help="of all experiments together; at least one a rule")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--experiments", nargs="+", choices=names, default=names)
    options.add_argument(
        "--folder", type=Path, help="an empty folder for the runs, to look at; default: a temporary one"
    )
    given = options.parse_args()
    chosen = [experiment for experiment in EXPERIMENTS if experiment.name in given.experiments]
    with TemporaryDirectory(prefix="chaos-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        told = Told()
        began = time.monotonic()
        lives: dict[str, dict[str, float]] = {}
        for one in chosen:
            lives[one.name] = undisturbed(one, folder / one.name / "undisturbed")
            print(
                f"{one.name}: undisturbed, {len(lives[one.name])} rules, {time.monotonic() - began:.0f} s since the "
                "beginning",
                flush=True,
            )
        compared, differing, trainings = 0, 0, 0
        left, harms = given.kills, deque(RUN_STRIKES)
        for number, one in enumerate(chosen):
            mine = sum(len(lives[other.name]) for other in chosen[number:])
            share = round(left * len(lives[one.name]) / mine)
            place = folder / one.name / "disturbed"
            prepare(one, place)
            jobs = Jobs(place / "jobs")
            chaos = Chaos(one, jobs, lives[one.name], share, random.Random(f"{given.seed} {one.name}"), harms)
            disturbed(chaos, place, last=one is chosen[-1])
            left = max(0, left - chaos.told.kills)
            told.rules += chaos.told.rules
            told.kinds += chaos.told.kinds
            told.starts += chaos.told.starts
            count, differences = compare(folder / one.name / "undisturbed", place)
            again, more = made_again(place, folder / one.name / "again")
            count, differences = count + again, differences + more
            remains = left_over(place)
            for line in [*differences, *(f"left over: {file}" for file in remains)]:
                print(f"  DIFFERENT {line}")
            compared, differing = compared + count, differing + len(differences) + len(remains)
            trainings += resumed(place)
            print(
                f"{one.name}: {chaos.told.kills} kills, {chaos.told.starts} starts, {count} files compared, "
                f"{len(differences)} differ, {len(remains)} left over, {time.monotonic() - began:.0f} s since the "
                "beginning",
                flush=True,
            )
            if differences or remains:
                fault(f"{one.name} did not end as it does undisturbed")
    print("kills by rule: " + ", ".join(f"{rule} {count}" for rule, count in sorted(told.rules.items())))
    print("kills by kind: " + ", ".join(f"{kind} {count}" for kind, count in sorted(told.kinds.items())))
    unreached = sorted(set(STEPS) - set(told.rules))
    print(
        f"rules reached: {len(set(told.rules))} of {len(STEPS)}"
        + (f"; not {', '.join(unreached)}" if unreached else "")
    )
    print(
        f"seed {given.seed}: {told.kills} kills, {told.starts} starts of Snakemake, {trainings} times gone on from a "
        f"checkpoint, {compared} files compared, {compared - differing} identical"
    )


if __name__ == "__main__":
    main()
