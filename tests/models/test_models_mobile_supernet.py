"""The supernet of a mobile space: what paths share, and the children that inherit from it."""

from __future__ import annotations

from random import Random

import pytest
import torch
from mobile_world import SMALL, trained

from nas_steps.errors import UserError
from nas_steps.models.mobile import MobileNetwork
from nas_steps.models.mobile_supernet import MobileSupernet


@pytest.mark.parametrize("name", SMALL)
def test_a_child_that_inherits_computes_what_the_path_does(name: str) -> None:
    space, random = SMALL[name], Random(1)
    supernet = trained(space).eval()
    images = torch.randn(3, 1, 16, 16)
    for architecture in [space.sample(random) for _ in range(10)]:
        child = MobileNetwork(architecture, inputs=1, classes=4).eval()
        inherited = supernet.inherit(architecture)
        assert list(inherited) == list(child.state_dict())
        child.load_state_dict(inherited)
        with torch.no_grad():
            wanted = supernet(images, architecture)
            assert wanted.std() > 1e-3
            torch.testing.assert_close(child(images), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_every_step_is_on_some_path_and_every_path_has_its_steps(name: str) -> None:
    space, random = SMALL[name], Random(2)
    supernet = MobileSupernet(space, inputs=1, classes=4)
    seen = {step for _ in range(2000) for step in supernet.path(space.sample(random))}
    assert seen == set(supernet.steps)


def test_a_path_trains_its_own_steps_alone() -> None:
    space = SMALL["choices"]
    supernet = MobileSupernet(space, inputs=1, classes=4)
    architecture = space.sample(Random(3))
    supernet(torch.randn(2, 1, 16, 16), architecture).sum().backward()
    own = set(supernet.path(architecture))
    for name, step in supernet.steps.items():
        assert all((parameter.grad is not None) == (name in own) for parameter in step.parameters())


def test_a_shorter_stage_shares_its_layers_with_a_longer_one() -> None:
    space = SMALL["mobile_small"]
    supernet = MobileSupernet(space, inputs=1, classes=4)
    text = "stem_k3_c16_relu/mb_k3_e2_c16/{0}_k3_s2_e2_c24/mb_k3_s2_e2_c48/head_c192"
    short, long = (supernet.path(space.parse(text.format(mb))) for mb in ("mb", "mb_r3"))
    assert long[:3] == short[:3]
    assert long[5:] == short[3:]


def test_layers_that_are_left_out_are_no_steps() -> None:
    space = SMALL["nasbench_macro"]
    supernet = MobileSupernet(space, inputs=3, classes=10)
    path = supernet.path(space.parse("stem_k3_c32_relu/id_s2_c64+id/id_s2_c128+id_r2/id_s2_c256+id_r2/head_c1280"))
    # the stem, three projections, the head
    assert len(path) == 5


def test_an_architecture_of_another_space_is_no_path() -> None:
    supernet = MobileSupernet(SMALL["mobile_small"], inputs=1, classes=4)
    other = SMALL["choices"].sample(Random(4))
    for refuse in (supernet.path, supernet.inherit, lambda one: supernet(torch.zeros(1, 1, 8, 8), one)):
        with pytest.raises(UserError, match="its stem is not the space's"):
            refuse(other)
