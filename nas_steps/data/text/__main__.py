"""The text step: `python -m nas_steps.data.text --settings FILE --output DIR`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings
from nas_steps.provenance.ledger import measured
from nas_steps.provenance.settings import read_settings
from nas_steps.provenance.task import parser, run


def main(arguments: Sequence[str]) -> None:
    options = parser("nas_steps.data.text", "Read a source of text, split it and store it as tokens.")
    options.add_argument("--settings", required=True, type=Path, help="JSON file of the step's settings")
    options.add_argument("--path", help="where the source's files lie, for sources that read some")
    options.add_argument("--leave-out", type=Path, help="a folder among the files that is none of them")
    options.add_argument("--output", required=True, type=Path, help="folder to write to")
    given = options.parse_args(arguments)
    settings = read_settings(given.settings, TextSettings)
    if given.path is not None:
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"path": given.path})})
    print(f"seed {settings.seed}, source {settings.data.source}", flush=True)
    with measured(given.output / "cost.json", "data", "data") as cost:
        meta = prepare_text(settings, given.output, given.leave_out)
        cost.extra = {"source": meta["source"], "content": meta["content"]}
    for line in said(meta):
        print(line)


def said(meta: dict[str, Any]) -> list[str]:
    """Return the lines of the log about prepared text."""
    read, parts = meta["read"], meta["parts"]
    total = sum(one["bytes"] for one in parts.values())
    of = f" of Python {read['python']}" if read["python"] else ""
    lines = [f"{read['documents']} documents{of}, {read['bytes']:,} bytes, fingerprint {read['fingerprint']}"]
    lines += [
        f"{part}: {one['documents']} documents, {one['bytes']:,} bytes ({one['bytes'] / total:.1%}), "
        f"{one['tokens']:,} tokens of {meta['vocabulary']}"
        for part, one in parts.items()
    ]
    if read["empty"]:
        lines.append(f"empty files, left out: {read['empty']}")
    if meta["copies"]["left_out"]:
        lines.append(f"exact copies, left out: {meta['copies']['left_out']}")
    if alike := meta["almost_the_same"]["groups"]:
        lines.append(f"groups of documents that are almost the same, each in one part if dealt out: {alike}")
    if meta["across_parts"]:
        lines.append(f"documents that another of the source's own parts has, too, or almost: {meta['across_parts']}")
    if meta["ignored"]:
        lines.append(f"files that match no pattern of data.files, ignored: {meta['ignored']}")
    return lines


if __name__ == "__main__":
    run(main, "nas_steps.data.text")
