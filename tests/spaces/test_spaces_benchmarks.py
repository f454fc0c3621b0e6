"""The presets of ImageNet's benchmarks: their sizes, and each network's counts against published ones."""

from __future__ import annotations

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import pytest

from nas_steps.config.estimators import Table
from nas_steps.errors import UserError
from nas_steps.estimation import ofa
from nas_steps.estimation.table import read_table
from nas_steps.spaces.costs import Shape
from nas_steps.spaces.mobile.costs import count_architecture
from nas_steps.spaces.mobile.presets import PRESETS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ACCEL, OFA = PRESETS["accel_nasbench"], PRESETS["ofa_mbv3"]
IMAGENET = Shape(3, 224, 1000)


def rows(name: str) -> list[dict[str, str]]:
    if not (path := DATA / f"{name}.csv.gz").is_file():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def test_the_spaces_have_the_published_sizes() -> None:
    # 2 kernels, 3 expansions, with or without squeeze-excitation; up to 3 layers in six stages, up to 4 in one
    assert ACCEL.size() == (2 * 3 * 2 * 3) ** 6 * (2 * 3 * 2 * 4)
    # 3 kernels and 3 expansions in 2, 3 or 4 layers of five stages (Cai et al. 2020, section 3.1: about 2 * 10^19)
    assert OFA.size() == (9**2 + 9**3 + 9**4) ** 5


def test_the_smallest_network_of_accel_nasbench_is_counted_by_hand() -> None:
    """One layer a stage, expansion 1, kernel 3: stem, depthwise and pointwise convolutions, their norms, the head."""
    widths = (32, 16, 24, 40, 80, 112, 192, 320)
    blocks = sum(9 * one + 2 * one + one * two + 2 * two for one, two in pairwise(widths))
    expected = 27 * 32 + 2 * 32 + blocks + 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert count_architecture(ACCEL.smallest(), IMAGENET)[0] == expected


def test_efficientnet_b0_without_dropout_is_in_accel_nasbench() -> None:
    whole = (
        "stem_k3_s2_c32_silu/mb_k3_e1_c16_se0.25/mb_r2_k3_s2_e6_c24_se0.25/mb_r2_k5_s2_e6_c40_se0.25/"
        "mb_r3_k3_s2_e6_c80_se0.25/mb_r3_k5_e6_c112_se0.25/mb_r4_k5_s2_e6_c192_se0.25/mb_k3_e6_c320_se0.25/head_c1280"
    )
    assert count_architecture(ACCEL.parse(whole), IMAGENET)[0] == 5_288_548  # torchvision's efficientnet_b0


def test_each_row_of_accel_nasbench_has_the_published_parameters() -> None:
    for row in rows("accel_nasbench"):
        architecture = ACCEL.parse(row["architecture"])
        parameters, macs = count_architecture(architecture, IMAGENET)
        assert parameters == round(float(row["params_M"]) * 1e6)
        # the published MACs count more than convolutions and linear layers
        assert 1.03 < float(row["macs_M"]) * 1e6 / macs < 1.17


def test_each_once_for_all_subnet_has_the_published_counts() -> None:
    for row in rows("ofa_subnets"):
        parameters, macs = count_architecture(ofa.architecture(row, OFA), IMAGENET)
        # the head's linear layer has a bias here
        assert parameters - int(row["parameters"]) == 1280
        assert macs == int(row["macs"])


ROW = {"kernels": " ".join(["3"] * 20), "expansions": " ".join(["3"] * 20), "depths": "2 2 2 2 2"}


def test_layers_beyond_the_depth_do_not_count() -> None:
    other = {**ROW, "kernels": " ".join(["3", "3", "7", "5"] * 5)}
    assert ofa.architecture(other, OFA) == ofa.architecture(ROW, OFA) == OFA.smallest()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"depths": "2 2 2 2"}, "depths has 4 numbers, but space ofa_mbv3 has 5 stages"),
        ({"kernels": "3 3"}, "kernels has 2 numbers, but space ofa_mbv3 has 20 layers"),
        ({"expansions": "a b"}, "expansions is 'a b'; whole numbers between blanks"),
        ({"depths": "2 2 2 2 5"}, "the depth of stage 6 is"),
        ({"kernels": " ".join(["9"] * 20)}, "layer 1 of stage 2 is k9"),
    ],
)
def test_a_row_that_names_no_subnet_is_refused(change: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        ofa.architecture({**ROW, **change}, OFA)


def test_a_subnet_that_is_listed_twice_is_read_once_unless_its_figures_differ(tmp_path: Path) -> None:
    settings = Table(path="t.csv", spelling="ofa", search="top1", report="top1", missing="surrogate")
    same = {**ROW, "kernels": " ".join(["3", "3", "7", "5"] * 5)}
    for figures, told in ((("71.5", "71.5"), None), (("71.5", "72"), "is in line 2 already; keep one")):
        with (tmp_path / "t.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, [*ROW, "top1"])
            writer.writeheader()
            writer.writerows([{**ROW, "top1": figures[0]}, {**same, "top1": figures[1]}])
        if told is None:
            assert read_table(tmp_path / "t.csv", settings, OFA).search(str(OFA.smallest())) == 0.715
        else:
            with pytest.raises(UserError, match=told):
                read_table(tmp_path / "t.csv", settings, OFA)
