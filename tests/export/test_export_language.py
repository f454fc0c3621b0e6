"""ONNX files of language models: compared with torch on real text, described, timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from language_world import CONTEXT, PLAIN, WHOLE, language_file, language_training, prepared_text
from stepping import run
from tiny_world import settings

from nas_steps.data.text.batches import DeviceText
from nas_steps.data.text.store import load_part, read_text_meta, read_tokens
from nas_steps.data.text.tokens import Bytes
from nas_steps.export import language, performance
from nas_steps.export.language import compare
from nas_steps.export.tables import PERFORMANCE, flat
from nas_steps.generation import open_language, windows_of
from nas_steps.metrics import bits_per_byte
from nas_steps.provenance.files import read_json, write_json

#: a frame of 300 byte pairs
PAIRS = "lm_v300_d16_tied/attn_h2+gelu_e2"


def exported(output: Path, *trainings: str, data: str = "bytes", **changes: Any) -> dict[str, Any]:
    """The lines of these trainings, by name of the entry."""
    given = {"data": prepared_text(data), "trainings": trainings, "output": output}
    run("export_scaled", settings=settings(**changes)["export_scaled"], **given)
    return {line["name"]: line for line in read_json(output / "exports.json")}


def test_a_training_is_exported_with_all_that_its_use_needs(tmp_path: Path) -> None:
    line = exported(tmp_path, language_training(WHOLE))["random-0"]
    assert (line["status"], line["file"], line["windows"]) == ("ok", "random-0.onnx", 30)
    assert 0 < line["largest_difference"] < 1e-4
    assert line["top1_agreement"] == 1.0
    assert (line["context"], line["vocabulary"], line["tokens"]) == (CONTEXT, 256, 30 * CONTEXT)
    assert line["test_metric"] == -7.75
    onnx.checker.check_model(onnx.load(tmp_path / "random-0.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(str(tmp_path / "random-0.onnx"), providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert properties["architecture"] == WHOLE
    assert properties["data"] == read_text_meta(prepared_text("bytes")).content
    assert open_language(tmp_path / "random-0.onnx", session).context == CONTEXT
    (speed,) = read_json(tmp_path / "performance.json")
    assert set(speed) == set(PERFORMANCE)
    assert speed["latency_1_ms"] > 0
    assert flat(line)["test_accuracy"] == 0.125


def test_the_recommended_one_has_a_card(tmp_path: Path) -> None:
    trainings = [language_training(PLAIN, "llama"), language_training(WHOLE)]
    rows = [read_json(path) for path in trainings]
    considered = [
        {key: row[key] for key in ("entry", "kind", "architecture", "seed", "valid_metric", "test_metric")}
        | {"strategy": "random", "test_low": -7.9, "test_high": -7.6, "trainings": 1, "sound": 1}
        for row in rows
    ]
    found = {**considered[1], "rule": "The rule.", "reason": "", "alternatives": [], "considered": considered}
    write_json(tmp_path / "recommended.json", {**found, "export": ["random-0"]})
    given = {"data": prepared_text("bytes"), "trainings": trainings, "output": tmp_path / "export"}
    run("export_networks", settings=settings()["export_networks"], recommended=tmp_path / "recommended.json", **given)
    (line,) = read_json(tmp_path / "export" / "exports.json")
    assert (line["file"], line["card"]) == ("random-0/model.onnx", "random-0/README.md")
    card = (tmp_path / "export" / "random-0" / "README.md").read_text(encoding="utf-8")
    for words in ("A language model", "| test | this training | 7.7500 |", f"`{line['sha256']}`", WHOLE, "--continue"):
        assert words in card
    assert f"the file has {line['onnx_bits_per_byte']:.4f} bits per byte" in card


def test_bits_per_byte_are_those_of_the_whole_test_part() -> None:
    path, network = language_file(WHOLE)
    part = load_part(prepared_text("bytes"), "test")
    found = compare(path, network, windows_of(part.tokens, part.starts, CONTEXT), Bytes())

    def nats(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(network(inputs).transpose(1, 2), targets, reduction="none")

    score = DeviceText([part], Bytes(), CONTEXT, "cpu").score(nats, 64)
    expected = bits_per_byte(score.document_nats, score.document_bytes)
    assert found["bits_per_byte"] == pytest.approx(expected, rel=1e-6)
    assert found["onnx_bits_per_byte"] == pytest.approx(expected, rel=1e-5)
    assert found["tokens"] == score.document_bytes.sum()


def test_a_file_of_other_weights_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = language.trained_language

    def other(*given: Any) -> Any:
        network = real(*given)
        written = language.write_language

        def moved(*rest: Any) -> None:
            written(*rest)
            with torch.no_grad():
                network.embedding.weight[:, 0] += 0.05

        monkeypatch.setattr(language, "write_language", moved)
        return network

    monkeypatch.setattr(language, "trained_language", other)
    line = exported(tmp_path, language_training(PLAIN, "llama"), export__performance__repeats=0)["llama"]
    assert line["status"] == "differs by more than 0.001"
    assert line["largest_difference"] > 1e-3
    assert read_json(tmp_path / "performance.json") == []


def test_a_network_that_cannot_be_held_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> None:
        raise language.UnsupportedError("ONNX has no operator for torch's aten.none")

    monkeypatch.setattr(language, "write_language", fails)
    line = exported(tmp_path, language_training(PLAIN, "gpt2"))["gpt2"]
    assert line["status"] == "not exported: ONNX has no operator for torch's aten.none"
    assert line["file"] is None
    assert "gpt2 cannot be exported: ONNX has no operator" in capsys.readouterr().out


def test_byte_pairs_travel_with_the_file(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    line = exported(tmp_path, language_training(PAIRS, "pairs"), data="bpe")["pairs"]
    assert line["status"] == "ok"
    session = onnxruntime.InferenceSession(str(tmp_path / "pairs.onnx"), providers=["CPUExecutionProvider"])
    opened = open_language(tmp_path / "pairs.onnx", session)
    theirs = read_tokens(prepared_text("bpe"))
    assert opened.tokens.encode(b"katomi ren").tolist() == theirs.encode(b"katomi ren").tolist()
    # a token of several bytes counts as these
    part = load_part(prepared_text("bpe"), "test")
    assert compare(tmp_path / "pairs.onnx", _trained("pairs"), windows_of(part.tokens, part.starts, 12), theirs)[
        "bits_per_byte"
    ] * part.bytes.sum() == pytest.approx(_nats(part, theirs) / np.log(2), rel=1e-5)
    # without them, the next export leaves none behind
    exported(tmp_path, language_training(PLAIN, "pairs-not"))
    assert not (tmp_path / "tokenizer.json").exists()


def _trained(name: str) -> Any:
    record = Path(language_training(PAIRS, name))
    return language.trained_language(read_json(record), record.with_name("weights.safetensors"), CONTEXT)


def _nats(part: Any, tokens: Any) -> float:
    network = _trained("pairs")

    def nats(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(network(inputs).transpose(1, 2), targets, reduction="none")

    return float(DeviceText([part], tokens, CONTEXT, "cpu").score(nats, 64).document_nats.sum())


def test_a_token_is_timed_with_half_of_the_context_read(monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = language_file()
    asked: list[tuple[int, int]] = []
    real = performance.open_language

    def watched(*given: Any) -> Any:
        found = real(*given)
        step = found.step

        def counted(tokens: Any, past: Any) -> Any:
            asked.append((len(tokens), past.position))
            return step(tokens, past)

        found.step = counted
        return found

    monkeypatch.setattr(performance, "open_language", watched)
    figures = performance.run(path, 4, 1)
    half = CONTEXT // 2
    reading = [(1, place) for place in range(half)]
    assert asked == reading + [(1, half)] * (performance.WARM_UP + 4) + [(32, half)] * (performance.WARM_UP + 4)
    assert figures["repeats_32"] == 4
