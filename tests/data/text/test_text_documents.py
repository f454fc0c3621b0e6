"""Which files are documents, and of which part."""

from __future__ import annotations

import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_steps.config.text import TextData
from nas_steps.data.text.documents import arranged, documents, matching, stdlib_files
from nas_steps.errors import UserError

Write = Callable[..., Path]


def refused(path: Path, **keys: object) -> str:
    with pytest.raises(UserError) as error, documents(TextData(source="text", path=str(path), **keys)):  # type: ignore[arg-type]
        pass
    return str(error.value)


def test_patterns_match_the_last_part_or_the_whole_name() -> None:
    names = ["a.txt", "b.md", "in/c.txt", "in/d.MD"]
    assert matching(names, ["*.txt"]) == ["a.txt", "in/c.txt"]
    assert matching(names, ["*.md", "in/*"]) == ["b.md", "in/c.txt", "in/d.MD"]


def test_folder_and_zip_have_the_same_documents(written: Write, tmp_path: Path) -> None:
    files = {"b/two.txt": b"two", "one.txt": b"\xff\xfe no UTF-8", ".hidden.txt": b"no", "notes.md": b"no"}
    root = written(files)
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"texts/{name}", content)
    for path, top, listed in ((root, "", True), (tmp_path / "texts.zip", "texts/", False)):
        with documents(TextData(source="text", path=str(path))) as found:
            assert found.parts == {"train": [f"{top}b/two.txt", f"{top}one.txt"]}
            assert [found.read(name) for name in found.parts["train"]] == [b"two", b"\xff\xfe no UTF-8"]
            assert (found.ignored, found.listed) == (1, listed)


def test_the_results_are_no_text(written: Write) -> None:
    root = written({"a.txt": b"a", "results/log.txt": b"log"})
    with documents(TextData(source="text", path=str(root)), root / "results") as found:
        assert found.parts == {"train": ["a.txt"]}


def test_own_parts() -> None:
    names = ["all/train/x/a.txt", "all/Val/b.txt", "all/testing/c.txt"]
    assert arranged(names, "here") == {"valid": [names[1]], "test": [names[2]], "train": [names[0]]}
    # such folders are nothing special unless there is one to train on and another one
    for plain in (["test/a.txt", "src/b.txt"], ["train/a.txt", "src/b.txt"], ["train/a.txt", "train/b.txt"], ["a.txt"]):
        assert arranged(plain, "here") == {"train": plain}


def test_contradicting_folders() -> None:
    with pytest.raises(UserError, match=r"here has several folders for one part among train/, val/, valid/; keep one"):
        arranged(["train/a", "val/b", "valid/c"], "here")
    with pytest.raises(UserError) as error:
        arranged(["train/a.txt", "test/b.txt", "readme.txt", "more/c.txt"], "here")
    assert str(error.value).startswith(
        "here has test/, train/ beside 2 documents outside of these, such as readme.txt; wanted are text files in a "
        "folder or a .zip, or train/, valid/ (or val/) and test/ with such files: move them"
    )


def test_nothing_there(written: Write, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty).startswith(f"data.path: {empty} is empty; wanted are text files in a folder or a .zip")
    root = written({"a.md": b"a", "b.md": b"b", "LICENSE": b"c"})
    assert refused(root) == (
        f"data.path: none of the 3 files of {root} matches data.files (*.txt); their endings are .md (2), no ending "
        "(1); set data.files to patterns of the text files, such as '*.md'"
    )
    assert refused(tmp_path / "nowhere").startswith(f"data.path: {tmp_path / 'nowhere'} does not exist")


def test_no_path_is_named() -> None:
    with pytest.raises(UserError, match=r"data\.source is text, but data\.path names none; set it to a folder"):  # noqa: SIM117
        with documents(TextData(source="text")):
            pass


def test_a_file_that_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    assert refused(tmp_path / "a.zip") == (
        f"data.path: {tmp_path / 'a.zip'} is neither a folder nor an intact .zip; name a folder or a .zip of one"
    )


def test_the_standard_library() -> None:
    files = stdlib_files()
    assert {"ast.py", "json/decoder.py", "asyncio/tasks.py"} <= set(files)
    assert list(files) == sorted(files)
    assert not [name for name in files if {"test", "tests", "site-packages"} & set(name.split("/"))]
    assert not [name for name in files if name.startswith(("_sysconfigdata", "config-"))]
    with documents(TextData()) as found:
        assert found.parts == {"train": list(files)}
        assert b"def literal_eval(" in found.read("ast.py")


def test_a_python_without_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(UserError) as error:
        stdlib_files()
    assert str(error.value) == (
        f"data.source is stdlib, but this Python has no sources in {tmp_path}; take another Python, or set "
        "data.source: text and data.path"
    )
