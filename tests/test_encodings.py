"""No text is read or written in whatever encoding the locale has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "nas_steps").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])


def without_encoding(tree: ast.AST) -> list[str]:
    """The calls of `tree` that open text and do not say in which encoding."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        keywords = {keyword.arg for keyword in node.keywords}
        value = node.func.value if isinstance(node.func, ast.Attribute) else None
        # `archive` of `archive.open()` and of `self.archive.open()`
        owner = getattr(value, "id", "") or getattr(value, "attr", "")
        values = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        binary = any(isinstance(value, str) and "b" in value for value in values)
        opens = name in ("open", "fdopen") and owner not in ("os", "tarfile", "archive", "Image", "tree") and not binary
        texts = name == "read_text" or (name == "write_text" and owner)
        if (opens or texts) and "encoding" not in keywords:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_text_is_opened_in_a_named_encoding(file: Path) -> None:
    assert without_encoding(ast.parse(file.read_text(encoding="utf-8"))) == []


def test_the_search_finds_some() -> None:
    code = "open(a); open(a, 'w'); p.open(); p.read_text(); p.write_text(x); open(a, 'rb'); open(a, encoding='utf-8')"
    assert len(without_encoding(ast.parse(code))) == 5
