"""Messages on bad configs: each is one plain line that says where, what was given, and how to mend it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas_steps.errors import UserError
from nas_steps.workflow.plan import Plan, merged

ROOT = Path(__file__).resolve().parents[2]
#: words of a sentence, lists of all that is known aside
MOST_WORDS = 25
CASES = [
    ("config.yaml", "epoch=3", "epoch: unknown key (given 3); allowed here: experiment, images, size, "),
    (
        "config.yaml",
        "retrain={compute: 10}",
        "retrain.compute: unknown key (given '10'); did you mean retrain.recipe.compute? allowed here: ",
    ),
    (
        "config.yaml",
        "network={cells: 3}",
        "network: unknown key (given {'cells': '3'}); did you mean retrain.network or search.network? ",
    ),
    ("language.yaml", "space={context: 64}", "space.context: unknown key (given '64'); did you mean data.context? "),
    (
        "config.yaml",
        "retrain={recipe: {epocs: 3}}",
        "retrain.recipe.epocs: unknown key (given '3'); did you mean 'epochs'? allowed here: epochs, ",
    ),
    ("config.yaml", "seed=three", "seed: given 'three'; a whole number is expected"),
    ("config.yaml", "retrain={recipe: {epochs: -1}}", "retrain.recipe.epochs: given '-1'; must be more than 0"),
    ("config.yaml", "ranking={uniform: -1}", "ranking.uniform: given '-1'; must be 0 or more"),
    ("config.yaml", "retrain={baselines: [resnet20]}", "retrain.baselines: given ['resnet20']; give 2 or more"),
    (
        "config.yaml",
        "experiment=a/b",
        "experiment: given 'a/b'; use letters, digits, '_', '.' and '-', and begin with a letter or a digit",
    ),
    (
        "config.yaml",
        "search={strategies: {my-darts: {kind: darts}}}",
        "search.strategies.my-darts: given 'my-darts'; use letters, digits and '_', and begin with a letter or a digit",
    ),
    (
        "config.yaml",
        "data={source: mnist}",
        "data.source: given 'mnist', allowed is 'digits', 'cifar10', 'cifar100', 'fashion_mnist', 'svhn', 'folder' or "
        "'npz', and for text 'stdlib' or 'text'",
    ),
    (
        "config.yaml",
        "search={strategies: {dart: {}}}",
        "search.strategies.dart.kind: there is no strategy 'dart'; did you mean 'darts'? (known: random, ",
    ),
    (
        "config.yaml",
        "device=gpu",
        "device: given 'gpu', allowed is 'auto', 'cpu', 'cuda' or 'mps'; did you mean 'cpu'?",
    ),
    (
        "own_images.yaml",
        "data={valid: 0.15}",
        "config: data.source is folder, but no path is given: add `--config images=PATH` to the command, "
        "or set data.path",
    ),
    (
        "own_images.yaml",
        "images=/nowhere",
        "data.path: there is no folder (or .zip) '/nowhere'; give the path of your images",
    ),
    (
        "limit",
        "search={constraints: {macs: 1000}}",
        "config: search.constraints.macs is 1000, but the smallest network of space efficientnet_lite_depth has "
        "15,908,224 macs; raise the limit, or search a space of smaller networks",
    ),
    ("config.yaml", "seed", "--config seed: give each key a value, as in --config seed=3"),
    (
        "nowhere.yaml",
        "seed=3",
        "there is no config file {root}/nowhere.yaml; name a YAML file, such as config/config.yaml",
    ),
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of one picture each: a plan reads none of them."""
    folder = tmp_path_factory.mktemp("photos_of_messages")
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / name / "0.png")
    return folder


@pytest.mark.parametrize(("config", "override", "expected"), CASES)
def test_a_bad_config_ends_in_one_plain_line(
    config: str, override: str, expected: str, photos: Path, tmp_path: Path
) -> None:
    overrides = [override, f"images={photos}"] if config == "limit" else [override]
    path = ROOT / "config" / ("own_images.yaml" if config == "limit" else config)
    with pytest.raises(UserError) as caught:
        Plan(merged([path], overrides), "x.yaml", root=str(tmp_path / "results"))
    message = str(caught.value).removeprefix("x.yaml is refused:\n  ")
    assert "\n" not in message
    assert message.startswith(expected.format(root=ROOT / "config") if "{root}" in expected else expected)
    plain = re.split(r"allowed here: |\(known: |allowed is ", message)[0]
    assert all(len(sentence.split()) <= MOST_WORDS for sentence in re.split(r"[;?] ", plain)), plain
