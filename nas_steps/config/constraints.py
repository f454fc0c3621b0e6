"""Hard constraints of a search, and how latency is measured."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nas_steps.config.section import Natural, PathText, Positive, Section

Above = Annotated[float, Field(gt=0)]


class Latency(Section):
    runtime: Literal["auto", "onnxruntime", "torch"] = Field(
        "auto", description="`onnxruntime` (CPU) or `torch` (on `device`); `auto`: torch if `device` is a GPU."
    )
    batch: Positive = Field(1, description="Images in one forward pass; latency is that of the pass.")
    threads: Positive = Field(1, description="CPU threads of a forward pass.")
    table: PathText | None = Field(
        None,
        description="What another device took: the latency.csv that the kit of `python -m nas_steps.latency kit` wrote "
        "there; it replaces measuring here. null: measure.",
    )
    repeats: Positive = Field(30, description="Timed passes of each block; their median is its latency.")
    warmup: Natural = Field(5, description="Untimed passes before them.")

    @model_validator(mode="after")
    def _a_table_is_of_onnxruntime(self) -> Self:
        if self.table is not None and self.runtime == "torch":
            raise ValueError("runtime is torch, but a table holds what onnxruntime took; leave runtime or table out")
        return self


class Constraints(Section):
    """Constraints of final networks (`retrain.network`): each architecture that is evaluated keeps all of them."""

    parameters: Above | None = Field(None, description="Most parameters; null: no limit.")
    macs: Above | None = Field(None, description="Most multiply-accumulates an image; null: no limit.")
    latency_ms: Above | None = Field(None, description="Longest forward pass in ms, predicted from its blocks.")
    memory_mb: Above | None = Field(
        None,
        description="Most memory of a forward pass of `latency.batch` images in 10^6 bytes: the float32 weights and "
        "the feature maps of the block that needs most, norms and activations in place; for cells an upper estimate.",
    )
    file_mb: Above | None = Field(
        None, description="Largest float32 ONNX file in 10^6 bytes: 4 bytes a parameter and 0.016 MB for the graph."
    )
    latency: Latency = Field(
        default_factory=Latency, description="How a constraint or objective of latency is measured."
    )
