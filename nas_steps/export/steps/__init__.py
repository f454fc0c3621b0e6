"""The declarations of the export."""

from nas_steps.config.reads import SEED, SPACE
from nas_steps.provenance.step import COST, Step, steps

CONVERTS = ("torch", "onnx", "onnxscript", "onnxruntime")
READS = {**SEED, **SPACE, "export": "export", "licence": "weights.licence"}
TAKES = {
    "data": "folder of the prepared data",
    "trainings+": "metrics.json of all seeds",
    "source?": "source.json of pretrained weights: where they come from, their licence and normalisation",
}
PERFORMANCE = "size, latency and memory of each file"

STEPS = steps(
    "nas_steps.export",
    Step(
        "export_networks",
        "Export the networks that recommended.json lists, each with a model card.",
        when=("trains",),
        packages=CONVERTS,
        takes={**TAKES, "recommended": "recommended.json"},
        reads={**READS, "recipe": "retrain.recipe"},
        writes={
            "exports": (
                "export/exports.json",
                "a line a network: how its files agree with it, and their names and hashes: <entry>/model.onnx, "
                "model_int8.onnx if it was accepted, model.xml and .bin (OpenVINO) or model.tflite (LiteRT) if wanted, "
                "tokenizer.json if its tokens are byte pairs, README.md (the model card)",
            ),
            "performance": ("export/performance.json", PERFORMANCE),
            "cost": ("export/cost.json", COST),
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
                "the same of each member that was trained: <member>.onnx, <member>_int8.onnx and so on",
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
            "exports+": "exports.json of the networks and of the family",
            "performances+": "performance.json beside each of them",
        },
        writes={
            "exports": (
                "export/exports.csv",
                "name, file, kind, status, seed, parameters, macs, bytes, images, largest_difference, top1_agreement, "
                "test_accuracy, opset; int8_status, int8_file, int8_bytes, int8_valid_loss, int8_test_accuracy, "
                "int8_test_loss, int8_test_loss_low, int8_test_loss_high; temperature (fitted on validation images), "
                "calibration_error, calibrated_error (expected, on test images: without and with the temperature); "
                "formats",
            ),
            "performance": (
                "export/performance.csv",
                "one row a file: name, file, precision, bytes, threads; for batches of 1 and of 32 "
                "repeats, latency in ms (median, p25, p75; of a language model, that of one token, half of the context "
                "being read), memory in MB; memory_idle_mb",
            ),
        },
    ),
)
