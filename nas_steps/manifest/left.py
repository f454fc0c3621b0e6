"""What each job left: files that were changed, restored, copied or deleted since.

Snakemake goes by times and by what it wrote down when a job ended. It does not notice a file that was replaced by an
older one, nor a file that is gone and that nothing stale reads. So the sha256 of each file is written down too, beside
Snakemake's own records.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.manifest.compare import differences, read_manifest
from nas_steps.manifest.trust import ADOPTING, SHOWN, records
from nas_steps.manifest.write import MANIFEST
from nas_steps.plan import Plan
from nas_steps.provenance.contents import Contents
from nas_steps.provenance.files import read_json, write_json

#: the folder beside Snakemake's records
FOLDER = "nas-steps"


def check_left(plan: Plan, state: str | Path = ".snakemake") -> None:
    """Raise UserError if files are not what their jobs left, unless the manifest vouches for them.

    It does if it lists them as they are and says that config and code were the same: results that were copied over
    equal ones are taken.
    """
    if os.environ.get(ADOPTING):
        return
    rules = {file: made.name for made in plan.made() for file in made.files}
    manifest = read_manifest(plan.folder) if Path(plan.folder, MANIFEST).is_file() else None
    listed = {} if manifest is None else manifest["files"]
    if altered := altered_files(plan, state):
        as_listed = {file for file, now in altered.items() if listed.get(_name(file, plan), {}).get("sha256") == now}
        stale = {} if manifest is None else differences(manifest, plan)
        trusted = [file for file in as_listed if rules[file] not in stale]
        forget(plan, trusted, state)
        _refuse_altered(plan, {file: rules[file] for file in altered if file not in trusted}, set(altered) == as_listed)
    # no rule declares the scaled and the INT8 models, since which there are is known only when they are made
    declared = {_name(file, plan) for file in rules}
    gone = {
        name: line["by"]
        for name, line in listed.items()
        if name not in declared and line["by"] in rules.values() and not Path(plan.folder, name).exists()
    }
    _refuse_gone(plan, gone)


def _refuse_altered(plan: Plan, altered: dict[str, str], as_listed: bool) -> None:
    if not altered:
        return
    advice = "delete these files, and snakemake makes them anew; or bring back what was there"
    if as_listed:
        advice = (
            f"they are as {MANIFEST} lists them: `python -m nas_steps.manifest --adopt {plan.folder}` takes them with "
            f"what they were made from, so that exactly what is stale runs; or {advice}"
        )
    raise UserError(
        f"{plan.folder} is not what its runs left; files were changed or replaced since:\n"
        f"{_some([f'{file} ({rule})' for file, rule in altered.items()])}\n{advice}"
    )


def _refuse_gone(plan: Plan, gone: dict[str, str]) -> None:
    if not gone:
        return
    folders = {f"{plan.folder}/{os.path.dirname(name)}" for name in gone}
    beside = [
        file
        for file in lasting(plan)
        if os.path.dirname(file) in folders and os.path.basename(file) in ("check.json", "exports.json")
    ]
    raise UserError(
        f"{plan.folder} lacks files that a run made:\n{_some([f'{name} ({rule})' for name, rule in gone.items()])}\n"
        f"delete {' and '.join(beside)} too, and snakemake makes them anew; or bring back what was there"
    )


def _some(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join(f"  {line}" for line in [*lines[:SHOWN], *more])


def _name(file: str, plan: Plan) -> str:
    return os.path.relpath(file, plan.folder)


def altered_files(plan: Plan, state: str | Path = ".snakemake") -> dict[str, str]:
    """Return the files that hold something else than their job left, each with its sha256 now.

    What a job made since the last look is written down. A file is read only if it may have changed since.
    """
    state = Path(state)
    folder = state / FOLDER
    ledger = folder / f"{plan.config.experiment}-left.json"
    known: dict[str, list[str]] = read_json(ledger) if ledger.is_file() else {}
    new: dict[str, list[str]] = {}
    altered = {}
    with Contents(folder / f"{plan.config.experiment}-contents.json") as contents:
        for file in lasting(plan):
            record, mark = records(file, state)
            if not (record.is_file() and os.path.isfile(file)) or mark.exists():
                continue  # never made, or a job is at work on it: Snakemake decides
            of_job, before = contents.of(record), known.get(file)
            now = contents.of(file)
            if before is None or before[0] != of_job:
                new[file] = [of_job, now]
            elif before[1] != now:
                altered[file] = now
    if new and os.access(state, os.W_OK):
        write_json(ledger, known | new)
    return altered


def forget(plan: Plan, files: list[str], state: str | Path = ".snakemake") -> None:
    """Take files as they are now for what their jobs left."""
    ledger = Path(state) / FOLDER / f"{plan.config.experiment}-left.json"
    write_json(ledger, {file: line for file, line in read_json(ledger).items() if file not in files})
    altered_files(plan, state)


def lost_files(plan: Plan, state: str | Path = ".snakemake") -> list[str]:
    """Return the files that a run made and that are gone. As targets, they are made anew."""
    missing = [file for file in lasting(plan) if not os.path.exists(file)]
    if not missing:
        return []
    listed = read_manifest(plan.folder)["files"] if Path(plan.folder, MANIFEST).is_file() else {}
    return [
        file
        for file in missing
        if os.path.relpath(file, plan.folder) in listed or next(records(file, Path(state))).is_file()
    ]


def lasting(plan: Plan) -> list[str]:
    """Return every file that lasts, once."""
    return list(dict.fromkeys(file for made in plan.made() for file in made.files))
