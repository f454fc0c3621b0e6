"""Paths scored together are scored as one at a time, with and without re-estimated batch norms."""

from __future__ import annotations

from random import Random

import pytest
import torch
from mobile_world import SMALL, inherited, trained
from torch import Tensor, nn

from nas_steps.models.convolutions import Conv2d, SameConv2d
from nas_steps.models.mobile.fused import FusedConvolution, can_fuse
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.prefix import SharedPrefixes, evaluate_paths
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.spaces.mobile.presets import PRESETS
from nas_steps.spaces.mobile.space import MobileArchitecture, MobileSpace


def one_at_a_time(
    supernet: MobileSupernet, architecture: MobileArchitecture, images: Tensor, calibration: list[Tensor]
) -> Tensor:
    """As it is usually done: the whole network, its norms reset and in training mode, over all calibration batches."""
    child = MobileNetwork(architecture, inputs=1, classes=4).to(images.dtype).eval()
    child.load_state_dict(inherited(supernet, architecture))
    with torch.no_grad():
        if calibration:
            for norm in child.modules():
                if isinstance(norm, nn.BatchNorm2d):
                    norm.reset_running_stats()
                    norm.momentum = None
                    norm.train()
            for batch in calibration:
                child(batch)
            child.eval()
        return child(images)


