"""Write the kit: ONNX files of a space's blocks and of some whole networks, and their runner, as a .zip."""

import json
import tempfile
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from nas_steps.config.constraints import Latency
from nas_steps.latency import runner
from nas_steps.models.blocks import whole
from nas_steps.models.latency import images, settle, write_module
from nas_steps.provenance.files import atomic
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.block_latency import planned
from nas_steps.search.latency_table import identity
from nas_steps.search.settings import BlockLatencySettings
from nas_steps.spaces.constraints import blocks_of
from nas_steps.spaces.costs import Shape
from nas_steps.spaces.declare import declared_on_images

#: values that a kernel's weights repeat, so that the .zip is small; what a convolution takes does not depend on them
REPEATED = 16
README = """Measure this kit on the device that the network is for:

1. Copy the .zip to the device and unzip it.
2. python -m pip install onnxruntime    (Python 3.8 or later; nothing else is needed)
3. python run.py                        (it says how long it takes, and writes latency.csv)
4. Copy latency.csv back, and set search.constraints.latency.table to its path.

Later, `python run.py --model model.onnx` measures the exported network on the device.
"""


def write_kit(path: str | Path, settings: BlockLatencySettings, shape: Shape, latency: Latency | None) -> str:
    """Write the kit for images of `shape`; return what is in it, in words."""
    latency = latency or Latency()
    space = declared_on_images(settings.space)
    blocks = blocks_of(space, settings.network)
    plan = planned(space, blocks, shape, seed := derive_seed(settings.seed, "costs"))
    network = settings.network.model_dump(mode="json")
    kit = {
        "threads": latency.threads,
        "repeats": latency.repeats,
        "warmup": latency.warmup,
        "batch": latency.batch,
        "facts": {"space": identity(space, network), **shape._asdict(), "batch": latency.batch},
        "measured": (measured := [{"kind": "call", "name": "call", "file": "call.onnx"}]),
    }
    with atomic(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            file = Path(folder, "module.onnx")

            def add(module: nn.Module, name: str, channels: int, side: int) -> None:
                repeat_weights(module)
                settle(module, channels, side)
                image: Tensor = images(latency.batch, channels, side)
                write_module(module, image, file)
                archive.write(file, name)
                if (count := len(archive.namelist())) % 50 == 0:
                    print(f"{count} of {len(plan.different) + len(plan.networks) + 1} files are written", flush=True)

            add(nn.Identity(), "call.onnx", 1, 1)
            for number, (key, one) in enumerate(plan.different.items()):
                measured.append({"kind": "block", "name": key, "file": f"blocks/{number:04d}.onnx"})
                add(one.build(), measured[-1]["file"], one.channels, one.side)
            for number, architecture in enumerate(plan.networks):
                measured.append({"kind": "network", "name": str(architecture), "file": f"networks/{number:02d}.onnx"})
                add(whole(blocks, architecture, shape), measured[-1]["file"], shape.inputs, shape.side)
        archive.writestr("kit.json", json.dumps(kit, indent=1))
        archive.writestr("README.txt", README)
        archive.write(runner.__file__, "run.py")
        unzipped = sum(one.file_size for one in archive.infolist()) / 1e6
    return (
        f"{path}: {len(plan.different)} different blocks and {len(plan.networks)} whole networks of space "
        f"{space.name}, {Path(path).stat().st_size / 1e6:.1f} MB, {unzipped:.1f} MB unzipped; copy it to the device, "
        "unzip it and run `python run.py` there"
    )


def repeat_weights(module: nn.Module) -> None:
    """Let the values of each kernel repeat themselves."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                flat = parameter.flatten()
                parameter.copy_(flat[torch.arange(len(flat)) % REPEATED].view_as(parameter))
