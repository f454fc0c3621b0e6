"""The export of final networks: the key `export`."""

from typing import Literal

from pydantic import Field, field_validator

from nas_steps.config.section import Natural, Positive, Section


class Int8(Section):
    """Static quantisation by onnxruntime: weights in 8 bits or less, 8-bit activations, in QDQ form."""

    enabled: bool = Field(True, description="Whether to make an INT8 file beside each float32 file.")
    tolerance: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Most accuracy or `metric` to lose on valid; else the INT8 file is refused.",
    )
    calibration_images: Positive = Field(256, description="Random training images that set the ranges of activations.")
    per_channel: bool = Field(True, description="Whether each output channel has its own scale.")
    reduce_range: bool = Field(False, description="7-bit weights, for processors without VNNI, which can saturate.")


class Performance(Section):
    """Latency and memory of each exported file, measured in a fresh process."""

    repeats: Natural = Field(20, description="Timed runs of batches 1 and 32; slow networks get at least 5. 0: none.")
    threads: Positive = Field(1, description="CPU threads of these runs.")


class Export(Section):
    opset: int = Field(18, ge=18, le=24, description="ONNX operator set.")
    tolerance: float = Field(1e-3, gt=0, description="Largest difference of torch's and onnxruntime's logits.")
    images: Positive | None = Field(
        None, description="Test images, or windows of text, to compare on; null: all images, or 256 windows."
    )
    int8: Int8 = Field(default_factory=Int8, description="Quantised files.")
    performance: Performance = Field(default_factory=Performance, description="Latency and memory.")
    formats: list[Literal["openvino", "litert"]] = Field(
        default_factory=list,
        description="Further files of each network: `openvino` (`pip install -e '.[openvino]'`), `litert` (TensorFlow "
        "Lite; `.[litert]`).",
    )

    @field_validator("formats")
    @classmethod
    def _once(cls, formats: list[str]) -> list[str]:
        if len(set(formats)) < len(formats):
            raise ValueError(f"{', '.join(formats)}: name each format once")
        return formats
