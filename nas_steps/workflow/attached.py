"""What `snakemake --report report.zip` holds of an experiment: the page, figures, tables, the recommended model card.

A flag of Snakemake's marks the files; it is no part of what makes a result stale.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import read_csv, read_json
from nas_steps.report.names import TABLES
from nas_steps.workflow.plan import Plan

#: where the captions lie, seen from a file of rules
CAPTIONS = "../workflow/report"
#: the categories of Snakemake's report by the words of `report.attached`
CATEGORIES = {"page": "Report", "figures": "Figures", "tables": "Tables", "card": "Recommended network"}


class Attached:
    """The files of an experiment that Snakemake's report holds; `report.attached` says which kinds of them."""

    def __init__(self, plan: Plan, placed: Callable[[str], str]) -> None:
        self.plan = plan
        self.placed = placed
        self.kinds = plan.config.report.attached

    def flagged(self, outputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the outputs of the step `report`, those that belong into Snakemake's report being marked.

        A table that was written and has no row is left out.
        """
        marked: dict[str, Any] = {}
        for name, file in outputs.items():
            kind = "tables" if name in TABLES else "page"
            empty = kind == "tables" and _is_empty(Path(self.placed(file)))
            marked[name] = file if empty else self._marked(kind, file, _labels(name, Path(self.placed(file))))
        return marked

    def beside(self) -> list[Any]:
        """Return the figures and the model card of a finished experiment, marked; a file that is not there is none."""
        figures = f"{self.plan.folder}/report/figures"
        found = [(figure.name, figure) for figure in sorted(Path(self.placed(figures)).glob("*.svg"))]
        marked = [self._marked("figures", f"{figures}/{name}", {"figure": path.stem}) for name, path in found]
        return marked + [self._marked("card", card, {"network": name, "file": "card"}) for name, card in self._cards()]

    def _cards(self) -> Iterator[tuple[str, str]]:
        recommended = Path(self.placed(f"{self.plan.folder}/recommended.json"))
        if not self.plan.trains or not recommended.is_file():
            return
        entry = read_json(recommended).get("entry")
        card = f"{self.plan.folder}/export/{entry}/README.md"
        if entry is not None and Path(self.placed(card)).is_file():
            yield entry, card

    def _marked(self, kind: str, file: str, labels: Any) -> Any:
        if kind not in self.kinds:
            return file
        from snakemake.io import report

        return report(file, caption=f"{CAPTIONS}/{kind}.rst", category=CATEGORIES[kind], labels=labels)


def _is_empty(table: Path) -> bool:
    return table.is_file() and not read_csv(table)


def _labels(name: str, file: Path) -> Any:
    """Return a function: rows are counted when a report is made."""
    if name not in TABLES:
        return {"page": "the whole report"}
    return lambda _: {"table": name, "rows": str(len(read_csv(file)))}
