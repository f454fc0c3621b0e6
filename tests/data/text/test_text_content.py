"""The fingerprint of text holds the documents, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_steps.config.text import TextData
from nas_steps.data.text.content import text_fingerprint
from nas_steps.errors import UserError
from nas_steps.provenance import contents

Run = Callable[..., dict[str, Any]]
Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this very moment are remembered, too."""
    monkeypatch.setattr(contents, "SETTLED", -3600.0)


def test_only_documents_count(written: Write, tmp_path: Path) -> None:
    root = written({f"{number}.txt": 300 for number in range(5)} | {"notes.md": b"notes"})
    data = TextData(source="text", path=str(root))

    def found() -> str:
        return text_fingerprint(data, tmp_path / "memory.json", root / "results")

    first = found()
    (root / "notes.md").write_bytes(b"other")
    (root / "results").mkdir()
    (root / "results" / "log.txt").write_bytes(b"log")
    assert found() == first
    (root / "0.txt").write_bytes(b"other")
    second = found()
    assert second != first
    os.rename(root / "0.txt", root / "zero.txt")
    assert found() not in (first, second)
    assert found() == text_fingerprint(data, tmp_path / "none.json", root / "results", threads=1)
    assert text_fingerprint(data.model_copy(update={"files": ["*.md"]}), tmp_path / "m.json") != found()


def test_files_are_read_once(written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = written({f"{number}.txt": 300 for number in range(5)})
    data = TextData(source="text", path=str(root))
    first = text_fingerprint(data, tmp_path / "memory.json")
    monkeypatch.setattr(contents.Contents.of, "__defaults__", (lambda _: 1 / 0,))
    with pytest.raises(ZeroDivisionError):
        text_fingerprint(data, tmp_path / "memory.json")  # another function has a memory of its own
    monkeypatch.undo()
    monkeypatch.setattr(contents, "SETTLED", -3600.0)
    monkeypatch.setattr("builtins.open", None)
    assert text_fingerprint(data, tmp_path / "memory.json") == first


def test_it_is_what_the_step_sees(written: Write, run_text: Run, tmp_path: Path) -> None:
    root = written({f"in/{number}.txt": 300 for number in range(12)} | {"empty.txt": b"", "own.md": b"no"})
    planned = text_fingerprint(TextData(source="text", path=str(root)), tmp_path / "memory.json")
    assert run_text(root, content=planned)["read"]["fingerprint"] == planned


def test_a_zip_counts_as_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    data = TextData(source="text", path=str(path))
    with pytest.raises(
        UserError, match=r"data\.path: .*a\.zip cannot be read: No such file.*; name a folder or a \.zip"
    ):
        text_fingerprint(data, tmp_path / "memory.json")
    path.write_bytes(b"one")
    first = text_fingerprint(data, tmp_path / "memory.json")
    path.write_bytes(b"two")
    assert text_fingerprint(data, tmp_path / "memory.json") != first


def test_the_standard_library(tmp_path: Path) -> None:
    memory = tmp_path / "memory.json"
    assert text_fingerprint(TextData(), memory) == text_fingerprint(TextData(context=512), memory, threads=2)


def test_a_file_that_cannot_be_read_has_a_content_too(written: Write, tmp_path: Path) -> None:
    root = written({"a.txt": b"a"})
    data = TextData(source="text", path=str(root))
    first = text_fingerprint(data, tmp_path / "memory.json")
    (root / "b.txt").symlink_to(root / "nowhere")
    assert text_fingerprint(data, tmp_path / "memory.json") != first
