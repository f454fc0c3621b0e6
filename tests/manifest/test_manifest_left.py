"""What jobs left is looked at where it lies, also under the prefix of a module of another workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_steps.errors import UserError
from nas_steps.workflow.manifest.left import Left
from nas_steps.workflow.manifest.trust import records
from nas_steps.workflow.plan import Plan


@pytest.mark.parametrize("prefix", ["", "pre/"])
def test_changed_and_deleted_files_are_found_under_a_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Plan({}, placed=lambda file: f"{prefix}{file}")
    kept, gone = (Path(plan.placed(f"{plan.folder}/ranking/{name}.csv")) for name in ("ranked", "winners"))
    for file in (kept, gone):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("rank\n")
        record = next(records(str(file), Path(".snakemake")))
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text("{}")
    left = Left(plan)
    left.check()
    assert (left.lost(), left.to_remake()) == ([], [])
    kept.write_text("rank\n1\n")
    gone.unlink()
    left = Left(plan)
    assert left.lost() == [f"{plan.folder}/ranking/winners.csv"]  # as the rules name it
    with pytest.raises(UserError, match=rf"{prefix}results/digits/ranking/ranked.csv \(rank\)"):
        left.check()
    kept.write_text("rank\n")
    Left(plan).check()
