"""The declarations of the steps that prepare the data: images, or text."""

from nas_steps.config import derive
from nas_steps.config.reads import CONTENT, SEED
from nas_steps.data.text.files import KINDS
from nas_steps.provenance.step import COST, Reads, Step, steps

ARRAYS = {
    f"{split}_{what}": (f"{split}_{what}.npy", holds)
    for split in ("train", "valid", "test")
    for what, holds in (("images", "uint8, (images, channels, side, side)"), ("labels", "int64, (images,)"))
}

PARTS = {
    f"{part}_{what}": (f"{part}_{what}.{KINDS[what]}", holds)
    for part in ("train", "valid", "test")
    for what, holds in (
        ("tokens", "uint8 or uint16, (tokens,): START, a document, START, the next document and so on"),
        ("documents", "document, bytes, tokens (without START), in the order of the stream"),
    )
}

_DATA = steps(
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
_TEXT = steps(
    "nas_steps.data.text",
    Step(
        "text",
        "Read a source of text, split it and store it as tokens; byte pairs are in tokenizer.json beside them.",
        module="nas_steps.data.text.__main__",
        folder="data",
        when=("reads_text",),
        stage="data",
        reads={**SEED, "data": Reads("data", leave_out=("path",)), **CONTENT},
        writes={
            **PARTS,
            "meta": (
                "meta.json",
                "source, tokens, vocabulary, context, parts (documents, bytes, tokens), what was read, copies, "
                "documents that are almost the same, checksums",
            ),
            "cost": ("cost.json", COST),
        },
    ),
)
STEPS = {**_DATA, **_TEXT}
