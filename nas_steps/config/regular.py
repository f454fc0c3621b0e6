"""What is a file or a folder, and what would be read for ever. Imports nothing that only a workflow needs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: what is said of a path where nothing is, and where a folder is no file
MISSING = "does not exist"
FOLDER = "is a folder"


def irregular(path: str | Path, *, folder: bool = False) -> str | None:
    """Why `path` cannot be read as a file (or as a `folder`, where that will do): words that follow its name. None
    where it can. Opening a pipe would wait for ever, and some devices have no end."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except (OSError, ValueError) as error:  # no right to look, a link to itself, a name too long or with a zero byte
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode) or (folder and stat.S_ISDIR(mode)):
        return None
    return FOLDER if stat.S_ISDIR(mode) else "is a pipe, a socket or a device, no file"
