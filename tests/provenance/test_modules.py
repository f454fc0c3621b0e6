"""What modules say, remembered between processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas_steps.provenance import modules
from nas_steps.provenance.modules import Parsed, parsed, remembered

TEXT = b"import os\nfrom nas_steps.errors import UserError\n\n\ndef f():\n    'Doc.'\n    return 1\n"


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known, as in a new process."""
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "_known", {})
    monkeypatch.setattr(modules, "_used", set())
    monkeypatch.setattr(modules, "_read", set())


def never(text: bytes, _: bytes) -> Parsed:
    raise AssertionError(f"{text!r} is parsed again")


def told(memory: Path, *texts: bytes) -> list[Parsed]:
    with remembered(memory):
        return [parsed(text) for text in texts]


def test_a_text_says_its_hash_and_what_it_imports_of_the_package() -> None:
    found = parsed(TEXT)
    assert found.imports == ("nas_steps.errors", "nas_steps.errors.UserError")
    assert parsed(TEXT.replace(b"'Doc.'\n", b"'Other words.'\n")) == found
    assert parsed(TEXT.replace(b"return 1", b"return 2")).hash != found.hash
    assert parsed(TEXT, b"{}").hash not in (found.hash, parsed(TEXT, b"{ }").hash)


def test_another_process_parses_no_text_that_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "modules.json"
    first = told(memory, TEXT, b"x = 1\n")
    forget(monkeypatch)
    with monkeypatch.context() as stopped:
        stopped.setattr(modules, "_parse", never)
        assert told(memory, TEXT, b"x = 1\n") == first
        with pytest.raises(AssertionError, match=r"x = 2.*parsed again"):
            told(memory, b"x = 2\n")
    forget(monkeypatch)
    third = told(memory, b"x = 2\n")
    forget(monkeypatch)
    monkeypatch.setattr(modules, "_parse", never)
    assert told(memory, TEXT, b"x = 1\n", b"x = 2\n") == [*first, *third]


@pytest.mark.parametrize(
    "broken",
    ["", "[]", "{}", '{"by": 1, "modules": 1}', '{"modules": {}}', '{"by": "other", "modules": {"%s": ["0", []]}}'],
)
def test_a_memory_that_is_broken_or_anothers_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    memory = tmp_path / "modules.json"
    first = told(memory, TEXT)
    key = next(iter(json.loads(memory.read_text())["modules"]))
    memory.write_text(broken.replace("%s", key))
    forget(monkeypatch)
    assert told(memory, TEXT) == first
    forget(monkeypatch)
    monkeypatch.setattr(modules, "_parse", never)
    assert told(memory, TEXT) == first  # it is whole again


def test_entries_of_another_version_of_the_parser_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "modules.json"
    told(memory, TEXT)
    forget(monkeypatch)
    monkeypatch.setattr(modules, "_by", lambda: "another version")
    monkeypatch.setattr(modules, "_parse", never)
    with pytest.raises(AssertionError, match="parsed again"):
        told(memory, TEXT)


def test_a_memory_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "modules.json").mkdir()
    assert told(tmp_path / "modules.json", TEXT) == [parsed(TEXT)]


def test_texts_that_are_gone_are_forgotten_when_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "modules.json"
    monkeypatch.setattr(modules, "MOST", 3)
    told(memory, b"x = 1\n", b"x = 2\n", b"x = 3\n")
    forget(monkeypatch)
    told(memory, b"x = 3\n", b"x = 4\n")
    assert len(json.loads(memory.read_text())["modules"]) == 2
