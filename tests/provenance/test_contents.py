"""What files hold, looked up where they cannot have changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas_steps.provenance import contents
from nas_steps.provenance.contents import Contents
from nas_steps.provenance.fingerprint import file_hash


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of this very moment are remembered, too."""
    monkeypatch.setattr(contents, "SETTLED", -3600.0)


def look(file: Path, memory: Path) -> tuple[str, bool]:
    """What a file holds, and whether it was read to know it."""
    read = []

    def told(path: Path) -> str:
        read.append(path)
        return file_hash(path)

    with Contents(memory) as found:
        return found.of(file, told), bool(read)


@pytest.mark.usefixtures("settled")
def test_a_file_that_has_not_changed_is_read_once(tmp_path: Path) -> None:
    file, memory = tmp_path / "a.npz", tmp_path / "memory.json"
    file.write_bytes(b"1")
    first, read = look(file, memory)
    assert read
    assert look(file, memory) == (first, False)
    os.utime(file, ns=(1, 1))
    assert look(file, memory) == (first, True)  # touched: read again, and the same


@pytest.mark.usefixtures("settled")
def test_another_file_of_the_same_size_and_time_is_noticed(tmp_path: Path) -> None:
    file, other, memory = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "memory.json"
    file.write_bytes(b"123")
    other.write_bytes(b"456")
    os.utime(file, ns=(10**18, 10**18))
    os.utime(other, ns=(10**18, 10**18))
    first, _ = look(file, memory)
    os.replace(other, file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (3, 10**18)
    assert look(file, memory) == (file_hash(file), True)
    assert file_hash(file) != first
    # and one written over in place, its time set back
    file.write_bytes(b"789")
    os.utime(file, ns=(10**18, 10**18))
    assert look(file, memory) == (file_hash(file), True)


@pytest.mark.usefixtures("settled")
def test_a_link_that_points_elsewhere_is_noticed(tmp_path: Path) -> None:
    link, memory = tmp_path / "link.png", tmp_path / "memory.json"
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, ns=(5, 5))
    link.symlink_to("a")
    first, _ = look(link, memory)
    link.unlink()
    link.symlink_to("b")
    assert look(link, memory)[0] != first


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    """It may change again within one tick of the file system's clock."""
    file, memory = tmp_path / "a.png", tmp_path / "memory.json"
    file.write_bytes(b"1")
    assert look(file, memory)[1]
    assert look(file, memory)[1]
    assert not memory.exists()


@pytest.mark.usefixtures("settled")
def test_a_memory_that_is_broken_or_of_before_is_not_used(tmp_path: Path) -> None:
    file, memory = tmp_path / os.fsdecode(b"caf\xe9.png"), tmp_path / "memory.json"
    file.write_bytes(b"1")
    first = look(file, memory)
    assert look(file, memory) == (first[0], False)  # a name that is no text is remembered as well
    for broken in ("broken", "[]", '{"a": 1}', '{"%s": [1, 2, "abc"]}' % (tmp_path / "x")):
        memory.write_text(broken)
        assert look(file, memory) == first


def test_what_is_no_file_is_an_error_and_no_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "nowhere"):
        with pytest.raises(OSError, match=r"it is a pipe|No such file"), Contents(tmp_path / "memory.json") as found:
            found.of(path)


def test_what_changed_just_before_the_memory_was_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of the files' own system, which may be behind this machine's: so git treats its index."""
    file, memory = tmp_path / "a.png", tmp_path / "memory.json"
    file.write_bytes(b"1")
    with monkeypatch.context() as ahead:
        # by this machine's clock, the file is old
        ahead.setattr(contents.time, "time", lambda: file.stat().st_ctime + 3600)
        assert look(file, memory)[1]
    assert memory.exists()
    changed = file.stat().st_ctime_ns
    os.utime(memory, ns=(changed + 10**9,) * 2)
    assert look(file, memory)[1]
    os.utime(memory, ns=(changed + 3 * 10**9,) * 2)
    assert not look(file, memory)[1]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("later", [0, 1])
def test_another_size_or_time_is_always_noticed(tmp_path: Path, later: int) -> None:
    file, memory = tmp_path / "a.png", tmp_path / "memory.json"
    file.write_bytes(b"123")
    first, _ = look(file, memory)
    before = file.stat()
    file.write_bytes(b"45" if later == 0 else b"456")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + later))
    assert look(file, memory) == (file_hash(file), True)
    assert file_hash(file) != first
