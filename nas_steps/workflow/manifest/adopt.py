"""Tell Snakemake anew what it knew of results that came without `.snakemake`."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nas_steps.config.load import load
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, write_text
from nas_steps.workflow.manifest.compare import UNLISTED_LINE, changed_files, read_manifest
from nas_steps.workflow.manifest.trust import ADOPTING, records
from nas_steps.workflow.plan import Plan, merged
from nas_steps.workflow.why.jobs import snakemake


def adopt(folder: str | Path, configs: Sequence[str] = ()) -> int:
    """Check every file, restore times and Snakemake's records; return their number. Raises UserError for a change."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    wrong = [line for line in changed_files(folder, manifest) if not line.startswith(UNLISTED_LINE)]
    if wrong:
        lines = "\n".join(f"  {line}" for line in wrong)
        advice = "bring these files as they were, or delete the folder to start anew"
        raise UserError(f"{folder} is not what its manifest lists:\n{lines}\n{advice}")
    raw: dict[str, Any] = merged(configs) if configs else manifest["config"]
    experiment = load(raw, f"the config of {folder}").experiment  # told in words here, not by the other process
    if Path("results", experiment).resolve() != folder.resolve():
        raise UserError(
            f"{folder} is experiment {experiment!r}, whose place is results/{experiment} of the folder "
            "that snakemake is started in; move it there, and start this command in that folder"
        )
    with TemporaryDirectory() as temporary:
        config = Path(temporary, "config.json")
        write_text(config, json.dumps(raw))
        touched = ["--configfile", str(config), "--cores", "4", "--touch", "--forceall"]
        result = snakemake(touched, env=os.environ | {ADOPTING: "1"})
    if result.returncode:
        raise UserError(f"snakemake --touch failed:\n{result.stdout}{result.stderr}")
    plan = Plan(raw)
    now = plan.fingerprints()
    adopted = [(made.name, file) for made in plan.made() if made.name in manifest["rules"] for file in made.files]
    for name, file in adopted:
        _say(file, plan.store, now[name], manifest["rules"][name])
    itself = {"settings": Path(plan.manifest_settings()).stem, "code": plan.code("manifest"), "versions": ""}
    _say(plan.manifest, plan.store, itself, manifest["rules"]["manifest"])
    return len(adopted)


def _say(file: str, store: str, now: Mapping[str, str], then: Mapping[str, str]) -> None:
    """Put the origin of a file into Snakemake's record of it."""
    path = next(records(file, Path(".snakemake")))
    record = read_json(path)
    told = {
        repr(now["code"]): repr(then["code"]),
        repr(now["versions"]): repr(then["versions"]),
        repr(f"{store}/{now['settings']}.json"): repr(f"{store}/{then['settings']}.json"),
    }
    record["params"] = sorted(told.get(value, value) for value in record["params"])
    write_text(path, json.dumps(record))
