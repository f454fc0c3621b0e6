"""The supernet of a mobile space: what paths share, and the children that inherit from it."""

from __future__ import annotations

from random import Random

import pytest
import torch
from mobile_world import SMALL, inherited, trained

from nas_steps.errors import UserError
from nas_steps.models.mobile.entangled import EntangledBlock
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.prefix import SharedPrefixes
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.models.resize import Resize
from nas_steps.spaces.mobile.architectures import Block, Operation
from nas_steps.spaces.mobile.space import MobileSpace


@pytest.mark.parametrize("entangled", [False, True], ids=["apart", "entangled"])
@pytest.mark.parametrize("name", SMALL)
def test_a_child_that_inherits_computes_what_the_path_does(name: str, entangled: bool) -> None:
    space, random = SMALL[name], Random(1)
    supernet = trained(space, entangled=entangled).eval()
    images = torch.randn(3, 1, 16, 16)
    for architecture in [space.sample(random) for _ in range(10)]:
        child = MobileNetwork(architecture, inputs=1, classes=4).eval()
        weights = inherited(supernet, architecture)
        assert list(weights) == list(child.state_dict())
        child.load_state_dict(weights)
        with torch.no_grad():
            wanted = supernet(images, architecture)
            assert wanted.std() > 1e-3
            torch.testing.assert_close(child(images), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("entangled", [False, True], ids=["apart", "entangled"])
@pytest.mark.parametrize("name", SMALL)
def test_every_step_is_on_some_path_and_every_path_has_its_steps(name: str, entangled: bool) -> None:
    space, random = SMALL[name], Random(2)
    supernet = MobileSupernet(space, inputs=1, classes=4, entangled=entangled)
    seen = {step for _ in range(2000) for step in supernet.path(space.sample(random))}
    assert seen == set(supernet.steps)
    assert {owner for owner, _ in supernet.steps.values()} == set(supernet.modules_of)


def test_a_path_trains_its_own_steps_alone() -> None:
    space = SMALL["choices"]
    supernet = MobileSupernet(space, inputs=1, classes=4)
    architecture = space.sample(Random(3))
    supernet(torch.randn(2, 1, 16, 16), architecture).sum().backward()
    own = set(supernet.path(architecture))
    for name, step in supernet.modules_of.items():
        assert all((parameter.grad is not None) == (name in own) for parameter in step.parameters())


def test_a_shorter_stage_shares_its_layers_with_a_longer_one() -> None:
    space = SMALL["mobile_small"]
    supernet = MobileSupernet(space, inputs=1, classes=4)
    text = "stem_k3_c16_relu/mb_k3_e2_c16/{0}_k3_s2_e2_c24/mb_k3_s2_e2_c48/head_c192"
    short, long = (supernet.path(space.parse(text.format(mb))) for mb in ("mb", "mb_r3"))
    assert long[:3] == short[:3]
    assert long[5:] == short[3:]


def test_paths_of_different_resolutions_share_weights_but_no_beginning() -> None:
    space = SMALL["resizing"]
    supernet = trained(space).eval()
    text = "stem_k3_s2_c8_i{}_tf_relu/mb_k3_e2_c8/head_c16"
    one, other = (space.parse(text.format(side)) for side in (12, 16))
    assert supernet.path(one)[0] == "i12"
    assert supernet.path(one)[1:] == supernet.path(other)[1:]
    assert len(SharedPrefixes(supernet, [one, other])) == 2 * len(supernet.path(one))
    images = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(supernet(images, one), supernet(Resize(12)(images), one))
        assert not torch.allclose(supernet(images, one), supernet(images, other), atol=1e-3)


def test_layers_that_are_left_out_are_no_steps() -> None:
    space = SMALL["nasbench_macro"]
    supernet = MobileSupernet(space, inputs=3, classes=10)
    path = supernet.path(space.parse("stem_k3_c32_relu/id_s2_c64+id/id_s2_c128+id_r2/id_s2_c256+id_r2/head_c1280"))
    # the stem, three projections, the head
    assert len(path) == 5


def test_an_architecture_of_another_space_is_no_path() -> None:
    supernet = MobileSupernet(SMALL["mobile_small"], inputs=1, classes=4)
    other = SMALL["choices"].sample(Random(4))
    for refuse in (supernet.path, lambda one: supernet(torch.zeros(1, 1, 8, 8), one)):
        with pytest.raises(UserError, match="its stem is not the space's"):
            refuse(other)


ENTANGLED = MobileSpace.declare(
    "entangled",
    {
        "stem": {"width": 8, "stride": 1, "activation": "relu"},
        "stages": [{"width": 8, "kernel": [3, 5], "expansion": [2, 4], "squeeze": "hse0.25"}],
        "head": {"width": 16},
    },
)
PATH = "stem_k3_c8_relu/mb_{}_c8_hse0.25/head_c16"


def test_entangled_blocks_have_the_weights_of_the_largest_alone() -> None:
    apart, entangled = (MobileSupernet(ENTANGLED, inputs=1, classes=4, entangled=one) for one in (False, True))
    largest = MobileNetwork(ENTANGLED.parse(PATH.format("k5_e4")), inputs=1, classes=4)
    sizes = [sum(parameter.numel() for parameter in one.parameters()) for one in (entangled, largest, apart)]
    assert sizes[0] == sizes[1] < sizes[2]


def test_a_smaller_entangled_block_is_the_centre_and_the_first_channels() -> None:
    supernet = trained(ENTANGLED, entangled=True)
    large, small = (inherited(supernet, ENTANGLED.parse(PATH.format(one))) for one in ("k5_e4", "k3_e2"))
    expand, depthwise, project = (f"features.1.0.block.{index}.0.weight" for index in (0, 1, 3))
    assert torch.equal(small[expand], large[expand][:16])
    assert torch.equal(small[depthwise], large[depthwise][:16, :, 1:4, 1:4])
    assert torch.equal(small[project], large[project][:, :16])
    norm = "features.1.0.block.1.1.running_mean"
    assert torch.equal(small[norm], large[norm][:16])


def test_training_a_smaller_entangled_block_changes_its_part_alone() -> None:
    supernet = trained(ENTANGLED, entangled=True)
    small = ENTANGLED.parse(PATH.format("k3_e2"))
    child = MobileNetwork(small, inputs=1, classes=4)
    child.load_state_dict(inherited(supernet, small))
    images = torch.randn(4, 1, 8, 8)
    for model, given in ((supernet, (images, small)), (child, (images,))):
        logits = model(*given)
        (logits * torch.arange(4)).sum().backward()
    # the statistics were gathered where they are shared, as in the child
    found, wanted = inherited(supernet, small), child.state_dict()
    assert all(torch.allclose(found[key], wanted[key], atol=1e-6) for key in wanted)
    (depthwise,) = (
        parameter for name, parameter in supernet.named_parameters() if name.endswith("largest.block.1.0.weight")
    )
    assert depthwise.grad is not None
    gradient = child.features[1][0].block[1][0].weight.grad
    torch.testing.assert_close(depthwise.grad[:16, :, 1:4, 1:4], gradient, rtol=1e-4, atol=1e-5)
    depthwise.grad[:16, :, 1:4, 1:4] = 0
    assert depthwise.grad.abs().sum() == 0


def test_blocks_that_cannot_share_are_refused() -> None:
    stem = ENTANGLED.stem
    blocks = [Block(8, 1, Operation(3, expansion), "relu") for expansion in (1, 2)]
    with pytest.raises(ValueError, match="expands and one that does not"):
        EntangledBlock(blocks, 8, stem)
    with pytest.raises(ValueError, match="differ in kernel and expansion alone"):
        EntangledBlock([*blocks[:1], Block(16, 1, Operation(3, 1), "relu")], 8, stem)
