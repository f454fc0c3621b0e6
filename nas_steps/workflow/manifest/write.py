"""Write the manifest of an experiment that has run to its end."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_json, write_json
from nas_steps.provenance.fingerprint import code_fingerprint, file_hash
from nas_steps.provenance.versions import version

MANIFEST = "manifest.json"
PACKAGES = ("torch", "torchvision", "numpy", "snakemake", "onnx", "onnxruntime")
OWN_PACKAGE = "nas-steps"
#: the file that names exported models
EXPORTED = "exports.json"


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
    """Return the files that no rule declares: exported models and their cards."""
    found: dict[str, str] = {}
    for name, by in files.items():
        beside, _, last = name.rpartition("/")
        if last == EXPORTED:
            found |= {f"{beside}/{file}": by for file in undeclared_files(read_json(folder / name))}
    return found


def undeclared_files(exports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the models and cards that an exports.json names, relative to its folder."""
    files = [file for line in exports for file in (line["file"], (line["int8"] or {}).get("file"), line.get("card"))]
    files += [one["file"] for line in exports for made in line.get("formats", ()) for one in made["files"]]
    return [file for file in files if file]


def missing_files(exports: str | Path) -> list[str]:
    """Return the models and cards that the file `exports`, an exports.json, names and that are gone."""
    files = [Path(exports).parent / file for file in undeclared_files(read_json(exports))]
    return [str(file) for file in files if not file.is_file()]


def place(folder: str | Path, name: str) -> Path:
    """Return the path of a file of the manifest. `..` goes up from the name of the folder, which may be a link."""
    return Path(os.path.normpath(os.path.join(folder, name)))


def _devices(folder: Path, files: Mapping[str, Any]) -> list[str]:
    told = {str(read_json(folder / name).get("device") or "") for name in files if name.endswith("cost.json")}
    return sorted(told - {""})
