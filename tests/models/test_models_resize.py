"""Networks that resize their images, and TensorFlow's padding: the functions, their ONNX files, their sizes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.data.store import Meta
from nas_steps.errors import UserError
from nas_steps.export.convert import Deployed, write_onnx
from nas_steps.models.build import size
from nas_steps.models.convolutions import SameConv2d, same_padding
from nas_steps.models.mobile.network import MobileNetwork, build_mobile
from nas_steps.models.resize import Resize, interpolation
from nas_steps.spaces.mobile.architectures import parse_mobile

TEXT = "stem_k3_s2_c8{}_relu6/mb_k3_e1_c8/mb_r2_k5_s2_e3_c16_se0.25/id_s2_c24/head_c32"
SIDES = [(33, 16), (16, 24), (24, 24), (48, 20)]


def network(fields: str, *, classes: int = 4) -> MobileNetwork:
    """A network whose logits depend on all that it does."""
    torch.manual_seed(0)
    made = MobileNetwork(parse_mobile(TEXT.format(fields)), inputs=3, classes=classes)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return made.eval()


@pytest.mark.parametrize(("before", "side"), SIDES)
def test_the_matrices_resize_as_torch_does(before: int, side: int) -> None:
    images = torch.randn(2, 3, before, before, dtype=torch.float64)
    matrix = torch.tensor(interpolation(before, side), dtype=torch.float64)
    wanted = F.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    torch.testing.assert_close(matrix @ images @ matrix.T, wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(Resize(side)(images), wanted, rtol=0, atol=0)


def test_images_of_the_side_are_left_alone() -> None:
    images = torch.randn(2, 3, 24, 24)
    assert Resize(24)(images) is images


def test_a_network_resizes_first_and_has_the_same_tensors() -> None:
    plain, resizing = network(""), network("_i24")
    assert list(plain.state_dict()) == list(resizing.state_dict())
    resizing.load_state_dict(plain.state_dict())
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        assert torch.equal(resizing(images), plain(Resize(24)(images)))
        assert not torch.allclose(resizing(images), plain(images), atol=1e-3)


def test_multiply_accumulates_are_those_of_the_resized_images() -> None:
    places = [(TEXT.format("_i24"), 64), (TEXT.format(""), 24), (TEXT.format("_tf"), 24)]
    assert len({size(text, Network(), inputs=3, classes=4, side=side) for text, side in places}) == 1


def test_small_images_may_be_enlarged_but_not_to_less_than_the_stride() -> None:
    assert build_mobile(TEXT.format("_i24"), inputs=3, classes=4, side=4)(torch.zeros(2, 3, 4, 4)).shape == (2, 4)
    with pytest.raises(UserError, match="i4 is too small: the strides divide the side by 8"):
        build_mobile(TEXT.format("_i4"), inputs=3, classes=4, side=64)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [7, 8, 9])
def test_same_padding_is_tensorflows(size: int, kernel: int) -> None:
    made = SameConv2d(2, 4, kernel, 2)
    images = torch.randn(1, 2, size, size)
    before, behind = same_padding(size, kernel, 2)
    assert 0 <= behind - before <= 1
    found = made(images)
    assert found.shape == (1, 4, -(-size // 2), -(-size // 2))
    # the first window begins `before` pixels outside
    cut = images[:, :, : kernel - before, : kernel - before]
    window = F.pad(cut, (before, 0, before, 0))
    torch.testing.assert_close(found[:, :, 0, 0], F.conv2d(window, made.weight)[:, :, 0, 0])


def test_every_strided_convolution_is_padded_so_and_no_other() -> None:
    made = network("_tf")
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            assert isinstance(module, SameConv2d) == (module.stride == (2, 2))
    plain = network("")
    assert list(plain.state_dict()) == list(made.state_dict())
    plain.load_state_dict(made.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(made(images), plain(images), atol=1e-3)
        # channels last, as in training
        torch.testing.assert_close(made(images.to(memory_format=torch.channels_last)), made(images))


def test_padded_maps_stay_channels_last() -> None:
    images = torch.randn(2, 8, 16, 16).to(memory_format=torch.channels_last)
    made = SameConv2d(8, 8, 3, 2, groups=8).to(memory_format=torch.channels_last)
    assert made(images).is_contiguous(memory_format=torch.channels_last)
    assert Resize(12)(images).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("fields", "side"), [("_i24", 40), ("_i24_tf", 20), ("_tf", 33)])
def test_the_onnx_file_computes_the_same(tmp_path: Path, fields: str, side: int) -> None:
    meta = Meta(tuple("abcd"), {}, (3, side, side), (0.5, 0.4, 0.3), (0.2, 0.3, 0.25), "", {})
    deployed = Deployed(network(fields), meta, side).eval()
    write_onnx(tmp_path / "model.onnx", deployed, meta, 18, {})
    images = np.random.default_rng(0).integers(0, 256, (5, 3, side, side), dtype=np.uint8)
    found = run(onnx.load(tmp_path / "model.onnx"), "images", images)
    with torch.no_grad():
        wanted = deployed(torch.from_numpy(images))
    assert wanted.std() > 1e-2
    torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-4, atol=1e-4)
    assert not {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node} & {"Resize", "Upsample"}


def test_blocks_are_exported_to_be_timed() -> None:
    made, images = network("_i24_tf"), torch.randn(1, 3, 40, 40)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore")
        torch.onnx.export(made, (images,), file, input_names=["images"], dynamo=False)
    found = run(onnx.load_from_string(file.getvalue()), "images", images.numpy())
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), made(images), rtol=1e-4, atol=1e-4)


def run(model: onnx.ModelProto, name: str, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: given})
    return found


def gradient(module: nn.Module, images: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    module(images).square().sum().backward()
    assert images.grad is not None
    return images.grad


def test_gradients_pass_the_resizing() -> None:
    assert gradient(Resize(12), torch.randn(1, 1, 30, 30)).abs().min() > 0
