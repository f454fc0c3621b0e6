"""State dicts of other libraries, and files that are none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from nas_steps.config.weights import installed
from nas_steps.errors import UserError
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.pretrained import sources
from nas_steps.pretrained.sources import as_network, read_file, read_package, read_torchvision
from nas_steps.spaces.mobile.architectures import parse_mobile

TEXT = "stem_k3_s2_c8_relu6/mb_k3_e1_c8_se0.25/mb_r2_k5_s2_e4_c16_se0.25/head_c32"
#: our names by those of two other libraries, for the network above
TIMM = {
    "features.0.0": "conv_stem", "features.0.1": "bn1", "features.3.0": "conv_head", "features.3.1": "bn2",
    "classifier.1": "classifier",
    "features.1.0.block.0.0": "blocks.0.0.conv_dw", "features.1.0.block.0.1": "blocks.0.0.bn1",
    "features.1.0.block.1.fc1": "blocks.0.0.se.conv_reduce", "features.1.0.block.1.fc2": "blocks.0.0.se.conv_expand",
    "features.1.0.block.2.0": "blocks.0.0.conv_pw", "features.1.0.block.2.1": "blocks.0.0.bn2",
}  # fmt: skip
LITE = {
    "features.0.0": "_conv_stem", "features.0.1": "_bn0", "features.3.0": "_conv_head", "features.3.1": "_bn1",
    "classifier.1": "_fc",
    "features.1.0.block.0.0": "_blocks.0._depthwise_conv", "features.1.0.block.0.1": "_blocks.0._bn1",
    "features.1.0.block.1.fc1": "_blocks.0._se_reduce", "features.1.0.block.1.fc2": "_blocks.0._se_expand",
    "features.1.0.block.2.0": "_blocks.0._project_conv", "features.1.0.block.2.1": "_blocks.0._bn2",
}  # fmt: skip
for number in (0, 1):
    ours, timm, lite = f"features.2.{number}.block", f"blocks.1.{number}", f"_blocks.{number + 1}"
    TIMM |= {
        f"{ours}.0.0": f"{timm}.conv_pw", f"{ours}.0.1": f"{timm}.bn1", f"{ours}.1.0": f"{timm}.conv_dw",
        f"{ours}.1.1": f"{timm}.bn2", f"{ours}.2.fc1": f"{timm}.se.conv_reduce",
        f"{ours}.2.fc2": f"{timm}.se.conv_expand", f"{ours}.3.0": f"{timm}.conv_pwl", f"{ours}.3.1": f"{timm}.bn3",
    }  # fmt: skip
    LITE |= {
        f"{ours}.0.0": f"{lite}._expand_conv", f"{ours}.0.1": f"{lite}._bn0", f"{ours}.1.0": f"{lite}._depthwise_conv",
        f"{ours}.1.1": f"{lite}._bn1", f"{ours}.2.fc1": f"{lite}._se_reduce", f"{ours}.2.fc2": f"{lite}._se_expand",
        f"{ours}.3.0": f"{lite}._project_conv", f"{ours}.3.1": f"{lite}._bn2",
    }  # fmt: skip


def network(seed: int = 0, text: str = TEXT, inputs: int = 3) -> MobileNetwork:
    torch.manual_seed(seed)
    return MobileNetwork(parse_mobile(text), inputs=inputs, classes=7)


def called(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """Rename the tensors of our network as another library calls them."""
    pairs = [(name.rpartition("."), tensor) for name, tensor in state.items()]
    return {f"{names[module]}.{kind}": tensor for (module, _, kind), tensor in pairs}


@pytest.mark.parametrize("names", [None, TIMM, LITE], ids=["torchvision", "timm", "lite"])
@pytest.mark.parametrize("ending", [".safetensors", ".pth", "wrapped.pth"])
def test_files_of_known_names_are_read(tmp_path: Path, names: dict[str, str] | None, ending: str) -> None:
    theirs, ours, path = network(1), network(2), tmp_path / f"weights{ending}"
    state = theirs.state_dict() if names is None else called(theirs.state_dict(), names)
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": state} if "wrapped" in ending else state, path)
    as_network(read_file(path), ours, "those of the file")
    for one, other in zip(theirs.state_dict().values(), ours.state_dict().values(), strict=True):
        assert torch.equal(one, other)


class Code:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def test_files_that_are_no_weights_are_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pickled, cut, wrong = tmp_path / "pickled.pth", tmp_path / "cut.pth", tmp_path / "list.pth"
    torch.save({"model": Code()}, pickled)
    torch.save(network().state_dict(), cut)
    cut.write_bytes(cut.read_bytes()[:2000])
    torch.save([torch.zeros(3)], wrong)
    text, numbered, sparse = tmp_path / "text.pth", tmp_path / "numbered.pth", tmp_path / "sparse.pth"
    text.write_text("hello" * 100)
    torch.save({0: torch.zeros(3)}, numbered)
    torch.save({"weight": torch.eye(3).to_sparse()}, sparse)
    script, nan = tmp_path / "script.pth", tmp_path / "nan.pth"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), script)
    torch.save({"weight": torch.full((2,), torch.nan)}, nan)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\xff" * 100)
    for path, words in (
        (pickled, "holds pickled Python objects"),
        (cut, "is damaged or cut off"),
        (broken, "is damaged or cut off"),
        (wrong, "holds no tensors by name"),
        (text, "is no file of torch.save"),
        (numbered, "holds 0, which is no dense tensor with a name"),
        (sparse, "holds 'weight', which is no dense tensor with a name"),
        (script, "is a TorchScript archive"),
        (nan, "holds values that are no numbers, in 1 of 1 tensors, such as weight"),
    ):
        with pytest.raises(UserError, match=re.escape(words)) as caught:
            read_file(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert "run" not in capsys.readouterr().out


def test_weights_of_another_network_are_counted() -> None:
    other = network(text=TEXT.replace("e4", "e6"))
    with pytest.raises(UserError, match=r"another network: \d+ of \d+ tensors fit; 0 are missing and \d+ have another"):
        as_network(other.state_dict(), network(), "those of the file")
    with pytest.raises(UserError, match=r"another network: 0 of \d+ tensors fit"):
        as_network({"layer1.weight": torch.zeros(3, 3)}, network(), "those of the file")


def test_a_file_of_torchvisions_mobilenet_v2_is_read_in_order(tmp_path: Path) -> None:
    from torchvision.models import mobilenet_v2

    from nas_steps.config.weights import spelled

    theirs, path = mobilenet_v2(num_classes=7).eval(), tmp_path / "weights.pth"
    torch.save(theirs.state_dict(), path)
    ours = MobileNetwork(spelled("mobilenet_v2"), inputs=3, classes=7).eval()
    as_network(read_file(path), ours, "those of the file")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)


def test_a_network_with_more_tensors_is_another_network() -> None:
    # of the same widths and kernels, as EfficientNet-B0 beside EfficientNet-Lite0
    plain = network(text=TEXT.replace("_se0.25", ""))
    with pytest.raises(UserError, match=r"another network: it has 12 tensors more, such as features.1.0.block.1.fc1"):
        as_network(network().state_dict(), plain, "those of the file")


def test_the_last_linear_layer_may_be_missing(tmp_path: Path) -> None:
    theirs, ours, path = network(1), network(2), tmp_path / "weights.pth"
    # torch.compile puts a prefix before each name
    state = {f"_orig_mod.{name}": tensor for name, tensor in theirs.features.state_dict(prefix="features.").items()}
    torch.save(state, path)
    as_network(read_file(path), ours, "those of the file")
    assert torch.equal(ours.features[0][0].weight, theirs.features[0][0].weight)
    assert not ours.classifier[1].weight.any()


def test_weights_of_another_number_of_channels_say_so() -> None:
    with pytest.raises(UserError, match=r"read images of 1 channels, but only weights for 3 can be a start"):
        as_network(network(inputs=1).state_dict(), network(), "those of the file")


def test_torchvisions_weights_are_read_by_its_own_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    class Weights:
        url = "https://example.org/models/mobilenet_v2-0123.pth"

        def get_state_dict(self, **_options: object) -> dict[str, Tensor]:
            raise OSError("no route to host")

    monkeypatch.setattr(sources, "get_model_weights", lambda _name: type("All", (), {"DEFAULT": Weights()}))
    with pytest.raises(UserError, match=r"cannot be downloaded \(no route to host\); put that file at .*0123.pth"):
        read_torchvision("mobilenet_v2")


@pytest.mark.skipif(not installed("lite0"), reason="the package of the weights is not installed")
def test_the_package_holds_the_weights_of_lite0() -> None:
    from nas_steps.spaces.baselines import load_family, parse_baseline

    spelled = load_family("efficientnet_lite0").spelled
    assert spelled is not None
    whole = MobileNetwork(spelled(parse_baseline("efficientnet_lite0")), inputs=3, classes=1000)
    source = read_package("lite0")
    as_network(source.state, whole, "those of lite0")
    for mine, theirs in zip(whole.state_dict().values(), source.state.values(), strict=True):
        assert torch.equal(mine, theirs)
    assert source.licence == "Apache-2.0"
