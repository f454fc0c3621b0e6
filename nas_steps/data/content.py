"""The fingerprint of a user's images, of the files that are read and no others."""

import os
from pathlib import Path

from nas_steps.config.data import Data
from nas_steps.data.ahead import ahead
from nas_steps.data.layout import named_as_image, visible_files
from nas_steps.errors import UserError
from nas_steps.provenance.contents import Contents
from nas_steps.provenance.files import read_json
from nas_steps.provenance.fingerprint import file_hash, fingerprint

#: threads that read images, which mostly wait for the disk; images that a thread takes at once
THREADS, AT_ONCE = 8, 64


def content_fingerprint(path: str | Path, memory: str | Path, leave_out: str | Path, threads: int = THREADS) -> str:
    """Return the fingerprint of a file, or of the names and contents of all images below a folder.

    Links are followed. Hidden files, those in `leave_out` and those that are no image, by name or content, do not
    count. Files that have not changed since they were noted in the JSON file `memory` are not read again. The result is
    the same for any number of `threads`.
    """
    path = Path(path)
    with Contents(memory) as contents:
        if not path.is_dir():
            try:
                return fingerprint([[".", contents.of(path)]])
            except OSError as error:
                raise UserError(f"{path} cannot be read: {error.strerror}; name a folder or a file that can") from None
        files = visible_files(path, Path(leave_out))
        names = list(files)

        def some(start: int) -> list[tuple[str, str]]:
            return [(name, _content(path / files[name], contents)) for name in names[start : start + AT_ONCE]]

        starts = range(0, len(names), AT_ONCE)
        found = [one for read in ahead(some, starts, threads=threads, depth=4 * threads) for one in read]
    return fingerprint([[name, content] for name, content in found if content])


def same_outcome(folder: str | Path, data: Data) -> bool:
    """Return whether the data in `folder` are what `data.unreadable` and `data.max_image_pixels` lead to."""
    meta = read_json(Path(folder) / "meta.json")
    try:
        skipped = meta["skipped"]
        return (
            not (skipped and data.unreadable == "refuse")
            and meta["largest_image_pixels"] <= data.max_image_pixels
            and not any(0 < entry["too_large_pixels"] <= data.max_image_pixels for entry in skipped)
        )
    except (KeyError, TypeError):
        return False  # of another version, or damaged


def _content(file: Path, contents: Contents) -> str:
    """Return the sha256 of an image, or why it cannot be read; empty if it is no image."""
    if not named_as_image(file.name):
        try:
            return contents.of(file, _image_hash)
        except OSError:
            return ""  # it cannot be opened, so the reader does not take it for an image
    try:
        return contents.of(file)
    except OSError as error:
        return f"cannot be read: {os.strerror(error.errno or 0)}"


def _image_hash(file: Path) -> str:
    from nas_steps.data.photos import is_image  # Pillow, for those alone whose name does not say what they are

    with file.open("rb") as stream:
        return file_hash(file) if is_image(stream) else ""
