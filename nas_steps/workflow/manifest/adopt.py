"""Tell Snakemake anew what it knew of results that came without `.snakemake`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nas_steps.config.load import load
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, write_text
from nas_steps.provenance.fingerprint import PACKAGE
from nas_steps.workflow.manifest.compare import UNLISTED_LINE, changed_files, read_manifest
from nas_steps.workflow.manifest.trust import ADOPTING, records
from nas_steps.workflow.plan import Plan, merged

SNAKEFILE = PACKAGE.parent / "Snakefile"


def adopt(folder: str | Path, configs: Sequence[str] = ()) -> int:
    """Check every file, restore the order of their times and Snakemake's records of them; return how many there are.

    The records say what the files were made with by the manifest, not what the config and the code are now: what has
    changed since is stale afterwards, and nothing else. Raises UserError where a file is not as the manifest lists it.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    wrong = [line for line in changed_files(folder, manifest) if not line.startswith(UNLISTED_LINE)]
    if wrong:
        raise UserError(
            f"{folder} is not what its manifest lists:\n"
            + "\n".join(f"  {line}" for line in wrong)
            + "\nbring these files as they were, or delete the folder to start anew"
        )
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
        command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", str(SNAKEFILE), "--configfile", str(config)]
        result = subprocess.run(
            [*command, "--cores", "4", "--touch", "--forceall"],
            env=os.environ | {ADOPTING: "1"},
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            check=False,
        )
    if result.returncode:
        raise UserError(f"snakemake --touch failed:\n{result.stdout}{result.stderr}")
    plan = Plan(raw)
    now = plan.fingerprints()
    adopted = 0
    for made in plan.made():
        then = manifest["rules"].get(made.name)
        if then is None:
            continue
        for file in made.files:
            _say(file, plan.store, now[made.name], then)
            adopted += 1
    itself = {"settings": Path(plan.manifest_settings()).stem, "code": plan.code("manifest"), "versions": ""}
    _say(plan.manifest, plan.store, itself, manifest["rules"]["manifest"])
    return adopted


def _say(file: str, store: str, now: Mapping[str, str], then: Mapping[str, str]) -> None:
    """Put what a file was made with into Snakemake's record of it."""
    path = next(records(file, Path(".snakemake")))
    record = read_json(path)
    told = {
        repr(now["code"]): repr(then["code"]),
        repr(now["versions"]): repr(then["versions"]),
        repr(f"{store}/{now['settings']}.json"): repr(f"{store}/{then['settings']}.json"),
    }
    record["params"] = sorted(told.get(value, value) for value in record["params"])
    write_text(path, json.dumps(record))
