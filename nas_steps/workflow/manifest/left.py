"""Find files that were changed, restored, copied or deleted since their jobs ended.

Snakemake goes by times: it does not notice a file that an older one replaced, nor a missing one that nothing stale
reads. So the sha256 of each file is kept beside Snakemake's own records.
"""

import os
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, remember
from nas_steps.workflow.manifest.compare import UNLISTED_LINE, changed_files, differences, read_manifest
from nas_steps.workflow.manifest.trust import ADOPTING, contents_of, records, shortened
from nas_steps.workflow.manifest.write import EXPORTED, MANIFEST, missing_files
from nas_steps.workflow.plan import Plan

#: seconds between the end of a job and Snakemake's record of it, and between the clocks of two machines
SLACK = 5.0


class Left:
    """The files that the jobs of a plan left, compared with those that are there. `state` is Snakemake's folder.

    `altered` are the files with another content than their job left, each with its sha256 now. `doubtful` are files
    that changed after their job was recorded and before the first look, as after a killed run.
    """

    def __init__(self, plan: Plan, state: str | Path = ".snakemake") -> None:
        self.plan = plan
        self.state = Path(state)
        self.altered: dict[str, str] = {}
        self.doubtful: list[str] = []
        self._ledger = self.state / "nas-steps" / f"{plan.config.experiment}-left.json"
        known: dict[str, list[str]] = read_json(self._ledger) if self._ledger.is_file() else {}
        new: dict[str, list[str]] = {}
        with contents_of(self.plan, self.state) as contents:
            for file in self.plan.lasting():
                record, mark = records(file, self.state)
                if not (record.is_file() and os.path.isfile(file)) or mark.exists():
                    continue  # never made, or a job is at work on it: Snakemake decides
                of_job, before = contents.of(record), known.get(file)
                now = contents.of(file)
                if before is not None and before[0] == of_job:
                    if before[1] != now:
                        self.altered[file] = now
                elif os.stat(file).st_ctime > os.stat(record).st_ctime + SLACK:
                    self.doubtful.append(file)
                else:
                    new[file] = [of_job, now]
        if new:
            remember(self._ledger, known | new)

    def vouched(self) -> bool:
        """Return whether all files are as the manifest lists them and nothing is stale, as after copying equal ones."""
        manifest = self._manifest()
        if manifest is None or differences(manifest, self.plan):
            return False
        folder = self.plan.placed(self.plan.folder)
        return all(line.startswith(UNLISTED_LINE) for line in changed_files(folder, manifest))

    def accept(self) -> None:
        """Take the altered files, for which the manifest vouches, as their jobs'."""
        if self.altered:
            known = read_json(self._ledger)
            remember(self._ledger, known | {file: [known[file][0], now] for file, now in self.altered.items()})

    def check(self) -> None:
        """Raise UserError if files were altered and the manifest does not vouch for them."""
        if not self.altered or os.environ.get(ADOPTING) or self.vouched():
            return
        folder, manifest = self.plan.placed(self.plan.folder), self._manifest()
        advice = "delete these files, and snakemake makes them anew; or bring back what was there"
        listed = {} if manifest is None else manifest["files"]
        hashes = {file: listed.get(os.path.relpath(file, folder), {}).get("sha256") for file in self.altered}
        if hashes == self.altered:
            advice = (
                f"they are as {MANIFEST} lists them: `python -m nas_steps.manifest --adopt {folder}` takes them with "
                f"what they were made from, so that exactly what is stale runs; or {advice}"
            )
        made = self.plan.lasting()
        raise UserError(
            f"{folder} is not what its runs left; files were changed or replaced since:\n"
            f"{shortened([f'{file} ({made[file].name})' for file in self.altered])}\n{advice}"
        )

    def to_remake(self) -> list[str]:
        """Return the files whose jobs must run again: doubtful ones, and records of exports that lack a model."""
        exported = [file for file in self.plan.lasting() if os.path.basename(file) == EXPORTED and os.path.isfile(file)]
        return [*self.doubtful, *(file for file in exported if missing_files(file))]

    def lost(self) -> list[str]:
        """Return the missing files that a run has made, as the rules name them: as targets they are made anew."""
        named = dict.fromkeys(file for made in self.plan.made() for file in made.files)
        # `lasting` has the same files in the same order
        missing = [file for file, placed in zip(named, self.plan.lasting(), strict=True) if not os.path.exists(placed)]
        manifest = self._manifest() if missing else None
        listed = {} if manifest is None else manifest["files"]
        return [
            file
            for file in missing
            if os.path.relpath(file, self.plan.folder) in listed
            or next(records(self.plan.placed(file), self.state)).is_file()
        ]

    def _manifest(self) -> dict[str, Any] | None:
        folder = self.plan.placed(self.plan.folder)
        return read_manifest(folder) if Path(folder, MANIFEST).is_file() else None
