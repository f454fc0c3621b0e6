"""From a source of text to the files of all later steps: three streams of tokens and meta.json."""

from __future__ import annotations

import hashlib
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from nas_steps.config.text import TextData
from nas_steps.data.layout import printable
from nas_steps.data.splitting import missing_shares
from nas_steps.data.store import META, SPLITS
from nas_steps.data.text.dealing import deal_by_bytes, thin
from nas_steps.data.text.documents import Documents, documents
from nas_steps.data.text.files import TOKENIZER
from nas_steps.data.text.settings import TextSettings
from nas_steps.data.text.store import COLUMNS, part_file
from nas_steps.data.text.survey import Alike, Document, contents, find_alike, fingerprint_of, survey
from nas_steps.data.text.tokens import START, Bytes, Tokens, check_tokenizers, train_bpe
from nas_steps.data.writing import Hashed
from nas_steps.errors import UserError
from nas_steps.facts import vocabulary_of
from nas_steps.provenance.files import atomic, write_csv, write_json, write_text
from nas_steps.provenance.seeds import derive_seed

#: groups of documents named in meta.json; all of them are counted
GROUPS_NAMED = 50
#: bytes that are copied at once
COPIED = 2**20

#: documents of a part, and how many bytes of each are kept
Chosen = list[tuple[Document, int]]


def prepare_text(settings: TextSettings, output: Path, leave_out: Path | None = None) -> dict[str, Any]:
    """Read the source, split it and write `{train,valid,test}_{tokens.npy,documents.csv}` and meta.json.

    The source's own parts stay. Its other documents are dealt out by bytes, seeded; a document is in one part. Of
    exact copies one is kept. Documents that are almost the same come into the same part. Between the source's own parts
    both are only counted. Then `max_*` thins each part. Byte pairs are learnt from the training part alone, and are
    written to tokenizer.json. Documents keep the order of their names.

    Returns meta.json and the number of `ignored` files. Raises UserError for errors that the user can mend, and then
    leaves no file behind.
    """
    check_tokenizers(settings.data)
    with documents(settings.data, leave_out) as found:
        surveyed = survey(found)
        _check_content(settings, found, surveyed)
        filled = [one for one in surveyed if one.size]
        alike = find_alike(filled)
        parts = _parts(settings, found, filled, alike)
        meta = {
            "source": settings.data.source,
            "seed": settings.seed,
            "tokens": settings.data.tokens,
            "vocabulary": vocabulary_of(settings.data.tokens, settings.data.vocabulary),
            "context": settings.data.context,
            "own_parts": sorted(found.parts, key=SPLITS.index) if len(found.parts) > 1 else [],
            "read": {
                "documents": len(surveyed),
                "bytes": sum(one.size for one in surveyed),
                "empty": len(surveyed) - len(filled),
                "fingerprint": fingerprint_of(surveyed),
                "python": platform.python_version() if settings.data.source == "stdlib" else None,
            },
            "copies": {
                "left_out": len(filled) - len(alike.kept),
                "groups": len(alike.copies),
                "files": alike.copies[:GROUPS_NAMED],
            },
            "almost_the_same": {
                "documents": sum(map(len, alike.almost)),
                "groups": len(alike.almost),
                "files": [[printable(filled[one].name) for one in group] for group in alike.almost[:GROUPS_NAMED]],
            },
            "across_parts": alike.across,
        }
        return _write(settings.data, found, parts, meta, output) | {"ignored": found.ignored}


def _check_content(settings: TextSettings, found: Documents, surveyed: list[Document]) -> None:
    """Raise UserError if the files are not those that the plan saw; a .zip is not compared."""
    seen = fingerprint_of(surveyed)
    if settings.content in ("", seen) or not found.listed:
        return
    which = f"{found.tree.label} has {len(surveyed)} documents of fingerprint {seen}, not {settings.content}"
    if settings.data.source == "stdlib":
        mend = f"this is Python {platform.python_version()}: prepare it with the Python that runs snakemake"
    else:
        mend = "files changed after the run was planned: run snakemake again"
    raise UserError(f"{which}; {mend}")


