"""What a source of text holds: the size, hash and sketch of each document, and which of them are alike."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tqdm import tqdm

from nas_steps.data.layout import printable
from nas_steps.data.text.alike import Hashes, groups_alike, sketch
from nas_steps.data.text.documents import CANNOT_READ, Documents
from nas_steps.errors import UserError
from nas_steps.provenance.fingerprint import fingerprint

#: unreadable files after which the reading stops; all of them are named at once
NAMED_AT_ONCE = 10


@dataclass(frozen=True)
class Document:
    """A document: its name, its part, its bytes, their sha256 in hexadecimal digits, and its `alike.sketch`."""

    name: str
    part: str
    size: int
    sha256: str
    sketch: Hashes


@dataclass(frozen=True)
class Alike:
    """Documents that are the same or almost the same.

    `kept` are the numbers of the documents but exact copies. `groups` are these in groups that are almost the same, one
    alone too. `copies` are names, the kept one first. `across` counts documents that a part before has, too, or almost.
    """

    kept: list[int]
    groups: list[list[int]]
    copies: list[list[str]]
    across: int

    @property
    def almost(self) -> list[list[int]]:
        """The groups of several documents."""
        return [group for group in self.groups if len(group) > 1]


def survey(found: Documents) -> list[Document]:
    """Read each document once. Raises UserError that names those that cannot be read, NAMED_AT_ONCE at most."""
    names = [(name, part) for part, names in found.parts.items() for name in names]
    surveyed: list[Document] = []
    failed: list[str] = []
    for name, part in tqdm(names, desc="reading text", unit="file", mininterval=2, delay=2, file=sys.stderr):
        try:
            content = found.read(name)
        except CANNOT_READ as error:
            failed.append(f"  {printable(name)}: {printable(_reason(error))}")
            if len(failed) >= NAMED_AT_ONCE:
                break
            continue
        sha256 = hashlib.sha256(content).hexdigest()
        surveyed.append(Document(name, part, len(content), sha256, sketch(content)))
    if failed:
        more = " (reading stopped there; there may be more)" if len(failed) >= NAMED_AT_ONCE else ""
        listed = "\n".join(failed)
        raise UserError(
            f"{len(failed)} file{'s' * (len(failed) > 1)} in {found.tree.label} cannot be read{more}:\n{listed}\n"
            "repair or remove them, or set data.files to patterns that leave them out"
        )
    return surveyed


def contents(found: Documents, chosen: Iterable[Document]) -> Iterator[bytes]:
    """Read documents again. Raises UserError if one has changed since the survey."""
    for one in chosen:
        try:
            content = found.read(one.name)
        except CANNOT_READ as error:
            raise UserError(_changed(found, one, _reason(error))) from error
        if hashlib.sha256(content).hexdigest() != one.sha256:
            raise UserError(_changed(found, one, "other bytes"))
        yield content


def fingerprint_of(surveyed: Iterable[Document]) -> str:
    """Return the fingerprint of the names and contents of documents, as `content.text_fingerprint` does."""
    return fingerprint(sorted([one.name, one.sha256] for one in surveyed))


def find_alike(surveyed: list[Document]) -> Alike:
    """Compare all documents. Copies within a part are left out but the first; nothing is left out across parts."""
    first: dict[tuple[str, str], int] = {}
    copies: dict[int, list[str]] = {}
    kept = []
    for number, one in enumerate(surveyed):
        leader = first.setdefault((one.part, one.sha256), number)
        if leader == number:
            kept.append(number)
        else:
            copies.setdefault(leader, [surveyed[leader].name]).append(one.name)
    groups = [[kept[place] for place in group] for group in groups_alike([surveyed[one].sketch for one in kept])]
    group_of = {one: number for number, group in enumerate(groups) for one in group}
    seen: set[str | int] = set()
    across = 0
    for part in dict.fromkeys(one.part for one in surveyed):
        own = [one for one in kept if surveyed[one].part == part]
        across += sum(surveyed[one].sha256 in seen or group_of[one] in seen for one in own)
        seen |= {surveyed[one].sha256 for one in own} | {group_of[one] for one in own}
    return Alike(kept, groups, [[printable(name) for name in names] for names in copies.values()], across)


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _changed(found: Documents, one: Document, reason: str) -> str:
    return f"{printable(one.name)} in {found.tree.label} changed while it was read ({reason}); run again"
