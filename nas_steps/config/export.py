"""How final networks are exported: the key `export`."""

from __future__ import annotations

from pydantic import Field

from nas_steps.config.section import Natural, Positive, Section


class Int8(Section):
    """Static quantisation by onnxruntime: 8-bit weights and activations, in QDQ form."""

    enabled: bool = Field(True, description="Whether to make an INT8 file beside each float32 file.")
    tolerance: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Largest loss of accuracy on the validation images, against the float32 file; above it the INT8 "
        "file is refused. Its loss on the test images is reported and decides nothing.",
    )
    calibration_images: Positive = Field(
        256, description="Training images, drawn at random, that set the ranges of the activations."
    )
    per_channel: bool = Field(True, description="Whether each output channel's weights have a scale of their own.")
    reduce_range: bool = Field(
        False,
        description="7-bit weights, for processors without VNNI instructions, on which sums of products can saturate.",
    )


class Performance(Section):
    """Latency and memory of the exported files, measured in a fresh process each."""

    repeats: Natural = Field(
        20,
        description="Timed runs of each batch size (1 and 32), after a warm-up; slow networks get fewer, at least 5. "
        "0 measures nothing.",
    )
    threads: Positive = Field(1, description="CPU threads of these runs.")


class Export(Section):
    opset: int = Field(18, ge=18, le=24, description="ONNX operator set.")
    tolerance: float = Field(
        1e-3, gt=0, description="Largest difference allowed between torch's and onnxruntime's logits."
    )
    images: Positive | None = Field(
        None, description="Test images to compare on, for huge test sets; all when left out."
    )
    int8: Int8 = Field(default_factory=Int8, description="Quantised files.")
    performance: Performance = Field(default_factory=Performance, description="Latency and memory.")