def samples(space: MobileSpace, count: int) -> list[MobileArchitecture]:
    random = Random(1)
    drawn = [space.sample(random) for _ in range(count // 2)]
    return drawn + [space.mutate(one, random) for one in drawn]


@pytest.mark.parametrize("batches", [0, 1, 3])
@pytest.mark.parametrize("name", SMALL)
def test_logits_are_those_of_one_path_at_a_time(name: str, batches: int) -> None:
    space = SMALL[name]
    supernet = trained(space)
    calibration = [torch.randn(5, 1, 16, 16) + index for index in range(batches)]
    architectures = samples(space, 12)
    shared = SharedPrefixes(supernet, architectures, calibration=calibration)
    # statistics are kept from the first images to those that follow
    for images in (torch.randn(4, 1, 16, 16), torch.randn(2, 1, 16, 16)):
        found = {index: logits for paths, logits in shared.logits(images) for index in paths}
        assert sorted(found) == list(range(12))
        for index, architecture in enumerate(architectures):
            wanted = one_at_a_time(supernet, architecture, images, calibration)
            scale = max(1.0, wanted.abs().max().item())
            torch.testing.assert_close(found[index], wanted, rtol=0, atol=1e-5 * scale)
            assert torch.equal(found[index].argmax(1), wanted.argmax(1))


@pytest.mark.parametrize("entangled", [False, True], ids=["apart", "entangled"])
@pytest.mark.parametrize("batches", [0, 2])
def test_in_double_precision_nothing_is_lost(batches: int, entangled: bool) -> None:
    supernet = trained(SMALL["choices"], entangled=entangled).double()
    calibration = [torch.randn(5, 1, 16, 16, dtype=torch.float64) for _ in range(batches)]
    images = torch.randn(4, 1, 16, 16, dtype=torch.float64)
    architectures = samples(SMALL["choices"], 10)
    shared = SharedPrefixes(supernet, architectures, calibration=calibration)
    for paths, logits in shared.logits(images):
        for index in paths:
            wanted = one_at_a_time(supernet, architectures[index], images, calibration)
            torch.testing.assert_close(logits, wanted, rtol=1e-12, atol=1e-12)


def test_accuracies_are_those_of_one_path_at_a_time() -> None:
    space = SMALL["nasbench_macro"]
    supernet = trained(space)
    calibration = [torch.randn(8, 1, 16, 16)]
    # images so unequal that the predictions differ
    images = torch.randn(37, 1, 16, 16) * torch.randn(37, 1, 1, 1).exp()
    batches = list(zip(images.split(16), torch.randint(4, (37,)).split(16), strict=True))
    architectures = samples(space, 8)
    found = evaluate_paths(supernet, architectures, batches, calibration=calibration)
    for architecture, accuracy in zip(architectures, found, strict=True):
        hits = sum(
            (one_at_a_time(supernet, architecture, images, calibration).argmax(1) == labels).sum().item()
            for images, labels in batches
        )
        assert accuracy == hits / 37
    assert len(set(found)) > 1


def test_architectures_that_compute_the_same_are_computed_once() -> None:
    space = PRESETS["nasbench_macro"]
    supernet = MobileSupernet(space, inputs=1, classes=4)
    text = "stem_k3_c32_relu/mb_k3_s2_e3_c64+id/mb_k3_s2_e3_c128+{}/id_s2_c256+id_r2/head_c1280"
    one, two, other = (space.parse(text.format(end)) for end in ("mb_k3_e3_c128+id", "mb_k3_e3_c128+id", "id_r2"))
    shared = SharedPrefixes(supernet, [one, other, two])
    # stem, two blocks; then a third block, the last projection and the head, or only the latter two
    assert len(shared) == 3 + 3 + 2
    assert sorted(paths for paths, _ in shared.logits(torch.zeros(1, 1, 16, 16))) == [[0, 2], [1]]


def test_steps_are_computed_as_often_as_the_trie_has_them() -> None:
    space = SMALL["nasbench_macro"]
    supernet = MobileSupernet(space, inputs=1, classes=4)
    architectures = samples(space, 40)
    paths = [supernet.path(one) for one in architectures]
    shared = SharedPrefixes(supernet, architectures)
    assert len(shared) == len({tuple(path[:end]) for path in paths for end in range(1, len(path) + 1)})
    assert len(shared) < sum(map(len, paths))


def test_the_supernet_is_left_as_it_was() -> None:
    supernet = trained(SMALL["choices"])
    before = {key: value.clone() for key, value in supernet.state_dict().items()}
    batches = [(torch.randn(4, 1, 16, 16), torch.zeros(4, dtype=torch.long))]
    evaluate_paths(supernet, samples(SMALL["choices"], 4), batches, calibration=[torch.randn(4, 1, 16, 16)])
    assert all(torch.equal(value, before[key]) for key, value in supernet.state_dict().items())
    assert all(module.training for module in supernet.modules())
    assert all(module.momentum == 0.1 for module in supernet.modules() if isinstance(module, nn.BatchNorm2d))


def test_what_was_broken_off_is_begun_again() -> None:
    space = SMALL["mobile_small"]
    supernet, calibration = trained(space), [torch.randn(4, 1, 16, 16)]
    architectures, images = samples(space, 6), torch.randn(2, 1, 16, 16)
    shared = SharedPrefixes(supernet, architectures, calibration=calibration)
    next(iter(shared.logits(images)))
    for paths, logits in shared.logits(images):
        for index in paths:
            wanted = one_at_a_time(supernet, architectures[index], images, calibration)
            torch.testing.assert_close(logits, wanted, rtol=1e-5, atol=1e-5)


def test_no_images_are_refused() -> None:
    supernet = MobileSupernet(SMALL["mobile_small"], inputs=1, classes=4)
    with pytest.raises(ValueError, match="no images"):
        evaluate_paths(supernet, samples(SMALL["mobile_small"], 2), [])


@pytest.mark.parametrize("activation", [None, nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU])
@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 2, 8), (5, 1, 8), (1, 2, 1)])
def test_a_fused_convolution_is_the_convolution_and_its_activation(
    activation: type[nn.Module] | None, kernel: int, stride: int, groups: int
) -> None:
    convolution = Conv2d(8, 16, kernel, stride, kernel // 2, groups=groups, bias=True)
    layer = nn.Identity() if activation is None else activation()
    assert can_fuse(convolution, layer)
    fused = FusedConvolution(convolution, layer)
    with torch.no_grad():
        for count, scale in ((3, 1.0), (5, 2.0)):
            weight, bias = convolution.weight * scale, convolution.bias
            assert bias is not None
            x = 4 * torch.randn(count, 8, 9, 9).contiguous(memory_format=torch.channels_last)
            wanted = layer(nn.functional.conv2d(x, weight, bias, stride, kernel // 2, 1, groups))
            fused.put(weight, bias)
            torch.testing.assert_close(fused(x), wanted, rtol=1e-5, atol=1e-5)
            assert fused(x).is_contiguous(memory_format=torch.channels_last)


def test_only_what_onednn_computes_alike_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    convolution = Conv2d(8, 8, 3, 1, 1)
    assert can_fuse(convolution, nn.ReLU())
    assert not can_fuse(convolution, nn.Sigmoid())
    assert not can_fuse(Conv2d(8, 8, 3, 1, 1).double(), nn.ReLU())
    assert not can_fuse(SameConv2d(8, 8, 3, 2), nn.ReLU())
    assert not can_fuse(Conv2d(8, 8, 3, 1, 1, padding_mode="reflect"), nn.ReLU())
    assert not can_fuse(nn.Linear(8, 8), nn.ReLU())
    space = SMALL["nasbench_macro"]
    shared = SharedPrefixes(trained(space), samples(space, 4))
    steps = [shared.step(name) for name in trained(space).path(samples(space, 4)[0])]
    kinds = {type(one) for step in steps for one in step.convolutions}
    assert kinds == {FusedConvolution}
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    assert not can_fuse(convolution, nn.ReLU())
