"""Trust or refuse files that Snakemake does not know, such as a copy of results/, by their manifest."""

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

from nas_steps.errors import UserError
from nas_steps.provenance.contents import Contents
from nas_steps.provenance.files import read_json
from nas_steps.workflow.manifest.compare import differences, read_manifest
from nas_steps.workflow.manifest.write import MANIFEST
from nas_steps.workflow.plan import Plan

#: the most lines of a message
SHOWN = 12
#: the length at which Snakemake cuts the names of its records
LONGEST = 254
#: set in the environment of the Snakemake whose records are restored
ADOPTING = "NAS_STEPS_ADOPTING"


def check_trust(plan: Plan, snakemake_folder: str | Path = ".snakemake") -> None:
    """Raise UserError if files are unknown to Snakemake and not as the manifest says."""
    if os.environ.get(ADOPTING):
        return
    state = Path(snakemake_folder)
    unknown = {
        file: made
        for file, made in plan.lasting().items()
        if os.path.exists(file) and not any(record.exists() for record in records(file, state))
    }
    if not unknown:
        return
    with contents_of(plan, state) as contents:
        # the name of their folder says what they were made from, and meta.json what they hold
        _check_data([file for file, made in unknown.items() if made.step.folder == "data"], contents)
        _check_results(
            plan, {file: made.name for file, made in unknown.items() if made.step.folder != "data"}, contents
        )


def contents_of(plan: Plan, state: Path) -> Contents:
    """Return the remembered hashes of an experiment's files, so that each is read once."""
    return Contents(state / "nas-steps" / f"{plan.config.experiment}-contents.json")


def _check_data(files: list[str], contents: Contents) -> None:
    for file in files:
        path = Path(file)
        if path.name != "meta.json" and path.with_name("meta.json").is_file():
            wanted = read_json(path.with_name("meta.json"))["checksums"].get(path.name)
            if contents.of(path) != wanted:
                raise UserError(f"{file} is not what meta.json beside it says; delete {path.parent} to prepare it anew")


def _check_results(plan: Plan, unknown: dict[str, str], contents: Contents) -> None:
    if not unknown:
        return
    folder = plan.placed(plan.folder)
    if not Path(folder, MANIFEST).is_file():
        some = ", ".join(list(unknown)[:3]) + (", ..." if len(unknown) > 3 else "")
        raise UserError(
            f"{folder} holds {len(unknown)} files of which Snakemake knows nothing ({some}), and no "
            f"{MANIFEST} that says what they were made with; bring the folder .snakemake that was beside results/, "
            f"or delete {folder} to start anew"
        )
    manifest = read_manifest(folder)
    differing = differences(manifest, plan)
    lines = []
    for name in dict.fromkeys(unknown.values()):
        files = [file for file, by in unknown.items() if by == name]
        if name in differing:
            lines.append(f"{name} ({len(files)} files): {'; '.join(differing[name])}")
        for file in files:
            listed = manifest["files"].get(os.path.relpath(file, folder))
            if listed is None:
                lines.append(f"{file}: not in the manifest")
            elif os.path.getsize(file) != listed["bytes"]:
                lines.append(f"{file}: {os.path.getsize(file)} bytes, the manifest says {listed['bytes']}")
            elif contents.of(file) != listed["sha256"]:
                lines.append(f"{file}: another content than the manifest lists")
    if lines:
        raise UserError(
            f"{folder} came here without .snakemake, which says what files were made with, and by its {MANIFEST} "
            f"they are not what is asked for now:\n{shortened(lines)}\n"
            f"`python -m nas_steps.manifest --adopt {folder}` tells Snakemake what they were made with, so that "
            f"exactly what is stale runs; or delete {folder} to start anew"
        )


def shortened(lines: Sequence[str]) -> str:
    """Indent the first lines and count the others."""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join(f"  {line}" for line in [*lines[:SHOWN], *more])


def records(file: str, folder: Path) -> Iterator[Path]:
    """Yield Snakemake's records of a file: its metadata, and the mark of an incomplete one."""
    name = urlsafe_b64encode(file.encode()).decode()
    parts = [name[start : start + LONGEST] for start in range(0, len(name), LONGEST)]
    parts = [f"@{part}" for part in parts[:-1]] + parts[-1:]
    for kind in ("metadata", "incomplete"):
        yield folder.joinpath(kind, *parts)
