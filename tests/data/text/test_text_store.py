"""Prepared text as later steps read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_steps.data.text.store import load_part, part_file, read_text_meta, read_tokens
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, write_json

Run = Callable[..., dict[str, Any]]
Write = Callable[..., Path]


@pytest.fixture
def out(run_text: Run, written: Write, tmp_path: Path) -> Path:
    run_text(written({f"{number}.txt": 300 for number in range(12)}))
    return tmp_path / "out"


def test_a_part(out: Path) -> None:
    meta, part = read_text_meta(out), load_part(out, "train")
    assert (meta.tokens, meta.vocabulary, meta.context) == ("bytes", 256, 8)
    assert isinstance(part.tokens, np.memmap)
    assert not part.tokens.flags.writeable
    assert len(part) == meta.parts["train"].tokens
    assert part.starts.tolist() == [301 * number for number in range(meta.parts["train"].documents)]
    assert part.bytes.tolist() == [300] * len(part.names)
    assert not part.tokens[part.starts].any()


def test_the_test_part_is_not_read_with_another(out: Path) -> None:
    for file in out.glob("test_*"):
        file.unlink()
    assert len(load_part(out, "train"))
    assert len(load_part(out, "valid"))
    with pytest.raises(UserError, match=r"test_tokens\.npy is missing; delete that folder and run snakemake again"):
        load_part(out, "test")


def test_an_unknown_part(out: Path) -> None:
    with pytest.raises(ValueError, match="unknown part 'dev'; known are train, valid, test"):
        part_file(out, "dev")


def test_nothing_prepared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"meta\.json is missing: the text was not prepared; run snakemake"):
        read_text_meta(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"vocabulary": "many"}, r"meta\.json is not as this version writes it \(ValueError"),
        ({"parts": {}}, r"meta\.json is not as this version writes it \(KeyError: 'train'\); delete that folder"),
        ({"tokens": "bpe"}, r"meta\.json is not as this version writes it \(KeyError: 'tokenizer\.json'\)"),
    ],
)
def test_a_damaged_meta(out: Path, damage: dict[str, Any], words: str) -> None:
    write_json(out / "meta.json", read_json(out / "meta.json") | damage)
    with pytest.raises(UserError, match=words):
        read_text_meta(out)


def test_files_that_disagree(out: Path) -> None:
    np.save(out / "train_tokens.npy", np.zeros(5, np.uint8))
    with pytest.raises(UserError, match=r"train_tokens\.npy does not agree with meta\.json: it has shape \(5,\), not"):
        load_part(out, "train")
    table = out / "valid_documents.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("300,300", "300,299", 1), encoding="utf-8")
    with pytest.raises(UserError, match=r"valid_documents\.csv does not agree with meta\.json"):
        load_part(out, "valid")
    table.write_text("document,bytes\na,1\n", encoding="utf-8")
    with pytest.raises(UserError, match="it has other columns, not document, bytes, tokens"):
        load_part(out, "valid")


def test_the_file_of_byte_pairs_is_missing(run_text: Run, written: Write, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    run_text(written({f"{number}.txt": 300 for number in range(12)}), tokens="bpe", vocabulary=280)
    assert read_tokens(tmp_path / "out").size == 280
    assert load_part(tmp_path / "out", "train").tokens.dtype == np.uint16
    (tmp_path / "out" / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json is missing; delete that folder"):
        read_tokens(tmp_path / "out")
