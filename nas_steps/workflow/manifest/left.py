"""What each job left: files that were changed, restored, copied or deleted since.

Snakemake goes by times and by what it wrote down when a job ended. It does not notice a file that was replaced by an
older one, nor a file that is gone and that nothing stale reads. So the sha256 of each file is written down too, beside
Snakemake's own records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, remember
from nas_steps.workflow.manifest.compare import UNLISTED_LINE, changed_files, differences, read_manifest
from nas_steps.workflow.manifest.trust import ADOPTING, SHOWN, contents_of, records
from nas_steps.workflow.manifest.write import MANIFEST, undeclared_files
from nas_steps.workflow.plan import Plan

#: seconds between the end of a job and Snakemake's record of it, and between the clocks of two machines
SLACK = 5.0


class Left:
    """What the jobs of a plan left, compared with what is there. Snakemake's folder is `state`.

    `altered` are the files that hold something else than their job left, each with its sha256 now. `doubtful` are files
    that changed after their job was recorded and before anybody looked: a run that was killed could not look. A file is
    read only if it may have changed since the last look.
    """

    def __init__(self, plan: Plan, state: str | Path = ".snakemake") -> None:
        self.plan = plan
        self.state = Path(state)
        self.altered: dict[str, str] = {}
        self.doubtful: list[str] = []
        self._ledger = self.state / "nas-steps" / f"{plan.config.experiment}-left.json"
        self._look()

    def _look(self) -> None:
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
        """Whether the manifest speaks for the altered files: all files are as it lists them, and nothing is stale.

        So results that were copied over equal ones are taken. One file alone may be of another state of the run.
        """
        manifest = self._manifest()
        if manifest is None or differences(manifest, self.plan):
            return False
        folder = self.plan.placed(self.plan.folder)
        return all(line.startswith(UNLISTED_LINE) for line in changed_files(folder, manifest))

    def accept(self) -> None:
        """Take the altered files, for which the manifest vouches, for what their jobs left."""
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
        if all(
            listed.get(os.path.relpath(file, folder), {}).get("sha256") == now for file, now in self.altered.items()
        ):
            advice = (
                f"they are as {MANIFEST} lists them: `python -m nas_steps.manifest --adopt {folder}` takes them with "
                f"what they were made from, so that exactly what is stale runs; or {advice}"
            )
        made = self.plan.lasting()
        raise UserError(
            f"{folder} is not what its runs left; files were changed or replaced since:\n"
            f"{_some([f'{file} ({made[file].name})' for file in self.altered])}\n{advice}"
        )

    def to_remake(self) -> list[str]:
        """Return the files whose jobs must run again though Snakemake finds them current.

        Those are the doubtful ones, and the records of exports that name a model which is gone: no rule declares these
        models, since which there are is known only when they are made.
        """
        return [*self.doubtful, *self._of_gone_models()]

    def _of_gone_models(self) -> Iterator[str]:
        for file in self.plan.lasting():
            if os.path.basename(file) in ("exports.json", "check.json") and os.path.isfile(file):
                models = undeclared_files(read_json(file))
                if any(not Path(file).with_name(model).is_file() for model in models):
                    yield file

    def lost(self) -> list[str]:
        """Return the files that a run made and that are gone, as the rules name them: as targets they are made anew."""
        named = [file for made in self.plan.made() for file in made.files]
        missing = [file for file in dict.fromkeys(named) if not os.path.exists(self.plan.placed(file))]
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


def _some(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join(f"  {line}" for line in [*lines[:SHOWN], *more])
