"""The jobs that Snakemake would run, as its dry run prints them."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import PACKAGE

SNAKEFILE = PACKAGE.parent / "Snakefile"
#: the first line of a job's block
STAMP = re.compile(r"^\[.* \d{4}\]$", flags=re.M)


@dataclass(frozen=True)
class Job:
    """A job of the dry run. `reason` is Snakemake's sentence."""

    rule: str
    output: list[str]
    reason: str = ""
    wildcards: dict[str, str] = field(default_factory=dict)

    def reason_files(self, words: str) -> list[str]:
        """Return the files in the part of the reason that begins with `words`."""
        start = f"{words}: "
        return next((part[len(start) :].split(", ") for part in self.reason.split("; ") if part.startswith(start)), [])


def snakemake(arguments: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on this workflow."""
    command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(SNAKEFILE), *arguments]
    return subprocess.run(command, env=env, capture_output=True, encoding="utf-8", errors="backslashreplace")


def dry_run(configs: Sequence[str], overrides: Sequence[str] = ()) -> list[Job]:
    """Ask Snakemake. Raises UserError with its words if it makes no plan."""
    arguments = ["--dry-run", "--cores", "1", *(["--configfile", *configs] if configs else [])]
    result = snakemake([*arguments, *(["--config", *overrides] if overrides else [])])
    output = result.stdout + result.stderr
    if result.returncode:
        raise UserError(f"snakemake makes no plan:\n{output.strip()}")
    return parse(output)


def parse(output: str) -> list[Job]:
    """Read the jobs that a dry run printed, all but the target `all`."""
    jobs = []
    for block in STAMP.split(output):
        rule = re.search(r"^(?:local)?rule (\w+):$", block, flags=re.M)
        if rule is None or rule[1] == "all":
            continue
        found = dict(re.findall(r"^    (output|reason|wildcards): (.*)$", block, flags=re.M))
        pairs = (pair.partition("=") for pair in found.get("wildcards", "").split(", ") if pair)
        wildcards = {name: value for name, _, value in pairs}
        jobs.append(Job(rule[1], found.get("output", "").split(", "), found.get("reason", ""), wildcards))
    return jobs
