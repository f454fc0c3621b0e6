"""`paper: true`: the figures of papers and of their authors' code, what wins beside it, and what steps get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_world import TINY

from nas_steps.config.checks import wanted_valid
from nas_steps.config.data import Data
from nas_steps.config.docs import page
from nas_steps.config.load import load
from nas_steps.config.paper import PAPERS
from nas_steps.config.strategies import STRATEGIES, SUPERNET_KINDS, Gradient
from nas_steps.errors import UserError
from nas_steps.provenance.changes import changed_values
from nas_steps.provenance.files import read_json
from nas_steps.search.settings import DartsSettings
from nas_steps.workflow.plan import Plan

#: quark0/darts, cnn/train_search.py, lines 24 to 43, and the crop and flip of its utils.py
DARTS = {
    "epochs": 50,
    "batch_size": 64,
    "learning_rate": 0.025,
    "learning_rate_min": 0.001,
    "momentum": 0.9,
    "weight_decay": 0.0003,
    "gradient_clip": 5,
    "alpha_learning_rate": 0.0003,
    "alpha_weight_decay": 0.001,
    "warmup_epochs": 0,
    "drop_path": 0,
    "augment.flip": True,
    "augment.crop": 4,
    "augment.cutout": 0,
}
#: of each kind, what differs from DARTS, by its authors' flags (names as here)
FIGURES: dict[str, dict[str, Any]] = {
    "darts": {},
    "darts_second_order": {"hessian": "finite_difference"},
    # Liang et al. 2019, section 3.3: two skip connections, or a ranking that stays for 10 epochs
    "darts_plus": {"stop_skips": 2, "stop_stable": 10, "stop_lead": 0},
    # Zela et al. 2020, section 4.3: k = 5 and lambda(i - k) / lambda(i) < 0.75
    # automl/RobustDARTS, src/search/train_search.py: none of the first 10 of 50 epochs
    "early_stop_eigenvalue": {"window": 5, "ratio": 0.75, "eigenvalue": True, "burn_in": 10},
    # xiaomi-automl/FairDARTS, fairdarts/train_search.py
    "fair_darts": {
        "batch_size": 128,
        "learning_rate": 0.005,
        "alpha_learning_rate": 0.003,
        "zero_one_weight": 10,
        # Chu et al. 2020, section 4.2
        "threshold": 0.85,
    },
    # xiangning-chen/SmoothDARTS, sota/cnn/train_search.py: 0.03 + (0.3 - 0.03) * epoch / epochs
    "sdarts_rs": {"radius": 0.3, "radius_min": 0.03},
    # and attacker/perturb.py
    "sdarts_adv": {"radius": 0.3, "radius_min": 0.03, "steps": 7},
    # yuhuixu1993/PC-DARTS, train_search.py; `if epoch>=15`, epochs counted from 0
    "pc_darts": {
        "batch_size": 256,
        "learning_rate": 0.1,
        "learning_rate_min": 0,
        "alpha_learning_rate": 0.0006,
        "warmup_epochs": 15,
        "parts": 4,
    },
    # D-X-Y/AutoDL-Projects, configs/search-opts/GDAS-NASNet-CIFAR.config, scripts-search/NASNet-space-search-by-GDAS.sh
    "gdas": {
        "epochs": 250,
        "batch_size": 256,
        "weight_decay": 0.0005,
        "temperature": 10,
        "temperature_min": 0.1,
    },
    # D-X-Y/AutoDL-Projects, configs/nas-benchmark/algos/SETN.config, and select_num of exps/NAS-Bench-201-algos/SETN.py
    "setn": {"epochs": 250, "weight_decay": 0.0005, "gradient_clip": 1000, "evaluations": 100},
    # xiangning-chen/DrNAS, DARTS-space/train_search.py: 25 + 25 epochs, `if epoch >= 10`, reg_type l2, reg_scale 1e-3
    "drnas": {
        "learning_rate": 0.1,
        "learning_rate_min": 0,
        "alpha_learning_rate": 0.0006,
        "warmup_epochs": 10,
        "alpha_weight_decay": 0.001,
        "divergence_weight": 0,
        # DARTS-space/train_search.py: K 6 and 4, 8 operations and 4, 25 epochs each
        "stages": [{"epochs": 25, "parts": 6, "operations": None}, {"epochs": 25, "parts": 4, "operations": 4}],
    },
    # liamcli/randomNAS_release, searchers/random_weight_share.py --epochs 150 --batch_size 64 --grad_clip 1
    "rsws": {"epochs": 150, "gradient_clip": 1, "evaluations": 1000},
}
#: Pham et al. 2018: an epoch is a pass over 45,000 images in batches of 128, a controller of 100 units learns in 2,000
#: steps (section 2.2); 310 epochs, 0.05, 1e-4, Adam with 0.00035, entropy weight 0.1 (section 3.2)
ENAS = {
    "epochs": 310,
    "batch_size": 128,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "weight_decay": 0.0001,
    "warmup_epochs": 0,
    "label_smoothing": 0,
    "augment.flip": True,
    "augment.crop": 4,
    "hidden": 100,
    "controller_learning_rate": 0.00035,
    "controller_steps": 2000,
    "controller_batch": 1,
    "reward_images": 128,
    "entropy_weight": 0.1,
    # melodyguan/enas, src/cifar10/main.py: use_nesterov 0.9, child_grad_bound, controller_bl_dec, `for _ in range(10)`
    "momentum": 0.9,
    "gradient_clip": 5,
    "baseline_decay": 0.99,
    "evaluations": 10,
}
#: keys that no paper has a figure for: this project's own, and what a machine decides
OWN = {
    "paper",
    "kind",
    "candidates",
    "processes",
    "graphs",
    "eigenvalue",
    "selection",
    "selection_epochs",
    "entangled",
    "calibration_images",
    "precision",
}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def strategy(kind: str, **keys: Any) -> dict[str, Any]:
    # channels that the papers' K divide
    search = {"network": {"channels": 36}, "strategies": {"random": {}, kind: keys}}
    one = load({"data": {"valid": 0.4}, "search": search}, warn=False)
    return flat(one.search.strategies[kind].model_dump())


def test_every_strategy_with_a_supernet_of_its_own_has_a_paper() -> None:
    assert set(PAPERS) == SUPERNET_KINDS == {*FIGURES, "enas"}


@pytest.mark.parametrize("kind", sorted(SUPERNET_KINDS))
def test_a_paper_has_its_figures_to_the_digit(kind: str) -> None:
    expected = ENAS if kind == "enas" else DARTS | FIGURES[kind]
    if kind == "rsws":  # which has no alphas
        expected = {key: value for key, value in expected.items() if not key.startswith("alpha_")}
    found = strategy(kind, paper=True)
    assert {key: found[key] for key in expected} == expected
    # and none is left to a default that may change
    left = set(STRATEGIES[kind].model_fields) - set(PAPERS[kind].keys) - OWN
    assert left == ({"alpha_learning_rate", "alpha_weight_decay"} if kind == "rsws" else set())


def test_the_shares_of_validation_are_the_papers() -> None:
    # train_portion 0.5; 5,000 of CIFAR-10's 50,000 training images (melodyguan/enas, src/cifar10/data_utils.py)
    assert {kind: paper.valid for kind, paper in PAPERS.items()} == dict.fromkeys(FIGURES, 0.5) | {"enas": 0.1}
    assert wanted_valid(Data(source="cifar10"), 0.5) == 0.5
    # without a test set of its own, a source is dealt out in three: half of what is left by the test set
    assert wanted_valid(Data(source="digits", test=0.2), 0.5) == 0.4


def test_given_keys_win_inside_sections_too() -> None:
    found = strategy("pc_darts", paper=True, epochs=60, alpha_learning_rate=1e-3, augment={"cutout": 16})
    wanted = {"epochs": 60, "alpha_learning_rate": 1e-3, "augment.cutout": 16, "augment.crop": 4, "augment.flip": True}
    assert {key: found[key] for key in wanted} == wanted
    assert (found["batch_size"], found["warmup_epochs"]) == (256, 15)
    # a key that is its default counts as given
    assert strategy("darts", paper=True, epochs=20)["epochs"] == 20


def test_without_it_the_defaults_stay() -> None:
    default = flat(STRATEGIES["darts"]().model_dump())
    assert strategy("darts") == strategy("darts", paper=False) == default
    assert default["alpha_learning_rate"] == 3e-3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"darts": {"paper": "yes"}}, ["search.strategies.darts.paper: given 'yes'"]),
        ({"darts": {"paper": 1}}, ["search.strategies.darts.paper: given 1; write true or false"]),
        ({"evolution": {"paper": True}}, ["search.strategies.evolution.paper: unknown key"]),
        ({"pc_darts": {"paper": True, "epochs": 15}}, ["warmup_epochs (15) must be below epochs (15)"]),
    ],
)
def test_what_is_no_paper_is_refused(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        load({"data": {"valid": 0.4}, "search": {"strategies": {"random": {}, **given}}})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(("source", "darts", "enas"), [("cifar10", "0.5", "0.1"), ("digits", "0.4", "0.08")])
def test_a_share_of_validation_that_is_not_given_is_refused(source: str, darts: str, enas: str) -> None:
    for kind, share in (("darts", darts), ("enas", enas)):
        raw = {"data": {"source": source}, "search": {"strategies": {"random": {}, "mine": {"kind": kind}}}}
        load(raw)
        raw["search"]["strategies"]["mine"]["paper"] = True
        with pytest.raises(UserError) as error:
            load(raw)
        assert "search.strategies.mine.paper is true, but data.valid is not given" in str(error.value)
        assert f"set data.valid: {share}, or the share that you want" in str(error.value)
        load({**raw, "data": {"source": source, "valid": float(share)}})


def test_another_share_is_taken_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    raw = {"search": {"strategies": {"random": {}, "darts": {"paper": True}}}}
    assert load({**raw, "data": {"valid": 0.3}}, "a.yaml").data.valid == 0.3
    told = capsys.readouterr().err
    assert told == "a.yaml: data.valid is 0.3, and the paper of search.strategies.darts has 0.4\n"
    load({**raw, "data": {"valid": 0.4}}, "a.yaml")
    assert capsys.readouterr().err == ""


def settings_of(strategy: dict[str, Any], folder: Path) -> Path:
    search = {**TINY["search"], "strategies": {"random": {}, "mine": {"kind": "pc_darts", **strategy}}}
    raw = {**TINY, "data": {**TINY["data"], "valid": 0.4}, "search": search}
    return Path(Plan(raw, root=str(folder)).settings("darts", "mine"))


def test_the_settings_of_the_step_hold_what_the_paper_comes_to(tmp_path: Path) -> None:
    named = settings_of({"paper": True}, tmp_path)
    found = read_json(named)["strategy"]
    expected = DARTS | FIGURES["pc_darts"]
    assert {key: flat(found)[key] for key in expected} == expected
    assert "paper" not in found
    # who spells the paper out has the same settings, so that neither makes the other's results stale
    assert settings_of(PAPERS["pc_darts"].keys, tmp_path) == named
    # and the step reads what was written
    read = DartsSettings.model_validate(read_json(named)).strategy
    assert isinstance(read, Gradient)
    assert (read.batch_size, read.warmup_epochs, read.paper) == (256, 15, False)
    changed = changed_values(read_json(named), read_json(settings_of({"paper": True, "parts": 2}, tmp_path)))
    assert list(changed) == [(("strategy", "parts"), 4, 2)]


def test_the_page_of_the_keys_tells_every_paper() -> None:
    rows = {line.split("`")[1]: line for line in page().splitlines() if line.startswith("| **`kind: ")}
    for kind, paper in PAPERS.items():
        row = rows[f"kind: {kind}"]
        assert f"epochs: {paper.keys['epochs']}, batch_size: {paper.keys['batch_size']}" in row
        assert paper.source in row
        assert f"`data.valid: {paper.valid}`" in row
    assert "paper" not in rows["kind: evolution"]
