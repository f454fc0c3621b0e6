"""The declarations of the export."""

from nas_steps.config.reads import SEED, SPACE
from nas_steps.provenance.step import COST, Step, steps

CONVERTS = ("torch", "onnx", "onnxscript", "onnxruntime")
READS = {**SEED, **SPACE, "export": "export"}
TAKES = {"data": "folder of the prepared data", "trainings+": "metrics.json of all seeds"}
PERFORMANCE = "size, latency and memory of each file"

STEPS = steps(
    "nas_steps.export",
    Step(
        "export_entry",
        "Export one retrained entry: its training of best validation accuracy.",
        jobs={"entry": "entries"},
        when=("trains",),
        packages=CONVERTS,
        takes=TAKES,
        reads=READS,
        writes={
            "model": (
                "export/{entry}/model.onnx",
                "the network; beside it model_int8.onnx if it was accepted: check.json names it and says why not",
            ),
            "check": ("export/{entry}/check.json", "how the file agrees with the network; names and hashes"),
            "performance": ("export/{entry}/performance.json", PERFORMANCE),
            "cost": ("export/{entry}/cost.json", COST),
        },
    ),
    Step(
        "export_scaled",
        "Export each member of the family that was trained.",
        when=("scaled",),
        packages=CONVERTS,
        takes=TAKES,
        reads=READS,
        writes={
            "exports": (
                "export/scaled/exports.json",
                "check.json of each member that was trained; names <member>.onnx and <member>_int8.onnx and hashes",
            ),
            "performance": ("export/scaled/performance.json", PERFORMANCE),
            "cost": ("export/scaled/cost.json", COST),
        },
    ),
    Step(
        "gather_exports",
        "Make tables of all exported files: what they are, and how fast.",
        when=("trains",),
        takes={
            "checks+": "check.json of entries, exports.json of the family",
            "performances+": "performance.json beside each of them",
        },
        writes={
            "exports": (
                "export/exports.csv",
                "name, file, kind, status, seed, parameters, macs, bytes, images, largest_difference, top1_agreement, "
                "test_accuracy, opset; int8_status, int8_file, int8_bytes, int8_valid_loss, int8_test_accuracy, "
                "int8_test_loss, int8_test_loss_low, int8_test_loss_high",
            ),
            "performance": (
                "export/performance.csv",
                "one row a file: name, file, precision, bytes, threads; for batches of 1 and of 32 "
                "repeats, latency in ms "
                "(median, p25, p75), memory in MB; memory_idle_mb",
            ),
        },
    ),
)
