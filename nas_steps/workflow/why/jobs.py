"""The jobs that Snakemake would run, as its dry run prints them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE

SNAKEFILE = PACKAGE.parent / "Snakefile"
#: how a job's block begins
STAMP = re.compile(r"^\[.* \d{4}\]$", flags=re.M)


@dataclass(frozen=True)
class Job:
    """A job of the dry run. `reason` is Snakemake's sentence."""

    rule: str
    output: list[str]
    reason: str = ""
    wildcards: dict[str, str] = field(default_factory=dict)

    def reason_files(self, words: str) -> list[str]:
        """The files that the part of the reason which begins with `words` names."""
        for part in self.reason.split("; "):
            if part.startswith(f"{words}: "):
                return part.removeprefix(f"{words}: ").split(", ")
        return []


def dry_run(configs: Sequence[str], overrides: Sequence[str] = ()) -> list[Job]:
    """Ask Snakemake. Raises UserError with its words where it makes no plan."""
    command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--dry-run", "--cores", "1"]
    command += ["--configfile", *configs] if configs else []
    command += ["--config", *overrides] if overrides else []
    result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="backslashreplace", check=False)
    output = result.stdout + result.stderr
    if result.returncode:
        raise UserError(f"snakemake makes no plan:\n{output.strip()}")
    return parse(output)


def parse(output: str) -> list[Job]:
    """The jobs in what a dry run printed, the target `all` aside."""
    jobs = []
    for block in STAMP.split(output):
        rule = re.search(r"^(?:local)?rule (\w+):$", block, flags=re.M)
        if rule is None or rule[1] == "all":
            continue
        found = dict(re.findall(r"^    (output|reason|wildcards): (.*)$", block, flags=re.M))
        pairs = (pair.partition("=") for pair in found.get("wildcards", "").split(", ") if pair)
        jobs.append(
            Job(
                rule=rule[1],
                output=found.get("output", "").split(", "),
                reason=found.get("reason", ""),
                wildcards={name: value for name, _, value in pairs},
            )
        )
    return jobs
