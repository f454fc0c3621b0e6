"""Say in the words of the config and the code why a job is stale."""

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from nas_steps.provenance.changes import changed_modules, changed_versions
from nas_steps.provenance.files import read_json
from nas_steps.workflow.manifest.compare import config_changes
from nas_steps.workflow.manifest.trust import records
from nas_steps.workflow.manifest.write import EXPORTED, missing_files
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS
from nas_steps.workflow.why.jobs import Job

SETTINGS = re.compile(r"'.*?([^/']+-[0-9a-f]{16})\.json'")
CODE = re.compile(r"'([0-9a-f]{16})'")
#: the beginning of a cause that is another rule
FOLLOWS = "follows "


class Causes:
    """Snakemake's records of the files of jobs, compared with the plan."""

    def __init__(self, plan: Plan, snakemake_folder: str | Path = ".snakemake") -> None:
        self.plan = plan
        self.folder = Path(snakemake_folder)

    @cached_property
    def maker(self) -> dict[str, str]:
        """Return the rule that makes each file."""
        return {file: made.rule for made in self.plan.made() for file in made.files}

    def of(self, job: Job) -> list[str]:
        """Return the causes of one job, the nearest first; never empty."""
        record = self._record(job.output[0])
        # each setting of the data has files of its own name: compare with those that were read before
        reader = self._record(self.plan.budgeted) if job.rule in ("data", "text") else None
        found = [] if reader is None else self._data(reader["input"] or [])
        if record is not None:
            found += dict.fromkeys(self._changes(job, record))
        missing = [file for file in job.output if not os.path.exists(file)]
        exports = [file for file in job.output if os.path.basename(file) == EXPORTED and os.path.isfile(file)]
        missing += [file for one in exports for file in missing_files(one)]
        if record is None and missing and not found:
            found.append("new: it has never run here")
        elif record is not None and missing:
            found.append(f"missing: {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""))
        if files := job.reason_files("Incomplete output files"):
            found.append(f"cut off while it ran: {files[0]}")
        if files := job.reason_files("Updated input files"):
            found.append(f"newer than its results: {files[0]}")
        if record is not None:
            rules = {self.maker.get(file, file) for file in job.reason_files("Input files updated by another job")}
            found += [f"{FOLLOWS}{rule}" for rule in STEPS if rule in rules]
        if not found and "Set of input files" in job.reason:
            found.append("it reads other files than before")
        return found or [job.reason or "snakemake gives no reason"]

    def _record(self, file: str) -> dict[str, Any] | None:
        """Return Snakemake's record of a file; None if it has never been made here."""
        path = next(records(file, self.folder))
        return read_json(path) if path.is_file() else None

    def _changes(self, job: Job, record: dict[str, Any]) -> Iterator[str]:
        """Yield the settings, code, versions and data that have changed."""
        now = {
            "settings": Path(self.plan.settings(job.rule, STEPS[job.rule].variant(job.wildcards))).stem,
            "code": self.plan.code(job.rule, **job.wildcards),
            "versions": self.plan.versions(job.rule, job.wildcards.get("strategy", "")),
        }
        known = set()
        for text in record["params"] or []:
            if (found := SETTINGS.fullmatch(text)) and now["settings"]:
                known.add(text)
                if found[1] != now["settings"] and job.rule != "manifest":
                    yield from self._settings(found[1], now["settings"])
            elif found := CODE.fullmatch(text):
                known.add(text)
                if found[1] != now["code"]:
                    yield from self._code(found[1], now["code"])
            elif now["versions"] and text.startswith(f"'{now['versions'].partition(' ')[0]} "):
                known.add(text)
                yield from changed_versions(text.strip("'"), now["versions"])
        yield from self._data(record["input"] or [])
        if told := re.search(r"before: (.*?) now: (.*?) *(?:;|$)", job.reason):
            old, new = ({part for part in side.split(",") if part} for side in told.groups())
            others = [part for part in sorted(old - known) if not part.startswith("<")]
            if others:
                fresh = [part for part in sorted(new) if not (SETTINGS.fullmatch(part) or CODE.fullmatch(part))]
                yield f"a parameter of the command: {', '.join(others)} -> {', '.join(fresh)}"
        if "Code has changed" in job.reason:
            yield f"the command of rule {job.rule}"

    def _settings(self, old: str, new: str) -> list[str]:
        file = Path(self.plan.store, f"{old}.json")
        if not file.is_file():
            return [f"other settings (what they were is lost with {file})"]
        return config_changes(self.plan, read_json(file), new)

    def _code(self, old: str, new: str) -> list[str]:
        file = Path(self.plan.store, f"code-{old}.json")
        if not file.is_file():
            return [f"other code (what it was is lost with {file})"]
        modules = changed_modules(read_json(file), read_json(Path(self.plan.store, f"code-{new}.json")))
        return [f"code of {module}" for module in modules]

    def _data(self, inputs: list[str]) -> list[str]:
        """Return how the prepared data differ from those that the job read last time."""
        step = "text" if self.plan.reads_text else "data"
        new, now = Path(self.plan.data_folder), Path(self.plan.settings(step)).stem
        old = {Path(file).parent for file in inputs if Path(file).parent.parent == new.parent} - {new}
        names = [f"{step}-{folder.name.rpartition('-')[2]}" for folder in sorted(old)]
        return [line for name in names for line in self._settings(name, now)]