def _parts(settings: TextSettings, found: Documents, filled: list[Document], alike: Alike) -> dict[str, Chosen]:
    """Return the documents of each part. Raises UserError if there are too few, or too little text."""
    data, label = settings.data, found.tree.label
    shares = missing_shares(found.parts, data.valid, data.test)
    by_part = {part: [one for one in alike.kept if filled[one].part == part] for part in found.parts}
    for part, chosen in by_part.items():
        if not chosen:
            raise UserError(f"the {part} documents of {label} are all empty; add text, or remove the folder")
    if len(shares) > 1:
        pool = set(by_part["train"])
        groups = [own for group in alike.groups if (own := [one for one in group if one in pool])]
        if len(groups) < len(shares):
            raise UserError(_too_few(label, len(pool), groups, shares))
        sizes = [one.size for one in filled]
        by_part |= deal_by_bytes(groups, sizes, shares, derive_seed(settings.seed, "split"))
    parts: dict[str, Chosen] = {}
    for part in SPLITS:
        seed = derive_seed(settings.seed, "subsample", part)
        kept = thin(by_part[part], [one.size for one in filled], getattr(data, f"max_{part}"), seed)
        parts[part] = [(filled[one], size) for one, size in kept.items()]
        _check_length(data, part, label, sum(kept.values()) + len(kept))  # there are no more tokens than bytes
    return parts


def _too_few(label: str, pool: int, groups: list[list[int]], shares: Mapping[str, float]) -> str:
    what = f"{label} has {'one document' if pool == 1 else f'{pool} documents'}"
    if len(groups) < pool:
        what += f" in {len(groups)} group{'s' * (len(groups) > 1)} that are almost the same"
    needs = f"{', '.join(shares)} need one each (exact copies and empty files not counted)"
    return f"{what}, but {needs}; add documents, or cut the text into several files"


def _check_length(data: TextData, part: str, label: str, tokens: int) -> None:
    if tokens > data.context:
        return
    limit = getattr(data, f"max_{part}")
    raises = f"raise data.max_{part} ({limit})" if limit else "add text"
    if part != "train" and not limit:
        raises = f"raise data.{part}, or add text"
    raise UserError(
        f"the {part} part of {label} has {tokens} tokens, but a context of {data.context} (data.context) needs "
        f"{data.context + 1}; lower data.context, {raises}"
    )


def _write(
    data: TextData, found: Documents, parts: Mapping[str, Chosen], meta: dict[str, Any], output: Path
) -> dict[str, Any]:
    """Write all files, then meta.json; if one fails, remove the others."""
    checksums: dict[str, str] = {}
    output.mkdir(parents=True, exist_ok=True)
    for left in (META, TOKENIZER):  # of files that are about to change
        (output / left).unlink(missing_ok=True)
    with ExitStack() as undo:

        def announce(path: Path) -> Path:
            undo.callback(path.unlink, missing_ok=True)
            return path

        tokens: Tokens = Bytes()
        if data.tokens == "bpe":
            learnt = train_bpe(_texts(found, parts["train"]), vocabulary_of(data.tokens, data.vocabulary))
            text, path = learnt.text(), announce(output / TOKENIZER)
            write_text(path, text)
            checksums[TOKENIZER] = hashlib.sha256(text.encode()).hexdigest()
            tokens = learnt
        sizes = {}
        for part, chosen in parts.items():
            with tempfile.TemporaryFile(dir=output) as spool:
                lengths = _encode(found, chosen, tokens, spool)
                total = sum(lengths) + len(lengths)
                _check_length(data, part, found.tree.label, total)
                path = announce(part_file(output, part))
                checksums[path.name] = _save(spool, total, tokens.kind, path)
            rows = [
                {"document": printable(one.name), "bytes": size, "tokens": length}
                for (one, size), length in zip(chosen, lengths, strict=True)
            ]
            path = announce(part_file(output, part, "documents"))
            write_csv(path, rows, COLUMNS)
            checksums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
            sizes[part] = {"documents": len(rows), "bytes": sum(size for _, size in chosen), "tokens": total}
        lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
        content = hashlib.sha256(lines.encode()).hexdigest()
        meta = {**meta, "parts": sizes, "checksums": checksums, "content": content}
        write_json(output / META, meta)
        undo.pop_all()
    return meta


def _texts(found: Documents, chosen: Chosen) -> Iterator[bytes]:
    sizes = [size for _, size in chosen]
    for content, size in zip(contents(found, [one for one, _ in chosen]), sizes, strict=True):
        yield content[:size]


def _encode(found: Documents, chosen: Chosen, tokens: Tokens, spool: IO[bytes]) -> list[int]:
    """Write START and the tokens of each document to `spool`; return the numbers of tokens without START."""
    start = np.array([START], tokens.kind).tobytes()
    lengths = []
    for text in _texts(found, chosen):
        numbers = np.ascontiguousarray(tokens.encode(text), tokens.kind)
        spool.write(start)
        spool.write(numbers.data)
        lengths.append(len(numbers))
    return lengths


def _save(spool: IO[bytes], total: int, kind: np.dtype[Any], path: Path) -> str:
    """Write the tokens in `spool` as a .npy file; return its sha256."""
    spool.seek(0)
    with atomic(path) as temporary, temporary.open("wb") as file:
        stream = Hashed(file)
        described = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(stream, described)
        while some := spool.read(COPIED):
            stream.write(some)
        return stream.checksum
