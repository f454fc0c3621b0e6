from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from nas_steps.data.layout import arrange, opened, printable
from nas_steps.errors import UserError


def test_one_folder_a_class() -> None:
    found = arrange(["dog/b.png", "cat/2.png", "cat/10.png", "dog/deeper/a.png", "read me.txt"], "here")
    assert found.splits == {"train": {"cat": ["cat/10.png", "cat/2.png"], "dog": ["dog/b.png", "dog/deeper/a.png"]}}
    assert found.loose == ["read me.txt"]


@pytest.mark.parametrize("prefix", ["", "pets/"])
@pytest.mark.parametrize(("valid", "test"), [("valid", "test"), ("val", "Test"), ("validation", "testing")])
def test_split_folders_under_any_of_their_names_and_below_one_folder(prefix: str, valid: str, test: str) -> None:
    names = [f"{prefix}{split}/{kind}/1.png" for split in ("train", valid, test) for kind in ("cat", "dog")]
    found = arrange([*names, f"{prefix}notes.txt", f"{prefix}{test}/list.csv"], "here")
    assert set(found.splits) == {"train", "valid", "test"}
    assert found.splits["valid"] == {kind: [f"{prefix}{valid}/{kind}/1.png"] for kind in ("cat", "dog")}
    assert sorted(found.loose) == sorted([f"{prefix}notes.txt", f"{prefix}{test}/list.csv"])


@pytest.mark.parametrize("prefix", ["pets/", "a/b/", "train/"])
def test_folders_around_all_others_are_seen_through(prefix: str) -> None:
    found = arrange([f"{prefix}cat/1.png", f"{prefix}dog/1.png", f"{prefix}notes.txt"], "here")
    assert found.splits == {"train": {"cat": [f"{prefix}cat/1.png"], "dog": [f"{prefix}dog/1.png"]}}
    assert found.loose == [f"{prefix}notes.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with opened(tmp_path) as tree, pytest.raises(OSError, match="pipe"):
        tree.open("pipe.png")


def test_a_class_may_be_called_train() -> None:
    found = arrange(["train/1.png", "bus/1.png", "car/1.png"], "here")
    assert sorted(found.splits["train"]) == ["bus", "car", "train"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["test/cat/1.png", "valid/cat/1.png"], "no train/"),
        (["train/cat/1.png", "val/cat/1.png", "valid/cat/1.png"], "several folders for one split"),
        (["train/cat/1.png", "test/cat/1.png", "extra/1.png"], "beside others \\(extra\\)"),
        (["cat/train/1.png", "dog/train/1.png"], "train/ below cat/"),
    ],
)
def test_folders_that_contradict_each_other(names: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        arrange(names, "here")


def test_class_names_are_compared_in_one_spelling_of_unicode() -> None:
    found = arrange(["train/caf\u00e9/1.png", "test/cafe\u0301/1.png"], "here")
    assert list(found.splits["train"]) == list(found.splits["test"]) == ["caf\u00e9"]


def test_a_folder_is_listed_without_hidden_files_and_links_are_followed_once(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in ("cat/1.png", "cat/.DS_Store", ".git/x.png", "__MACOSX/cat/1.png", "chien de garde/щенок.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/9.png").write_bytes(b"linked")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "loop").symlink_to(root)
    with opened(root) as tree:
        assert tree.names == ["cat/1.png", "chien de garde/щенок.png", "linked/9.png"]
        with tree.open("chien de garde/щенок.png") as stream:
            assert stream.read() == "chien de garde/щенок.png".encode()


def test_a_zip_is_listed_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("pets/", "pets/cat/1.png", "pets/cat/.DS_Store", "__MACOSX/pets/cat/._1.png", "pets/кот/2.png"):
            archive.writestr(name, name)
        archive.writestr("pets\\dog\\3.png", "made on Windows")
    with opened(path) as tree:
        assert tree.names == ["pets/cat/1.png", "pets/dog/3.png", "pets/кот/2.png"]
        with tree.open("pets/dog/3.png") as stream:
            assert stream.read() == b"made on Windows"


def test_utf8_names_without_the_mark_are_read_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("кот/1.png", b"meow")
    content = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature) + offset
        flags = int.from_bytes(content[place : place + 2], "little") & ~0x800
        content = content[:place] + flags.to_bytes(2, "little") + content[place + 2 :]
    path.write_bytes(content)
    with opened(path) as tree:
        assert tree.names == ["кот/1.png"]
        with tree.open("кот/1.png") as stream:
            assert stream.read() == b"meow"


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "C:/evil.png", "cat/../../evil.png", "..\\evil.png"])
def test_names_that_point_out_of_a_zip_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(UserError, match="points out of the archive"), opened(path):
        pass
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.zip"]


def test_two_files_of_one_name_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/1.png", b"x")
        archive.writestr("cat\\1.png", b"y")
    with pytest.raises(UserError, match="twice"), opened(path):
        pass


def test_paths_that_are_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no")
    (tmp_path / "text.npz").write_text("no")
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("cat/1.png", b"x" * 1000)
    (tmp_path / "half.zip").write_bytes(whole.read_bytes()[:500])
    central = bytearray(whole.read_bytes())
    central[central.index(b"PK\x01\x02")] = 0
    (tmp_path / "broken.zip").write_bytes(central)
    for name, words in {
        "missing": "does not exist",
        "text.txt": "neither a folder nor an intact .zip; name a folder",
        "text.npz": "data.source: npz",
        "half.zip": "neither a folder nor an intact .zip",
        "broken.zip": "broken .zip",
    }.items():
        with pytest.raises(UserError, match=words) as caught, opened(tmp_path / name):
            pass
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir(mode=0o000)
    try:
        with pytest.raises(UserError, match="cannot be listed"), opened(tmp_path):
            pass
    finally:
        (tmp_path / "cat").chmod(0o700)


def test_bytes_that_are_no_text_can_be_printed() -> None:
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"
    assert printable("щенок") == "щенок"


def test_classes_that_differ_in_bytes_that_are_no_text_stay_apart() -> None:
    names = [os.fsdecode(name) for name in (b"a\xfe/1.png", b"a\xff/1.png", b"b/1.png")]
    assert arrange(names, "here").splits["train"] == {
        "a\\xfe": [names[0]],
        "a\\xff": [names[1]],
        "b": [names[2]],
    }


def test_a_class_that_is_called_like_the_escape_of_another_is_refused() -> None:
    with pytest.raises(UserError, match=r"two class folders are called a\\xff, .* rename that one"):
        arrange([os.fsdecode(b"a\xff/1.png"), "a\\xff/1.png"], "here")
