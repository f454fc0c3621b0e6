"""Hard constraints of a search, and how latency is measured."""

from typing import Annotated, Literal

from pydantic import Field

from nas_steps.config.section import Natural, Positive, Section

Above = Annotated[float, Field(gt=0)]


class Latency(Section):
    runtime: Literal["auto", "onnxruntime", "torch"] = Field(
        "auto", description="`onnxruntime` (CPU) or `torch` (on `device`); `auto`: torch if `device` is a GPU."
    )
    batch: Positive = Field(1, description="Images in one forward pass; latency is that of the pass.")
    threads: Positive = Field(1, description="CPU threads of a forward pass.")
    repeats: Positive = Field(30, description="Timed passes of each block; their median is its latency.")
    warmup: Natural = Field(5, description="Untimed passes before them.")


class Constraints(Section):
    """Constraints of final networks (`retrain.network`): each architecture that is evaluated keeps all of them."""

    parameters: Above | None = Field(None, description="Most parameters; null: no limit.")
    macs: Above | None = Field(None, description="Most multiply-accumulates an image; null: no limit.")
    latency_ms: Above | None = Field(None, description="Longest forward pass in ms, predicted from its blocks.")
    latency: Latency = Field(
        default_factory=Latency, description="How a constraint or objective of latency is measured."
    )
