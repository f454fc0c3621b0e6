"""Write the manifest of an experiment that has run to its end."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_json, write_json
from nas_steps.provenance.fingerprint import code_fingerprint, file_hash
from nas_steps.provenance.versions import version

MANIFEST = "manifest.json"
PACKAGES = ("torch", "torchvision", "numpy", "snakemake", "onnx", "onnxruntime")
OWN_PACKAGE = "nas-steps"
#: the files that name exported models
EXPORTED = ("exports.json", "check.json")


def write(folder: str | Path, settings: str | Path) -> dict[str, Any]:
    """Write `folder`/manifest.json and return it. `settings` is the file of `Plan.manifest_settings`."""
    folder, settings = Path(folder), Path(settings)
    step = read_json(settings)
    listed = step["files"] | _undeclared(folder, step["files"])
    files = {name: {**_described(place(folder, name)), "by": by} for name, by in listed.items()}
    rules: Mapping[str, Mapping[str, str]] = step["rules"]
    itself = {"rule": "manifest", "settings": settings.stem, "code": code_fingerprint(__name__), "versions": ""}
    found = {
        "config": step["config"],
        "rules": {**rules, "manifest": itself},
        "settings": {
            rule["settings"]: read_json(settings.with_name(f"{rule['settings']}.json"))
            for rule in rules.values()
            if rule["settings"]
        },
        "code": {rule["code"]: read_json(settings.with_name(f"code-{rule['code']}.json")) for rule in rules.values()},
        "packages": {"python": platform.python_version()}
        | {package: version(package) for package in (*PACKAGES, OWN_PACKAGE)},
        "devices": _devices(folder, files),
        "files": files,
    }
    write_json(folder / MANIFEST, found)
    return found


def _described(file: Path) -> dict[str, Any]:
    """Return size and sha256, which meta.json beside an array has."""
    known = file.suffix == ".npy" and read_json(file.with_name("meta.json"))["checksums"].get(file.name)
    return {"bytes": file.stat().st_size, "sha256": known or file_hash(file)}


def _undeclared(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Return the ONNX files that no rule declares: those of scaled members, and accepted INT8 files."""
    found: dict[str, str] = {}
    for name, by in files.items():
        beside, _, last = name.rpartition("/")
        if beside.startswith("export/") and last in EXPORTED:
            found |= {f"{beside}/{file}": by for file in undeclared_files(read_json(folder / name))}
    return found


def undeclared_files(told: Any) -> list[str]:
    """Return the models that an exports.json or check.json names, without its own folder."""
    lines = told if isinstance(told, list) else [told]
    files = [file for line in lines for file in (line.get("file"), (line.get("int8") or {}).get("file"))]
    return [file for file in files if file]


def place(folder: str | Path, name: str) -> Path:
    """Return the path of a file of the manifest. `..` goes up from the name of the folder, which may be a link."""
    return Path(os.path.normpath(os.path.join(folder, name)))


def _devices(folder: Path, files: Mapping[str, Any]) -> list[str]:
    told = {str(read_json(folder / name).get("device") or "") for name in files if name.endswith("cost.json")}
    return sorted(told - {""})
