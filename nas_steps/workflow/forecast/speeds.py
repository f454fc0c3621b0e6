"""How fast jobs ran here before: one small file beside the settings, so that a dry run reads no ledger twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, remember
from nas_steps.workflow.forecast.work import TRAINING_RULES, Work, Workload
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

FILE = "speeds.json"
#: assumed until something is measured: multiply-accumulates a second of one thread
MACS_PER_SECOND = 1e10
#: seconds of a batch that do not depend on its images: a call of each layer, forward and back, and the optimiser
BATCH_SECONDS = 0.012
#: seconds to read one image, small as a digit or large as a photo
IMAGE_SECONDS = 0.005
#: seconds until a process has imported torch
IMPORT_SECONDS = 4.0
#: seconds of a job that trains nothing, from its start to its end
PLAIN_SECONDS = 1.0
#: seconds that Snakemake and Python take for each job before its ledger begins
STARTING_SECONDS = 0.4
#: how the rule of a training step begins that `nas_steps.start` measured
PROBE = "probe"
#: speeds that are kept
MOST = 500
#: seconds of jobs that do no training, with their imports
USUAL_SECONDS = {"budget": 6.0, "measure_blocks": 30.0, "export_networks": 25.0, "export_scaled": 15.0, "report": 8.0}


@dataclass(frozen=True)
class Speed:
    """What the jobs of a rule took: `assumed` seconds of their work by the constants above, and the measured ones.

    `networks` says of which kind their networks are: cells or mobile. A probe belongs to no experiment.
    """

    rule: str
    experiment: str
    networks: str
    device: str
    threads: int
    jobs: int
    assumed: float
    work_seconds: float
    import_seconds: float
    at: float = 0.0

    @property
    def of_a_probe(self) -> bool:
        """Whether it was measured apart from any experiment."""
        return not self.experiment

    @property
    def factor(self) -> float:
        """The measured seconds over the assumed ones."""
        return self.work_seconds / self.assumed if self.assumed > 0 else 1.0


def assumed_seconds(work: Work) -> float:
    """Return the seconds of a job's work by the constants of this module, on one thread."""
    return work.macs / MACS_PER_SECOND + work.batches * BATCH_SECONDS + work.images * IMAGE_SECONDS


class Speeds:
    """The speeds that were measured here, the newest of each experiment, rule and device. `file` is their file."""

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self.known: list[Speed] = []
        if self.file.is_file():
            try:
                self.known = [Speed(**row) for row in read_json(self.file)["speeds"]]
            except (UserError, KeyError, TypeError, OSError):
                self.known = []  # of another version, or damaged: it is measured again

    def of(self, rule: str, experiment: str, networks: str, device: str, threads: int) -> Speed | None:
        """Return the nearest measured speed: of this rule and experiment, of such networks, of any training of such
        networks; None if no job like it ran on this kind of device."""
        alike = [one for one in self.known if one.device == device and one.threads == threads]
        same = [one for one in alike if one.rule == rule]
        for found in (
            [one for one in same if one.experiment == experiment and one.networks == networks],
            [one for one in same if one.networks == networks],
        ):
            if found:
                return max(found, key=lambda one: one.at)
        trained = [one for one in alike if one.rule in TRAINING_RULES and one.networks == networks and one.assumed > 0]
        own = [one for one in trained if one.experiment == experiment]
        if rule not in TRAINING_RULES:
            return None
        probes = [one for one in alike if one.of_a_probe]
        return pooled(rule, own or trained or probes) if own or trained or probes else None

    @property
    def probed(self) -> bool:
        """Whether `nas_steps.start` has measured a training step here."""
        return any(one.of_a_probe for one in self.known)

    def add(self, speeds: Iterable[Speed]) -> None:
        """Keep the speeds in the place of older ones of the same experiment, rule and device."""
        new = {_key(one): one for one in speeds}
        if new:
            self.known = [*(one for one in self.known if _key(one) not in new), *new.values()]
            newest = sorted(self.known, key=lambda one: one.at)[-MOST:]
            remember(self.file, {"speeds": [asdict(one) for one in newest]})


def pooled(rule: str, speeds: Sequence[Speed]) -> Speed:
    """Return several speeds as that of one rule."""
    first = speeds[0]
    return replace(
        first,
        rule=rule,
        jobs=sum(one.jobs for one in speeds),
        assumed=sum(one.assumed for one in speeds),
        work_seconds=sum(one.work_seconds for one in speeds),
        import_seconds=sum(one.import_seconds for one in speeds),
        at=max(one.at for one in speeds),
    )


def measured_since(plan: Plan, workload: Workload, networks: str, since: float) -> list[Speed]:
    """Return the speeds of the jobs of a plan that began after the Unix time `since`, by their ledgers."""
    found = []
    for rule, step in STEPS.items():
        if "cost" not in step.writes:
            continue
        by_device: dict[tuple[str, int], list[Speed]] = {}
        for wildcards in plan.jobs(rule):
            file = Path(plan.placed(plan.file(rule, "cost", **wildcards)))
            if not file.is_file():
                continue
            cost = read_json(file)
            if cost.get("began", 0.0) < since:
                continue
            place = (kind_of(cost["device"]), int(cost["threads"]))
            by_device.setdefault(place, []).append(
                Speed(
                    rule,
                    plan.config.experiment,
                    networks,
                    *place,
                    jobs=1,
                    assumed=assumed_seconds(workload.of(rule, wildcards)),
                    work_seconds=cost["work_seconds"],
                    import_seconds=cost["import_seconds"],
                    at=cost["began"],
                )
            )
        found += [pooled(rule, speeds) for speeds in by_device.values()]
    return found


def kind_of(device: str) -> str:
    """Return the kind of a device that a ledger describes: `cpu`, `mps`, or `cuda` for a GPU by its name."""
    return next((kind for kind in ("cpu", "mps") if not device or device.startswith(kind)), "cuda")


def _key(speed: Speed) -> tuple[str, str, str, int]:
    return speed.experiment, speed.rule, speed.device, speed.threads
