"""From a file of weights to a supernet of its slices, and from that to final trainings, as the workflow runs them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stepping import run, settings_files, settings_of
from torch import Tensor
from torchvision.models import get_model

from nas_steps.config.load import load
from nas_steps.config.schema import Config
from nas_steps.config.space import Network, Space, filled
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.errors import UserError
from nas_steps.models.build import build
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.pretrained import Pretrained
from nas_steps.pretrained import sources
from nas_steps.provenance.files import read_json
from nas_steps.provenance.settings import read_settings
from nas_steps.retraining.inheriting import FromSupernet
from nas_steps.search.one_shot.networks import shared_network, sharing
from nas_steps.search.one_shot.scoring import read_weights
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.training.settings import TrainingSettings

SPACE = {"preset": "mobile_small", "resolution": [8, 16]}
RECIPE = {"epochs": 1, "batch_size": 20, "warmup_epochs": 0, "learning_rate": 0.01}
CONFIG: dict[str, Any] = {
    "device": "cpu",
    "data": {"source": "digits", "channels": 3, "resolution": 16, "max_train": 60, "max_valid": 40, "max_test": 40},
    "space": SPACE,
    "search": {
        "estimator": {
            "kind": "shared_weights",
            "calibration_images": 0,
            "supernet": {**RECIPE, "sampling": "sandwich", "between": 1, "entangled": True, "kernels": "transform"},
        },
        "strategies": {"random": {}, "evolution": {"population": 4, "sample": 2, "children": 2, "rounds": 2}},
    },
    "ranking": {"recipe": RECIPE},
    "retrain": {"recipe": RECIPE, "start": "supernet"},
    "scaling": {"enabled": False},
}


class World:
    """The steps' files of one experiment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.space = declared(filled(Space(**SPACE)))
        self.whole = str(self.space.largest(strict=False)).replace("_i16", "")
        torch.manual_seed(3)
        network = MobileNetwork(parse_mobile(self.whole), inputs=3, classes=7)
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(8, 3, 16, 16))
        torch.save(network.state_dict(), folder / "weights.pth")
        self.config: Config = load({**CONFIG, "weights": str(folder / "weights.pth")})
        self.files = settings_files(self.config, folder)
        self.data = str(folder / "data")
        prepare(read_settings(self.files["data"], DataSettings), Path(self.data))
        run("weights", settings=self.files["weights"], path=folder / "weights.pth", output=folder / "weights")
        self.source = str(folder / "weights/source.safetensors")
        given = {"settings": self.files["supernet"], "data": self.data, "weights": self.source}
        run("supernet", **given, seed=0, output=folder / "supernet")
        self.supernet = str(folder / "supernet/weights.safetensors")
        self.retrain = settings_of(self.config, "retrain", TrainingSettings, folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("pretrained"))


def images() -> Tensor:
    return torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_the_step_says_what_the_weights_are(world: World) -> None:
    facts = read_json(Path(world.source).with_name("source.json"))
    assert facts["networks"] == {"space": world.whole}
    assert (facts["source"], facts["normalisation"]["name"]) == ("file", "imagenet")
    assert len(load_file(world.source)) == facts["tensors"]


def test_an_inherited_network_computes_what_its_path_computes(world: World) -> None:
    estimator = world.config.search.estimator
    how = sharing(estimator.supernet)  # type: ignore[union-attr]
    shared = shared_network(world.space, Network(), inputs=3, classes=10, **how)
    read_weights(shared, world.supernet)
    shared.eval()
    transforms = [tensor for name, tensor in shared.state_dict().items() if "transforms" in name]
    assert any(not torch.equal(one, torch.eye(len(one))) for one in transforms)
    start = FromSupernet(world.supernet, world.retrain, estimator.supernet, world.data)  # type: ignore[union-attr]
    for architecture in (world.space.largest(), world.space.smallest(), world.space.sample(Random(5))):
        model = build(str(architecture), Network(), inputs=3, classes=10, side=16).eval()
        assert start.start(model, str(architecture)) == "supernet"
        with torch.no_grad():
            torch.testing.assert_close(model(images()), shared(images(), architecture), rtol=1e-5, atol=1e-5)


def test_the_supernet_left_the_pretrained_start(world: World) -> None:
    """The slices of the file are where the supernet began, but it has learnt since."""
    pretrained = Pretrained(world.source)
    architecture = str(world.space.largest())
    model = build(architecture, Network(), inputs=3, classes=10, side=16)
    assert pretrained.start(model, architecture) == "file"
    learnt, state = load_file(world.supernet), model.state_dict()
    (stem,) = (tensor for name, tensor in learnt.items() if name.endswith("stem.0.weight") or ".stem.0.0" in name)
    assert stem.shape == state["features.0.0.weight"].shape
    assert not torch.equal(stem, state["features.0.0.weight"])
    torch.testing.assert_close(stem, state["features.0.0.weight"], atol=0.2, rtol=0)


def test_a_file_that_is_not_of_the_largest_network_is_named(world: World, tmp_path: Path) -> None:
    file = world.folder / "weights.pth"
    config = load({**CONFIG, "weights": str(file), "space": {"preset": "mobile_small", "head": {"width": 99}}})
    files = settings_files(config, tmp_path)
    with pytest.raises(UserError, match=rf"weights: those in {file} are those of another network: \d+ of \d+ tensors"):
        run("weights", settings=files["weights"], path=file, output=tmp_path / "weights")
    assert not (tmp_path / "weights").exists() or not list((tmp_path / "weights").iterdir())


IMAGENET: dict[str, Any] = {
    "space": {"preset": "efficientnet_b0", "resolution": [32, 64]},
    "data": {"source": "cifar10", "resolution": 64},
    "weights": "imagenet",
    "search": {"strategies": {"random": {"evaluations": 4}, "evolution": {}}},
    "scaling": {"enabled": False},
}


def test_baselines_start_from_torchvisions_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Weights:
        url = "https://example.org/weights.pth"

        def __init__(self, name: str) -> None:
            self.DEFAULT, self.name = self, name

        def get_state_dict(self, **_options: object) -> dict[str, Tensor]:
            return get_model(self.name).state_dict()

    monkeypatch.setattr(sources, "get_model_weights", Weights)
    baselines = ["mobilenet_v2", "mnasnet0_5", "resnet18", "resnet20"]
    config = load({**IMAGENET, "retrain": {"baselines": baselines}})
    given = {"settings": settings_files(config, tmp_path)["weights"], "family": "efficientnet"}
    run("weights", **given, output=tmp_path / "weights")
    assert "resnet20 starts from nothing: torchvision has no weights of it" in capsys.readouterr().out
    pretrained = Pretrained(tmp_path / "weights/source.safetensors")
    space = declared(filled(config.space))
    wanted = {"mobilenet_v2": "imagenet", "mnasnet0_5": "imagenet", "resnet20": None, "resnet18": None}
    # at these sides resnet18 is another network than ImageNet's, unless it has that one's side
    wanted |= {"mobilenet_v2_r32": "imagenet", "resnet18_r64": "imagenet", "mobilenet_v2_x0.5": None}
    wanted |= {str(space.smallest()): "imagenet", "efficientnet_b0": "imagenet"}
    for name, source in wanted.items():
        model = build(name, Network(), inputs=3, classes=10, side=64)
        assert pretrained.start(model, name) == source, name
    assert "resnet18 starts from nothing: for images of this side it is another network" in capsys.readouterr().out
