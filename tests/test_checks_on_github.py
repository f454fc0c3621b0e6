"""The checks on GitHub run the make targets of this repository, with as few rights as they need; so does the image."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHECKS = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = CHECKS["jobs"]
IMAGE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_they_run_every_target_that_a_change_must_pass() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    run = {command.split()[1] for command in commands if command.startswith("make ")}
    assert run == {"format", "lint", "test", "run", "docs"}
    assert run <= targets


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_in_time_and_names_the_versions_of_its_actions(name: str) -> None:
    assert JOBS[name]["timeout-minutes"] <= 120
    assert "permissions" not in JOBS[name]
    for step in JOBS[name]["steps"]:
        assert re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", step.get("uses", "actions/x@v1.0.0"))


def test_they_may_only_read() -> None:
    assert CHECKS["permissions"] == {"contents": "read"}


def test_the_image_has_a_base_of_a_version_and_a_user_without_rights() -> None:
    assert re.search(r"^ARG PYTHON=\d+\.\d+\.\d+-", IMAGE, flags=re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", IMAGE, flags=re.MULTILINE)) == {"python:${PYTHON}"}
    assert re.findall(r"^USER (\S+)", IMAGE, flags=re.MULTILINE) == ["1000:1000"]


def test_the_image_is_made_of_all_that_the_package_brings() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = [line[1:] for line in ignored if line.startswith("!")]
    assert [line for line in ignored if line and line[0] not in "#!"] == ["*", "**/__pycache__"]
    brought = re.findall(
        r'^"share/.*= \["([^"/]+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert brought
    wanted = {*brought, "nas_steps", "pyproject.toml", "README.md", "LICENSE"}
    assert [name for name in sorted(wanted) if not any(fnmatch(name, one) for one in taken)] == []
    assert all((ROOT / name).exists() for name in taken)
