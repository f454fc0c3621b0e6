"""How long a run takes, said before it begins: sizes, images, speeds, what a dry run prints."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_workflow import ROOT, TINY, change, snakemake, write_images

from nas_steps.config.text import TextData
from nas_steps.config.weights import installed
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.models.build import size
from nas_steps.provenance.files import read_json, write_json
from nas_steps.spaces.costs import Shape
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.costs import count_architecture
from nas_steps.spaces.mobile.efficientnet import B0, LITE0
from nas_steps.workflow.forecast.forecast import Forecast
from nas_steps.workflow.forecast.images import Images, images_of
from nas_steps.workflow.forecast.speeds import Speed, Speeds, assumed_seconds, kind_of, measured_since
from nas_steps.workflow.forecast.telling import told_of
from nas_steps.workflow.forecast.text import training_flops
from nas_steps.workflow.forecast.words import lines
from nas_steps.workflow.forecast.work import Work, Workload
from nas_steps.workflow.plan import Plan, merged
from nas_steps.workflow.steps import STEPS

DIGITS = Images(train=300, valid=359, test=988, channels=1, side=8, classes=10, read=1797)


def planned(folder: Path, config: dict[str, Any] | None = None) -> Plan:
    raw = merged([ROOT / "config" / "config.yaml"]) if config is None else config
    return Plan(raw, root=str(folder / "results"), warn=False)


def all_jobs(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    return [(rule, job) for rule in STEPS for job in plan.jobs(rule)]


def test_a_mobile_architecture_is_counted_as_its_network() -> None:
    counted = count_architecture(parse_mobile(B0), Shape(3, 96, 10))
    built = size(B0, None, inputs=3, classes=10, side=96)  # type: ignore[arg-type]
    assert counted == (built.parameters, built.macs)


@pytest.mark.parametrize(
    ("name", "side", "within"),
    [
        ("resnet20", 32, 0.02),
        ("resnet20_x0.5_d2", 32, 0.02),
        ("resnet18", 96, 0.02),
        ("efficientnet_lite0_r96", 128, 0.02),
        ("resnet18_r64", 96, 0.02),
        ("mobilenet_v2_x0.5", 64, 0.02),
        ("efficientnet_b0", 128, 0.02),
        ("mobilenet_v3_small_x0.5", 8, 0.5),
        ("mobilenet_v3_large", 224, 0.05),
    ],
)
def test_baselines_are_counted_near_enough(tmp_path: Path, name: str, side: int, within: float) -> None:
    plan = planned(tmp_path)
    sizes = Workload(plan, Images(300, 100, 100, 3, side, 10)).sizes
    built = size(name, plan.config.retrain.network, inputs=3, classes=10, side=side)
    assert sizes.baseline(name) == pytest.approx(built.macs, rel=within)


def test_a_supernet_of_cells_is_counted_as_the_budget_counts_it(tmp_path: Path) -> None:
    from nas_steps.search.budget import _supernet

    plan = planned(tmp_path)
    sizes, network = Workload(plan, DIGITS).sizes, plan.config.search.network
    built = _supernet(sizes.space, network, inputs=1, classes=10, side=8, parts=1)  # type: ignore[arg-type]
    assert sizes.supernet() == pytest.approx(built, rel=0.1)


def test_the_stages_of_drnas_are_counted_about_as_the_budget_counts_them(tmp_path: Path) -> None:
    from nas_steps.search.budget import budget
    from nas_steps.search.settings import BudgetSettings

    stages = [{"epochs": 3, "parts": 4}, {"epochs": 2, "operations": 2, "parts": 2}]
    raw = merged([ROOT / "config" / "config.yaml"])
    strategies = {"random": {}, "drnas": {"stages": stages}, "sdarts_adv": {"epochs": 2}}
    plan = planned(tmp_path, change(raw, search__strategies=strategies))
    settings = BudgetSettings.model_validate(plan.values(STEPS["budget"]))
    found = budget(settings, inputs=1, classes=10, side=8, images=300, valid=359)["strategies"]
    workload = Workload(plan, DIGITS)
    for name in ("drnas", "sdarts_adv"):
        assert workload._price(name) / 300 == pytest.approx(found[name]["training_macs"], rel=0.3)


def test_random_search_gets_about_the_evaluations_of_the_budget(tmp_path: Path) -> None:
    from nas_steps.search.budget import budget
    from nas_steps.search.settings import BudgetSettings

    plan = planned(tmp_path)
    settings = BudgetSettings.model_validate(plan.values(STEPS["budget"]))
    found = budget(settings, inputs=1, classes=10, side=8, images=300, valid=359)
    mine = Workload(plan, DIGITS)._evaluations("random")
    assert mine == pytest.approx(found["strategies"]["random"]["evaluations"], abs=1)


@pytest.mark.parametrize("kind", ["darts", "gdas"])
def test_a_selection_by_perturbation_takes_the_time_that_the_budget_counts(tmp_path: Path, kind: str) -> None:
    from nas_steps.search.budget import budget
    from nas_steps.search.settings import BudgetSettings

    raw = merged([ROOT / "config" / "config.yaml"])
    perturbed = {"kind": kind, "epochs": 2, "selection": "perturbation"}
    raw["search"]["strategies"] = {"random": {"evaluations": 2}, "mine": perturbed}
    plan = planned(tmp_path, raw)
    settings = BudgetSettings.model_validate(plan.values(STEPS["budget"]))
    found = budget(settings, inputs=1, classes=10, side=8, images=300, valid=359)["strategies"]["mine"]
    wanted = found["training_macs"] * 300
    assert found["prices"]["selection"] * 300 > wanted / 2
    assert Workload(plan, DIGITS)._price("mine") == pytest.approx(wanted, rel=0.15)


def test_images_are_counted_before_they_are_prepared(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    config = change(TINY, data__path=str(tmp_path / "images"), data__max_train=None, data__max_valid=None)
    plan = planned(tmp_path, config)
    before = images_of(plan)
    assert before is not None
    assert (before.read, before.classes, before.side, before.channels) == (240, 10, 8, 1)
    prepare(DataSettings(data=plan.config.data, seed=0), Path(plan.data_folder))
    after = images_of(plan)
    assert after is not None
    # of exact duplicates one is kept, and shares are rounded class by class
    assert after.train == pytest.approx(before.train, abs=10)
    assert after.valid == pytest.approx(before.valid, abs=10)
    assert after.test == before.test == 80


def test_the_shapes_of_an_archive_are_read_without_its_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((50, 12, 12, 3), np.uint8), labels=np.arange(50) % 5)
    data = {"source": "npz", "path": str(tmp_path / "a.npz")}
    found = images_of(planned(tmp_path, {"data": data}))
    assert found is not None
    assert (found.train, found.valid, found.test, found.channels, found.side) == (30, 10, 10, 3, 12)


def test_photos_that_cannot_be_listed_leave_the_time_unknown(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    (tmp_path / "images" / "valid").mkdir()  # beside classes: refused by the job that reads them
    for place in ("a.png", "b.png"):
        (tmp_path / "images" / "valid" / "0").mkdir(exist_ok=True)
        (tmp_path / "images" / "valid" / "0" / place).write_bytes((tmp_path / "images" / "0" / "01.png").read_bytes())
    plan = planned(tmp_path, change(TINY, data__path=str(tmp_path / "images")))
    assert "unknown until the job `data` has read them" in told_of(plan, all_jobs(plan), "cpu", 2)[0]


def test_more_cores_and_measured_speeds_change_the_time(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    workload, speeds = Workload(plan, DIGITS), Speeds(tmp_path / "speeds.json")
    one, two = (Forecast(plan, workload, all_jobs(plan), speeds, slots=slots) for slots in (1, 2))
    assert one.seconds == pytest.approx(one.total.seconds)
    assert two.seconds == pytest.approx(one.seconds / 2)
    assert Forecast(plan, workload, all_jobs(plan), speeds, slots=1000).seconds == one.chain
    assert "unknown until a run here has measured it" in lines(two)[-1]
    assert "on 2 cores" in lines(two)[-1]
    speeds.add(
        [Speed("retrain", "digits", "cells", "cpu", 1, 10, assumed=10.0, work_seconds=40.0, import_seconds=20.0)]
    )
    slower = Forecast(plan, workload, all_jobs(plan), Speeds(tmp_path / "speeds.json"), slots=2)
    before, after = two.stages["final trainings"].seconds, slower.stages["final trainings"].seconds
    assert after > 1.3 * before
    assert slower.stages["final trainings"].measured > 0.9 * after
    # the other trainings of these networks are judged by it, too
    assert slower.stages["ranking"].measured > 0
    assert "ran here before" in lines(slower)[-1]


def test_the_nearest_speed_is_taken(tmp_path: Path) -> None:
    def speed(rule: str, experiment: str, work: float, **other: Any) -> Speed:
        given = {"networks": "cells", "device": "cpu", "threads": 1, **other}
        return Speed(rule, experiment, jobs=1, assumed=1.0, work_seconds=work, import_seconds=1.0, **given)

    speeds = Speeds(tmp_path / "speeds.json")
    speeds.add([speed("retrain", "one", 2.0), speed("retrain", "two", 3.0, at=5.0), speed("darts", "one", 7.0)])
    speeds.add([speed("retrain", "one", 4.0)])
    speeds = Speeds(tmp_path / "speeds.json")

    def factor(rule: str, experiment: str, networks: str = "cells", device: str = "cpu") -> float | None:
        found = speeds.of(rule, experiment, networks, device, 1)
        return None if found is None else found.factor

    assert factor("retrain", "one") == 4.0  # the newer one replaced the older one
    assert factor("retrain", "three") == 3.0
    assert factor("evaluate", "one") == (4 + 7) / 2
    assert factor("report", "one") is None
    assert factor("retrain", "one", networks="mobile") is None
    assert factor("retrain", "one", device="cuda") is None


def test_a_damaged_file_of_speeds_is_no_obstacle(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"speeds": [{"rule": "retrain"}]}'):
        (tmp_path / "speeds.json").write_text(text)
        assert Speeds(tmp_path / "speeds.json").known == []


def test_ledgers_of_this_run_alone_are_read(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    workload = Workload(plan, DIGITS)
    jobs = plan.jobs("retrain")
    for place, job in enumerate(jobs[:3]):
        cost = {"began": 100.0 * place, "device": "cpu (x86_64)", "threads": 1}
        write_json(plan.file("retrain", "cost", **job), cost | {"work_seconds": 5.0, "import_seconds": 2.0})
    (found,) = measured_since(plan, workload, "cells", since=50.0)
    assert (found.rule, found.jobs, found.work_seconds, found.device) == ("retrain", 2, 10.0, "cpu")
    assert found.assumed == pytest.approx(sum(assumed_seconds(workload.of("retrain", job)) for job in jobs[1:3]))
    assert kind_of("NVIDIA H200") == "cuda"


def check_text(plan: Plan, told: list[str]) -> None:
    """Language models: the config says the compute of each training."""
    jobs, recipe, rungs = all_jobs(plan), plan.config.retrain.recipe, plan.config.scaling.rungs
    assert told[0].startswith(f"Estimate for {plan.folder}: {len(jobs)} jobs, of which ")
    assert told[1].startswith("Time: unknown until a run here has measured it; about ")
    assert len(told) == 2
    assert recipe.compute is not None
    assert recipe.learning_rates is not None
    assert rungs.compute is not None
    assert training_flops(plan, "retrain", {}) == recipe.compute * len(recipe.learning_rates)
    first, last = (training_flops(plan, "train_rung", {"factor": factor}) for factor in ("1", "16"))
    assert last == 16 * first > 0
    for rule in ("evaluate", "train_sample", "train_shortlist"):
        assert all(training_flops(plan, rule, job) > 0 for job in plan.jobs(rule))
    assert training_flops(plan, "report", {}) == 0
    total = sum(training_flops(plan, *job) for job in jobs)
    assert f"{total:.2g} FLOPs in all" in told[0]


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_every_shipped_config_has_an_estimate(tmp_path: Path, file: Path) -> None:
    raw = merged([file])
    if raw["search"].get("estimator", {}).get("kind") == "table":
        return
    if raw.get("data", {}).get("source") == "folder":
        write_images(tmp_path / "images")
        raw["images"] = str(tmp_path / "images")
    elif raw.get("data", {}).get("source") == "npz":
        np.savez(tmp_path / "a.npz", images=np.zeros((50, 32, 32, 3), np.uint8), labels=np.arange(50) % 10)
        raw["images"] = str(tmp_path / "a.npz")
    plan = planned(tmp_path, raw)
    told = told_of(plan, all_jobs(plan), "cpu", 2)
    if isinstance(plan.config.data, TextData):
        check_text(plan, told)
        return
    assert told[0].startswith("Profile of the space ")
    assert sum(line.startswith("Estimate for ") for line in told) == 1
    later = told_of(plan, [job for job in all_jobs(plan) if job[0] == "retrain"], "cpu", 2)
    assert later[0].startswith("Estimate for ")
    assert told[-1].startswith("Time: ")
    images = images_of(plan)
    assert images is not None
    work = Workload(plan, images)
    for rule in ("train_sample", "retrain"):
        for job in plan.jobs(rule):
            assert work.of(rule, job).macs >= 0
    assert sum(work.of("retrain", job).passes for job in plan.jobs("retrain")) > 0


def test_adding_work_adds_each_part() -> None:
    assert Work(1, 2, 3, 4, 5) + Work(1, 1, 1, 1, 1) * 2 == Work(3, 4, 5, 6, 7)


def test_a_forecast_needs_no_torch() -> None:
    loaded = "{'torch', 'pandas', 'scipy'} & set(sys.modules)"
    code = f"import sys, nas_steps.workflow.forecast.telling; sys.exit(bool({loaded}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.workflow
def test_a_dry_run_says_how_long_it_takes(tmp_path: Path) -> None:
    told = snakemake(tmp_path, TINY, "--dry-run")
    assert told.returncode == 0
    assert "Estimate for results/tiny: 60 training images of 8 x 8 pixels" in told.stdout
    assert "Profile of the space small: " in told.stdout
    assert told.stdout.rstrip().rpartition("\n")[2].startswith("Time: unknown until a run here has measured it; about ")
    quiet = snakemake(tmp_path, TINY, "--dry-run", "--quiet")
    assert quiet.returncode == 0
    assert "Estimate" not in quiet.stdout + quiet.stderr
    for command in ("--list-rules", "--summary"):
        assert "Estimate" not in snakemake(tmp_path, TINY, command).stdout


@pytest.mark.workflow
def test_a_run_keeps_what_its_jobs_took(tmp_path: Path) -> None:
    target = ("--until", "budget")
    told = snakemake(tmp_path, TINY, *target)
    assert told.returncode == 0, told.stderr
    assert "Estimate for results/tiny" in told.stdout
    kept = json.loads((tmp_path / "results" / "settings" / "speeds.json").read_text())["speeds"]
    assert {one["rule"] for one in kept} == {"data", "budget"}
    cost = read_json(tmp_path / "results" / "tiny" / "search" / "budget.cost.json")
    assert next(one for one in kept if one["rule"] == "budget")["work_seconds"] == cost["work_seconds"]
    nothing = snakemake(tmp_path, TINY, *target, "--dry-run")
    assert "Estimate" not in nothing.stdout


@pytest.mark.skipif(not installed("lite0"), reason="the pretrained package is not installed")
def test_rivals_of_slices_are_counted_at_their_resolution(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    network = {"preset": "efficientnet_lite", "resolution": [64, 96]}
    config = {
        "data": {"source": "folder", "path": str(tmp_path / "images"), "resolution": 96},
        "weights": "lite0",
        "space": network,
        "search": {"strategies": {"random": {"evaluations": 2}}},
        "scaling": {"enabled": False},
    }
    plan = planned(tmp_path, config)
    work = Workload(plan, Images(300, 100, 100, 3, 96, 10))
    macs = {entry: work.of("retrain", {"entry": entry, "seed": 0}).macs for entry in plan.entries}
    built = size(f"{LITE0}".replace("stem_", "stem_i64_"), None, inputs=3, classes=10, side=96)  # type: ignore[arg-type]
    assert work.sizes.whole(64) == pytest.approx(built.macs, rel=0.01)
    assert macs["pretrained_r64"] < 0.6 * macs["pretrained_r96"]
    assert macs["pretrained_probe"] == pytest.approx(macs["pretrained_r96"] / 3)
    assert 0 < macs["uniform-0"] < macs["pretrained_r96"]


def test_frozen_stages_go_forward_alone(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    found = []
    for stages in (0, 4):
        plan = planned(
            tmp_path,
            {
                "data": {"source": "folder", "path": str(tmp_path / "images"), "resolution": 96},
                "weights": "lite0",
                "space": {"preset": "efficientnet_lite"},
                "search": {"strategies": {"random": {"evaluations": 2}}},
                "retrain": {"recipe": {"epochs": 2, "frozen_stages": stages}},
                "scaling": {"enabled": False},
            },
        )
        work = Workload(plan, Images(300, 100, 100, 3, 96, 10))
        found.append({entry: work.of("retrain", {"entry": entry, "seed": 0}).macs for entry in plan.entries})
    whole = parse_mobile(LITE0)
    counted = count_architecture(whole, Shape(3, 96, 10))[1]
    rest = counted - count_architecture(replace(whole, stages=whole.stages[:3]), Shape(3, 96, 10))[1]
    learning = 1 - work.sizes.frozen(4)
    assert rest / counted < learning < 0.75
    passed = 2 * 300
    saved = found[0]["pretrained"] - found[1]["pretrained"]
    assert saved == pytest.approx(2 * passed * counted * (1 - learning), rel=0.01)
    assert found[1]["pretrained_probe"] == found[0]["pretrained_probe"]
    assert found[1]["winner_from_nothing"] == found[0]["winner_from_nothing"]
