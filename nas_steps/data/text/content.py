"""The fingerprint of the files that a source of text reads, and of no others."""

from __future__ import annotations

import os
from pathlib import Path

from nas_steps.config.text import TextData
from nas_steps.data.ahead import ahead
from nas_steps.data.content import AT_ONCE, THREADS
from nas_steps.data.text.documents import source_files
from nas_steps.errors import UserError
from nas_steps.provenance.contents import Contents
from nas_steps.provenance.fingerprint import fingerprint


def text_fingerprint(data: TextData, memory: str | Path, leave_out: Path | None = None, threads: int = THREADS) -> str:
    """Return the fingerprint of a .zip, or of the names and contents of all documents of a folder or of stdlib.

    `memory` and `leave_out` are those of `data.content.content_fingerprint`. Raises UserError if the source is a file
    that cannot be read.
    """
    with Contents(memory) as contents:
        path = Path(os.path.expanduser(data.path or ""))
        if data.source == "text" and not path.is_dir():
            try:
                return fingerprint([[".", contents.of(path)]])
            except OSError as error:
                raise UserError(
                    f"data.path: {path} cannot be read: {error.strerror}; name a folder or a .zip"
                ) from None
        files = list(source_files(data, leave_out).items())

        def some(start: int) -> list[list[str]]:
            return [[name, _content(file, contents)] for name, file in files[start : start + AT_ONCE]]

        starts = range(0, len(files), AT_ONCE)
        return fingerprint([one for read in ahead(some, starts, threads=threads, depth=4 * threads) for one in read])


def _content(file: str, contents: Contents) -> str:
    """Return the sha256 of a file, or why it cannot be read."""
    try:
        return contents.of(file)
    except OSError as error:
        return f"cannot be read: {os.strerror(error.errno or 0)}"
