"""What has been estimated before, by the same estimator with the same code on the same data: it is not done again.

A file for each estimate, below `results/estimates/`. It is only a memory: without it everything is computed anew, to
the same scores, since those depend on nothing but what the memory is keyed by.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nas_steps.estimation.estimates import Estimate
from nas_steps.estimation.proposals import Proposal
from nas_steps.provenance.files import write_json
from nas_steps.provenance.fingerprint import fingerprint

FOLDER = "estimates"
#: a result of the machine, not of the architecture, is not remembered
REMEMBERED = ("ok", "diverged", "undefined")


class EstimateCache:
    """The memory of one estimator: `key` holds all that its scores depend on, the proposal aside."""

    def __init__(self, folder: str | Path, key: dict[str, Any]) -> None:
        self.folder = Path(folder) / FOLDER / fingerprint(key)

    def get(self, proposal: Proposal) -> Estimate | None:
        """The estimate of a proposal, or None where there is none."""
        path = self._file(proposal)
        if not path.is_file():
            return None
        told = _whole(path)
        if told is None:
            print(f"{path} is not as it was written, and is not used", flush=True)
            return None
        # JSON has no NaN
        told = {name: math.nan if value is None else value for name, value in told.items()}
        found = replace(Estimate(**told), index=proposal.index)
        return found if found.architecture == proposal.architecture else None

    def put(self, proposal: Proposal, estimate: Estimate) -> None:
        if estimate.status in REMEMBERED:
            told = {name: _finite(value) for name, value in asdict(replace(estimate, index=0)).items()}
            write_json(self._file(proposal), {"estimate": told, "fingerprint": fingerprint(told)})

    def _file(self, proposal: Proposal) -> Path:
        what = {name: value for name, value in asdict(proposal).items() if name not in ("index", "promoted")}
        return self.folder / f"{fingerprint(what)}.json"


def _whole(path: Path) -> dict[str, Any] | None:
    """The estimate in a file, if it is the one that was written there."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return dict(told["estimate"]) if fingerprint(told["estimate"]) == told["fingerprint"] else None
    except (ValueError, KeyError, TypeError):
        return None


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
