"""A benchmark's table in the place of trainings: what is read, and what is refused."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path
from typing import Any

import pytest

from nas_steps.config.estimators import Table
from nas_steps.errors import UserError
from nas_steps.estimation.table import check_table, read_table
from nas_steps.spaces.cells.space import CellSpace

SPACE = CellSpace(
    name="three", operations=("skip_connect", "nor_conv_1x1", "nor_conv_3x3"), nodes=1, inputs=1, edges_per_node=None
)
ALL = [f"|{name}~0|" for name in SPACE.operations]
SETTINGS = Table(path="table.csv", search="after 12", report="test", cost="seconds")
ROWS = [[text, 50 + place, 60 - place, 1.5 * place] for place, text in enumerate(ALL)]


def write(path: Path, rows: list[list[Any]], columns: str = "architecture,after 12,test,seconds") -> Path:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns.split(","), *rows])
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_accuracies_are_read_as_shares(tmp_path: Path, name: str) -> None:
    table = read_table(write(tmp_path / name, ROWS), SETTINGS, SPACE)
    assert len(table) == 3
    assert table.architectures() == ALL
    assert [table.search(one) for one in ALL] == [0.5, 0.51, 0.52]
    assert [table.report(one) for one in ALL] == [0.6, 0.59, 0.58]
    assert [table.seconds(one) for one in ALL] == [0, 1.5, 3]


def test_a_table_need_not_tell_what_an_evaluation_costs(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"cost": None})
    table = read_table(write(tmp_path / "table.csv", ROWS), settings, SPACE)
    assert math.isnan(table.seconds(ALL[0]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[:2], ["2 of the 3 architectures of space three", f"{ALL[2]} is missing"]),
        (lambda rows: [*rows, rows[1]], ["line 5", f"{ALL[1]} is in line 3 already"]),
        (lambda rows: [rows[0], [ALL[1], "nan", 1, 1], rows[2]], ["line 3", "after 12 is 'nan'", "no number"]),
        (lambda rows: [rows[0], [ALL[1], 5, "", 1], rows[2]], ["line 3", "test is ''", "no number"]),
        (lambda rows: [rows[0], [ALL[1], 5, "high", 1], rows[2]], ["line 3", "test is 'high'"]),
        (lambda rows: [rows[0], [ALL[1], 105, 1, 1], rows[2]], ["line 3", "after 12 is 105", "per cent"]),
        (lambda rows: [["|max_pool_3x3~0|", 1, 1, 1], *rows], ["line 2", "max_pool_3x3", "space three"]),
        (lambda rows: [["nonsense", 1, 1, 1], *rows], ["line 2", "nonsense"]),
    ],
)
def test_a_table_that_is_not_sound_is_refused_with_its_line(tmp_path: Path, change: Any, told: list[str]) -> None:
    with pytest.raises(UserError) as error:
        read_table(write(tmp_path / "table.csv", change(ROWS)), SETTINGS, SPACE)
    for part in ["table.csv", *told]:
        assert part in str(error.value)


@pytest.mark.parametrize("missing", ["architecture", "after 12", "test", "seconds"])
def test_a_column_that_does_not_exist_is_refused(tmp_path: Path, missing: str) -> None:
    columns = "architecture,after 12,test,seconds".replace(missing, "other")
    with pytest.raises(UserError, match=f"has no column '{missing}'; its columns are .*other"):
        read_table(write(tmp_path / "table.csv", ROWS, columns), SETTINGS, SPACE)


def test_what_is_no_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(b"not compressed")
    with pytest.raises(UserError, match="cannot be read as CSV"):
        read_table(path, SETTINGS, SPACE)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path, name: str) -> None:
    plain = write(tmp_path / "plain.csv", ROWS)
    content = b"\xef\xbb\xbf" + plain.read_bytes()
    marked = tmp_path / name
    marked.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    one, two = (read_table(path, SETTINGS, SPACE) for path in (plain, marked))
    assert one.architectures() == two.architectures()
    assert [one.search(text) for text in one.architectures()] == [two.search(text) for text in two.architectures()]


@pytest.mark.parametrize(
    "content",
    ["architecture,a\n".encode("utf-16"), gzip.compress(bytes(1000), mtime=0)[:-9] + b"x" * 9],
    ids=["UTF-16", "broken gzip"],
)
def test_a_table_of_other_bytes_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("table.csv.gz" if content[:2] == b"\x1f\x8b" else "table.csv")
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"table\.csv(\.gz)? cannot be read as CSV"):
        read_table(path, SETTINGS, SPACE)


def test_a_sound_table_is_read_once_until_it_or_the_space_changes(tmp_path: Path) -> None:
    path, memory = write(tmp_path / "table.csv", ROWS), tmp_path / "memory.json"
    check_table(path, SETTINGS, SPACE, memory, "content 1")
    path.write_text("nonsense")
    check_table(path, SETTINGS, SPACE, memory, "content 1")
    for space, content in [(SPACE, "content 2"), (SPACE.replace(nodes=2), "content 1")]:
        with pytest.raises(UserError, match="has no column"):
            check_table(path, SETTINGS, space, memory, content)
