"""The settings file of a step: the values of the config that it uses, and nothing else.

A step reads its settings and nothing else of the config; the same file decides whether the step is stale. So a key can
neither be used without being watched nor be watched without being used.
"""

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from nas_steps.errors import UserError
from nas_steps.provenance.files import canonical_json, read_json, write_for_jobs
from nas_steps.provenance.fingerprint import fingerprint

#: the end of the name of a settings file
FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Settings(BaseModel):
    """The settings of a step, typed. Each stage has its own in `nas_steps/<stage>/settings.py`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Kind = TypeVar("Kind", bound=BaseModel)


def write_settings(name: str, value: Any, folder: str | Path) -> str:
    """Write one settings file, if it is not there yet; return its path.

    The name ends in the fingerprint of the content: a running job cannot meet the settings of a later run. A file of
    that name that holds something else was edited by hand, or is damaged. It is written anew.
    """
    path = Path(folder) / f"{name}-{fingerprint(value)}.json"
    text = canonical_json(value) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode("utf-8"):
        write_for_jobs(path, text)
    return path.as_posix()


def read_settings(path: str | Path, kind: type[Kind]) -> Kind:
    """Read the settings that the Snakefile wrote for a step.

    Raises UserError if they are not what the file's name says. A copy under a name of one's own may hold anything.
    """
    value = read_json(path)
    _, _, named = Path(path).stem.rpartition("-")
    if FINGERPRINT.fullmatch(named) and named != fingerprint(value):
        raise UserError(
            f"{path} was edited by hand: its name is the fingerprint of other settings; run snakemake again, which "
            "writes it anew, and change the config; or give the edited copy another name"
        )
    return kind.model_validate(value)
