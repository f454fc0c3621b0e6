"""What the tests of exported language models share: prepared text, and networks with weights that matter."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import torch
from made_up_text import prose
from once import once
from safetensors.torch import save_file

from nas_steps.config.text import TextData
from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings
from nas_steps.data.text.store import read_text_meta
from nas_steps.export.language import described
from nas_steps.export.language_graph import trained_language, write_language
from nas_steps.models.language.network import LanguageModel, build_language
from nas_steps.provenance.files import write_json
from nas_steps.training.record import Entry, record

ROOT = TemporaryDirectory(prefix="language-world-")  # gone with the interpreter
CONTEXT = 12
#: every kind of layer, windows within and beyond the context, and all that a frame can have
WHOLE = (
    "lm_v256_d16_rope_rms_bias_x0_unet_enorm_cap30/attn_h4_vr+gelu_e2/conv_k3+swiglu_e2/attn_h4_kv2_w5_vr_qkn+none/"
    "gla_h2+relu2_e2/attn_h2_kv1_c3+none/gru_e1+relu2_e2/attn_h4_vr_w40+gelu_e1"
)
PLAIN = "lm_v256_d16_pos12_ln_tied_bias/2x_attn_h2+gelu_e2"


@once
def prepared_text(tokens: str) -> str:
    """The folder of prepared prose, made once a session."""
    source, output = Path(ROOT.name) / f"prose-{tokens}", Path(ROOT.name) / f"data-{tokens}"
    source.mkdir()
    for number in range(12):
        (source / f"{number}.txt").write_bytes(prose(number, 600 + 40 * number))
    keys: dict[str, Any] = {"tokens": tokens, "vocabulary": 300 if tokens == "bpe" else None}
    data = TextData(source="text", path=str(source), context=CONTEXT, valid=0.2, test=0.2, **keys)
    output.mkdir()
    prepare_text(TextSettings(seed=0, data=data), output)
    return str(output)


def stirred(network: LanguageModel, seed: int = 0) -> LanguageModel:
    """The network with weights that matter, also those that start at zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


@once
def language_training(architecture: str = WHOLE, name: str = "random-0") -> str:
    """metrics.json of a made-up training, with its weights, made once a session."""
    folder = Path(mkdtemp(prefix=f"trained-{name}-", dir=ROOT.name))
    torch.manual_seed(0)
    save_file(stirred(build_language(architecture)).state_dict(), folder / "weights.safetensors")
    known = {"status": "ok", "settings": "0" * 16, "train_on": "train", "parameters": 1, "macs": 2, "side": CONTEXT}
    figures = {"metric": "neg_bits_per_byte", "valid_metric": -7.5, "test_metric": -7.75, "test_accuracy": 0.125}
    test = {"name": "test_tokens.npy", "sha256": "0" * 64}
    more = {"valid_accuracy": 0.25, "device": "cpu", "test_file": test}
    metrics = record(Entry(name, "searched", architecture), 0) | known | figures | more
    write_json(folder / "metrics.json", metrics)
    return str(folder / "metrics.json")


@once
def language_file(architecture: str = PLAIN, context: int = CONTEXT) -> tuple[Path, LanguageModel]:
    """An ONNX file of a network on bytes, and the network."""
    folder = Path(mkdtemp(prefix="file-", dir=ROOT.name))
    torch.manual_seed(0)
    save_file(stirred(build_language(architecture)).state_dict(), folder / "weights.safetensors")
    empty = dict.fromkeys(("entry", "metric", "valid_metric", "test_metric", "test_accuracy", "settings"), "")
    metrics = {**empty, "architecture": architecture, "seed": 0, "train_on": "train"}
    network = trained_language(metrics, folder / "weights.safetensors", context)
    properties = described(metrics, read_text_meta(prepared_text("bytes")), 18) | {"context": context}
    write_language(folder / "model.onnx", network, 18, properties)
    return folder / "model.onnx", network
