"""Write the keys into each strategy's page, and the table of all: `python -m nas_steps.config.strategy_pages docs`.

All else of these pages is written by hand. What stands between the two marks is written by this module.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nas_steps.config.docs import keys_of_kind
from nas_steps.config.strategies import GRADIENT_KINDS, STRATEGIES, SUPERNET_KINDS
from nas_steps.errors import UserError
from nas_steps.provenance.files import write_text

BEGIN = "<!-- generated from the schema by make docs -->"
END = "<!-- generated until here -->"


def keys(kind: str) -> str:
    """Return the part of a strategy's page that tells its keys, as Markdown."""
    rows, rest = keys_of_kind("", kind, STRATEGIES[kind], "../reference/configuration.md")
    written = f"`search.strategies: {{<name>: {{kind: {kind}}}}}` asks for this strategy with all defaults."
    table = ["| key | what it may be | default | meaning |\n|---|---|---|---|", *rows] if rows else []
    return "\n\n".join(filter(None, (written, "\n".join(table), rest)))


def overview() -> str:
    """Return the table of all strategies, as Markdown."""
    rows = []
    for kind, section in STRATEGIES.items():
        how = "alphas of a supernet" if kind in GRADIENT_KINDS else "samples"
        how = "a controller over a supernet" if kind in SUPERNET_KINDS - GRADIENT_KINDS else how
        rows.append(f"| [`{kind}`]({kind}.md) | {how} | {section.model_fields['kind'].description} |")
    return "\n".join(["| kind | how it searches | what it is |\n|---|---|---|", *rows])


def written(text: str, part: str, name: str) -> str:
    """Return a page's text with `part` between its marks; raise `UserError` if the page has no marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{name} has no place for what is generated: write the lines {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def pages(docs: Path) -> dict[Path, str]:
    """Return the text of each page of the folder `docs`, by its path, as it should be."""
    parts = {"index": overview(), **{kind: keys(kind) for kind in STRATEGIES}}
    paths = {name: docs / "strategies" / f"{name}.md" for name in parts}
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    return {paths[name]: written(texts[name], part, f"{name}.md") for name, part in parts.items()}


if __name__ == "__main__":
    for path, text in pages(Path(sys.argv[1])).items():
        write_text(path, text)
