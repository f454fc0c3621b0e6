"""Files that the user names: whether they are regular, and their text. Imports no package that `predict` may lack."""

import os
import stat
from pathlib import Path

from nas_steps.errors import UserError

MISSING = "does not exist"
FOLDER = "is a folder"


def irregular(path: str | Path, *, folder: bool = False) -> str | None:
    """Say why `path` is no readable file (or, with `folder`, folder); None if it is. A pipe would block for ever."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except (OSError, ValueError) as error:  # no right to look, a link to itself, a name too long or with a zero byte
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode) or (folder and stat.S_ISDIR(mode)):
        return None
    return FOLDER if stat.S_ISDIR(mode) else "is a pipe, a socket or a device, no file"


def text_of(path: str | Path) -> str:
    """Return the text of a file, without its byte-order mark. Raises UserError if it is not UTF-8."""
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} is no UTF-8 text: line {line} holds the byte 0x{data[error.start]:02x}; save it in UTF-8"
        ) from None
