"""The declaration of the step that prepares the data."""

from nas_steps.config import derive
from nas_steps.config.reads import CONTENT, SEED
from nas_steps.provenance.step import COST, Reads, Step, steps

ARRAYS = {
    f"{split}_{what}": (f"{split}_{what}.npy", holds)
    for split in ("train", "valid", "test")
    for what, holds in (("images", "uint8, (images, channels, side, side)"), ("labels", "int64, (images,)"))
}

STEPS = steps(
    "nas_steps.data",
    Step(
        "data",
        "Read a source of images, split it and store it as arrays.",
        module="nas_steps.data.__main__",
        folder="data",
        when=("reads_images",),
        reads={
            **SEED,
            **CONTENT,
            "data": Reads("data", leave_out=("path", "unreadable", "max_image_pixels")),
            "tolerance": "",
            "normalisation": Reads("weights", derive.normalisation),
        },
        writes={
            **ARRAYS,
            "meta": (
                "meta.json",
                "source, classes, counts, shape, crop, fit, mean, std, checksums, what was skipped or converted, bits "
                "of 16 used",
            ),
            "cost": ("cost.json", COST),
        },
    ),
)
