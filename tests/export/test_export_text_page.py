"""docs/reference/onnx_text.md: its lines run, and it names every key of the metadata."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import onnx
import onnxruntime
import pytest
from language_world import language_file

from nas_steps.generation import open_language

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "onnx_text.md").read_text(encoding="utf-8")
(LINES,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.S | re.M)
#: full attention, a window, a convolution and both kinds of recurrences
MIXED = "lm_v256_d16_rope_rms/attn_h2+gelu_e2/attn_h4_w5+none/conv_k3+none/gla_h2+none/gru_e1+none"


def test_the_lines_continue_as_predict_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _ = language_file(MIXED, 40)
    shutil.copy(path, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(LINES, {})
    session = open_language(path, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
    added = bytes(session.continued(b"import ", 33, temperature=0))
    assert len(set(added)) > 1
    assert capsys.readouterr().out == f"{b'import ' + added}\n"


def test_every_key_of_the_metadata_is_on_the_page() -> None:
    told = {key for row in re.findall(r"^\| (`.*?`) \|", PAGE, flags=re.M) for key in re.findall(r"`(\w+)`", row)}
    assert {one.key for one in onnx.load(language_file(MIXED, 40)[0]).metadata_props} <= told
