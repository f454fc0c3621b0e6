"""A cache of estimates, keyed by the estimator, its code and the data: a file each below `results/estimates/`.

Without it everything is computed anew, to the same scores.
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
#: a result of the machine, not of the architecture, is not kept
REMEMBERED = ("ok", "diverged", "undefined")


class EstimateCache:
    """The cache of one estimator: `key` holds all that its scores depend on, the proposal aside."""

    def __init__(self, folder: str | Path, key: dict[str, Any]) -> None:
        self.folder = Path(folder) / FOLDER / fingerprint(key)

    def get(self, proposal: Proposal) -> Estimate | None:
        """Return the estimate of a proposal, or None. A damaged file is reported and not used."""
        path = self._file(proposal)
        if not path.is_file():
            return None
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            values = dict(stored["estimate"])
            whole = fingerprint(values) == stored["fingerprint"]
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            print(f"{path} is not as it was written, and is not used", flush=True)
            return None
        # JSON has no NaN
        values = {name: math.nan if value is None else value for name, value in values.items()}
        estimate = replace(Estimate(**values), index=proposal.index)
        return estimate if estimate.architecture == proposal.architecture else None

    def put(self, proposal: Proposal, estimate: Estimate) -> None:
        if estimate.status in REMEMBERED:
            values = {name: _finite(value) for name, value in asdict(replace(estimate, index=0)).items()}
            write_json(self._file(proposal), {"estimate": values, "fingerprint": fingerprint(values)})

    def _file(self, proposal: Proposal) -> Path:
        key = {name: value for name, value in asdict(proposal).items() if name not in ("index", "promoted")}
        return self.folder / f"{fingerprint(key)}.json"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
