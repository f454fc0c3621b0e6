"""Compare an experiment with its manifest, file by file, and with the config and code of now."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_steps.errors import UserError
from nas_steps.provenance.changes import changed_modules, changed_values, changed_versions
from nas_steps.provenance.files import read_json
from nas_steps.provenance.fingerprint import file_hash
from nas_steps.workflow.manifest.write import MANIFEST, place
from nas_steps.workflow.plan import Plan

#: files that a manifest does not list: logs, and hidden files, such as checkpoints and a file manager's
UNLISTED = re.compile(r"logs/.*|(.*/)?(\.[^/]+|Thumbs\.db|desktop\.ini)(/.*)?")
#: the beginning of the line about a file that is not in the manifest
UNLISTED_LINE = "not listed: "


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of an experiment's folder. Raises UserError if there is none."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise UserError(f"there is no {path}; a run writes it at its end: run snakemake, or name results/<experiment>")
    found = read_json(path)
    if not isinstance(found, dict) or not {"files", "rules", "settings", "code", "config"} <= set(found):
        raise UserError(f"{path} is no manifest of this version; delete it and run snakemake, which writes it anew")
    return found


def changed_files(folder: str | Path, manifest: Mapping[str, Any]) -> list[str]:
    """Return a line for each file that is missing, changed or not listed."""
    folder = Path(folder)
    lines = []
    for name, listed in sorted(manifest["files"].items()):
        file = place(folder, name)
        if not file.is_file():
            lines.append(f"missing: {name}")
        elif (size := file.stat().st_size) != listed["bytes"]:
            lines.append(f"changed: {name} has {size} bytes, the manifest says {listed['bytes']}")
        elif (found := file_hash(file)) != listed["sha256"]:
            lines.append(f"changed: {name} has sha256 {found[:16]}..., the manifest says {listed['sha256'][:16]}...")
    known = {*manifest["files"], MANIFEST}
    names = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*")) if file.is_file()]
    return lines + [f"{UNLISTED_LINE}{name}" for name in names if name not in known and not UNLISTED.fullmatch(name)]


def differences(manifest: Mapping[str, Any], plan: Plan) -> dict[str, list[str]]:
    """Return what has changed since each rule's files were made, by `Made.name`."""
    found = {}
    for name, now in plan.fingerprints().items():
        then, lines = manifest["rules"].get(name, now), []
        if then["settings"] != now["settings"]:
            lines += config_changes(plan, manifest["settings"].get(then["settings"], {}), now["settings"])
        if then["code"] != now["code"]:
            current = read_json(f"{plan.store}/code-{now['code']}.json")
            lines += [f"code of {module}" for module in changed_modules(manifest["code"][then["code"]], current)]
        lines += changed_versions(then["versions"], now["versions"])
        if lines:
            found[name] = lines
    return found


def config_changes(plan: Plan, old: Any, name: str) -> list[str]:
    """Return the keys of the config in which old settings differ from those in the file `name` of the plan's store."""
    new = read_json(Path(plan.store) / f"{name}.json")
    lines = []
    for path, before, after in changed_values(old, new):
        if path == ("content",):
            lines.append("the content of the images" if name.startswith("data-") else "the content of the table")
        elif path == ("weights_content",):
            lines.append("the content of the file of pretrained weights")
        else:
            lines.append(f"{plan.config_key(name.rpartition('-')[0], path)}: {before} -> {after}")
    return lines
